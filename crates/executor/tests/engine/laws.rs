//! A rotation that nothing disturbs, and what must never be seen of it.

use std::path::Path;

use relatch_case::fact::Fact;
use relatch_case::model::Liveness;
use relatch_case::state::StepStatus;
use relatch_case::{FaultKind, Policy};
use relatch_executor::{Ended, EngineError, Event};
use relatch_rotation::Waiting;
use relatch_rotation::drift::drift;

use crate::support::{Setting, Trouble, container, quick, slot, step};

#[tokio::test(start_paused = true)]
async fn five_credentials_are_rotated_and_every_law_holds() {
    let setting = Setting::five();
    setting.begin(&quick()).await;
    assert_eq!(setting.run().await.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
    let state = setting.state();
    for (credential, (_, probe)) in &state.probes {
        assert_eq!(probe.liveness, Liveness::Dead, "{credential}");
        assert!(probe.control);
    }
    assert_eq!(state.probes.len(), 5, "every old key is proven dead");
    assert_eq!(setting.model.effects("mint"), 5);
    assert_eq!(setting.model.effects("disable"), 4);
    assert_eq!(setting.model.effects("delete"), 5);
}

#[tokio::test(start_paused = true)]
async fn every_effect_has_its_intent_before_and_its_outcome_after() {
    let setting = Setting::five();
    setting.begin(&quick()).await;
    setting.run().await.expect("run");
    let engine = setting.engine(&crate::support::Kill::never());
    let records = engine.context().ledger.records().expect("the chain holds");
    let plan = setting.state().plan.expect("plan").plan;
    for planned in plan.steps.iter().filter(|s| !s.action.only_looks()) {
        let facts: Vec<&str> = records
            .iter()
            .filter_map(|record| match &record.fact {
                Fact::StepIntended { step, .. } if *step == planned.id => Some("intended"),
                Fact::StepEnded { step, .. } if *step == planned.id => Some("ended"),
                _ => None,
            })
            .collect();
        assert_eq!(facts, ["intended", "ended"], "{}", planned.id);
    }
}

#[tokio::test(start_paused = true)]
async fn no_value_is_in_any_file_or_event() {
    let setting = Setting::five();
    setting.model.trouble("write", &[Trouble::AnswerLost]);
    setting.begin(&quick()).await;
    let before = setting.model.values();
    setting.run().await.expect("run");
    let mut values = setting.model.values();
    values.extend(before);
    assert_eq!(values.len(), 10);
    let mut files = Vec::new();
    collect(setting.folder.path(), &mut files);
    for name in ["journal.db", "values.db"] {
        let found = files.iter().any(|file| file.ends_with(name));
        assert!(found, "{name} is not in {files:?}");
    }
    for file in files {
        let bytes = std::fs::read(&file).expect("read");
        for value in &values {
            let found = bytes.windows(value.len()).any(|w| w == value.as_bytes());
            assert!(!found, "{value} is in {}", file.display());
        }
        let canary = bytes.windows(7).any(|w| w == b"canary-");
        assert!(!canary, "a part of a value is in {}", file.display());
    }
    let events = format!("{:?}", setting.events.lock().expect("events"));
    assert!(events.contains("cred-k0/mint"));
    assert!(!events.contains("canary-"));
    let state = format!("{:?}", setting.state());
    assert!(!state.contains("canary-"));
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("list") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stolen_key_dies_first_and_the_outage_ends_with_the_new_one() {
    let mut setting = Setting::one("unnamed", 0);
    setting.model.lock().outage_accepted = true;
    setting.fact(Fact::ActorConvicted {
        keys: vec!["k0".into()],
        arns: Vec::new(),
        addresses: Vec::new(),
        first: None,
        last: None,
        why: Vec::new(),
    });
    setting.begin(&quick()).await;
    let waits = setting.run().await.expect("run");
    assert!(
        matches!(waits, Ended::Waiting(_)),
        "containment is not seen to bind"
    );
    assert_eq!(
        setting.model.effects("mint"),
        0,
        "no new value for the thief"
    );
    assert_eq!(
        setting.model.effects("disable"),
        1,
        "the old one is dead at once"
    );
    setting.record(Fact::ContainmentWaived {
        because: "test".to_string(),
        people: vec!["a".to_string(), "b".to_string()],
    });
    assert_eq!(setting.run().await.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn an_old_key_that_is_still_used_restarts_the_window() {
    let setting = Setting::one("named", 0);
    let policy = Policy {
        observe_s: 60,
        ..quick()
    };
    setting.begin(&policy).await;
    let used = async {
        tokio::time::sleep(std::time::Duration::from_secs(40)).await;
        let now = setting.model.now();
        let mut inner = setting.model.lock();
        inner.keys.get_mut(&"k0".into()).expect("old").last_used = Some(now);
    };
    let (ended, ()) = tokio::join!(setting.run(), used);
    assert_eq!(ended.expect("run"), Ended::Finished);
    let state = setting.state();
    let begun = state.case.as_ref().expect("case").opened_at;
    let observed = state.steps[&step("k0", "observe")].at;
    assert!(
        observed.duration_since(begun).as_secs() >= 100,
        "{observed}"
    );
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_seen_does_not_count_as_observed() {
    let setting = Setting::one("named", 0);
    let policy = Policy {
        observe_s: 60,
        ..quick()
    };
    setting.begin(&policy).await;
    let blind = async {
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        let out = Trouble::Refused(FaultKind::Unreachable);
        setting.model.trouble("health", &[out; 20]);
    };
    let (ended, ()) = tokio::join!(setting.run(), blind);
    assert_eq!(ended.expect("run"), Ended::Finished);
    let state = setting.state();
    let begun = state.case.as_ref().expect("case").opened_at;
    let observed = state.steps[&step("k0", "observe")].at;
    assert!(
        observed.duration_since(begun).as_secs() >= 110,
        "{observed}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_does_not_get_well_has_its_wave_rolled_back() {
    let setting = Setting::one("named", 0);
    let old = setting.model.value_at(&container("app"), &slot("k0"));
    setting.model.lock().ill.insert("web".into());
    setting.begin(&quick()).await;
    let ended = setting.run().await.expect("run");
    let Ended::Waiting(waits) = ended else {
        panic!("{ended:?}");
    };
    let because = "wave 1 is rolled back: web is not well: 503";
    assert!(
        waits.iter().any(
            |wait| matches!(&wait.on, Waiting::Stuck { because: b } if b.starts_with(because))
        ),
        "{waits:?}"
    );
    assert_eq!(setting.model.effects("disable"), 0);
    assert_eq!(setting.model.value_at(&container("app"), &slot("k0")), old);
    assert_eq!(setting.model.running_with("web", "app", "k0"), old);
    {
        let events = setting.events.lock().expect("events");
        let told = events.iter().filter(
            |event| matches!(event, Event::NotYet { detail, .. } if detail == "web is not well: 503"),
        );
        assert_eq!(told.count(), 1, "told once, not every second");
    }
    // A person mends the consumer and sends the wave back to work.
    setting.model.lock().ill.clear();
    let step = step("k0", "adopt/web");
    setting.record(Fact::StepRetried { step });
    assert_eq!(setting.run().await.expect("run"), Ended::Finished);
    assert_eq!(setting.model.effects("mint"), 1, "the new key is kept");
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn without_a_plan_there_is_nothing_to_carry_out() {
    let setting = Setting::one("named", 0);
    let ended = setting.run().await;
    assert!(matches!(ended, Err(EngineError::NoPlan)));
}

#[tokio::test(start_paused = true)]
async fn the_world_shows_no_drift_before_after_and_half_way() {
    let setting = Setting::five();
    setting.begin(&quick()).await;
    for seconds in [0, 1, 3, 8, 60] {
        let engine = setting.engine(&crate::support::Kill::never());
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let later = async {
            tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
            stop.send_replace(true);
        };
        let run = engine.run(relatch_executor::Patience::Forever, stopped);
        let (ended, ()) = tokio::join!(run, later);
        ended.expect("run");
        let state = setting.state();
        let plan = &state.plan.as_ref().expect("plan").plan;
        let seen = relatch_executor::survey(engine.context(), plan).await;
        assert_eq!(
            drift(plan, &state, &seen),
            [],
            "after {seconds} more seconds"
        );
        let begun = |s: &StepStatus| matches!(s, StepStatus::Intended);
        assert!(!state.steps.values().any(|s| begun(&s.status)));
    }
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn no_more_is_asked_at_once_than_the_policy_says() {
    let mut setting = Setting::empty(0);
    for n in 0..6 {
        let (principal, id, place) = (format!("p/{n}"), format!("k{n}"), format!("app-{n}"));
        setting.key("named", &principal, &id, &[(&place, &id)]);
    }
    let policy = Policy {
        concurrency: 2,
        ..quick()
    };
    setting.begin(&policy).await;
    assert_eq!(setting.run().await.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
    for what in ["mint", "disable", "delete", "write"] {
        assert_eq!(setting.model.most_at_once(what), 2, "{what}");
    }
}
