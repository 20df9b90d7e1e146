//! Other hands: people, third parties, a second engine, a signal to stop.

use std::time::Duration;

use relatch_case::fact::Fact;
use relatch_case::model::Slot;
use relatch_case::state::StepStatus;
use relatch_case::{FaultKind, Journal, JournalError, Policy};
use relatch_executor::{Clock, Ended, EngineError, Patience};
use relatch_rotation::{Options, Waiting, make};
use tokio::sync::watch;

use crate::support::{Kill, Setting, Trouble, container, quick, run, step};

async fn begun(setting: Setting) -> Setting {
    setting.begin(&quick()).await;
    setting
}

fn app() -> (relatch_case::model::Container, Slot) {
    (container("app"), Slot::key("k0"))
}

#[tokio::test(start_paused = true)]
async fn what_a_third_party_wrote_is_never_overwritten() {
    // At any moment between the plan and our write.
    for after_ms in (0..400).step_by(20) {
        let setting = begun(Setting::one("named", 0)).await;
        let third_party = async {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            let (container, slot) = app();
            let ours = setting.model.effects("write") > 0;
            if !ours {
                setting.model.write_by_another(&container, &slot);
            }
            ours
        };
        let (ended, too_late) = tokio::join!(setting.run(), third_party);
        setting.model.assert_no_violation();
        if too_late {
            assert_eq!(ended.expect("run"), Ended::Finished);
            continue;
        }
        let Ok(Ended::Waiting(waits)) = ended else {
            panic!("{ended:?}");
        };
        assert!(matches!(waits[0].on, Waiting::Stuck { .. }), "{waits:?}");
        let (container, slot) = app();
        assert_eq!(setting.model.value_at(&container, &slot), "somebody-elses");
        assert_eq!(setting.model.effects("disable"), 0, "the old key stays");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_write_that_a_third_party_undid_is_a_conflict() {
    let setting = begun(Setting::one("named", 0)).await;
    setting.model.trouble("write", &[Trouble::AnswerLost]);
    let third_party = async {
        while setting.model.effects("write") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (container, slot) = app();
        setting.model.write_by_another(&container, &slot);
    };
    let (ended, ()) = tokio::join!(setting.run(), third_party);
    assert!(matches!(ended, Ok(Ended::Waiting(_))), "{ended:?}");
    setting.model.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn of_two_engines_one_is_refused() {
    let setting = begun(Setting::five()).await;
    let second = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        setting.run().await
    };
    let (first, second) = tokio::join!(setting.run(), second);
    assert_eq!(first.expect("run"), Ended::Finished);
    let refused = matches!(
        &second,
        Err(EngineError::Journal(JournalError::Held { .. }))
    );
    assert!(refused, "{second:?}");
    setting.model.assert_all_is_well();
    assert_eq!(setting.model.effects("mint"), 5);
}

#[tokio::test(start_paused = true)]
async fn an_engine_whose_lease_was_taken_over_stops_at_once() {
    for after_ms in [50, 150, 300, 700, 2000] {
        let setting = begun(Setting::five()).await;
        let takeover = async {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            let much_later = setting.clock.now() + jiff::SignedDuration::from_secs(60);
            let lease = setting.journal().acquire("other", much_later, 1);
            lease.expect("the first one's has expired by then")
        };
        let (first, lease) = tokio::join!(setting.run(), takeover);
        let fenced = matches!(
            &first,
            Err(EngineError::Journal(JournalError::Fenced { .. }))
        );
        assert!(fenced, "{first:?}");
        let effects = setting.model.lock().effects.len();
        tokio::time::sleep(Duration::from_mins(2)).await;
        assert_eq!(setting.model.lock().effects.len(), effects, "it stopped");
        setting.journal().release(&lease).expect("released");
        setting.resume_to_the_end().await;
        setting.model.assert_all_is_well();
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_to_stop_lets_what_was_begun_finish() {
    for after_ms in (10..1000).step_by(50) {
        let setting = begun(Setting::five()).await;
        let engine = setting.engine(&Kill::never());
        let (stop, stopped) = watch::channel(false);
        let signal = async {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            stop.send_replace(true);
        };
        let (ended, ()) = tokio::join!(engine.run(Patience::Forever, stopped), signal);
        assert_eq!(ended.expect("run"), Ended::Stopped, "after {after_ms} ms");
        let open = |status: &StepStatus| {
            matches!(status, StepStatus::Intended | StepStatus::Unknown { .. })
        };
        let state = setting.state();
        assert!(!state.steps.values().any(|s| open(&s.status)));
        // Nobody has to wait for the lease, and nothing is reconciled.
        setting.events.lock().expect("events").clear();
        assert_eq!(setting.run().await.expect("run"), Ended::Finished);
        let events = format!("{:?}", setting.events.lock().expect("events"));
        assert!(!events.contains("Reconciling"), "{events}");
        setting.model.assert_all_is_well();
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_effect_keeps_its_lease_after_the_signal_to_stop() {
    let setting = begun(Setting::one("named", 0)).await;
    setting.model.trouble("mint", &[Trouble::Slow(90)]);
    let engine = setting.engine(&Kill::never());
    let (stop, stopped) = watch::channel(false);
    let signal = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stop.send_replace(true);
        tokio::time::sleep(Duration::from_secs(40)).await;
        setting.run().await
    };
    let (ended, second) = tokio::join!(engine.run(Patience::Forever, stopped), signal);
    assert_eq!(ended.expect("run"), Ended::Stopped);
    let refused = matches!(
        &second,
        Err(EngineError::Journal(JournalError::Held { .. }))
    );
    assert!(refused, "{second:?}");
    setting.resume_to_the_end().await;
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stop_signal_is_no_signal() {
    let setting = begun(Setting::one("named", 0)).await;
    let engine = setting.engine(&Kill::never());
    let (stop, stopped) = watch::channel(false);
    drop(stop);
    let ended = engine.run(Patience::Forever, stopped).await;
    assert_eq!(ended.expect("run"), Ended::Finished);
}

#[tokio::test(start_paused = true)]
async fn patience_has_an_end() {
    let setting = Setting::one("named", 0);
    let policy = Policy {
        soak_s: 3600,
        ..quick()
    };
    setting.begin(&policy).await;
    let engine = setting.engine(&Kill::never());
    let (_keep, stopped) = watch::channel(false);
    let ended = engine
        .run(Patience::Seconds(60), stopped)
        .await
        .expect("run");
    let Ended::Waiting(waits) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(waits[0].step, step("k0", "delete"));
    assert!(matches!(waits[0].on, Waiting::Time { .. }));
}

#[tokio::test(start_paused = true)]
async fn without_patience_nothing_is_watched() {
    let setting = begun(Setting::one("named", 0)).await;
    setting.model.lock().ill.insert("web".into());
    let engine = setting.engine(&Kill::never());
    let (_keep, stopped) = watch::channel(false);
    let ended = engine
        .run(Patience::Seconds(0), stopped)
        .await
        .expect("run");
    let Ended::Waiting(waits) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(waits[0].step, step("k0", "adopt/web"));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_waived_by_name_no_longer_holds_the_rotation_up() {
    let mut setting = Setting::one("named", 0);
    setting.consumer("dead-service", &["app"]);
    setting.model.lock().ill.insert("dead-service".into());
    setting.begin(&quick()).await;
    let person = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(setting.model.effects("disable"), 0);
        setting.record(Fact::StepSkipped {
            step: step("k0", "adopt/dead-service"),
            because: "switched off last year".to_string(),
        });
    };
    let (ended, ()) = tokio::join!(setting.run(), person);
    assert_eq!(ended.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
    let state = setting.state();
    let skipped = &state.steps[&step("k0", "adopt/dead-service")].status;
    assert!(matches!(skipped, StepStatus::Skipped { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_stuck_step_goes_on_when_a_person_sends_it_back() {
    for what in ["write", "roll", "disable", "delete"] {
        let setting = begun(Setting::one("unnamed", 0)).await;
        setting
            .model
            .trouble(what, &[Trouble::Refused(FaultKind::Denied)]);
        let Ok(Ended::Waiting(waits)) = setting.run().await else {
            panic!("{what} waits for a person");
        };
        assert!(matches!(waits[0].on, Waiting::Stuck { .. }), "{waits:?}");
        setting.record(Fact::StepRetried {
            step: waits[0].step.clone(),
        });
        assert_eq!(setting.run().await.expect("run"), Ended::Finished, "{what}");
        setting.model.assert_all_is_well();
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_made_meanwhile_is_followed_once_it_is_approved() {
    let setting = begun(Setting::five()).await;
    let planner = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let state = setting.state();
        let policy = Policy {
            soak_s: 20,
            ..quick()
        };
        let plan = make(&state, &policy, &Options::default()).expect("plan");
        let hash = plan.hash().expect("hash");
        setting.record(Fact::PlanRecorded {
            hash: hash.clone(),
            plan: std::sync::Arc::new(plan),
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        let effects = setting.model.lock().effects.len();
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(setting.model.lock().effects.len(), effects, "not approved");
        hash
    };
    let (ended, hash) = tokio::join!(setting.run(), planner);
    assert!(matches!(ended, Ok(Ended::Waiting(_))), "{ended:?}");
    let by = "somebody".to_string();
    setting.record(Fact::PlanApproved { hash, by });
    assert_eq!(setting.run().await.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn two_runs_of_one_engine_do_not_fight() {
    let setting = begun(Setting::five()).await;
    let engine = setting.engine(&Kill::never());
    let (one, two) = tokio::join!(run(&engine), run(&engine));
    assert_eq!(one.expect("run"), Ended::Finished);
    assert!(matches!(
        two,
        Err(EngineError::Journal(JournalError::Held { .. }))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_plan_approved_meanwhile_is_carried_out_by_the_same_run() {
    let setting = begun(Setting::five()).await;
    let planner = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let policy = Policy {
            soak_s: 20,
            ..quick()
        };
        let plan = make(&setting.state(), &policy, &Options::default()).expect("plan");
        let hash = plan.hash().expect("hash");
        let recorded = Fact::PlanRecorded {
            hash: hash.clone(),
            plan: std::sync::Arc::new(plan),
        };
        let by = "somebody".to_string();
        let ledger = setting.ledger("planner", &Kill::never());
        let facts = vec![recorded, Fact::PlanApproved { hash, by }];
        ledger.record(setting.clock.now(), facts).expect("recorded");
    };
    let run = tokio::time::timeout(Duration::from_mins(5), setting.run());
    let (ended, ()) = tokio::join!(run, planner);
    assert_eq!(ended.expect("in time").expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
}
