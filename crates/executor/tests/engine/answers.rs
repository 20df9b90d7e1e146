//! Answers that are lost, late, or no.

use relatch_case::model::Sheet;
use relatch_case::state::StepStatus;
use relatch_case::{Fact, FaultKind};
use relatch_executor::Ended;
use relatch_rotation::Waiting;

use crate::support::{Setting, Trouble, quick, step};

async fn with(issuer: &str, lag: u32, what: &'static str, troubles: &[Trouble]) -> Setting {
    let setting = Setting::one(issuer, lag);
    setting.begin(&quick()).await;
    setting.model.trouble(what, troubles);
    setting
}

async fn finishes(setting: &Setting) {
    assert_eq!(setting.run().await.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn a_lost_mint_answer_leaves_no_orphan() {
    for issuer in ["named", "unnamed", "blunt"] {
        let setting = with(issuer, 0, "mint", &[Trouble::AnswerLost]).await;
        finishes(&setting).await;
        assert_eq!(setting.model.effects("mint"), 2, "{issuer}");
        let orphan = setting.model.effects("delete new1");
        assert_eq!(orphan, 1, "{issuer}: the orphan was removed");
    }
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_shows_late_is_waited_for() {
    for issuer in ["named", "unnamed"] {
        let setting = with(issuer, 8, "mint", &[Trouble::AnswerLost]).await;
        finishes(&setting).await;
        assert_eq!(setting.model.effects("delete new1"), 1, "{issuer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_mint_request_is_sent_again_and_nothing_is_removed() {
    let setting = with("unnamed", 0, "mint", &[Trouble::RequestLost]).await;
    finishes(&setting).await;
    assert_eq!(setting.model.effects("mint"), 1);
    assert_eq!(setting.model.effects("delete"), 1, "only the old one");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_had_keeps_the_outcome_unknown_until_it_can() {
    let setting = Setting::one("named", 0);
    setting.begin(&quick()).await;
    let denied = Trouble::Refused(FaultKind::Denied);
    setting.model.trouble("mint", &[Trouble::AnswerLost]);
    let later = async {
        // The first list is the baseline.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        setting.model.trouble("list", &[denied; 6]);
    };
    let (ended, ()) = tokio::join!(setting.run(), later);
    assert_eq!(ended.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
    assert_eq!(setting.model.effects("mint"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_is_in_use_or_not_alone_is_left_to_a_person() {
    let setting = with("unnamed", 0, "mint", &[Trouble::RequestLost]).await;
    let now = setting.model.now();
    let colleague = async {
        tokio::time::sleep(std::time::Duration::from_millis(130)).await;
        let mut inner = setting.model.lock();
        let id = inner.mint(now, &"p/0".into(), None);
        inner.keys.get_mut(&id).expect("made").last_used = Some(now);
    };
    let (ended, ()) = tokio::join!(setting.run(), colleague);
    let Ok(Ended::Waiting(waits)) = ended else {
        panic!("{ended:?}");
    };
    assert!(matches!(&waits[0].on, Waiting::Stuck { because } if because.contains("new1")));
    assert_eq!(
        setting.model.effects("delete"),
        0,
        "a colleague's key is not touched"
    );
    assert_eq!(setting.model.effects("disable"), 0);
}

#[tokio::test(start_paused = true)]
async fn where_use_is_not_told_an_unnamed_key_is_never_taken_for_an_orphan() {
    let mut setting = Setting::one("unnamed", 0);
    let sheet = Sheet {
        last_used: false,
        ..setting.sheet_of("unnamed")
    };
    setting.issuer("unnamed", sheet);
    setting.begin(&quick()).await;
    setting.model.trouble("mint", &[Trouble::AnswerLost]);
    let ended = setting.run().await.expect("run");
    assert!(matches!(ended, Ended::Waiting(_)), "{ended:?}");
    assert_eq!(setting.model.effects("delete"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_lists_nothing_leaves_the_orphan_to_a_person() {
    let mut setting = Setting::one("named", 0);
    let sheet = Sheet {
        lists: false,
        ..setting.sheet_of("named")
    };
    setting.issuer("named", sheet);
    setting.begin(&quick()).await;
    setting.model.trouble("mint", &[Trouble::AnswerLost]);
    let Ok(Ended::Waiting(waits)) = setting.run().await else {
        panic!("it waits for a person");
    };
    assert!(
        matches!(&waits[0].on, Waiting::Stuck { because } if because.contains("lists no keys"))
    );
    // The person removes it at the console and sends the step back to work.
    setting.model.lock().keys.remove(&"new1".into());
    setting.record(Fact::StepRetried {
        step: step("k0", "mint"),
    });
    finishes(&setting).await;
}

#[tokio::test(start_paused = true)]
async fn any_answer_may_be_lost_once() {
    for what in [
        "read",
        "mint",
        "list",
        "write",
        "roll",
        "disable",
        "delete",
        "probe",
        "health",
        "runs_with",
        "baseline",
        "last_used",
    ] {
        for trouble in [Trouble::AnswerLost, Trouble::RequestLost] {
            let setting = Setting::five();
            setting.begin(&quick()).await;
            setting.model.trouble(what, &[trouble]);
            let ended = setting.run().await.expect("run");
            if let Ended::Waiting(waits) = &ended {
                // Looking for the baseline of an intent failed: nothing was done, and a person
                // is asked.
                let retried = waits.iter().map(|wait| wait.step.clone());
                for step in retried.collect::<Vec<_>>() {
                    setting.record(Fact::StepRetried { step });
                }
                assert_eq!(setting.run().await.expect("run"), Ended::Finished, "{what}");
            }
            setting.model.assert_all_is_well();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn being_asked_to_slow_down_is_no_failure() {
    let slow = Trouble::Refused(FaultKind::Throttled);
    for what in [
        "read", "mint", "list", "write", "roll", "disable", "delete", "health",
    ] {
        let setting = with("unnamed", 0, what, &[slow, slow, slow]).await;
        finishes(&setting).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_that_is_not_accepted_is_written_nowhere() {
    let setting = Setting::one("named", 0);
    setting.begin(&quick()).await;
    let killer = async {
        while setting.model.effects("mint") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let mut inner = setting.model.lock();
        inner.keys.get_mut(&"new1".into()).expect("made").active = false;
    };
    let (ended, ()) = tokio::join!(setting.run(), killer);
    let Ok(Ended::Waiting(waits)) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(waits[0].step, step("k0", "check"));
    assert!(matches!(waits[0].on, Waiting::Stuck { .. }));
    assert_eq!(setting.model.effects("write"), 0);
    assert_eq!(setting.model.effects("disable"), 0);
}

#[tokio::test(start_paused = true)]
async fn custody_that_fails_leaves_no_key_behind() {
    let setting = Setting::one("named", 0);
    setting.begin(&quick()).await;
    let custody = setting.folder.path().join("custody");
    let key = std::fs::read(custody.join("key.age")).expect("key");
    let engine = setting.engine(&crate::support::Kill::never());
    // Keeping works; then custody is gone until the mint has failed once.
    let meanwhile = async {
        while !setting.custody_holds("cred-k0.old") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        std::fs::remove_file(custody.join("key.age")).expect("removed");
        while setting.model.effects("delete new1") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        std::fs::write(custody.join("key.age"), key).expect("restored");
    };
    let (ended, ()) = tokio::join!(crate::support::run(&engine), meanwhile);
    assert_eq!(ended.expect("run"), Ended::Finished);
    setting.model.assert_all_is_well();
    let state = setting.state();
    let done = &state.steps[&step("k0", "mint")];
    assert!(matches!(done.status, StepStatus::Done { .. }));
    assert!(done.attempt > 1);
}
