//! Events as CSV and as JSON lines.

use std::io::Write;

use crate::moment::{Moment, in_order};
use crate::write::WriteError;

const HEAD: [&str; 17] = [
    "time",
    "verdict",
    "actor",
    "account",
    "region",
    "call",
    "address",
    "client",
    "error",
    "reason",
    "event_id",
    "from",
    "reads",
    "made",
    "tactics",
    "techniques",
    "detections",
];

/// Writes events as CSV (RFC 4180), one a line, by time.
///
/// Every cell is quoted. What a spreadsheet could take for a formula (a cell, or what follows a
/// semicolon in it, that after leading blanks and quotes begins with `=`, `+`, `-`, `@`, a tab or
/// a carriage return) gets a leading apostrophe, which is part of the text for every other
/// reader. Items of a list are joined with `; `.
///
/// # Errors
/// When the writer fails.
pub fn csv(moments: &[Moment], out: &mut impl Write) -> Result<(), WriteError> {
    line(&HEAD.map(String::from), out)?;
    for moment in in_order(moments) {
        line(&cells(&moment), out)?;
    }
    Ok(())
}

fn cells(moment: &Moment) -> [String; 17] {
    [
        moment.time.map(|time| time.to_string()).unwrap_or_default(),
        moment.verdict.word().to_owned(),
        moment.actor.clone(),
        moment.account.clone(),
        moment.region.clone(),
        moment.call.clone(),
        moment.address.clone(),
        moment.client.clone(),
        moment.error.clone().unwrap_or_default(),
        moment.reason.clone(),
        moment.event_id.clone(),
        moment.from.clone().unwrap_or_default(),
        list(&moment.reads),
        list(&moment.made),
        list(&moment.tactics),
        list(&moment.techniques),
        list(&moment.detections),
    ]
}

/// Writes events as JSON, one [`Moment`] a line, by time.
///
/// # Errors
/// When the writer fails.
pub fn json_lines(moments: &[Moment], out: &mut impl Write) -> Result<(), WriteError> {
    for moment in in_order(moments) {
        serde_json::to_writer(&mut *out, &moment)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// One line of CSV.
pub(crate) fn line(cells: &[String], out: &mut impl Write) -> Result<(), WriteError> {
    let quoted: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    out.write_all(quoted.join(",").as_bytes())?;
    out.write_all(b"\r\n")?;
    Ok(())
}

/// One cell, quoted and guarded against being taken for a formula. What stands after a semicolon
/// is guarded too: a spreadsheet that splits there would see the rest as a cell of its own.
fn cell(text: &str) -> String {
    let parts: Vec<String> = text.split(';').map(guarded).collect();
    format!("\"{}\"", parts.join(";").replace('"', "\"\""))
}

/// An apostrophe before what a spreadsheet could take for a formula, quoted or not.
fn guarded(part: &str) -> String {
    let guard = if is_formula(part) { "'" } else { "" };
    format!("{guard}{part}")
}

fn is_formula(text: &str) -> bool {
    let blank = |c: char| c == '"' || (c.is_whitespace() && !"\t\r\n".contains(c));
    let signs = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    text.trim_start_matches(blank).starts_with(signs)
}

/// Items in one cell.
pub(crate) fn list(items: &[String]) -> String {
    items.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_guarded() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "  =1",
            "\"=1",
            "\u{3000}=1",
        ] {
            assert!(cell(text).starts_with("\"'"), "{text:?}");
        }
        assert_eq!(cell("a=b \"c\""), "\"a=b \"\"c\"\"\"");
        assert_eq!(cell(""), "\"\"");
        assert_eq!(cell("Mozilla; =cmd|x;@y"), "\"Mozilla;' =cmd|x;'@y\"");
    }
}
