//! Brings records that went through other tools back into CloudTrail's own form.
//!
//! Envelopes (EventBridge `detail`, LookupEvents `CloudTrailEvent`, log groups `message`, search
//! engines `_source` and `_raw`) are opened. Renamed fields are recognised without regard to
//! case, dots, dashes and underscores, and by the names of the Elastic Common Schema.

use serde_json::{Map, Value};

use crate::input::aws_findings::{self, Noted};

/// How deep envelopes may lie in one another.
const DEPTH: u8 = 5;

/// Keys that hold a record, or a string with the JSON of one.
const ENVELOPES: [&str; 13] = [
    "detail",
    "CloudTrailEvent",
    "cloudTrailEvent",
    "message",
    "Message",
    "_source",
    "_raw",
    "result",
    "body",
    "log",
    "event_data",
    "original",
    "raw",
];

/// Fields of a record and of its identity, lower case, without separators; the name on the right.
const FIELDS: [(&str, &str); 44] = [
    ("eventid", "eventID"),
    ("eventtime", "eventTime"),
    ("eventdatetime", "eventTime"),
    ("timestamp", "@timestamp"),
    ("eventsource", "eventSource"),
    ("eventprovider", "eventSource"),
    ("eventname", "eventName"),
    ("eventaction", "eventName"),
    ("eventtype", "eventType"),
    ("eventcategory", "eventCategory"),
    ("awsregion", "awsRegion"),
    ("region", "awsRegion"),
    ("cloudregion", "awsRegion"),
    ("sourceipaddress", "sourceIPAddress"),
    ("sourceip", "sourceIPAddress"),
    ("sourceaddress", "sourceIPAddress"),
    ("useragent", "userAgent"),
    ("requestuseragent", "userAgent"),
    ("useragentoriginal", "userAgent"),
    ("errorcode", "errorCode"),
    ("errormessage", "errorMessage"),
    ("readonly", "readOnly"),
    ("managementevent", "managementEvent"),
    ("recipientaccountid", "recipientAccountId"),
    ("sharedeventid", "sharedEventID"),
    (
        "sessioncredentialfromconsole",
        "sessionCredentialFromConsole",
    ),
    ("requestparameters", "requestParameters"),
    ("responseelements", "responseElements"),
    ("additionaleventdata", "additionalEventData"),
    ("resources", "resources"),
    ("useridentity", "userIdentity"),
    ("userid", "userIdentity"),
    ("type", "type"),
    ("principalid", "principalId"),
    ("arn", "arn"),
    ("accountid", "accountId"),
    ("accesskeyid", "accessKeyId"),
    ("username", "userName"),
    ("invokedby", "invokedBy"),
    ("sessioncontext", "sessionContext"),
    ("sessionissuer", "sessionIssuer"),
    ("attributes", "attributes"),
    ("creationdate", "creationDate"),
    ("sourceidentity", "sourceIdentity"),
];

/// Fields whose content may come as a string of JSON.
const STRUCTURED: [&str; 5] = [
    "userIdentity",
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "resources",
];

/// Fields whose inner names belong to the service called and are kept as they are.
const FOREIGN: [&str; 4] = [
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "resources",
];

/// What was found in a document.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// Records of events, each as canonical JSON text.
    pub(crate) records: Vec<String>,
    /// What AWS's detectors reported.
    pub(crate) findings: Vec<Noted>,
}

impl Opened {
    fn len(&self) -> usize {
        self.records.len() + self.findings.len()
    }
}

/// The records and findings in a document.
pub(crate) fn opened(document: &[u8]) -> Opened {
    let mut found = Opened::default();
    if let Ok(value) = serde_json::from_slice(document) {
        open(value, DEPTH, &mut found);
    }
    found
}

fn open(value: Value, depth: u8, found: &mut Opened) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| open(item, depth, found)),
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            if let Ok(inner) = serde_json::from_str(&text) {
                open(inner, depth, found);
            }
        }
        Value::Object(map) => open_object(map, depth, found),
        _ => {}
    }
}

fn open_object(mut map: Map<String, Value>, depth: u8, found: &mut Opened) {
    if let Some(finding) = aws_findings::read(&map) {
        found.findings.push(finding);
        return;
    }
    if is_event(&map) && !map.keys().any(|key| key.contains(['.', '_'])) {
        found.records.push(Value::Object(map).to_string());
        return;
    }
    let before = found.len();
    let inner = [
        "Records",
        "Events",
        "logEvents",
        "hits",
        "rows",
        "results",
        "event",
        "Findings",
        "findings",
    ]
    .into_iter()
    .chain(ENVELOPES);
    for key in inner {
        if let Some(value) = map.get(key).filter(|value| !value.is_null()) {
            open(value.clone(), depth, found);
            if found.len() > before {
                return;
            }
        }
    }
    map = rename(map);
    if is_event(&map) {
        found.records.push(Value::Object(map).to_string());
    }
}

