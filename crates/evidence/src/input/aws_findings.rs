//! What AWS's own detectors reported: GuardDuty findings and CloudTrail Insights. Evidence, but
//! not calls: they never count as events.
//!
//! Forms that are read: `GetFindings` of GuardDuty (names in `PascalCase`), the same finding from
//! EventBridge and from the export to S3 (names in `camelCase`, see "GuardDuty finding format" and
//! "Finding details" in its user guide), GuardDuty findings in Security Hub's format (ASFF), and
//! Insights records of trails and of event data stores ("CloudTrail record contents for Insights
//! events" in the CloudTrail user guide).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::input::guardduty;
use crate::input::insight;
use crate::input::record::{parse_time, show_time};
use crate::text::sanitize;

/// Longest text kept of a finding, in bytes.
const LONGEST: usize = 1000;

/// Most entries kept of a list in a finding.
const MOST: usize = 200;

/// Something that a detector of AWS reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsFinding {
    /// `guardduty` or `insight`.
    pub source: String,
    /// The finding's id; of Insights the id that its start and its end share.
    pub id: String,
    /// Its type, such as `UnauthorizedAccess:IAMUser/TorIPCaller` or `ApiErrorRateInsight`.
    pub kind: String,
    /// One line about it, as AWS put it.
    pub title: String,
    /// `low`, `medium`, `high` or `critical`; Insights have none.
    pub severity: Option<String>,
    /// The account it is about.
    pub account: Option<String>,
    /// The region it was reported in.
    pub region: Option<String>,
    /// When it was first seen, RFC 3339.
    pub first: Option<String>,
    /// When it was last seen, RFC 3339.
    pub last: Option<String>,
    /// How often it was seen, as AWS counts.
    pub count: Option<u64>,
    /// Somebody archived it: it proposes no start.
    pub archived: bool,
    /// A sample finding, made for a test: it proposes no start.
    pub sample: bool,
    /// Who it names as acting.
    pub actors: Vec<FindingActor>,
    /// The remote addresses it names.
    pub addresses: BTreeSet<String>,
    /// The user agents it names.
    pub agents: BTreeSet<String>,
    /// The calls it names, `source:name`, or the name alone.
    pub calls: BTreeSet<String>,
    /// The error codes it names.
    pub errors: BTreeSet<String>,
    /// The resources it names: ARNs, instance ids, bucket names.
    pub resources: BTreeSet<String>,
    /// More in words, such as the rates that an Insight compares.
    pub detail: Option<String>,
    /// Events of the log that it leads to: made by an actor it names and, if it names addresses,
    /// from one of them. Of Insights: the unusual calls themselves.
    pub events: u64,
}

/// Somebody a finding names. As much as it tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FindingActor {
    /// The access key id.
    pub access_key: Option<String>,
    /// The principal id; of a role's session `AROA…:session name`.
    pub principal: Option<String>,
    /// The ARN.
    pub arn: Option<String>,
    /// The name of the user or of the role.
    pub name: Option<String>,
    /// `IAMUser`, `AssumedRole`, `Root` and so on.
    pub kind: Option<String>,
}

impl FindingActor {
    /// Whether it names nobody.
    fn is_nobody(&self) -> bool {
        let named = [&self.access_key, &self.principal, &self.arn, &self.name];
        named.into_iter().all(Option::is_none)
    }

    /// The most telling of its names.
    pub(crate) fn best_name(&self) -> Option<&str> {
        let names = [&self.access_key, &self.arn, &self.principal, &self.name];
        names.into_iter().flatten().map(String::as_str).next()
    }
}

/// A finding, and when this state of it is from, in milliseconds since 1970.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) finding: AwsFinding,
    pub(crate) updated: Option<i64>,
}

/// Reads a finding; `None` when the object is something else.
pub(crate) fn read(map: &Map<String, Value>) -> Option<Noted> {
    let mut noted = guardduty::read(map)
        .or_else(|| guardduty::read_asff(map))
        .or_else(|| insight::read(map))?;
    let finding = &mut noted.finding;
    if finding.id.is_empty() {
        let text = serde_json::to_string(map).unwrap_or_default();
        let hash = hex::encode(Sha256::digest(text.as_bytes()));
        finding.id = format!("no-id-{}", &hash[..32]);
    }
    finding.actors.retain(|actor| !actor.is_nobody());
    finding.actors.sort();
    finding.actors.dedup();
    finding.actors.truncate(MOST);
    Some(noted)
}

