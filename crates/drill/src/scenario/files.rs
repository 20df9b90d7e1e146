//! Files as places: writing them, and reading one field as a consumer does.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

/// The text of a file with these fields, in the format its name asks for.
pub(crate) fn render(path: &str, fields: &[(String, String)]) -> String {
    let lines = |before: &str, separator: &str, quote: &str| {
        let mut text = before.to_owned();
        for (name, value) in fields {
            let indent = if before.contains("credentials:") {
                "  "
            } else {
                ""
            };
            let _ = writeln!(text, "{indent}{name}{separator}{quote}{value}{quote}");
        }
        text
    };
    match path.rsplit('.').next() {
        Some("json") => {
            let members: Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().into()))
                .collect();
            let body = json!({"service": path, "log_level": "info", "credentials": members});
            format!("{body:#}\n")
        }
        Some("toml") => lines(
            "# settings of the service\nlog_level = \"info\"\n\n[credentials]\n",
            " = ",
            "\"",
        ),
        Some("yaml") => lines(
            "# settings of the service\nlog_level: info\ncredentials:\n",
            ": ",
            "\"",
        ),
        _ => lines("# environment of the service\nLOG_LEVEL=info\n", "=", ""),
    }
}

/// One field of a file; nothing if the file cannot be read or lacks it.
pub(crate) fn read_field(path: &Path, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        let body: Value = serde_json::from_str(&text).ok()?;
        return find(&body, field).map(str::to_owned);
    }
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix(field)?.trim_start();
        let value = rest.strip_prefix(['=', ':'])?.trim();
        Some(value.trim_matches(['"', '\'']).to_owned())
    })
}

fn find<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    let members = value.as_object()?;
    members
        .get(field)
        .and_then(Value::as_str)
        .or_else(|| members.values().find_map(|inner| find(inner, field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(name.trim_start_matches('/'));
        let fields = [
            ("key_one".to_owned(), "sk-1=x".to_owned()),
            ("key".to_owned(), "sk-2".to_owned()),
        ];
        std::fs::write(&path, render(name, &fields)).expect("written");
        assert_eq!(
            read_field(&path, "key_one").as_deref(),
            Some("sk-1=x"),
            "{name}"
        );
        assert_eq!(read_field(&path, "key").as_deref(), Some("sk-2"), "{name}");
        assert_eq!(read_field(&path, "absent"), None, "{name}");
    }

    #[test]
    fn every_format_reads_back() {
        for name in [".env", "a.json", "a.toml", "a.yaml"] {
            check(name);
        }
    }
}
