//! The case of the small world, by the facts that an inventory would record.

use jiff::Timestamp;
use relatch_case::{Fact, Record, State};
use relatch_secret::{FingerprintKey, Protection, Secret};
use serde_json::{Value, json};

/// The time at which everything is decided; what is waited for lies a day back or not at all.
pub(crate) fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

/// Two credentials, `a` at an issuer without names and with room for two keys, `b` at one
/// with names. Both stand in the container `shared`, `b` also in `own`; the consumer `all`
/// reads both containers, `one` reads `own`.
pub(crate) fn facts() -> Vec<Value> {
    let hook = json!({"type": "http", "url": "http://localhost/"});
    let service = json!({"type": "service", "reload": hook, "health": hook});
    vec![
        json!({"kind": "case_opened", "id": "case-1", "title": "small", "account": null,
            "regions": [], "public_key": "", "recipient": "",
            "protection": serde_json::to_value(Protection::Passphrase)
                .expect("plain data")}),
        issuer("nameless", false, Some(2)),
        issuer("named", true, None),
        credential("a", "nameless"),
        credential("b", "named"),
        place("a", "shared"),
        place("b", "shared"),
        place("b", "own"),
        json!({"kind": "consumer_found", "consumer": {"id": "all", "kind": service,
            "reads": [container("shared"), container("own")], "known": "observed"}}),
        json!({"kind": "consumer_found", "consumer": {"id": "one", "kind": service,
            "reads": [container("own")], "known": "observed"}}),
        listed("a", "nameless"),
        listed("b", "named"),
    ]
}

fn issuer(id: &str, named: bool, slots: Option<u32>) -> Value {
    json!({"kind": "issuer_known", "issuer": id, "sheet": {"minting": {"by": "program"},
        "named": named, "lists": true, "disables": true, "deletes": true, "cuts": false,
        "last_used": true, "slots": slots, "propagation_s": 0}})
}

fn container(name: &str) -> Value {
    json!({"kind": "file", "region": "", "name": name})
}

fn print(value: &str) -> Value {
    let print = FingerprintKey::from_bytes([1; 32]).fingerprint(&Secret::from(value));
    serde_json::to_value(print).expect("plain data")
}

fn credential(key: &str, issuer: &str) -> Value {
    json!({"kind": "credential_found", "credential": {"id": key, "name": key, "issuer": issuer,
        "principal": "team", "key_id": key, "fingerprint": print(key)}})
}

fn place(key: &str, at: &str) -> Value {
    json!({"kind": "place_found", "place": {"id": format!("file:{at}#{key}"),
        "container": container(at), "slot": key, "part": "secret", "credential": key,
        "fingerprint": print(key)}})
}

fn listed(key: &str, issuer: &str) -> Value {
    json!({"kind": "keys_listed", "issuer": issuer, "principal": "team", "keys": [{"id": key,
        "name": null, "hint": null, "active": true, "created": null, "last_used": null}]})
}

/// Takes one more fact in.
pub(crate) fn record(state: &mut State, at: Timestamp, fact: Value) {
    let fact: Fact = serde_json::from_value(fact).expect("a fact");
    let (seq, prev) = (state.head.seq + 1, state.head.hash.clone());
    state.apply(&Record {
        seq,
        at,
        by: "test".to_string(),
        prev,
        hash: seq.to_string(),
        fact,
    });
}
