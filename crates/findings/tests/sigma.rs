//! The rules load where rules are loaded, and match just what they name.

use std::collections::BTreeSet;

use relatch_detect::{Loaded, Placeholders, RuleSet, load_text};
use relatch_findings::sigma::{Rule, rules};
use relatch_findings::{About, Moment};
use serde_json::{Value, json};

mod support;

fn load(rules: &[Rule]) -> RuleSet {
    let mut loaded = Loaded::default();
    for rule in rules {
        loaded.add(load_text(&rule.file_name, &rule.yaml, &Placeholders::new()));
    }
    assert!(loaded.refused.is_empty(), "{:?}", loaded.refused);
    assert_eq!(loaded.rules.len(), rules.len());
    RuleSet::compile(loaded)
}

/// Titles of the rules that match an event.
fn hits(set: &RuleSet, event: &Value) -> Vec<String> {
    let mut hits = Vec::new();
    set.scanner().matches(event, &mut hits);
    hits.iter()
        .filter_map(|hit| set.rule(*hit))
        .map(|rule| rule.title.clone())
        .collect()
}

fn event(key: &str, address: &str, client: &str) -> Value {
    json!({
        "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "errorCode": "AccessDenied",
        "sourceIPAddress": address, "userAgent": client,
        "userIdentity": { "type": "IAMUser", "accessKeyId": key, "userName": "deploy-bot" },
    })
}

fn written(moments: &[Moment]) -> Vec<Rule> {
    let retired = BTreeSet::from([support::STOLEN.to_owned()]);
    rules(
        &support::triage(moments),
        moments,
        &support::about(),
        &retired,
    )
}

#[test]
fn further_use_is_seen_and_other_use_is_not() {
    let set = load(&written(&support::moments(50)));
    let quiet = (
        "AKIAOTHEROTHEROTH005",
        support::OFFICE,
        support::COMMON_CLIENT,
    );
    let none: [&str; 0] = [];
    assert_eq!(hits(&set, &event(quiet.0, quiet.1, quiet.2)), none);
    assert_eq!(
        hits(&set, &event(support::STOLEN, quiet.1, quiet.2)),
        ["Retired access key used"]
    );
    assert_eq!(
        hits(&set, &event(support::PLANTED, quiet.1, quiet.2)),
        ["Access key that an attacker made used"]
    );
    assert_eq!(
        hits(&set, &event(quiet.0, support::THIEF, quiet.2)),
        ["Call from the address of an attacker"]
    );
    assert_eq!(
        hits(&set, &event(quiet.0, quiet.1, support::THIEFS_CLIENT)),
        ["Call with the client of an attacker"]
    );
    let user = json!({ "userIdentity": { "type": "IAMUser", "userName": "support-2" } });
    assert_eq!(hits(&set, &user), ["User that an attacker made acts"]);
    let issuer = json!({ "type": "Role", "userName": "OrgAudit" });
    let role = json!({ "userIdentity": { "sessionContext": { "sessionIssuer": issuer } } });
    assert_eq!(hits(&set, &role), ["Role that an attacker made acts"]);
}

#[test]
fn stars_and_backslashes_stand_for_themselves() {
    let mut moments = support::moments(0);
    moments[0].client = r"a*b?c\d\*e 'q' # x: y".into();
    let set = load(&written(&moments));
    let matched = |client: &str| !hits(&set, &event("", "", client)).is_empty();
    assert!(matched(r"a*b?c\d\*e 'q' # x: y"));
    for other in [
        r"axb?c\d\*e 'q' # x: y",
        r"a*bxc\d\*e 'q' # x: y",
        r"a*b?c\d\xe 'q' # x: y",
    ] {
        assert!(!matched(other), "{other}");
    }
}

#[test]
fn a_text_that_is_not_the_logs_makes_no_rule() {
    let mut moments = support::moments(0);
    moments[0].client = "aws-cli\u{202e}/2".into();
    let written = written(&moments);
    let clients = written
        .iter()
        .find(|rule| rule.file_name == "relatch_clients.yml");
    let yaml = &clients.expect("a rule").yaml;
    assert!(
        !yaml.contains("aws-cli/2'") && yaml.contains("1 more that"),
        "{yaml}"
    );
}

#[test]
fn many_keys_make_more_rules_and_each_key_is_in_one() {
    let keys: BTreeSet<String> = (0..250).map(|n| format!("AKIARETIREDRETI{n:05}")).collect();
    let all = rules(&support::triage(&[]), &[], &support::about(), &keys);
    let retired: Vec<Rule> = all
        .into_iter()
        .filter(|rule| rule.title.starts_with("Retired"))
        .collect();
    assert_eq!(retired.len(), 3);
    let names: BTreeSet<&str> = retired.iter().map(|rule| rule.file_name.as_str()).collect();
    let ids: BTreeSet<&str> = retired.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!((names.len(), ids.len()), (3, 3));
    let set = load(&retired);
    for key in &keys {
        assert_eq!(hits(&set, &event(key, "", "")).len(), 1, "{key}");
    }
}

#[test]
fn ids_belong_to_the_case() {
    let moments = support::moments(0);
    let first = written(&moments);
    assert_eq!(first, written(&moments));
    let other = About {
        case: "inc_other".into(),
        ..support::about()
    };
    let other = rules(
        &support::triage(&moments),
        &moments,
        &other,
        &BTreeSet::new(),
    );
    assert!(
        other
            .iter()
            .all(|rule| first.iter().all(|mine| mine.id != rule.id))
    );
}
