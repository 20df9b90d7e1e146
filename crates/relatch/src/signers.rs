//! OpenSSH's allowed-signers file: who may approve plans (`ssh-keygen(1)`, ALLOWED SIGNERS).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use relatch_case::approval::NAMESPACE;
use relatch_case::policy::Approver;
use ssh_key::{Algorithm, EcdsaCurve, PublicKey};

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Signers {
    /// Who may approve now, in the order of the file.
    pub(crate) approvers: Vec<Approver>,
    /// Lines that do not count now, each with the reason.
    pub(crate) left_out: Vec<String>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub(crate) struct SignersError {
    line: usize,
    why: String,
}

/// One line, taken apart.
struct Line<'a> {
    principals: &'a str,
    options: Vec<(String, String)>,
    key: &'a str,
}

/// Reads a file as of `now`. One person is one approver, whatever number of keys he has, and
/// one key is one person's.
pub(crate) fn read(text: &str, now: Timestamp) -> Result<Signers, SignersError> {
    let mut signers = Signers::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let taken = take(line, now).and_then(|taken| match taken {
            Ok(approver) => add(&mut signers.approvers, approver),
            Err(reason) => {
                signers.left_out.push(format!("line {number}: {reason}"));
                Ok(())
            }
        });
        taken.map_err(|why| SignersError { line: number, why })?;
    }
    Ok(signers)
}

fn add(approvers: &mut Vec<Approver>, new: Approver) -> Result<(), String> {
    match approvers.iter().find(|known| known.key == new.key) {
        Some(known) if known.name != new.name => Err(format!(
            "the key of {} is also the key of {}: one key is one approver",
            new.name, known.name
        )),
        Some(_) => Ok(()),
        None => {
            approvers.push(new);
            Ok(())
        }
    }
}

/// The approver of a line, or why the line does not count now.
fn take(line: &str, now: Timestamp) -> Result<Result<Approver, String>, String> {
    let line = split(line)?;
    let name = name(line.principals)?;
    for (option, value) in &line.options {
        let counts = match option.as_str() {
            "cert-authority" => {
                return Err(
                    "certificate authorities are not supported: list the approvers' own keys"
                        .to_string(),
                );
            }
            "namespaces" => is_listed(NAMESPACE, value),
            "valid-after" => now >= time(value)?,
            "valid-before" => now <= time(value)?,
            other => return Err(format!("the option {other} is not known")),
        };
        if !counts {
            return Ok(Err(format!("{name} does not count: {option}=\"{value}\"")));
        }
    }
    let key = PublicKey::from_openssh(line.key).map_err(|error| format!("no SSH key: {error}"))?;
    if !is_supported(&key.algorithm()) {
        return Ok(Err(format!(
            "{name} does not count: keys of type {} cannot be checked",
            key.algorithm()
        )));
    }
    let mut words = line.key.split_ascii_whitespace();
    let key = [words.next(), words.next()].map(Option::unwrap_or_default);
    Ok(Ok(Approver {
        name,
        key: key.join(" "),
    }))
}

fn is_supported(algorithm: &Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::Ed25519
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256
            | Algorithm::Rsa { .. }
            | Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256 | EcdsaCurve::NistP384
            }
    )
}

/// The first principal names the person; others are the same one's.
fn name(principals: &str) -> Result<String, String> {
    let first = principals.split(',').next().unwrap_or_default().trim();
    if first.is_empty() || first.chars().any(char::is_control) {
        return Err("it names nobody".to_string());
    }
    if principals.contains(['*', '?', '!']) {
        return Err(format!(
            "{principals} is a pattern: an approver needs a name, so that people can be counted"
        ));
    }
    Ok(first.to_string())
}

fn split(line: &str) -> Result<Line<'_>, String> {
    let (principals, rest) = field(line)?;
    let principals = principals.trim_matches('"');
    if begins_with_key(rest) {
        return Ok(Line {
            principals,
            options: Vec::new(),
            key: rest,
        });
    }
    let (options, key) = field(rest)?;
    if !begins_with_key(key) {
        return Err("it needs principals, options if any, a key type and a key".to_string());
    }
    Ok(Line {
        principals,
        options: options_of(options)?,
        key,
    })
}

fn begins_with_key(text: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"]
        .iter()
        .any(|kind| text.starts_with(kind))
}

