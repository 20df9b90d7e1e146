//! The bundle: ids, references, patterns, and who is told apart from whom.

use std::collections::{BTreeMap, BTreeSet};

use relatch_evidence::Triage;
use relatch_findings::Moment;
use relatch_findings::indicators::{self, IndicatorKind, Standing};
use serde_json::Value;

mod support;

fn bundle(triage: &Triage, moments: &[Moment]) -> Value {
    let mut out = Vec::new();
    indicators::stix(triage, moments, &support::about(), &mut out).expect("memory");
    serde_json::from_slice(&out).expect("JSON")
}

fn objects(bundle: &Value) -> BTreeMap<&str, &Value> {
    let all = bundle["objects"].as_array().expect("a list");
    all.iter()
        .map(|o| (o["id"].as_str().expect("an id"), o))
        .collect()
}

/// Against ids that the Python library `stix2` derives for the same observables.
#[test]
fn ids_of_observables_are_those_of_other_programs() {
    let mut moments = support::moments(0);
    moments[0].address = "198.51.100.3".into();
    let bundle = bundle(&support::triage(&moments), &moments);
    let objects = objects(&bundle);
    for id in [
        "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4",
        "ipv6-addr--144c3ec7-9f65-577d-b509-a1d00675f3b6",
        "user-account--b7e03fa6-78ee-551c-a1b5-c5d7c3d4a2a3",
    ] {
        assert!(objects.contains_key(id), "{id}");
    }
}

#[test]
fn every_reference_leads_to_an_object_and_every_id_is_there_once() {
    let moments = support::moments(500);
    let bundle = bundle(&support::triage(&moments), &moments);
    let objects = objects(&bundle);
    assert_eq!(
        objects.len(),
        bundle["objects"].as_array().expect("a list").len()
    );
    for object in objects.values() {
        for (name, value) in object.as_object().expect("an object") {
            let single = name.ends_with("_ref").then_some(value);
            let many = name
                .ends_with("_refs")
                .then(|| value.as_array().expect("a list"));
            for id in single.into_iter().chain(many.into_iter().flatten()) {
                assert!(
                    objects.contains_key(id.as_str().expect("an id")),
                    "{name}: {id}"
                );
            }
        }
    }
}

#[test]
fn a_later_export_has_the_same_ids() {
    let moments = support::moments(20);
    let triage = support::triage(&moments);
    let mut later = support::about();
    later.made_at = support::at(200_000);
    let mut out = Vec::new();
    indicators::stix(&triage, &moments, &later, &mut out).expect("memory");
    let second: Value = serde_json::from_slice(&out).expect("JSON");
    let first = bundle(&triage, &moments);
    let ids = |bundle: &Value| {
        objects(bundle)
            .keys()
            .map(|id| (*id).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&first), ids(&second));
    assert_ne!(first["id"], second["id"]);
}

#[test]
fn what_others_use_too_is_no_sure_sign() {
    let mut moments = support::moments(50);
    // The thief once came from the office, too.
    moments[2].address = support::OFFICE.into();
    let mut triage = support::triage(&moments);
    triage.addresses.push(support::OFFICE.into());
    let found = indicators::collect(&triage, &moments);
    let standing = |kind, value: &str| {
        let of = |i: &&indicators::Indicator| i.kind == kind && i.value == value;
        found.iter().find(of).map(|i| i.standing)
    };
    let address = IndicatorKind::Address;
    assert_eq!(standing(address, support::THIEF), Some(Standing::Attacker));
    assert_eq!(standing(address, support::OFFICE), Some(Standing::Shared));
    assert_eq!(standing(address, "2001:db8::77"), Some(Standing::Uncertain));
    let key = IndicatorKind::AccessKey;
    assert_eq!(standing(key, support::STOLEN), Some(Standing::Shared));
    assert_eq!(standing(key, support::SESSION), Some(Standing::Attacker));
    assert_eq!(standing(key, "AKIALEGITLEGITLEG004"), None);
    let bundle = bundle(&triage, &moments);
    let malicious: BTreeSet<&str> = objects(&bundle)
        .values()
        .filter(|o| o["indicator_types"][0] == "malicious-activity")
        .filter_map(|o| o["pattern"].as_str())
        .collect();
    assert!(malicious.contains("[ipv4-addr:value = '203.0.113.77']"));
    assert!(
        !malicious
            .iter()
            .any(|pattern| pattern.contains(support::OFFICE))
    );
}

#[test]
fn an_owner_who_has_only_this_address_shares_it() {
    let moments = support::moments(0);
    let mut triage = support::triage(&moments);
    triage.actors[0].addresses.remove(support::OFFICE);
    let found = indicators::collect(&triage, &moments);
    let of = found
        .iter()
        .find(|i| i.value == support::THIEF)
        .expect("collected");
    assert_eq!(of.standing, Standing::Shared);
}

#[test]
fn an_address_of_something_he_started_is_not_his_own() {
    let mut moments = support::moments(0);
    moments[1].address = "192.0.2.50".into();
    let found = indicators::collect(&support::triage(&moments), &moments);
    let of = found
        .iter()
        .find(|i| i.value == "192.0.2.50")
        .expect("collected");
    assert_eq!(of.standing, Standing::Shared);
}

#[test]
fn nothing_found_is_a_report_over_nothing() {
    let bundle = bundle(&support::triage(&[]), &[]);
    let report = objects(&bundle)
        .into_values()
        .find(|o| o["type"] == "report");
    assert!(
        report.expect("a report")["object_refs"]
            .as_array()
            .is_some_and(|refs| !refs.is_empty())
    );
}
