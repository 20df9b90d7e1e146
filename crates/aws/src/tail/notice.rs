//! What a message says: S3's own notifications, what an SNS topic wraps around them, CloudTrail's
//! notifications, and EventBridge's events.

use serde_json::Value;

/// How often one message may be wrapped into another: S3 to SNS to SQS is one.
const WRAPPERS: usize = 4;

/// One thing that a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A file was written.
    Written {
        /// The bucket.
        bucket: String,
        /// The key, decoded.
        key: String,
    },
    /// A file was removed, by a hand or by a rule of the bucket.
    Removed {
        /// The bucket.
        bucket: String,
        /// The key, decoded.
        key: String,
        /// The kind of event: `ObjectRemoved:Delete`, `LifecycleExpiration:Delete`.
        how: String,
    },
    /// A record of CloudTrail itself, as JSON text.
    Record(String),
    /// Nothing that matters here: a test, or another kind of event.
    Nothing {
        /// What it was.
        what: String,
    },
}

/// A message that says nothing we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// It is no JSON object.
    #[error("the message is no JSON object")]
    NotJson,
    /// It is no notification of a kind that is known.
    #[error("the message is no notification of S3, SNS, CloudTrail or EventBridge")]
    Unknown,
    /// A notification without what it should name.
    #[error("the notification names no {0}")]
    Lacks(&'static str),
}

/// What a message says, in its order.
pub fn notices(body: &str) -> Result<Vec<Notice>, NoticeError> {
    let mut body = body.to_owned();
    for _ in 0..WRAPPERS {
        let message: Value = serde_json::from_str(&body).map_err(|_| NoticeError::NotJson)?;
        match wrapped(&message) {
            Some(inner) => inner.clone_into(&mut body),
            None => return said(&message),
        }
    }
    Err(NoticeError::Unknown)
}

/// The text that SNS carries.
fn wrapped(message: &Value) -> Option<&str> {
    message.get("TopicArn")?;
    message.get("Message")?.as_str()
}

fn said(message: &Value) -> Result<Vec<Notice>, NoticeError> {
    if !message.is_object() {
        return Err(NoticeError::NotJson);
    }
    if let Some(records) = message.get("Records").and_then(Value::as_array) {
        return records.iter().map(of_s3).collect();
    }
    if let Some(keys) = message.get("s3ObjectKey").and_then(Value::as_array) {
        let bucket = text(message, "/s3Bucket").ok_or(NoticeError::Lacks("bucket"))?;
        return keys.iter().map(|key| of_trail(bucket, key)).collect();
    }
    if let Some(what) = text(message, "/Event").filter(|event| event.ends_with(":TestEvent")) {
        return Ok(vec![nothing(what)]);
    }
    match text(message, "/detail-type") {
        Some(kind) => Ok(vec![of_bridge(message, kind)?]),
        None => Err(NoticeError::Unknown),
    }
}

/// A record of S3's own notification. Its keys are encoded as in a form
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
fn of_s3(record: &Value) -> Result<Notice, NoticeError> {
    let how = text(record, "/eventName").ok_or(NoticeError::Lacks("event"))?;
    let bucket = text(record, "/s3/bucket/name").ok_or(NoticeError::Lacks("bucket"))?;
    let key = text(record, "/s3/object/key").ok_or(NoticeError::Lacks("key"))?;
    Ok(file(how, bucket, decoded(key)))
}

fn of_trail(bucket: &str, key: &Value) -> Result<Notice, NoticeError> {
    let key = key.as_str().ok_or(NoticeError::Lacks("key"))?;
    Ok(file("ObjectCreated", bucket, key.to_owned()))
}

/// An event of EventBridge: S3 writes keys as they are there.
fn of_bridge(message: &Value, kind: &str) -> Result<Notice, NoticeError> {
    let detail = message.get("detail").ok_or(NoticeError::Lacks("detail"))?;
    if kind.ends_with("via CloudTrail") || detail.get("eventVersion").is_some() {
        return Ok(Notice::Record(detail.to_string()));
    }
    let how = match kind {
        "Object Created" => "ObjectCreated",
        "Object Deleted" => "ObjectRemoved",
        _ => return Ok(nothing(kind)),
    };
    let how = match text(detail, "/reason") {
        Some(reason) if how == "ObjectRemoved" => format!("{how}:{reason}"),
        _ => how.to_owned(),
    };
    let bucket = text(detail, "/bucket/name").ok_or(NoticeError::Lacks("bucket"))?;
    let key = text(detail, "/object/key").ok_or(NoticeError::Lacks("key"))?;
    Ok(file(&how, bucket, key.to_owned()))
}

