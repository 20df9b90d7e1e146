//! Events as evidences of a finding.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::moment::{Moment, Verdict};

/// Most observables and resources of one finding; the events themselves are in the tables.
const MOST: usize = 200;

/// One event. `arn` is the actor's, empty if not known.
pub(super) fn evidence(moment: &Moment, arn: &str) -> Value {
    let mut evidence = json!({
        "uid": moment.event_id,
        "name": moment.call,
        "actor": actor(&moment.actor, arn),
        "api": api(moment),
        "data": data(moment),
    });
    if !moment.address.is_empty() {
        evidence["src_endpoint"] = match address(moment) {
            Some(ip) => json!({ "ip": ip }),
            None => json!({ "svc_name": moment.address }),
        };
    }
    if !moment.client.is_empty() {
        evidence["http_request"] = json!({ "user_agent": moment.client });
    }
    let (id, verdict) = match moment.verdict {
        Verdict::Attacker => (2, "True Positive"),
        Verdict::Uncertain => (4, "Suspicious"),
    };
    evidence["verdict_id"] = id.into();
    evidence["verdict"] = verdict.into();
    evidence
}

/// What the schema has no place for.
fn data(moment: &Moment) -> Value {
    json!({
        "time": moment.time,
        "account": moment.account,
        "region": moment.region,
        "reason": moment.reason,
        "from": moment.from,
        "reads": moment.reads,
        "made": moment.made,
        "detections": moment.detections,
    })
}

fn actor(id: &str, arn: &str) -> Value {
    let mut user = json!({ "uid": if arn.is_empty() { id } else { arn } });
    if let Some((_, name)) = arn.rsplit_once('/') {
        user["name"] = name.into();
    }
    let mut actor = json!({ "user": user });
    if is_key(id) {
        actor["session"] = json!({ "credential_uid": id });
    }
    actor
}

fn api(moment: &Moment) -> Value {
    let (_, name) = moment.service_and_name();
    let source = moment.call.split_once(':').map_or("", |(source, _)| source);
    let mut api = json!({ "operation": name });
    if !source.is_empty() {
        api["service"] = json!({ "name": source });
    }
    if let Some(error) = &moment.error {
        api["response"] = json!({ "error": error });
    }
    api
}

/// Whether an actor's id is an access key id.
fn is_key(id: &str) -> bool {
    let shape = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    (16..=128).contains(&id.len()) && id.bytes().all(shape) && id.starts_with('A')
}

fn address(moment: &Moment) -> Option<&str> {
    let address = moment.address.as_str();
    address.parse::<IpAddr>().is_ok().then_some(address)
}

/// Addresses, clients and keys of events, each once, with what they are in the schema.
pub(super) fn observables(moments: &[&Moment]) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    for moment in moments {
        if let Some(ip) = address(moment) {
            seen.insert((2, "IP Address", "evidences[].src_endpoint.ip", ip));
        }
        if !moment.client.is_empty() {
            let name = "evidences[].http_request.user_agent";
            seen.insert((16, "HTTP User-Agent", name, &moment.client));
        }
        if is_key(&moment.actor) {
            let name = "evidences[].actor.session.credential_uid";
            seen.insert((19, "User Credential ID", name, &moment.actor));
        }
    }
    let value = |(id, kind, name, value): (u8, &str, &str, &str)| json!({ "type_id": id, "type": kind, "name": name, "value": value });
    seen.into_iter().take(MOST).map(value).collect()
}

/// What was read or planted, each once.
pub(super) fn resources(moments: &[&Moment]) -> Vec<Value> {
    let mut seen: BTreeMap<(&str, &str), &Moment> = BTreeMap::new();
    for moment in moments.iter().filter(|moment| moment.error.is_none()) {
        let read = moment.reads.iter().map(|id| ("read", id.as_str()));
        let made = moment.made.iter().map(|id| ("planted", id.as_str()));
        for what in read.chain(made) {
            seen.entry(what).or_insert(moment);
        }
    }
    let resource = |((how, id), moment): ((&str, &str), &Moment)| {
        let mut resource = json!({ "uid": id, "name": id, "labels": [how] });
        if !moment.region.is_empty() {
            resource["region"] = moment.region.as_str().into();
        }
        resource
    };
    seen.into_iter().take(MOST).map(resource).collect()
}