/// One entry a finding: its newest state, with all that any of its states told.
pub(crate) fn merge(all: Vec<Noted>) -> Vec<AwsFinding> {
    let mut merged: BTreeMap<(String, String), Noted> = BTreeMap::new();
    let mut all = all;
    // The order in which files are read must not show.
    all.sort_by_key(|noted| (noted.updated, serde_json::to_string(&noted.finding).ok()));
    for new in all {
        let key = (new.finding.source.clone(), new.finding.id.clone());
        match merged.remove(&key) {
            Some(old) => drop(merged.insert(key, joined(old, new))),
            None => drop(merged.insert(key, new)),
        }
    }
    let mut merged: Vec<AwsFinding> = merged.into_values().map(|noted| noted.finding).collect();
    merged.sort_by(|a, b| (&a.first, &a.source, &a.id).cmp(&(&b.first, &b.source, &b.id)));
    merged
}

/// Two states of one finding, the newer one second.
fn joined(old: Noted, mut new: Noted) -> Noted {
    let (from, to) = (old.finding, &mut new.finding);
    to.first = [from.first, to.first.take()].into_iter().flatten().min();
    to.last = from.last.max(to.last.take());
    to.count = from.count.max(to.count);
    to.actors.extend(from.actors);
    to.actors.sort();
    to.actors.dedup();
    for (to, from) in [
        (&mut to.addresses, from.addresses),
        (&mut to.agents, from.agents),
        (&mut to.calls, from.calls),
        (&mut to.errors, from.errors),
        (&mut to.resources, from.resources),
    ] {
        to.extend(from);
    }
    to.detail = to.detail.take().or(from.detail);
    new
}

/// What stands under a name, whether it begins with a capital or not.
pub(crate) fn at<'v>(value: Option<&'v Value>, name: &str) -> Option<&'v Value> {
    find(value?.as_object()?, name)
}

/// As [`at`], in an object.
pub(crate) fn find<'v>(map: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    map.get(name).or_else(|| {
        let mut same = map.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        same.next().map(|(_, value)| value)
    })
}

/// A clean text, `None` when there is none; numbers and truth values are texts too.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => sanitize(&text[..text.floor_char_boundary(LONGEST)]),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// The members of a list.
pub(crate) fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(MOST)
}

/// Puts a text into a set of bounded size.
pub(crate) fn keep(set: &mut BTreeSet<String>, text: Option<String>) {
    if set.len() < MOST {
        set.extend(text);
    }
}

/// Milliseconds since 1970.
pub(crate) fn millis(value: Option<&Value>) -> Option<i64> {
    parse_time(&text(value)?)
}

/// A time as RFC 3339.
pub(crate) fn time(value: Option<&Value>) -> Option<String> {
    millis(value).and_then(show_time)
}

/// The finding with this text.
#[cfg(test)]
pub(crate) fn one(text: &str) -> AwsFinding {
    let map = serde_json::from_str(text).expect("JSON");
    read(&map).expect("a finding").finding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(updated: i64, kind: &str, first: &str, address: &str) -> Noted {
        Noted {
            finding: AwsFinding {
                source: "guardduty".into(),
                id: "1".into(),
                kind: kind.into(),
                first: Some(first.into()),
                addresses: BTreeSet::from([address.into()]),
                ..AwsFinding::default()
            },
            updated: Some(updated),
        }
    }

    #[test]
    fn states_of_one_finding_become_one() {
        let old = || noted(1, "a", "2026-01-01T00:00:00Z", "192.0.2.1");
        let new = || noted(2, "b", "2026-01-02T00:00:00Z", "192.0.2.2");
        let merged = merge(vec![new(), old()]);
        assert_eq!(merged, merge(vec![old(), new()]));
        assert_eq!(merged.len(), 1);
        assert_eq!(merged[0].kind, "b");
        assert_eq!(merged[0].first.as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(merged[0].addresses.len(), 2);
    }

    #[test]
    fn other_objects_are_no_findings() {
        for text in [
            r#"{"hello":"world"}"#,
            r#"{"type":"x","service":{"serviceName":"other"}}"#,
            r#"{"eventName":"GetFindings","eventSource":"guardduty.amazonaws.com"}"#,
            r#"{"eventCategory":"Management","insightDetails":null}"#,
            r#"{"ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/inspector","Types":["x"],"Id":"y"}"#,
        ] {
            let map = serde_json::from_str(text).expect("JSON");
            assert!(read(&map).is_none(), "{text}");
        }
    }
}
