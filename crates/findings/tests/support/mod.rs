//! A made-up breach for the tests and the example.

#![allow(dead_code, reason = "each of its users needs another part")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use relatch_evidence::{
    Actor, BlindSpot, DetectionCounts, Persistence, SecretRead, Share, TaintedEvent, Triage,
    Verdict as Whose,
};
use relatch_findings::{About, Moment, Verdict};

pub(crate) const STOLEN: &str = "AKIASTOLENSTOLEN0001";
pub(crate) const SESSION: &str = "ASIASESSIONSESSION02";
pub(crate) const PLANTED: &str = "AKIAPLANTEDPLANTED03";
pub(crate) const THIEF: &str = "203.0.113.77";
pub(crate) const OFFICE: &str = "198.51.100.10";
pub(crate) const THIEFS_CLIENT: &str = "aws-cli/2.15.30 Python/3.11.8 Linux/6.6 kali";
pub(crate) const COMMON_CLIENT: &str = "Boto3/1.34.0 md/Botocore#1.34.0";

pub(crate) fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-03-02T22:14:09Z".parse().expect("a time");
    start + SignedDuration::from_secs(second)
}

pub(crate) fn about() -> About {
    About {
        case: "inc_01JNC5".into(),
        title: "Key of the build server in a public repository".into(),
        opened_at: at(40_000),
        made_at: at(86_400),
    }
}

/// An event of the thief's with the stolen key.
pub(crate) fn moment(number: i64, call: &str, tactic: &str, technique: &str) -> Moment {
    Moment {
        event_id: format!("0b5c1f00-0000-4000-8000-{number:012}"),
        time: Some(at(number * 37)),
        verdict: Verdict::Attacker,
        actor: STOLEN.into(),
        account: "111122223333".into(),
        region: "eu-central-1".into(),
        call: call.into(),
        address: THIEF.into(),
        client: THIEFS_CLIENT.into(),
        error: None,
        reason: "used the credential that the attack began with".into(),
        from: None,
        reads: Vec::new(),
        made: Vec::new(),
        tactics: [tactic]
            .into_iter()
            .filter(|t| !t.is_empty())
            .map(Into::into)
            .collect(),
        techniques: [technique]
            .into_iter()
            .filter(|t| !t.is_empty())
            .map(Into::into)
            .collect(),
        detections: Vec::new(),
    }
}

/// The story: look around, read, plant, come back with a session; then `more` reads of objects.
pub(crate) fn moments(more: usize) -> Vec<Moment> {
    let mut all = vec![
        moment(
            0,
            "sts.amazonaws.com:GetCallerIdentity",
            "Discovery",
            "T1087.004",
        ),
        moment(1, "iam.amazonaws.com:ListUsers", "Discovery", "T1087.004"),
        moment(
            2,
            "secretsmanager.amazonaws.com:ListSecrets",
            "Discovery",
            "T1526",
        ),
        moment(
            3,
            "secretsmanager.amazonaws.com:GetSecretValue",
            "Credential Access",
            "T1555.006",
        ),
        moment(
            4,
            "secretsmanager.amazonaws.com:GetSecretValue",
            "Credential Access",
            "T1555.006",
        ),
        moment(
            5,
            "iam.amazonaws.com:CreateAccessKey",
            "Persistence",
            "T1098.001",
        ),
        moment(
            6,
            "iam.amazonaws.com:CreateUser",
            "Persistence",
            "T1136.003",
        ),
        moment(
            60,
            "sts.amazonaws.com:AssumeRole",
            "Privilege Escalation",
            "T1548.005",
        ),
        moment(
            61,
            "lambda.amazonaws.com:ListFunctions20150331",
            "Discovery",
            "T1526",
        ),
        moment(
            70,
            "cloudtrail.amazonaws.com:StopLogging",
            "Defense Evasion",
            "T1562.008",
        ),
    ];
    all[3].reads = vec![secret("payments/stripe")];
    all[3].detections = vec!["Secret read by a new address".into()];
    all[4].error = Some("AccessDenied".into());
    all[5].made = vec![format!("access key {PLANTED} of deploy-bot")];
    all[6].made = vec!["user support-2".into()];
    all[8].actor = SESSION.into();
    all[8].from = Some(all[7].event_id.clone());
    all[8].reason = "used session credentials that the attacker was given".into();
    all[9].verdict = Verdict::Uncertain;
    all[9].actor = "session:arn:aws:sts::111122223333:assumed-role/ops/anna".into();
    all[9].address = "2001:db8::77".into();
    for number in 0..more {
        all.push(bulk(number));
    }
    all
}

fn secret(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:{name}-AbCdEf")
}

fn bulk(number: usize) -> Moment {
    let calls = [
        "s3.amazonaws.com:GetObject",
        "s3.amazonaws.com:ListObjectsV2",
        "ssm.amazonaws.com:GetParameter",
        "ec2.amazonaws.com:DescribeInstances",
    ];
    let place = i64::try_from(number).expect("small");
    let call = calls[(number / 9 + number % 7 / 5) % calls.len()];
    let mut moment = moment(100 + place, call, "Collection", "T1530");
    if !number.is_multiple_of(3) {
        moment.actor = SESSION.into();
    }
    if call.contains("Get") {
        moment.reads = vec![format!(
            "s3://customer-exports/2026/{:05}.csv",
            number % 700
        )];
    }
    if number.is_multiple_of(11) {
        moment.verdict = Verdict::Uncertain;
        moment.address = OFFICE.into();
        moment.client = COMMON_CLIENT.into();
    }
    moment
}

