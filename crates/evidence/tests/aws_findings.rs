//! GuardDuty findings and CloudTrail Insights among the evidence: read in every form they come
//! in, never counted as calls, and a reason for a proposed start.

use std::collections::BTreeSet;
use std::io::Write;

use relatch_evidence::{Options, Seeds, Source, Triage, Verdict, summary, triage_sources};
use serde_json::{Value, json};

const KEY: &str = "AKIAQUIETQUIETQUIET1";
const OFFICE: &str = "198.51.100.10";
const ELSEWHERE: &str = "203.0.113.66";
const STORY: &str = include_str!("fixtures/story.jsonl");

/// Three days of a key at one place, every half an hour; the last calls come from elsewhere,
/// with the same client and the same call: by the log alone nothing is wrong.
fn quiet_theft(stolen: usize) -> Vec<Value> {
    let call = |number: usize, address: &str| {
        let minutes = number * 30;
        let time = format!(
            "2026-03-0{}T{:02}:{:02}:00Z",
            1 + minutes / 1440,
            minutes / 60 % 24,
            minutes % 60
        );
        json!({
            "eventVersion": "1.11", "eventID": format!("call-{number}"), "eventTime": time,
            "eventSource": "s3.amazonaws.com", "eventName": "ListBuckets", "awsRegion": "eu-west-1",
            "sourceIPAddress": address, "userAgent": "Boto3/1.34.2", "readOnly": true,
            "requestParameters": null, "responseElements": null, "eventCategory": "Management",
            "recipientAccountId": "111122223333",
            "userIdentity": {"type": "IAMUser", "principalId": "AIDAQUIET", "userName": "quiet",
                "arn": "arn:aws:iam::111122223333:user/quiet", "accountId": "111122223333", "accessKeyId": KEY},
        })
    };
    let days = (0..140).map(|number| call(number, OFFICE));
    let theft = (140..140 + stolen).map(|number| call(number, ELSEWHERE));
    days.chain(theft).collect()
}

/// A finding as GuardDuty exports it, about the key at an address.
fn finding(kind: &str, severity: u32, address: &str, first: &str) -> Value {
    json!({
        "schemaVersion": "2.0", "accountId": "111122223333", "region": "eu-west-1", "partition": "aws",
        "id": "a1b2c3", "arn": "arn:aws:guardduty:eu-west-1:111122223333:detector/d0/finding/a1b2c3",
        "type": kind, "severity": severity, "createdAt": first, "updatedAt": "2026-03-04T06:00:00.000Z",
        "title": "The API ListBuckets was invoked from a Tor exit node.",
        "description": "…",
        "resource": {"resourceType": "AccessKey", "accessKeyDetails":
            {"accessKeyId": KEY, "principalId": "AIDAQUIET", "userType": "IAMUser", "userName": "quiet"}},
        "service": {"serviceName": "guardduty", "detectorId": "d0", "resourceRole": "TARGET",
            "action": {"actionType": "AWS_API_CALL", "awsApiCallAction": {"api": "ListBuckets",
                "serviceName": "s3.amazonaws.com", "callerType": "Remote IP",
                "remoteIpDetails": {"ipAddressV4": address, "country": {"countryName": "Nowhere"}}}},
            "eventFirstSeen": first, "eventLastSeen": "2026-03-04T00:00:00.000Z", "archived": false, "count": 3,
            "additionalInfo": {"value": "{}", "type": "default"}},
    })
}

fn tor() -> Value {
    finding(
        "UnauthorizedAccess:IAMUser/TorIPCaller",
        5,
        ELSEWHERE,
        "2026-03-03T22:00:00.000Z",
    )
}

/// As `GetFindings` of the API gives it: every name begins with a capital.
fn capitalised(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let (first, rest) = key.split_at(1);
                (first.to_uppercase() + rest, capitalised(value))
            })
            .collect(),
        Value::Array(all) => all.iter().map(capitalised).collect(),
        value => value.clone(),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn lines(events: &[Value]) -> Vec<u8> {
    let lines = events.iter().map(|event| event.to_string() + "\n");
    lines.collect::<String>().into_bytes()
}

fn told(documents: &[(&str, Vec<u8>)], seeds: Seeds) -> Triage {
    let sources: Vec<Source> = documents
        .iter()
        .map(|(name, bytes)| Source::Bytes {
            name: (*name).to_owned(),
            bytes: bytes.clone(),
        })
        .collect();
    triage_sources(&sources, &Options::with_seeds(seeds)).expect("readable")
}

/// The quiet theft with findings beside it.
fn with(findings: &[Value], stolen: usize) -> Triage {
    let documents = [
        ("trail.json", lines(&quiet_theft(stolen))),
        ("findings.jsonl", lines(findings)),
    ];
    told(&documents, Seeds::default())
}

