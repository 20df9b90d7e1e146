//! A row of an answer as the record it came from.

use serde_json::{Map, Value};

use super::columns::{Kind, columns};

/// A row that is not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// A column that no statement returns.
    #[error("the answer has a column `{name}`, which was not asked for")]
    Column {
        /// Its name.
        name: String,
    },
}

/// The JSON text of a record, from the names and values of a row; nulls are left out. What was
/// neither text nor JSON in the record, such as `readOnly`, comes back as text.
pub fn record<'r>(
    row: impl IntoIterator<Item = (&'r str, Option<&'r str>)>,
) -> Result<String, RowError> {
    let mut record = Map::new();
    for (name, value) in row {
        // Some engines turn the names of an answer into lower case.
        let found = columns().find(|(field, _)| field.eq_ignore_ascii_case(name));
        let (field, kind) = found.ok_or_else(|| RowError::Column {
            name: name.to_owned(),
        })?;
        let Some(value) = value else { continue };
        let text = || Value::String(value.to_owned());
        let value = match kind {
            Kind::Text => text(),
            Kind::Json | Kind::Map | Kind::Resources => {
                serde_json::from_str(value).unwrap_or_else(|_| text())
            }
        };
        put(&mut record, field, value);
    }
    Ok(Value::Object(record).to_string())
}

fn put(map: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        map.insert(path.to_owned(), value);
        return;
    };
    let inner = map
        .entry(first)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_find_their_place_again() {
        let row = [
            ("eventName", Some("GetObject")),
            ("userIdentity.type", Some("IAMUser")),
            (
                "userIdentity.sessionContext.sessionIssuer.arn",
                Some("arn:x"),
            ),
            ("requestParameters", Some(r#"{"key":"a","n":5}"#)),
            ("responseElements", None),
            ("additionalEventData", Some("not JSON")),
        ];
        let wanted = r#"{"additionalEventData":"not JSON","eventName":"GetObject","requestParameters":{"key":"a","n":5},"userIdentity":{"sessionContext":{"sessionIssuer":{"arn":"arn:x"}},"type":"IAMUser"}}"#;
        let found: Value = serde_json::from_str(&record(row).expect("a record")).expect("JSON");
        assert_eq!(found, serde_json::from_str::<Value>(wanted).expect("JSON"));
        assert_eq!(
            record([("eventname", Some("x"))]).expect("a record"),
            r#"{"eventName":"x"}"#
        );
        record([("event", None)]).expect_err("no such column");
    }
}