fn is_event(map: &Map<String, Value>) -> bool {
    let has = |key: &str| {
        map.get(key)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    has("eventName")
        && (has("eventSource") || map.get("userIdentity").is_some_and(Value::is_object))
        && STRUCTURED
            .iter()
            .all(|key| !map.get(*key).is_some_and(Value::is_string))
        && !map
            .get("eventSource")
            .and_then(Value::as_str)
            .is_some_and(|source| source.starts_with("aws:"))
}

/// Renames what is recognisable and guesses the service where only the request names it.
fn rename(map: Map<String, Value>) -> Map<String, Value> {
    let mut flat = Vec::new();
    flatten(map, &mut Vec::new(), &mut flat);
    let mut renamed = Map::new();
    for (path, value) in flat {
        put(&mut renamed, &path, value);
    }
    for key in STRUCTURED {
        if let Some(Value::String(text)) = renamed.get(key) {
            let parsed = serde_json::from_str(text)
                .ok()
                .or_else(|| literal(text))
                .unwrap_or(Value::Null);
            renamed.insert(key.to_owned(), parsed);
        }
    }
    if !renamed.contains_key("eventSource")
        && renamed
            .get("requestParameters")
            .is_some_and(|request| request.get("bucketName").is_some())
    {
        renamed.insert("eventSource".into(), "s3.amazonaws.com".into());
    }
    if !renamed.contains_key("recipientAccountId")
        && let Some(account) = renamed
            .get("userIdentity")
            .and_then(|identity| identity.get("accountId"))
            .cloned()
    {
        renamed.insert("recipientAccountId".into(), account);
    }
    renamed
}

/// Every leaf with the canonical names of its path; what belongs to a service is one leaf.
fn flatten(map: Map<String, Value>, path: &mut Vec<String>, out: &mut Vec<(Vec<String>, Value)>) {
    for (key, value) in map {
        let depth = path.len();
        path.extend(canonical(path, &key));
        let foreign = path
            .first()
            .is_some_and(|first| FOREIGN.contains(&first.as_str()));
        match value {
            Value::Object(inner) if !foreign => flatten(inner, path, out),
            value => out.push((path.clone(), value)),
        }
        path.truncate(depth);
    }
}

/// `aws.cloudtrail.user_identity.arn` becomes `["userIdentity", "arn"]`.
fn canonical(path: &[String], key: &str) -> Vec<String> {
    let foreign = path
        .first()
        .is_some_and(|first| FOREIGN.contains(&first.as_str()));
    if foreign {
        return vec![key.to_owned()];
    }
    if let Some(name) = field(key).filter(|_| !key.contains('.')) {
        return vec![name.to_owned()];
    }
    // Common Schema names span the parent (`event` + `action`) or carry the dot themselves.
    let mut parts: Vec<String> = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        if let Some(name) = field(rest) {
            parts.push(name.to_owned());
            return parts;
        }
        let (head, tail) = rest.split_once('.').unwrap_or((rest, ""));
        if parts
            .first()
            .is_some_and(|first| FOREIGN.contains(&first.as_str()))
        {
            parts.push(head.to_owned());
        } else if let Some(name) = field(head) {
            parts.push(name.to_owned());
        } else if !is_noise(head) || tail.is_empty() {
            parts.push(head.to_owned());
        }
        rest = tail;
    }
    parts
}

fn is_noise(part: &str) -> bool {
    matches!(
        part,
        "aws" | "cloudtrail" | "flattened" | "detail" | "json" | "data" | "fields"
    )
}

fn field(key: &str) -> Option<&'static str> {
    let bare: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    FIELDS
        .iter()
        .find(|(name, _)| *name == bare)
        .map(|(_, canonical)| *canonical)
}