fn file(how: &str, bucket: &str, key: String) -> Notice {
    let bucket = bucket.to_owned();
    let how = how.strip_prefix("s3:").unwrap_or(how);
    if how.starts_with("ObjectCreated") {
        Notice::Written { bucket, key }
    } else if how.starts_with("ObjectRemoved") || how.starts_with("LifecycleExpiration") {
        let how = how.to_owned();
        Notice::Removed { bucket, key, how }
    } else {
        nothing(how)
    }
}

fn nothing(what: &str) -> Notice {
    Notice::Nothing {
        what: what.to_owned(),
    }
}

fn decoded(key: &str) -> String {
    let pair = format!("k={key}");
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map_or_else(|| key.to_owned(), |(_, value)| value.into_owned())
}

fn text<'m>(message: &'m Value, pointer: &str) -> Option<&'m str> {
    message.pointer(pointer)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(bucket: &str, key: &str) -> Notice {
        Notice::Written {
            bucket: bucket.into(),
            key: key.into(),
        }
    }

    fn s3(how: &str, key: &str) -> Value {
        json!({"eventName": how, "s3": {"bucket": {"name": "b"}, "object": {"key": key}}})
    }

    #[test]
    fn each_kind_of_message_is_read() {
        let two = json!({"Records": [s3("ObjectCreated:Put", "a+b%3Dc%26d.json.gz"),
                                     s3("ObjectRemoved:Delete", "x")]});
        let removed = |how: &str| Notice::Removed {
            bucket: "b".into(),
            key: "x".into(),
            how: how.into(),
        };
        let both = vec![
            written("b", "a b=c&d.json.gz"),
            removed("ObjectRemoved:Delete"),
        ];
        assert_eq!(notices(&two.to_string()), Ok(both.clone()));
        let sns = json!({"Type": "Notification", "TopicArn": "arn:x", "Message": two.to_string()});
        assert_eq!(notices(&sns.to_string()), Ok(both));
        let trail = json!({"s3Bucket": "b", "s3ObjectKey": ["a+b.json.gz"]});
        assert_eq!(
            notices(&trail.to_string()),
            Ok(vec![written("b", "a+b.json.gz")])
        );
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"});
        assert_eq!(
            notices(&test.to_string()),
            Ok(vec![nothing("s3:TestEvent")])
        );
        let record = json!({"eventVersion": "1.08", "eventID": "e"});
        let bridge =
            json!({"detail-type": "AWS API Call via CloudTrail", "detail": record.clone()});
        assert_eq!(
            notices(&bridge.to_string()),
            Ok(vec![Notice::Record(record.to_string())])
        );
        let object = |kind: &str| {
            let detail = json!({"bucket": {"name": "b"}, "object": {"key": "x"}, "reason": "y"});
            notices(&json!({"detail-type": kind, "detail": detail}).to_string())
        };
        assert_eq!(object("Object Created"), Ok(vec![written("b", "x")]));
        assert_eq!(
            object("Object Deleted"),
            Ok(vec![removed("ObjectRemoved:y")])
        );
        assert_eq!(
            object("Object Restored"),
            Ok(vec![nothing("Object Restored")])
        );
    }

    #[test]
    fn what_is_no_notification_is_said_to_be_none() {
        let mut nested = json!({"Records": []}).to_string();
        for _ in 0..WRAPPERS {
            nested = json!({"TopicArn": "t", "Message": nested}).to_string();
        }
        for (body, why) in [
            ("hello", NoticeError::NotJson),
            ("[]", NoticeError::NotJson),
            ("{}", NoticeError::Unknown),
            (&nested, NoticeError::Unknown),
            (r#"{"Records":[{}]}"#, NoticeError::Lacks("event")),
            (r#"{"s3ObjectKey":["a"]}"#, NoticeError::Lacks("bucket")),
            (
                r#"{"detail-type":"Object Created"}"#,
                NoticeError::Lacks("detail"),
            ),
        ] {
            assert_eq!(notices(body), Err(why), "{body}");
        }
    }
}
