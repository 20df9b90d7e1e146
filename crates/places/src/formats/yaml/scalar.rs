//! Scalars of YAML: what they stand for and how they are written.

use std::str::Chars;

use zeroize::Zeroizing;

use crate::formats::json;

/// What a scalar stands for.
pub(super) struct Decoded {
    /// Its value.
    pub(super) value: Zeroizing<String>,
    /// Whether a reader takes it for text.
    pub(super) text: bool,
}

/// Whether these are the bytes of a `|` or `>` scalar.
pub(super) fn is_block(written: &str) -> bool {
    written.starts_with(['|', '>'])
}

/// What the bytes of a scalar stand for; `None` where this is not certain.
pub(super) fn decode(written: &str) -> Option<Decoded> {
    let text = |value| Decoded { value, text: true };
    match written.chars().next()? {
        '"' => double(inner(written)?).map(text),
        '\'' => Some(text(fold(inner(written)?, single))),
        '|' | '>' => block(written).map(text),
        _ => {
            let value = fold(written, |line, out| out.push_str(line));
            let text = !is_typed(&value);
            Some(Decoded { value, text })
        }
    }
}

/// A key: its bytes without quotes, and the name they stand for.
pub(super) struct Key<'a> {
    /// As it is written between the quotes.
    pub(super) written: &'a str,
    /// What it stands for.
    pub(super) name: String,
}

/// Reads a key; `None` for what is no simple key.
pub(super) fn key(written: &str) -> Option<Key<'_>> {
    let mut name = String::new();
    let written = match written.chars().next()? {
        '"' => inner(written).filter(|key| unescape(key, &mut name).is_some())?,
        '\'' => inner(written).inspect(|key| single(key, &mut name))?,
        '?' | '!' | '&' | '*' | '|' | '>' | '@' | '`' | '%' => return None,
        _ => {
            name.push_str(written);
            written
        }
    };
    (!written.contains('\n')).then_some(Key { written, name })
}

/// Bytes of the quoted scalar at the beginning of `rest`, quotes included.
pub(super) fn quoted_length(rest: &str) -> Option<usize> {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == '"' => at += 2,
            b'\'' if quote == '\'' && bytes.get(at + 1) == Some(&b'\'') => at += 2,
            byte if char::from(byte) == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

fn inner(written: &str) -> Option<&str> {
    (written.len() >= 2 && quoted_length(written)? == written.len())
        .then(|| &written[1..written.len() - 1])
}

/// Joins the lines of a scalar as YAML does: one break is a space, each further one stays.
fn fold(written: &str, mut line: impl FnMut(&str, &mut String)) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(written.len()));
    let lines: Vec<&str> = written.split('\n').collect();
    let mut breaks = 0;
    for (number, content) in lines.iter().enumerate() {
        let first = number == 0;
        let last = number + 1 == lines.len();
        let content = if first {
            content
        } else {
            content.trim_start_matches([' ', '\t'])
        };
        let content = if last {
            content
        } else {
            content.trim_end_matches([' ', '\t', '\r'])
        };
        if content.is_empty() && !first && !last {
            breaks += 1;
            continue;
        }
        if !first {
            if breaks == 0 {
                out.push(' ');
            }
            (0..breaks).for_each(|_| out.push('\n'));
            breaks = 0;
        }
        line(content, &mut out);
    }
    out
}

fn single(line: &str, out: &mut String) {
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            chars.next_if_eq(&'\'');
        }
        out.push(c);
    }
}

/// What stands between double quotes. Escaped line breaks are not read.
fn double(inner: &str) -> Option<Zeroizing<String>> {
    let mut known = true;
    let value = fold(inner, |line, out| known &= unescape(line, out).is_some());
    known.then_some(value)
}

fn unescape(line: &str, out: &mut String) -> Option<()> {
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let c = match chars.next()? {
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            't' | '\t' => '\t',
            'n' => '\n',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'r' => '\r',
            'e' => '\u{1b}',
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' => char::from_u32(hex(&mut chars, 2)?)?,
            'u' => unicode(&mut chars)?,
            'U' => char::from_u32(hex(&mut chars, 8)?)?,
            same @ (' ' | '"' | '/' | '\\') => same,
            _ => return None,
        };
        out.push(c);
    }
    Some(())
}