/// Puts a leaf at its path; names of the Common Schema that span two levels are joined here.
fn put(root: &mut Map<String, Value>, path: &[String], value: Value) {
    if value.is_null() || value.as_str() == Some("") {
        return;
    }
    let kept: Vec<&String> = path.iter().filter(|part| !is_noise(part)).collect();
    let joined = match kept.as_slice() {
        [a, b] => field(&format!("{a}{b}")).map(|name| vec![name.to_owned()]),
        _ => None,
    };
    let kept = joined.unwrap_or_else(|| kept.into_iter().cloned().collect());
    let Some((last, parents)) = kept.split_last() else {
        return;
    };
    let mut at = root;
    for part in parents {
        let slot = at
            .entry(part.clone())
            .or_insert_with(|| Value::Object(Map::new()));
        match slot {
            Value::Object(inner) => at = inner,
            _ => return,
        }
    }
    at.entry(last.clone()).or_insert(value);
}

/// Reads a literal in the style of Python (`{'a': 'b', 'c': None}`), as some exports print it.
fn literal(text: &str) -> Option<Value> {
    let mut json = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut chars = text.trim().chars();
    let mut word = String::new();
    while let Some(c) = chars.next() {
        match quote {
            Some(q) if c == q => {
                json.push('"');
                quote = None;
            }
            Some(_) if c == '\\' => match chars.next()? {
                '\'' => json.push('\''),
                other => json.extend(['\\', other]),
            },
            Some(_) if c == '"' => json.push_str("\\\""),
            Some(_) => json.push(c),
            None if c == '\'' || c == '"' => {
                json.push('"');
                quote = Some(c);
            }
            None if c.is_ascii_alphabetic() => word.push(c),
            None => {
                json.push_str(constant(&std::mem::take(&mut word))?);
                json.push(c);
            }
        }
    }
    serde_json::from_str(&json).ok()
}

fn constant(word: &str) -> Option<&'static str> {
    Some(match word {
        "" => "",
        "None" | "null" => "null",
        "True" | "true" => "true",
        "False" | "false" => "false",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Value {
        let found = opened(text.as_bytes()).records;
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        serde_json::from_str(&found[0]).expect("JSON")
    }

    #[test]
    fn envelopes_are_opened() {
        let record = r#"{"eventName":"A","eventSource":"s"}"#;
        let quoted = Value::String(record.into()).to_string();
        for envelope in [
            format!(r#"{{"version":"0","source":"aws.sts","detail":{record}}}"#),
            format!(r#"{{"EventId":"1","EventName":"A","CloudTrailEvent":{quoted}}}"#),
            format!(r#"{{"timestamp":1,"message":{quoted}}}"#),
            format!(r#"{{"_index":"x","_source":{record}}}"#),
            format!(r#"{{"preview":false,"result":{{"_raw":{quoted}}}}}"#),
            format!(r#"{{"hits":{{"hits":[{{"_source":{record}}}]}}}}"#),
        ] {
            assert_eq!(one(&envelope)["eventName"], "A", "{envelope}");
        }
    }

    #[test]
    fn renamed_fields_are_recognised() {
        for text in [
            r#"{"eventname":"A","eventsource":"s","useridentity":"{\"arn\":\"x\"}","requestparameters":"{\"roleArn\":\"r\"}"}"#,
            r#"{"event_name":"A","event_source":"s","user_identity":{"arn":"x"},"request_parameters":{"roleArn":"r"}}"#,
            r#"{"eventName":"A","eventSource":"s","userIdentity.arn":"x","requestParameters.roleArn":"r"}"#,
            r#"{"event":{"action":"A","provider":"s"},"aws":{"cloudtrail":{"user_identity":{"arn":"x"},"request_parameters":"{'roleArn': 'r'}"}}}"#,
            r#"{"event.action":"A","event.provider":"s","aws.cloudtrail.user_identity.arn":"x","aws.cloudtrail.flattened.request_parameters.roleArn":"r"}"#,
        ] {
            let event = one(text);
            assert_eq!(
                (event["eventName"].as_str(), event["eventSource"].as_str()),
                (Some("A"), Some("s")),
                "{event}"
            );
            assert_eq!(
                (
                    event["userIdentity"]["arn"].as_str(),
                    event["requestParameters"]["roleArn"].as_str()
                ),
                (Some("x"), Some("r")),
                "{event}"
            );
        }
        assert_eq!(opened(br#"{"hello":"world"}"#).len(), 0);
    }

    #[test]
    fn python_literals_are_read() {
        assert_eq!(
            literal("{'a': 'it\\'s \"b\"', 'c': None, 'd': [True, 1]}").expect("read"),
            serde_json::json!({"a": "it's \"b\"", "c": null, "d": [true, 1]})
        );
        assert!(literal("{nonsense: 1}").is_none());
    }
}
