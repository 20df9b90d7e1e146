//! What a plan comes to.

use relatch_case::Policy;
use relatch_case::model::ExposureLevel;
use relatch_case::plan::Mode;

use crate::estimate::duration;
use crate::order::Severity;
use crate::summary::{By, Filter, Row, group, rows, summarise, wave_progress};
use crate::testing::{Found, able, at, credential, do_step, step};
use crate::{Options, make};

/// A key that the thief used, two ordinary ones, and one that nobody knows the place of.
fn found() -> Found {
    Found::new()
        .issuer("openai", able())
        .issuer("custom", able())
        .key("openai", "p/1", "used")
        .place("used", "prod/used")
        .consumer("web", &["prod/used"])
        .stolen("used")
        .key("openai", "p/2", "plain")
        .place("plain", "prod/plain")
        .consumer("batch", &["prod/plain"])
        .exposed("prod/plain", ExposureLevel::Readable)
        .key("custom", "p/3", "other")
        .place("other", "dev/other")
        .key("custom", "p/4", "homeless")
}

fn taken(filter: Filter) -> Vec<String> {
    let (state, plan) = (found().state(), found().plan());
    let rows = rows(&plan, Some(&state));
    let mut names: Vec<String> = rows
        .iter()
        .filter(|row| filter.takes(row))
        .map(|row| row.name.clone())
        .collect();
    names.sort();
    names
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_plan_is_counted() {
    let (state, plan) = (found().state(), found().plan());
    let rows = rows(&plan, Some(&state));
    let summary = summarise(&plan, &rows);
    assert_eq!((summary.credentials, summary.steps), (3, plan.steps.len()));
    assert_eq!(summary.by_mode["hot"], 1);
    assert_eq!(summary.by_mode["warm"], 2);
    assert_eq!(summary.by_issuer["openai"], 2);
    assert_eq!(
        summary.by_severity,
        [
            (Severity::UsedByThief, 1),
            (Severity::Spends, 1),
            (Severity::Plain, 1)
        ]
    );
    assert_eq!(summary.by_exposure["readable"], 1);
    assert_eq!(summary.by_exposure["read"], 1);
    assert_eq!((summary.waves, summary.most_waves), (1, 1));
    let outage: Vec<&str> = summary
        .outage
        .iter()
        .map(relatch_case::ConsumerId::as_str)
        .collect();
    assert_eq!(outage, ["web"]);
    assert_eq!(summary.blocked.len(), 1);
    assert_eq!(summary.blocked[0].example, credential("homeless"));
}

#[test]
fn without_the_case_nothing_is_made_up() {
    let rows = rows(&found().plan(), None);
    assert!(
        rows.iter()
            .all(|row| row.severity.is_none() && row.exposure.is_none())
    );
    assert!(summarise(&found().plan(), &rows).by_severity.is_empty());
}

#[test]
fn filters_combine() {
    for (filter, names) in [
        (
            Filter::default(),
            vec!["key homeless", "key other", "key plain", "key used"],
        ),
        (
            Filter {
                issuers: texts(&["openai"]),
                ..Filter::default()
            },
            vec!["key plain", "key used"],
        ),
        (
            Filter {
                modes: vec![Mode::Hot],
                ..Filter::default()
            },
            vec!["key used"],
        ),
        (
            Filter {
                blocked: true,
                ..Filter::default()
            },
            vec!["key homeless"],
        ),
        (
            Filter {
                severities: vec![Severity::Plain, Severity::Spends],
                ..Filter::default()
            },
            vec!["key homeless", "key other", "key plain"],
        ),
        (
            Filter {
                containers: texts(&["secretsmanager:eu-west-1:prod/*"]),
                ..Filter::default()
            },
            vec!["key plain", "key used"],
        ),
        (
            Filter {
                containers: texts(&["secretsmanager:eu-west-1:prod"]),
                ..Filter::default()
            },
            vec![],
        ),
        (
            Filter {
                consumers: texts(&["batch"]),
                ..Filter::default()
            },
            vec!["key plain"],
        ),
        (
            Filter {
                consumers: texts(&["batch"]),
                modes: vec![Mode::Hot],
                ..Filter::default()
            },
            vec![],
        ),
        (
            Filter {
                credentials: texts(&["cred-ot", "plain"]),
                ..Filter::default()
            },
            vec!["key other", "key plain"],
        ),
        (
            Filter {
                credentials: texts(&["key used"]),
                issuers: texts(&["openai", "custom"]),
                ..Filter::default()
            },
            vec!["key used"],
        ),
    ] {
        assert_eq!(taken(filter.clone()), names, "{filter:?}");
    }
}

#[test]
fn groups_count_every_row_they_hold() {
    let (state, plan) = (found().state(), found().plan());
    let rows = rows(&plan, Some(&state));
    let keys = |by| -> Vec<(String, usize)> {
        let groups = group(&rows, by);
        groups.into_iter().map(|g| (g.key, g.credentials)).collect()
    };
    let pair = |key: &str, n| (key.to_string(), n);
    assert_eq!(keys(By::Issuer), [pair("custom", 2), pair("openai", 2)]);
    assert_eq!(
        keys(By::Mode),
        [pair("warm", 2), pair("blocked", 1), pair("hot", 1)]
    );
    assert_eq!(
        keys(By::Consumer),
        [pair("no consumer", 2), pair("batch", 1), pair("web", 1)]
    );
    assert_eq!(keys(By::Principal).len(), 4);
    assert!(keys(By::Container).contains(&pair("secretsmanager:eu-west-1:dev/other", 1)));
    let steps: usize = group(&rows, By::Severity).iter().map(|g| g.steps).sum();
    assert_eq!(steps, plan.steps.len());
}

#[test]
fn a_blocked_owner_is_no_reason_of_its_own() {
    let mut full = Found::new().issuer("iam", crate::testing::roomy(1));
    for n in 0..30 {
        let (owner, key) = (format!("user/u{n}"), format!("k{n}"));
        full = full.key("iam", &owner, &key).place(&key, &key);
    }
    let (state, plan) = (full.state(), full.plan());
    let summary = summarise(&plan, &rows(&plan, Some(&state)));
    assert_eq!(plan.blocked.len(), 30, "{:?}", plan.blocked.first());
    assert_eq!(summary.blocked.len(), 1, "{:?}", summary.blocked);
    assert_eq!(summary.blocked[0].count, 30);
    assert!(
        summary.blocked[0]
            .reason
            .starts_with("its owner already holds")
    );
}

#[test]
fn the_duration_is_gates_and_the_longest_queue() {
    let mut many = Found::new().issuer("openai", able());
    for n in 0..10 {
        let key = format!("k{n}");
        many = many
            .key("openai", &format!("p/{n}"), &key)
            .place(&key, &key);
    }
    let policy = Policy {
        observe_s: 100,
        soak_s: 1000,
        dead_probes_s: vec![0, 2000],
        per_minute: 6,
        ..Policy::default()
    };
    let plan = make(&many.state(), &policy, &Options::default()).expect("plan");
    let duration = duration(&plan);
    assert_eq!(duration.gates_s, 2100);
    let lane = duration.slowest.expect("a lane");
    assert_eq!(lane.name, "issuer openai");
    let calls = plan.steps.iter().filter(|step| {
        matches!(
            step.action.verb(),
            "mint" | "check" | "disable" | "prove" | "delete" | "sweep"
        )
    });
    assert_eq!(lane.calls, calls.count() as u64);
    assert_eq!(lane.seconds, lane.calls * 10);
    assert_eq!(duration.expected_s, 2100 + lane.seconds);
}

#[test]
fn waves_under_way_are_listed() {
    let found = Found::new()
        .issuer("openai", able())
        .key("openai", "p/1", "a")
        .place("a", "s")
        .consumer("c1", &["s"])
        .consumer("c2", &["s"]);
    let mut state = found.approved();
    let plan = std::sync::Arc::clone(&state.plan.as_ref().expect("a plan").plan);
    assert!(wave_progress(&state, &plan).is_empty());
    for what in [
        "keep",
        "mint",
        "check",
        "write/secretsmanager:eu-west-1:s",
        "roll/c1",
        "adopt/c1",
        "settle/1",
    ] {
        do_step(&mut state, at(1), &step("a", what));
    }
    let progress = wave_progress(&state, &plan);
    assert_eq!(progress.len(), 1);
    let one = &progress[0];
    assert_eq!((one.over, one.of, one.adopted, one.consumers), (1, 2, 1, 2));
}

#[test]
fn ten_thousand_are_summed_up_quickly() {
    let mut many = Found::new().issuer("openai", able());
    for n in 0..10_000 {
        let key = format!("k{n:05}");
        many = many
            .key("openai", &format!("p/{n}"), &key)
            .place(&key, &key);
    }
    let (state, plan) = (many.state(), many.plan());
    let rows: Vec<Row> = rows(&plan, Some(&state));
    let summary = summarise(&plan, &rows);
    assert_eq!(summary.credentials, 10_000);
    assert_eq!(group(&rows, By::Principal).len(), 10_000);
}
