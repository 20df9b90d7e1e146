//! Moments as they come out of a triage.

mod support;

use relatch_findings::{Moment, moments};

fn with(call: &str) -> Moment {
    let triage = support::triage(&[support::moment(5, call, "", "")]);
    moments(&triage).remove(0)
}

#[test]
fn a_moment_is_its_event_with_what_it_read_and_planted() {
    let told = support::moments(0);
    let found = moments(&support::triage(&told));
    assert_eq!(found.len(), told.len());
    for (found, told) in found.iter().zip(&told) {
        let mut same = found.clone();
        same.reads.clone_from(&told.reads);
        same.made.clone_from(&told.made);
        same.tactics.clone_from(&told.tactics);
        same.techniques.clone_from(&told.techniques);
        assert_eq!(same, *told);
    }
    assert_eq!(found[3].reads, told[3].reads);
    assert!(found[4].reads.is_empty(), "a failed call read nothing");
    let key = format!("access key {} (deploy-bot)", support::PLANTED);
    assert!(found[5].made.contains(&key), "{:?}", found[5].made);
}

#[test]
fn calls_have_phases() {
    for (call, tactic, technique) in [
        (
            "secretsmanager.amazonaws.com:GetSecretValue",
            "Credential Access",
            "T1555.006",
        ),
        (
            "iam.amazonaws.com:CreateAccessKey",
            "Persistence",
            "T1098.001",
        ),
        ("iam.amazonaws.com:ListUsers", "Discovery", "T1087.004"),
        (
            "sts.amazonaws.com:AssumeRole",
            "Privilege Escalation",
            "T1548.005",
        ),
        (
            "cloudtrail.amazonaws.com:StopLogging",
            "Defense Evasion",
            "T1562.008",
        ),
        (
            "elsewhere.amazonaws.com:DescribeThings",
            "Discovery",
            "T1580",
        ),
    ] {
        let moment = with(call);
        assert_eq!(
            (moment.tactics, moment.techniques),
            (vec![tactic.into()], vec![technique.into()]),
            "{call}"
        );
    }
    assert!(with("elsewhere.amazonaws.com:PutThing").tactics.is_empty());
    assert!(with("no call at all").tactics.is_empty());
}
