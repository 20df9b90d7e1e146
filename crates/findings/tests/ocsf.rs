//! Findings: what the class wants, one for each actor and tactic, and nothing lost in silence.

use std::collections::BTreeSet;

use relatch_findings::ocsf::{MOST_EVIDENCES, ocsf};
use relatch_findings::{Moment, Verdict};
use serde_json::Value;

mod support;

fn findings(moments: &[Moment]) -> Vec<Value> {
    let mut out = Vec::new();
    ocsf(
        &support::triage(moments),
        moments,
        &support::about(),
        &mut out,
    )
    .expect("memory");
    let text = String::from_utf8(out).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The attributes that OCSF 1.5.0 requires of the class, of its objects that are used, and of
/// the profile.
#[test]
fn what_is_required_is_there() {
    for finding in findings(&support::moments(300)) {
        for (pointer, value) in [
            ("/class_uid", Some(2004)),
            ("/category_uid", Some(2)),
            ("/type_uid", Some(200_401)),
            ("/activity_id", Some(1)),
            ("/time", Some(support::at(86_400).as_millisecond())),
            ("/severity_id", None),
        ] {
            let found = finding.pointer(pointer).and_then(Value::as_i64);
            assert!(
                found.is_some() && (value.is_none() || found == value),
                "{pointer}"
            );
        }
        for pointer in ["/finding_info/uid", "/metadata/version", "/cloud/provider"] {
            assert!(
                finding.pointer(pointer).is_some_and(Value::is_string),
                "{pointer}"
            );
        }
        assert_eq!(finding["metadata"]["profiles"][0], "cloud");
        for evidence in finding["evidences"].as_array().expect("a list") {
            assert!(evidence["api"]["operation"].is_string());
            assert!(evidence["actor"]["user"]["uid"].is_string());
        }
    }
}

#[test]
fn each_event_is_counted_once() {
    let moments = support::moments(3_000);
    let findings = findings(&moments);
    let count = |finding: &Value| finding["count"].as_u64().expect("a count");
    assert_eq!(
        findings.iter().map(count).sum::<u64>(),
        moments.len() as u64
    );
    let ids: BTreeSet<&str> = findings
        .iter()
        .filter_map(|finding| finding["finding_info"]["uid"].as_str())
        .collect();
    assert_eq!(ids.len(), findings.len());
    for finding in &findings {
        let told = finding["evidences"].as_array().expect("a list").len();
        let left = finding["unmapped"]["evidences_left_out"]
            .as_u64()
            .expect("a count");
        assert!(told <= MOST_EVIDENCES);
        assert_eq!(told as u64 + left, count(finding));
    }
}

#[test]
fn severity_and_confidence_follow_the_events() {
    let told = |moments: &[Moment]| {
        let finding = &findings(moments)[0];
        (
            finding["severity_id"].clone(),
            finding["confidence_id"].clone(),
        )
    };
    let looked = support::moment(0, "iam.amazonaws.com:ListUsers", "Discovery", "T1087.004");
    let mut read = looked.clone();
    read.reads = vec!["a secret".into()];
    let mut refused = read.clone();
    refused.error = Some("AccessDenied".into());
    let mut uncertain = read.clone();
    uncertain.verdict = Verdict::Uncertain;
    assert_eq!(told(std::slice::from_ref(&looked)), (4.into(), 3.into()));
    assert_eq!(told(std::slice::from_ref(&read)), (5.into(), 3.into()));
    assert_eq!(told(&[refused]), (4.into(), 3.into()));
    assert_eq!(told(std::slice::from_ref(&uncertain)), (3.into(), 1.into()));
    assert_eq!(told(&[looked, uncertain]), (4.into(), 2.into()));
}
