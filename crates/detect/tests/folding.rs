//! Hits of a whole log come to the same groups in whatever order and by however many they are
//! collected, and what an actor did before the incident is told from what it did in it.

use relatch_detect::{Folded, Folder, Group, Hit, Level, RuleSet, builtin, habit};
use serde_json::{Value, json};

struct At {
    seconds: i64,
    number: u64,
    event: Value,
}

fn read(seconds: i64, number: u64, key: &str, address: &str, secret: &str) -> At {
    let event = json!({
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "GetSecretValue",
        "sourceIPAddress": address,
        "userAgent": "aws-cli/2.17",
        "userIdentity": {"type": "IAMUser", "accessKeyId": key},
        "requestParameters": {"secretId": secret},
    });
    At {
        seconds,
        number,
        event,
    }
}

fn take(set: &RuleSet, folder: &mut Folder<'_>, events: &[At]) {
    let (mut scanner, mut hits) = (set.scanner(), Vec::new());
    for At {
        seconds,
        number,
        event,
    } in events
    {
        scanner.matches(event, &mut hits);
        let habit = habit(event);
        let actor = event["userIdentity"]["accessKeyId"]
            .as_str()
            .expect("a key");
        let hit = Hit {
            actor,
            habit: &habit,
            time_ms: seconds * 1000,
            event: *number,
        };
        folder.take(&hits, hit, event);
    }
}

fn fold(set: &RuleSet, since: Option<i64>, events: &[At]) -> Folded {
    let mut folder = set.folder(since.map(|seconds| seconds * 1000));
    take(set, &mut folder, events);
    folder.finish()
}

fn titles(set: &RuleSet, folded: &Folded) -> Vec<(String, bool)> {
    let title = |index| set.rule(index).expect("a rule").title.clone();
    folded
        .alerts
        .iter()
        .map(|alert| (title(alert.rule), alert.usual))
        .collect()
}

/// A job reads its five secrets each hour; in the sixth hour a thief with its key does too.
fn job_and_thief(thief_at: &str, thief_reads: &str) -> Vec<At> {
    let mut events = Vec::new();
    for hour in 0..8 {
        for n in 0..5 {
            let number = u64::try_from(hour * 5 + n).expect("small");
            events.push(read(
                hour * 3600 + n,
                number,
                "AKIAJOB",
                "10.0.0.1",
                &format!("own{n}"),
            ));
        }
    }
    for n in 0..5 {
        let number = u64::try_from(100 + n).expect("small");
        let secret = format!("{thief_reads}{n}");
        events.push(read(
            6 * 3600 + 900 + n,
            number,
            "AKIAJOB",
            thief_at,
            &secret,
        ));
    }
    events
}

fn only(folded: &Folded) -> &Group {
    assert_eq!(folded.groups.len(), 1, "{folded:?}");
    &folded.groups[0]
}

#[test]
fn what_was_usual_is_told_from_the_thief() {
    let set = RuleSet::compile(builtin());
    let folded = fold(&set, Some(6 * 3600), &job_and_thief("203.0.113.9", "own"));
    let group = only(&folded);
    assert_eq!(
        (group.actor.as_str(), group.tactic.as_str()),
        ("AKIAJOB", "credential-access")
    );
    assert_eq!((group.count, group.usual, folded.before), (5, 10, 30));
    assert_eq!(group.level, Some(Level::Critical), "the sweep is critical");
    let from = (6 * 3600 + 900) * 1000;
    assert_eq!((group.first_ms, group.last_ms), (from, from + 4000));
    assert_eq!(group.rules[0].events, [100, 101, 102, 103, 104]);
    let sweep = |usual| ("Many different secrets read".to_owned(), usual);
    assert_eq!(
        titles(&set, &folded),
        [sweep(true), sweep(false), sweep(true)]
    );
    assert_eq!(folded.alerts[1].actors, ["AKIAJOB"]);
}

#[test]
fn the_same_way_to_other_secrets_is_not_usual() {
    let set = RuleSet::compile(builtin());
    let folded = fold(&set, Some(6 * 3600), &job_and_thief("10.0.0.1", "other"));
    assert_eq!((only(&folded).count, only(&folded).usual), (5, 10));
    assert_eq!(only(&folded).level, Some(Level::Critical));
}

#[test]
fn a_burst_of_what_was_usual_only_one_by_one_is_told() {
    let set = RuleSet::compile(builtin());
    let mut events: Vec<At> = (0..5)
        .map(|n| {
            read(
                n * 3600,
                n.unsigned_abs(),
                "AKIAJOB",
                "10.0.0.1",
                &format!("own{n}"),
            )
        })
        .collect();
    let burst = (0i64..5).map(|n| (n, 6 * 3600 + n, 10 + n.unsigned_abs()));
    events.extend(
        burst.map(|(n, at, number)| read(at, number, "AKIAJOB", "10.0.0.1", &format!("own{n}"))),
    );
    let folded = fold(&set, Some(6 * 3600), &events);
    assert_eq!((only(&folded).count, only(&folded).usual), (0, 5));
    assert_eq!(
        titles(&set, &folded),
        [("Many different secrets read".to_owned(), false)]
    );
    assert_eq!(only(&folded).level, Some(Level::Critical));
}

#[test]
fn a_burst_over_the_edge_of_the_incident_is_seen_whole() {
    let set = RuleSet::compile(builtin());
    let events: Vec<At> = (0..5)
        .map(|n| read(n, n.unsigned_abs(), "AKIAX", "10.0.0.1", &format!("s{n}")))
        .collect();
    let folded = fold(&set, Some(3), &events);
    assert_eq!(folded.alerts.len(), 1);
    assert_eq!(folded.alerts[0].events, [0, 1, 2, 3, 4]);
    assert_eq!(folded.before, 3);
}

#[test]
fn without_a_beginning_nothing_is_usual() {
    let set = RuleSet::compile(builtin());
    let folded = fold(&set, None, &job_and_thief("10.0.0.1", "own"));
    assert_eq!(
        (only(&folded).count, only(&folded).usual, folded.before),
        (45, 0, 0)
    );
    assert!(folded.alerts.iter().all(|alert| !alert.usual));
}

#[test]
fn order_and_number_of_collectors_do_not_matter() {
    let set = RuleSet::compile(builtin());
    let mut random = fastrand::Rng::with_seed(11);
    let mut events = job_and_thief("203.0.113.9", "own");
    for number in 200..500 {
        let key = ["AKIAA", "AKIAB", "ASIAC"][random.usize(0..3)];
        let address = ["10.0.0.1", "10.0.0.2"][random.usize(0..2)];
        let secret = ["x", "y", "z", "u", "v", "w"][random.usize(0..6)];
        events.push(read(random.i64(0..40_000), number, key, address, secret));
    }
    let wanted = fold(&set, Some(20_000), &events);
    assert!(wanted.groups.len() > 3 && !wanted.alerts.is_empty());
    for _ in 0..20 {
        random.shuffle(&mut events);
        let mut all = set.folder(Some(20_000_000));
        for part in events.chunks(random.usize(1..events.len())) {
            let mut one = set.folder(Some(20_000_000));
            take(&set, &mut one, part);
            all.merge(&one);
        }
        assert_eq!(all.finish(), wanted);
    }
}
