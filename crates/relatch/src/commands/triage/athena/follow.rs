//! Following the thief: whom a round convicted, and what of it was not asked for yet.

use std::collections::{BTreeMap, BTreeSet};

use relatch_detect::sql;
use relatch_evidence::{Triage, Verdict};

use super::fetched::Ties;

/// Keys, actors and addresses that are, or may be, the thief's.
pub(super) fn convicted(triage: &Triage, ties: &BTreeMap<String, Ties>) -> sql::Seeds {
    let mut found = sql::Seeds {
        addresses: triage.addresses.iter().cloned().collect(),
        access_keys: triage.created_keys.clone(),
        ..sql::Seeds::default()
    };
    let whose = |verdict| verdict != Verdict::Legitimate;
    let actors = triage.actors.iter();
    for actor in actors.filter(|actor| whose(actor.verdict) && actor.kind != "service") {
        found.access_keys.extend(actor.access_keys.iter().cloned());
        let arn = actor.arn.iter().filter(|arn| arn.starts_with("arn:"));
        found.principals.extend(arn.cloned());
    }
    let handed = triage.issued_credentials.iter().map(|read| &read.id);
    found
        .access_keys
        .extend(handed.filter(|id| is_key(id)).cloned());
    let made = triage.persistence.iter();
    found.principals.extend(made.filter_map(|made| {
        let kind = match made.kind.as_str() {
            "user" | "login_profile" => "user",
            "role" | "trust_policy" => "role",
            _ => return None,
        };
        match (&made.account, made.id.starts_with("arn:")) {
            (_, true) => Some(made.id.clone()),
            (Some(account), false) => Some(format!("arn:aws:iam::{account}:{kind}/{}", made.id)),
            (None, false) => None,
        }
    }));
    for tie in triage.tainted_events.iter().filter_map(|id| ties.get(id)) {
        found.events.extend(tie.shared.clone());
        found.source_identities.extend(tie.source_identity.clone());
    }
    found
}

/// Whether this looks like the id of an access key.
pub(super) fn is_key(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    ["AKIA", "ASIA"].iter().any(|start| id.starts_with(start)) && id.bytes().all(plain)
}

/// The sets of some seeds, always in the same order.
fn sets(seeds: &mut sql::Seeds) -> [&mut BTreeSet<String>; 6] {
    [
        &mut seeds.access_keys,
        &mut seeds.addresses,
        &mut seeds.user_agents,
        &mut seeds.principals,
        &mut seeds.source_identities,
        &mut seeds.events,
    ]
}

/// What was not asked for before.
pub(super) fn beyond(seeds: &sql::Seeds, asked: &sql::Seeds) -> sql::Seeds {
    let (mut new, mut asked) = (seeds.clone(), asked.clone());
    for (new, asked) in sets(&mut new).into_iter().zip(sets(&mut asked)) {
        new.retain(|one| !asked.contains(one));
    }
    new
}

/// Counts these among those.
pub(super) fn add(to: &mut sql::Seeds, more: &sql::Seeds) {
    let mut more = more.clone();
    for (to, more) in sets(to).into_iter().zip(sets(&mut more)) {
        to.append(more);
    }
}

/// How many keys, actors, addresses and events there are.
pub(super) fn count(seeds: &sql::Seeds) -> usize {
    let mut seeds = seeds.clone();
    sets(&mut seeds).into_iter().map(|set| set.len()).sum()
}

#[cfg(test)]
mod tests {
    use relatch_evidence::{Options, Seeds, Source, triage_sources};

    use super::*;

    #[test]
    fn each_round_asks_only_for_what_is_new() {
        let seeds = |keys: &[&str], events: &[&str]| sql::Seeds {
            access_keys: keys.iter().map(ToString::to_string).collect(),
            events: events.iter().map(ToString::to_string).collect(),
            ..sql::Seeds::default()
        };
        let mut asked = seeds(&["AKIA1"], &[]);
        let next = beyond(&seeds(&["AKIA1", "AKIA2"], &["e"]), &asked);
        assert_eq!(next, seeds(&["AKIA2"], &["e"]));
        assert_eq!(count(&next), 2);
        add(&mut asked, &next);
        assert_eq!(count(&beyond(&next, &asked)), 0);
    }

    #[test]
    fn what_is_convicted_is_asked_for_and_nothing_else() {
        let line = |id: &str, key: &str, name: &str, address: &str, more: &str| {
            format!(
                r#"{{"eventID":"{id}","eventTime":"2026-11-10T10:00:0{id}Z","eventName":"{name}","eventSource":"iam.amazonaws.com","awsRegion":"us-east-1","sourceIPAddress":"{address}","userAgent":"x","userIdentity":{{"type":"IAMUser","userName":"{key}","arn":"arn:aws:iam::111122223333:user/{key}","accountId":"111122223333","accessKeyId":"{key}"}}{more}}}"#
            )
        };
        let made = r#","requestParameters":{"userName":"b"},"responseElements":{"accessKey":{"accessKeyId":"AKIAMADEMADEMADEMADE","userName":"b","status":"Active"}}"#;
        let lines = [
            line(
                "1",
                "AKIATHIEFTHIEFTHIEFX",
                "CreateAccessKey",
                "198.51.100.7",
                made,
            ),
            line("2", "AKIAOWNEROWNEROWNERX", "ListUsers", "203.0.113.5", ""),
        ];
        let source = Source::Bytes {
            name: "x".to_owned(),
            bytes: lines.join("\n").into_bytes(),
        };
        let seeds = Seeds {
            access_keys: ["AKIATHIEFTHIEFTHIEFX".to_owned()].into(),
            ..Seeds::default()
        };
        let triage = triage_sources(&[source], &Options::with_seeds(seeds)).expect("triaged");
        let ties = Ties {
            shared: Some("s".to_owned()),
            source_identity: None,
        };
        let ties = [("1".to_owned(), ties.clone()), ("2".to_owned(), ties)].into();
        let found = convicted(&triage, &ties);
        let keys: Vec<&str> = found.access_keys.iter().map(String::as_str).collect();
        assert_eq!(keys, ["AKIAMADEMADEMADEMADE", "AKIATHIEFTHIEFTHIEFX"]);
        assert!(found.addresses.contains("198.51.100.7"));
        assert!(!found.addresses.contains("203.0.113.5"));
        assert!(
            found
                .principals
                .contains("arn:aws:iam::111122223333:user/AKIATHIEFTHIEFTHIEFX")
        );
        assert_eq!(found.events, ["s".to_owned()].into());
    }
}