/// The text up to white space outside of quotes, and the rest.
fn field(text: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => return Ok((&text[..at], text[at..].trim_start())),
            _ => {}
        }
    }
    if quoted {
        return Err("a quote is not closed".to_string());
    }
    Err("it needs principals, a key type and a key".to_string())
}

/// `namespaces="a,b",valid-before=20301231` as pairs.
fn options_of(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut options = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let name = rest[..end].to_lowercase();
        let mut value = String::new();
        rest = &rest[end..];
        if let Some(after) = rest.strip_prefix('=') {
            let (found, left) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
                None => after.split_at(after.find(',').unwrap_or(after.len())),
            };
            value = found.to_string();
            rest = left;
        }
        rest = match rest.strip_prefix(',') {
            Some(next) => next,
            None if rest.is_empty() => rest,
            None => return Err(format!("the options {text} cannot be read")),
        };
        options.push((name, value));
    }
    Ok(options)
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, with a `Z` in UTC, else in local time.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{text} is no time: write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS");
    let (digits, zone) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, TimeZone::UTC),
        None => (text, TimeZone::system()),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
        return Err(wrong());
    }
    let full = format!("{digits:0<14}");
    let at = DateTime::strptime("%Y%m%d%H%M%S", full).map_err(|_| wrong())?;
    let at = at.to_zoned(zone).map_err(|_| wrong())?;
    Ok(at.timestamp())
}

/// Whether a list of patterns takes a name: one that begins with `!` takes it out again.
fn is_listed(name: &str, patterns: &str) -> bool {
    let mut listed = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(not) if fits(name, not) => return false,
            Some(_) => {}
            None => listed |= fits(name, pattern),
        }
    }
    listed
}

/// `*` stands for anything, `?` for one character.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            (0..=name.len()).any(|at| name.is_char_boundary(at) && fits(&name[at..], rest))
        }
        Some(c) => name
            .chars()
            .next()
            .filter(|first| c == '?' || *first == c)
            .is_some_and(|first| fits(&name[first.len_utf8()..], &pattern[c.len_utf8()..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    const B: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICKQ0gsqPkpk7aBhpLmY/yMyqoJnN6LKkFT5xZyZ8Y5d";

    fn now() -> Timestamp {
        "2026-11-21T03:00:00Z".parse().expect("a time")
    }

    fn names(text: &str) -> Result<Vec<String>, String> {
        let signers = read(text, now()).map_err(|error| error.to_string())?;
        Ok(signers.approvers.into_iter().map(|a| a.name).collect())
    }

    #[test]
    fn people_are_read_with_their_keys() {
        let text = format!(
            "# who may approve\n\nalice,alice@example.com {A} laptop\n\
             bob namespaces=\"git,plan@*\",valid-before=20301231 {B}\nalice {A}\n"
        );
        let signers = read(&text, now()).expect("read");
        let named: Vec<(&str, &str)> = signers
            .approvers
            .iter()
            .map(|a| (a.name.as_str(), a.key.as_str()))
            .collect();
        assert_eq!(named, [("alice", A), ("bob", B)]);
        assert!(signers.left_out.is_empty());
    }

    #[test]
    fn who_does_not_count_now_is_named() {
        for option in [
            "namespaces=\"git\"",
            "namespaces=\"*,!plan@relatch\"",
            "valid-before=20201231",
            "valid-after=20301231Z",
            "VALID-AFTER=\"203012312359\"",
        ] {
            let signers = read(&format!("alice {option} {A}"), now()).expect(option);
            assert!(signers.approvers.is_empty(), "{option}");
            assert!(signers.left_out[0].starts_with("line 1: alice"), "{option}");
        }
        let valid = format!("alice valid-after=202611210259Z,valid-before=20261121030001Z {A}");
        assert_eq!(names(&valid).expect("read"), ["alice"]);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for (line, why) in [
            (
                format!("alice cert-authority {A}"),
                "certificate authorities",
            ),
            (format!("*@example.com {A}"), "is a pattern"),
            (
                format!("alice {A}\nbob {A}"),
                "line 2: the key of bob is also the key of alice",
            ),
            (format!("alice valid-before=soon {A}"), "is no time"),
            (format!("alice agent-forwarding {A}"), "is not known"),
            (format!("alice namespaces=\"git {A}"), "quote is not closed"),
            ("alice".to_string(), "needs principals"),
            ("alice ssh-ed25519 AAAA".to_string(), "no SSH key"),
            (A.to_string(), "needs principals"),
        ] {
            let error = names(&line).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }
}