fn stolen(triage: &Triage) -> BTreeSet<&str> {
    triage.tainted_events.iter().map(String::as_str).collect()
}

#[test]
fn every_form_of_a_finding_is_read_and_none_is_a_call() {
    let own = tor();
    let without = told(&[("trail.json", lines(&quiet_theft(3)))], Seeds::default());
    let bridge = json!({"version": "0", "id": "e1", "detail-type": "GuardDuty Finding", "source": "aws.guardduty",
        "account": "111122223333", "time": "2026-03-04T06:00:00Z", "region": "eu-west-1", "resources": [], "detail": own});
    let forms: [(&str, Vec<u8>); 7] = [
        (
            "api.json",
            json!({"Findings": [capitalised(&own)]})
                .to_string()
                .into_bytes(),
        ),
        (
            "api-pretty.json",
            serde_json::to_vec_pretty(&json!({"Findings": [capitalised(&own)]})).expect("JSON"),
        ),
        (
            "wire.json",
            json!({"findings": [own]}).to_string().into_bytes(),
        ),
        ("bridge.json", bridge.to_string().into_bytes()),
        (
            "AWSLogs/111122223333/GuardDuty/eu-west-1/2026/03/04/f.jsonl.gz",
            gzip(&lines(std::slice::from_ref(&own))),
        ),
        ("list.json", json!([own]).to_string().into_bytes()),
        (
            "log-group.json",
            json!({"logEvents": [{"timestamp": 1, "message": bridge.to_string()}]})
                .to_string()
                .into_bytes(),
        ),
    ];
    let mut first = None;
    for (name, bytes) in forms {
        let found = told(
            &[("trail.json", lines(&quiet_theft(3))), (name, bytes)],
            Seeds::default(),
        );
        assert_eq!(found.problems, [], "{name}");
        assert_eq!(found.skipped, [], "{name}");
        assert_eq!(found.events_read, without.events_read, "{name}");
        assert_eq!(found.aws_findings.len(), 1, "{name}");
        let finding = first.get_or_insert_with(|| found.aws_findings[0].clone());
        assert_eq!(&found.aws_findings[0], finding, "{name}");
    }
    let finding = first.expect("a finding");
    assert_eq!(finding.source, "guardduty");
    assert_eq!(finding.kind, "UnauthorizedAccess:IAMUser/TorIPCaller");
    assert_eq!(finding.severity.as_deref(), Some("medium"));
    assert_eq!(finding.actors[0].access_key.as_deref(), Some(KEY));
    assert_eq!(finding.addresses, BTreeSet::from([ELSEWHERE.to_owned()]));
    assert_eq!(
        finding.calls,
        BTreeSet::from(["s3.amazonaws.com:ListBuckets".to_owned()])
    );
    assert_eq!(finding.first.as_deref(), Some("2026-03-03T22:00:00Z"));
    assert_eq!((finding.count, finding.events), (Some(3), 3));
}

#[test]
fn a_finding_proposes_what_the_log_alone_does_not_show() {
    let without = with(&[], 3);
    assert_eq!(without.tainted_events, Vec::<String>::new());
    assert_eq!(without.seeds, []);
    let found = with(&[tor()], 3);
    assert_eq!(
        stolen(&found),
        BTreeSet::from(["call-140", "call-141", "call-142"])
    );
    let seed = &found.seeds[0];
    assert!(seed.proposed && seed.score >= 8, "{seed:?}");
    assert_eq!(seed.value, KEY);
    assert!(
        seed.reasons.iter().any(|reason| reason.contains(
            "GuardDuty reports UnauthorizedAccess:IAMUser/TorIPCaller (medium) from 203.0.113.66"
        )),
        "{seed:?}"
    );
    let actor = found.actors.iter().find(|actor| actor.id == KEY);
    assert_eq!(actor.expect("in the log").verdict, Verdict::Mixed);
    let text = summary(&found);
    assert!(text.contains("Reported by GuardDuty and CloudTrail Insights: 1"));
    assert!(text.contains(
        "medium UnauthorizedAccess:IAMUser/TorIPCaller of AKIAQUIETQUIETQUIET1 from 203.0.113.66"
    ));
}

#[test]
fn a_behaviour_at_the_owners_place_convicts_nobody() {
    let first = "2026-03-03T00:00:00Z";
    for kind in [
        "Discovery:IAMUser/AnomalousBehavior",
        "Persistence:IAMUser/AnomalousBehavior",
        "Policy:IAMUser/RootCredentialUsage",
    ] {
        let found = with(&[finding(kind, 8, OFFICE, first)], 3);
        assert_eq!(stolen(&found), BTreeSet::new(), "{kind}");
        assert_eq!(found.uncertain_events, Vec::<String>::new(), "{kind}");
        assert_eq!(found.aws_findings[0].events, 140, "{kind}");
    }
}

