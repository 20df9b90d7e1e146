//! The trail: records kept in memory, delivered to the bucket in AWS's layout, and looked up.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cloud::Cloud;
use super::directory::lock;
use super::service::Service;
use crate::config::{HOME_REGION, TRAIL_BUCKET};
use crate::error::RangeError;
use crate::random;

/// Records of one range. Nothing is ever removed from memory.
#[derive(Default)]
pub(crate) struct Trail {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    records: Vec<Value>,
    /// How many records are in the bucket.
    delivered: usize,
}

impl Trail {
    pub(crate) fn add(&self, record: Value) {
        lock(&self.kept).records.push(record);
    }

    /// A copy of every record so far, in order.
    pub(crate) fn records(&self) -> Vec<Value> {
        lock(&self.kept).records.clone()
    }

    /// Writes what waits to the bucket, one object for each account and region.
    pub(crate) async fn deliver(&self, cloud: &Cloud) -> Result<(), RangeError> {
        let waiting: Vec<Value> = {
            let mut kept = lock(&self.kept);
            let waiting = kept.records[kept.delivered..].to_vec();
            kept.delivered = kept.records.len();
            waiting
        };
        let mut groups: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
        for record in waiting {
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let group = (text("recipientAccountId"), text("awsRegion"));
            groups.entry(group).or_default().push(record);
        }
        for ((account, region), records) in groups {
            let path = object_path(&account, &region, Timestamp::now());
            let body = gzip(&json!({ "Records": records }).to_string());
            cloud
                .rest(Service::S3, HOME_REGION, "PUT", &path, body.into())
                .await?;
        }
        Ok(())
    }

    /// Answers `LookupEvents`: management events of the region, newest first, paged.
    pub(crate) fn lookup(&self, region: &str, input: &Value) -> Value {
        let kept = lock(&self.kept);
        let mut found = kept
            .records
            .iter()
            .rev()
            .filter(|record| record["managementEvent"] == true && record["awsRegion"] == region)
            .filter(|record| matches_attributes(record, input) && in_window(record, input));
        let size = usize::try_from(input["MaxResults"].as_u64().unwrap_or(50)).unwrap_or(50);
        let start: usize = input["NextToken"]
            .as_str()
            .and_then(|token| token.parse().ok())
            .unwrap_or(0);
        let events: Vec<Value> = found
            .by_ref()
            .skip(start)
            .take(size.clamp(1, 50))
            .map(event)
            .collect();
        let mut answer = json!({ "Events": events });
        if found.next().is_some() {
            answer["NextToken"] = (start + events.len()).to_string().into();
        }
        answer
    }
}

fn object_path(account: &str, region: &str, now: Timestamp) -> String {
    format!(
        "/{TRAIL_BUCKET}/AWSLogs/{account}/CloudTrail/{region}/{}/{account}_CloudTrail_{region}_{}_{}.json.gz",
        now.strftime("%Y/%m/%d"),
        now.strftime("%Y%m%dT%H%MZ"),
        random::alphanumeric(16),
    )
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(text.as_bytes());
    written
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

fn matches_attributes(record: &Value, input: &Value) -> bool {
    input["LookupAttributes"]
        .as_array()
        .is_none_or(|attributes| {
            attributes.iter().all(|attribute| {
                let wanted = attribute["AttributeValue"].as_str().unwrap_or_default();
                let actual = match attribute["AttributeKey"].as_str().unwrap_or_default() {
                    "AccessKeyId" => &record["userIdentity"]["accessKeyId"],
                    "EventName" => &record["eventName"],
                    "EventSource" => &record["eventSource"],
                    "EventId" => &record["eventID"],
                    "Username" => return username(record) == wanted,
                    "ReadOnly" => return record["readOnly"].as_bool() == wanted.parse().ok(),
                    _ => return false,
                };
                actual.as_str() == Some(wanted)
            })
        })
}

fn in_window(record: &Value, input: &Value) -> bool {
    let Some(at) = time(record) else { return true };
    let bound = |name: &str| input[name].as_f64();
    let at = at.as_second();
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 fit a double"
    )]
    let at = at as f64;
    bound("StartTime").is_none_or(|start| at >= start.floor())
        && bound("EndTime").is_none_or(|end| at <= end)
}

fn time(record: &Value) -> Option<Timestamp> {
    record["eventTime"].as_str()?.parse().ok()
}

fn username(record: &Value) -> &str {
    let identity = &record["userIdentity"];
    identity["userName"]
        .as_str()
        .or_else(|| identity["arn"].as_str()?.rsplit('/').next())
        .unwrap_or_default()
}

fn event(record: &Value) -> Value {
    json!({
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": record["readOnly"].to_string(),
        "AccessKeyId": record["userIdentity"]["accessKeyId"],
        "EventTime": time(record).map(Timestamp::as_second),
        "EventSource": record["eventSource"],
        "Username": username(record),
        "Resources": [],
        "CloudTrailEvent": record.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail() -> Trail {
        let trail = Trail::default();
        for (index, key) in ["AKIA1", "AKIA2", "AKIA1"].iter().enumerate() {
            trail.add(json!({
                "eventID": index.to_string(), "eventName": "ListUsers", "readOnly": true,
                "eventSource": "iam.amazonaws.com", "awsRegion": "us-east-1",
                "eventTime": format!("2026-11-21T05:0{index}:00Z"), "managementEvent": true,
                "userIdentity": {"accessKeyId": key, "userName": "ada"},
            }));
        }
        trail
    }

    fn ids(answer: &Value) -> Vec<&str> {
        let events = answer["Events"].as_array().expect("events");
        events
            .iter()
            .filter_map(|event| event["EventId"].as_str())
            .collect()
    }

    #[test]
    fn looks_up_by_key_newest_first() {
        let input = json!({"LookupAttributes": [{"AttributeKey": "AccessKeyId", "AttributeValue": "AKIA1"}]});
        assert_eq!(ids(&trail().lookup("us-east-1", &input)), ["2", "0"]);
        assert!(ids(&trail().lookup("eu-west-1", &input)).is_empty());
    }

    #[test]
    fn pages_and_windows() {
        let trail = trail();
        let first = trail.lookup("us-east-1", &json!({"MaxResults": 2}));
        assert_eq!(ids(&first), ["2", "1"]);
        let rest = json!({"MaxResults": 2, "NextToken": first["NextToken"]});
        assert_eq!(ids(&trail.lookup("us-east-1", &rest)), ["0"]);
        let start: Timestamp = "2026-11-21T05:02:00Z".parse().expect("a time");
        let late = json!({"StartTime": start.as_second()});
        assert_eq!(ids(&trail.lookup("us-east-1", &late)), ["2"]);
    }
}
