//! A person makes the key at the console and hands it over.

use std::time::Duration;

use relatch_case::fact::Fact;
use relatch_case::model::{Liveness, Minting, Sheet};
use relatch_case::{JournalError, StepId};
use relatch_executor::{Ended, HandOverError};
use relatch_rotation::Waiting;
use relatch_secret::Secret;

use crate::support::{Kill, Moment, Setting, quick, run, step};

/// One credential whose keys a person makes; the engine waits for that.
async fn waiting() -> Setting {
    let mut setting = Setting::one("unnamed", 0);
    let sheet = Sheet {
        minting: Minting::Person {
            console: "https://console.example".to_string(),
            instructions: "make a key".to_string(),
        },
        ..setting.sheet_of("unnamed")
    };
    setting.issuer("unnamed", sheet);
    setting.begin(&quick()).await;
    let Ok(Ended::Waiting(waits)) = setting.run().await else {
        panic!("it waits for a person");
    };
    assert_eq!(waits[0].on, Waiting::Person);
    setting
}

/// A key made at the console, with its value.
fn made(setting: &Setting, principal: &str) -> Secret {
    let now = setting.model.now();
    let mut inner = setting.model.lock();
    let id = inner.mint(now, &principal.into(), None);
    Secret::from(inner.keys[&id].value.as_str())
}

fn mint() -> StepId {
    step("k0", "mint")
}

#[tokio::test(start_paused = true)]
async fn a_good_key_is_taken_once_and_the_rotation_goes_on() {
    let setting = waiting().await;
    let engine = setting.engine(&Kill::never());
    let key = made(&setting, "p/0");
    engine.hand_over(&mint(), key.clone()).await.expect("taken");
    let again = engine.hand_over(&mint(), key).await;
    assert!(matches!(again, Err(HandOverError::NoTask(_))), "{again:?}");
    assert_eq!(run(&engine).await.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn the_old_key_a_dead_one_and_somebody_elses_are_refused_and_change_nothing() {
    let setting = waiting().await;
    let engine = setting.engine(&Kill::never());
    let before = setting.state().head.seq;
    let old = setting.model.lock().keys[&"k0".into()].value.clone();
    let refused = engine.hand_over(&mint(), Secret::from(old)).await;
    assert!(matches!(refused, Err(HandOverError::OldKey)), "{refused:?}");
    let dead = Secret::from("canary-never-was-a-key");
    let refused = engine.hand_over(&mint(), dead).await;
    let dead = matches!(
        refused,
        Err(HandOverError::NotAlive {
            liveness: Liveness::Dead,
            ..
        })
    );
    assert!(dead, "{refused:?}");
    let elsewhere = made(&setting, "p/of-somebody-else");
    let refused = engine.hand_over(&mint(), elsewhere).await;
    assert!(
        matches!(refused, Err(HandOverError::WrongOwner { .. })),
        "{refused:?}"
    );
    let words = format!("{refused:?}");
    assert!(!words.contains("canary"), "{words}");
    assert_eq!(setting.state().head.seq, before, "nothing was recorded");
}

#[tokio::test(start_paused = true)]
async fn only_a_persons_open_task_takes_a_key() {
    let setting = waiting().await;
    let engine = setting.engine(&Kill::never());
    for id in [step("k0", "check"), step("nobody", "mint")] {
        let key = made(&setting, "p/0");
        let refused = engine.hand_over(&id, key).await;
        assert!(
            matches!(refused, Err(HandOverError::NoTask(_))),
            "{refused:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_key_is_taken_while_something_else_comes_first() {
    let setting = waiting().await;
    let engine = setting.engine(&Kill::never());
    let paused = Fact::Paused {
        credential: None,
        because: "the attacker is back".to_string(),
    };
    setting.record(paused);
    let key = made(&setting, "p/0");
    let refused = engine.hand_over(&mint(), key.clone()).await;
    assert!(
        matches!(refused, Err(HandOverError::NotYet(_))),
        "{refused:?}"
    );
    setting.record(Fact::Resumed { credential: None });
    engine.hand_over(&mint(), key).await.expect("taken");
}

#[tokio::test(start_paused = true)]
async fn two_people_at_once_do_not_lose_a_key() {
    let setting = waiting().await;
    let engine = setting.engine(&Kill::never());
    let (one, two) = (made(&setting, "p/0"), made(&setting, "p/0"));
    let task = mint();
    let (first, second) = tokio::join!(
        engine.hand_over(&task, one.clone()),
        engine.hand_over(&task, two)
    );
    first.expect("taken");
    assert!(
        matches!(second, Err(HandOverError::NoTask(_))),
        "{second:?}"
    );
    let state = setting.state();
    let recorded = state.result_of(&mint()).expect("done").key.clone();
    let kept = engine
        .context()
        .vault
        .new_key(&relatch_case::CredentialId::new("cred-k0"), 1)
        .expect("readable")
        .expect("in custody");
    assert_eq!(recorded, Some(kept.0));
    assert_eq!(kept.1.expose(), one.expose());
}

#[tokio::test(start_paused = true)]
async fn a_key_handed_over_beside_a_running_loop_is_taken_up_at_once() {
    let mut setting = Setting::five();
    let sheet = Sheet {
        minting: Minting::Person {
            console: "https://console.example".to_string(),
            instructions: "make a key".to_string(),
        },
        ..setting.sheet_of("unnamed")
    };
    setting.issuer("unnamed", sheet);
    setting.begin(&quick()).await;
    let engine = setting.engine(&Kill::never());
    let person = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let key = made(&setting, "user/ci");
        engine.hand_over(&step("k2", "mint"), key).await
    };
    let (ended, handed) = tokio::join!(run(&engine), person);
    handed.expect("taken");
    assert_eq!(ended.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_fails_can_be_done_again_at_once() {
    let setting = waiting().await;
    let key = made(&setting, "p/0");
    let failing = setting.engine(&Kill::at(1, Moment::Before));
    let failed = failing.hand_over(&mint(), key.clone()).await;
    assert!(
        matches!(failed, Err(HandOverError::Journal(_))),
        "{failed:?}"
    );
    // That process is gone; its lease runs out.
    tokio::time::sleep(Duration::from_secs(31)).await;
    let engine = setting.engine(&Kill::never());
    engine.hand_over(&mint(), key).await.expect("taken");
    assert_eq!(run(&engine).await.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_beside_another_process_is_refused_and_loses_nothing() {
    use relatch_case::Journal;
    use relatch_executor::Clock;
    let setting = waiting().await;
    let engine = setting.engine(&Kill::never());
    let key = made(&setting, "p/0");
    let mut other = setting.journal();
    let lease = other
        .acquire("other", setting.clock.now(), 30)
        .expect("free");
    let refused = engine.hand_over(&mint(), key.clone()).await;
    let held = matches!(
        refused,
        Err(HandOverError::Journal(JournalError::Held { .. }))
    );
    assert!(held, "{refused:?}");
    other.release(&lease).expect("released");
    engine.hand_over(&mint(), key).await.expect("taken");
}