pub(crate) fn actor(id: &str, verdict: Whose, addresses: &[&str], clients: &[&str]) -> Actor {
    let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let is_his = matches!(verdict, Whose::Attacker | Whose::Mixed);
    let share = || Share {
        access_keys: BTreeSet::from([id.to_owned()]),
        addresses: all(addresses),
        first: Some(at(0).to_string()),
        last: Some(at(4_000).to_string()),
    };
    Actor {
        id: id.into(),
        kind: "access_key".into(),
        arn: Some("arn:aws:iam::111122223333:user/build/deploy-bot".into()),
        access_keys: BTreeSet::from([id.to_owned()]),
        more_access_keys: 0,
        verdict,
        score: 7,
        reasons: vec!["new address and new client in one call".into()],
        path: Vec::new(),
        first: Some(at(0).to_string()),
        last: Some(at(4_000).to_string()),
        addresses: all(addresses),
        clients: all(clients),
        regions: all(&["eu-central-1"]),
        calls: BTreeMap::new(),
        errors: BTreeMap::new(),
        attackers: is_his.then(share),
        tainted: u64::from(is_his) * 9,
        uncertain: 0,
    }
}

pub(crate) fn planted(kind: &str, id: &str, detail: &str) -> Persistence {
    Persistence {
        kind: kind.into(),
        id: id.into(),
        detail: detail.into(),
        event_id: moment(5, "", "", "").event_id,
        time: Some(at(5 * 37).to_string()),
        account: Some("111122223333".into()),
        actor: STOLEN.into(),
    }
}

fn read(id: &str, number: i64, errors: &[&str]) -> SecretRead {
    SecretRead {
        id: id.into(),
        kind: "secretsmanager".into(),
        event_ids: vec![moment(number, "", "", "").event_id],
        region: Some("eu-central-1".into()),
        account: Some("111122223333".into()),
        actor: STOLEN.into(),
        errors: errors.iter().map(|error| (*error).to_owned()).collect(),
        notes: BTreeSet::from(["with decryption".to_owned()]),
    }
}

fn event(moment: &Moment) -> TaintedEvent {
    let moment = moment.clone();
    TaintedEvent {
        event_id: moment.event_id,
        time: moment.time.map(|time| time.to_string()),
        verdict: match moment.verdict {
            Verdict::Attacker => Whose::Attacker,
            Verdict::Uncertain => Whose::Uncertain,
        },
        actor: moment.actor,
        account: moment.account,
        region: moment.region,
        call: moment.call,
        address: moment.address,
        client: moment.client,
        error: moment.error,
        reason: moment.reason,
        from: moment.from,
    }
}

/// The triage that belongs to [`moments`].
pub(crate) fn triage(moments: &[Moment]) -> Triage {
    let of = |verdict| {
        let all = moments
            .iter()
            .filter(move |moment| moment.verdict == verdict);
        all.map(|moment| moment.event_id.clone()).collect()
    };
    Triage {
        tainted_events: of(Verdict::Attacker),
        uncertain_events: of(Verdict::Uncertain),
        events: moments.iter().map(event).collect(),
        secrets_read: vec![read(&secret("payments/stripe"), 3, &[])],
        attempted_reads: vec![read(&secret("payments/ledger"), 4, &["AccessDenied"])],
        issued_credentials: Vec::new(),
        secrets_known: Vec::new(),
        secrets_readable: None,
        actors: vec![
            actor(
                STOLEN,
                Whose::Mixed,
                &[THIEF, OFFICE],
                &[THIEFS_CLIENT, COMMON_CLIENT],
            ),
            actor(SESSION, Whose::Attacker, &[THIEF], &[THIEFS_CLIENT]),
            actor(
                "AKIALEGITLEGITLEG004",
                Whose::Legitimate,
                &[OFFICE],
                &[COMMON_CLIENT],
            ),
        ],
        addresses: vec![THIEF.into()],
        first: moments
            .iter()
            .filter_map(|moment| moment.time)
            .min()
            .map(|at| at.to_string()),
        last: moments
            .iter()
            .filter_map(|moment| moment.time)
            .max()
            .map(|at| at.to_string()),
        aws_findings: Vec::new(),
        detections: Vec::new(),
        detection_counts: DetectionCounts::default(),
        detections_by_event: moments
            .iter()
            .filter(|moment| !moment.detections.is_empty())
            .map(|moment| (moment.event_id.clone(), moment.detections.clone()))
            .collect(),
        persistence: vec![
            planted("access_key", PLANTED, "deploy-bot"),
            planted("user", "support-2", ""),
            planted(
                "role",
                "OrgAudit",
                "arn:aws:iam::111122223333:role/OrgAudit",
            ),
            planted("function", "nightly-sync", "OrgAudit"),
            planted("trust_policy", "ops", ""),
        ],
        created_keys: BTreeSet::from([PLANTED.to_owned()]),
        blind_spots: vec![BlindSpot {
            what: "Data events of S3 are not logged for 3 buckets".into(),
            hides: "Any read of their objects".into(),
        }],
        problems: Vec::new(),
        seeds: Vec::new(),
        judgements: Vec::new(),
        files: Vec::new(),
        skipped: Vec::new(),
        events_read: 120_000,
        duplicates: 0,
    }
}