/// `\u` and four hex digits; a surrogate takes its second half along, as in JSON.
fn unicode(chars: &mut Chars<'_>) -> Option<char> {
    let high = hex(chars, 4)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high);
    }
    if (chars.next()?, chars.next()?) != ('\\', 'u') {
        return None;
    }
    let low = hex(chars, 4)?
        .checked_sub(0xdc00)
        .filter(|low| *low < 0x400)?;
    char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)
}

fn hex(chars: &mut Chars<'_>, digits: usize) -> Option<u32> {
    let code = chars.as_str().get(..digits)?;
    code.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
    *chars = chars.as_str()[digits..].chars();
    u32::from_str_radix(code, 16).ok()
}

/// A `|` or `>` scalar with all its lines. Not read: headers with an indentation or with `+`
/// (what they keep stands outside), folded ones with lines that are indented more.
fn block(written: &str) -> Option<Zeroizing<String>> {
    let (header, body) = written.split_once('\n')?;
    let header = header.split(" #").next().unwrap_or_default().trim_end();
    let folded = header.starts_with('>');
    let clips = match &header[1..] {
        "" => true,
        "-" => false,
        _ => return None,
    };
    let lines: Vec<&str> = body
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .collect();
    let indent = lines
        .iter()
        .find(|line| !line.trim().is_empty())
        .map_or(0, |line| line.len() - line.trim_start_matches(' ').len());
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.get(indent..).unwrap_or_default())
        .collect();
    if folded && lines.iter().any(|line| line.starts_with([' ', '\t'])) {
        return None;
    }
    let mut out = Zeroizing::new(String::with_capacity(written.len() + 1));
    let content = lines
        .iter()
        .rposition(|line| !line.is_empty())
        .map_or(0, |last| last + 1);
    let mut breaks = 0;
    for (number, line) in lines[..content].iter().enumerate() {
        match (folded, number, breaks) {
            (_, 0, _) => {}
            (false, ..) => out.push('\n'),
            (true, _, 0) if !line.is_empty() && !lines[number - 1].is_empty() => out.push(' '),
            (true, ..) if line.is_empty() => breaks += 1,
            (true, ..) => {
                (0..breaks).for_each(|_| out.push('\n'));
                breaks = 0;
            }
        }
        out.push_str(line);
    }
    if clips && content > 0 {
        // Without a line break before the end of the text there is none to keep.
        (lines.len() > content).then(|| out.push('\n'));
    }
    Some(out)
}

/// Whether any reader, of YAML 1.1 or 1.2, takes a bare scalar for something else than text.
fn is_typed(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let word = matches!(
        lower.as_str(),
        "" | "~" | "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let number = lower.trim_start_matches(['+', '-']);
    let digits = number.replace('_', "");
    let plain_number = number.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (digits.parse::<f64>().is_ok()
            || matches!(digits.as_str(), ".inf" | ".nan")
            || digits
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | '-')));
    let based = ["0x", "0o", "0b"].iter().any(|base| {
        digits
            .strip_prefix(base)
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    let timestamp = number.len() > 10
        && number.as_bytes()[..4].iter().all(u8::is_ascii_digit)
        && number
            .chars()
            .all(|c| c.is_ascii_digit() || "-:.tz+ ".contains(c));
    word || plain_number || based || timestamp
}

/// Writes a value in the style of the bytes that are there, or in double quotes where that
/// style cannot hold it.
pub(super) fn encode(raw: &str, value: &str) -> Zeroizing<String> {
    let printable = !value.chars().any(char::is_control);
    match raw.chars().next() {
        Some('"') => json::encode(value),
        Some('\'') if printable => in_single_quotes(value),
        Some('|' | '>') => {
            let mut out = json::encode(value);
            // The scalar's bytes run up to the next line, which has to stay one.
            out.push_str(line_breaks(raw));
            out
        }
        _ if is_plain(value) => Zeroizing::new(value.to_string()),
        _ => json::encode(value),
    }
}

fn line_breaks(raw: &str) -> &str {
    &raw[raw.trim_end_matches(['\r', '\n', ' ']).len()..]
}

fn in_single_quotes(value: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(value.len() * 2 + 2));
    out.push('\'');
    for c in value.chars() {
        out.extend((c == '\'').then_some('\''));
        out.push(c);
    }
    out.push('\'');
    out
}

/// Text for every reader, in block and flow alike, without quotes.
fn is_plain(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-./+=".contains(&b))
        && !is_typed(value)
}