#[test]
fn what_is_archived_or_a_sample_proposes_nothing() {
    let mut archived = tor();
    archived["service"]["archived"] = json!(true);
    let mut sample = tor();
    sample["service"]["additionalInfo"] = json!({"sample": true});
    let mut titled = tor();
    titled["title"] = json!("[SAMPLE] The API ListBuckets was invoked.");
    for finding in [archived, sample, titled] {
        let found = with(std::slice::from_ref(&finding), 3);
        assert_eq!(stolen(&found), BTreeSet::new(), "{finding}");
        assert_eq!(found.aws_findings.len(), 1);
    }
}

#[test]
fn calls_long_before_the_report_stay_uncertain() {
    // The thief's place was used for two days before GuardDuty first saw it.
    let mut late = tor();
    late["service"]["eventFirstSeen"] = json!("2026-03-05T20:00:00.000Z");
    let found = with(&[late], 100);
    assert!(stolen(&found).contains("call-239"));
    assert!(!stolen(&found).contains("call-141"));
    assert!(found.uncertain_events.contains(&"call-141".to_owned()));
    assert!(!found.uncertain_events.contains(&"call-139".to_owned()));
}

#[test]
fn an_instance_session_used_elsewhere_is_split_by_place() {
    let mut events = quiet_theft(3);
    for event in &mut events {
        event["userIdentity"] = json!({"type": "AssumedRole", "principalId": "AROAWEB:i-0123456789abcdef0",
            "arn": "arn:aws:sts::111122223333:assumed-role/web/i-0123456789abcdef0", "accountId": "111122223333",
            "accessKeyId": "ASIAINSTANCEINSTANC1"});
    }
    let mut exfiltrated = finding(
        "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS",
        8,
        ELSEWHERE,
        "2026-03-03T22:00:00.000Z",
    );
    exfiltrated["resource"]["accessKeyDetails"] = json!({"accessKeyId": "ASIAINSTANCEINSTANC1",
        "principalId": "AROAWEB:i-0123456789abcdef0", "userType": "AssumedRole", "userName": "web"});
    let found = told(
        &[
            ("trail.json", lines(&events)),
            ("findings.jsonl", lines(&[exfiltrated])),
        ],
        Seeds::default(),
    );
    assert_eq!(
        stolen(&found),
        BTreeSet::from(["call-140", "call-141", "call-142"])
    );
    assert_eq!(found.seeds[0].kind, "session");
}

#[test]
fn an_acquittal_outweighs_a_finding() {
    let seeds = Seeds {
        acquitted: BTreeSet::from([KEY.to_owned()]),
        ..Seeds::default()
    };
    let documents = [
        ("trail.json", lines(&quiet_theft(3))),
        ("findings.jsonl", lines(&[tor()])),
    ];
    assert_eq!(told(&documents, seeds).tainted_events, Vec::<String>::new());
}

#[test]
fn a_finding_about_nobody_in_the_log_is_a_blind_spot() {
    let mut other = tor();
    other["resource"]["accessKeyDetails"] =
        json!({"accessKeyId": "AKIANOTHERENOTHERE01", "userType": "IAMUser", "userName": "gone"});
    let found = with(&[other], 3);
    assert!(found.blind_spots.iter().any(|spot| spot.what
        == "GuardDuty reports UnauthorizedAccess:IAMUser/TorIPCaller of AKIANOTHERENOTHERE01, which led to no event"));
    assert_eq!(found.problems, []);
}

#[test]
fn states_of_a_finding_and_the_order_of_files_do_not_matter() {
    let mut later = tor();
    later["updatedAt"] = json!("2026-03-04T12:00:00.000Z");
    later["service"]["count"] = json!(9);
    later["severity"] = json!(8);
    let (a, b) = (with(&[tor(), later.clone()], 3), with(&[later, tor()], 3));
    assert_eq!(a.aws_findings, b.aws_findings);
    assert_eq!(a.aws_findings.len(), 1);
    assert_eq!(a.aws_findings[0].count, Some(9));
    assert_eq!(a.aws_findings[0].severity.as_deref(), Some("high"));
}

