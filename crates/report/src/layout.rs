//! Canonical JSON laid out for reading: same bytes for the same data, on every machine.

/// Lays out canonical JSON (RFC 8785) with one field or item a line, two blanks a level and a
/// line feed at the end. Works on the text, so that the order of fields stays the canonical
/// one. The input must be JSON without blanks between tokens.
pub(crate) fn spread(canonical: &str) -> String {
    let mut out = String::with_capacity(canonical.len() * 2);
    let mut depth = 0usize;
    let mut chars = canonical.chars().peekable();
    let (mut in_text, mut escaped) = (false, false);
    while let Some(c) = chars.next() {
        if in_text {
            out.push(c);
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '{' | '[' => {
                out.push(c);
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                in_text = true;
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push('\n');
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lays_out_and_leaves_text_alone() {
        let canonical = r#"{"a":[],"b":{"c":"x,\"{:}\\"},"d":[1,true]}"#;
        let expected = "{\n  \"a\": [],\n  \"b\": {\n    \"c\": \"x,\\\"{:}\\\\\"\n  },\n  \
                        \"d\": [\n    1,\n    true\n  ]\n}\n";
        assert_eq!(spread(canonical), expected);
    }
}