fn insight(state: &str, time: &str) -> Value {
    json!({
        "eventVersion": "1.08", "eventTime": time, "awsRegion": "eu-west-1", "eventID": format!("e-{state}"),
        "eventType": "AwsCloudTrailInsight", "recipientAccountId": "111122223333", "sharedEventID": "shared-1",
        "insightDetails": {"state": state, "eventSource": "s3.amazonaws.com", "eventName": "ListBuckets",
            "insightType": "ApiCallRateInsight", "insightContext": {
                "statistics": {"baseline": {"average": 0.033}, "insight": {"average": 12.5},
                    "insightDuration": 90, "baselineDuration": 10080},
                "attributions": [
                    {"attribute": "userIdentityArn",
                     "insight": [{"value": "arn:aws:iam::111122223333:user/quiet", "average": 12.5}],
                     "baseline": [{"value": "arn:aws:iam::111122223333:user/quiet", "average": 0.033}]},
                    {"attribute": "userAgent", "insight": [{"value": "Boto3", "average": 12.5}], "baseline": []},
                    {"attribute": "errorCode", "insight": [{"value": "null", "average": 12.5}], "baseline": []}]}},
        "eventCategory": "Insight",
    })
}

#[test]
fn insights_are_taken_in_from_their_own_files_and_convict_nobody() {
    let records = json!({"Records": [insight("Start", "2026-03-03T22:00:00Z"), insight("End", "2026-03-03T23:30:00Z")]});
    let name = "AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/2026/03/03/111122223333_CloudTrail-Insight_eu-west-1_20260303T2200Z_x.json.gz";
    let alone = told(&[("trail.json", lines(&quiet_theft(3)))], Seeds::default());
    let found = told(
        &[
            ("trail.json", lines(&quiet_theft(3))),
            (name, gzip(records.to_string().as_bytes())),
        ],
        Seeds::default(),
    );
    assert_eq!(found.problems, []);
    assert_eq!(found.skipped, []);
    assert_eq!(found.files.len(), 2);
    assert_eq!(found.events_read, alone.events_read);
    assert_eq!(found.tainted_events, alone.tainted_events);
    let [finding] = found.aws_findings.as_slice() else {
        panic!("one finding: {:?}", found.aws_findings);
    };
    assert_eq!(
        (finding.source.as_str(), finding.kind.as_str()),
        ("insight", "ApiCallRateInsight")
    );
    assert_eq!(finding.first.as_deref(), Some("2026-03-03T22:00:00Z"));
    assert_eq!(finding.last.as_deref(), Some("2026-03-03T23:30:00Z"));
    assert_eq!(
        finding.detail.as_deref(),
        Some("12.5 a minute, usually 0.033")
    );
    // From 22:00 to 23:30 every half an hour.
    assert_eq!(finding.events, 3);
    assert_eq!(finding.severity, None);
    let actor = found.actors.iter().find(|actor| actor.id == KEY);
    let reasons = &actor.expect("in the log").reasons;
    assert!(
        reasons
            .iter()
            .any(|reason| reason.starts_with("CloudTrail Insights counts it")),
        "{reasons:?}"
    );
}

#[test]
fn the_story_stays_the_same_with_a_finding_beside_it() {
    let plain = told(&[("story", STORY.as_bytes().to_vec())], Seeds::default());
    let mut about = finding(
        "UnauthorizedAccess:IAMUser/MaliciousIPCaller",
        5,
        ELSEWHERE,
        "2026-03-04T02:00:00Z",
    );
    about["resource"]["accessKeyDetails"]["accessKeyId"] = json!("AKIAOWNEROWNEROWNER1");
    let found = told(
        &[("story", STORY.as_bytes().to_vec()), ("f", lines(&[about]))],
        Seeds::default(),
    );
    assert_eq!(found.tainted_events, plain.tainted_events);
    assert_eq!(found.uncertain_events, plain.uncertain_events);
    assert_eq!(found.aws_findings[0].events, 9);
}

#[test]
fn nothing_of_a_finding_reaches_the_terminal_unfiltered() {
    let mut hostile = tor();
    let text = "\u{1b}]0;owned\u{7}\u{202e}<script>\u{0}x";
    hostile["title"] = json!(text);
    hostile["type"] = json!(format!("{text}:IAMUser/TorIPCaller"));
    hostile["service"]["additionalInfo"] = json!({"userAgent": {"fullUserAgent": text}});
    hostile["resource"]["accessKeyDetails"]["userName"] = json!(text);
    let found = with(&[hostile], 3);
    let held = serde_json::to_string(&found.aws_findings).expect("JSON");
    for text in [summary(&found), held] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{0}']));
        assert!(!text.contains("\\u001b") && !text.contains("\\u0000"));
    }
}

#[test]
fn the_answer_survives_being_written_and_read() {
    let found = with(&[tor(), insight("Start", "2026-03-03T22:00:00Z")], 3);
    let text = serde_json::to_string(&found).expect("JSON");
    assert_eq!(serde_json::from_str::<Triage>(&text).expect("JSON"), found);
    let mut old: Value = serde_json::from_str(&text).expect("JSON");
    old.as_object_mut()
        .expect("an object")
        .remove("aws_findings");
    let read: Triage = serde_json::from_value(old).expect("an answer from before");
    assert_eq!(read.aws_findings, []);
}
