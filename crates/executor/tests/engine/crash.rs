//! The process is killed, at every append and at many moments, and started again.

use std::sync::Arc;
use std::time::Duration;

use relatch_executor::Ended;

use crate::support::{Kill, Moment, Setting, quick};

/// Two credentials: one in two halves whose issuer gives no names, one in two containers;
/// both with the same consumer.
async fn two() -> Setting {
    let mut setting = Setting::empty(0);
    setting.key_of_two_halves("unnamed", "user/ci", "k0", "cloud");
    setting.key("named", "p/1", "k1", &[("app", "k1"), ("cloud", "k1")]);
    setting.consumer("web", &["app", "cloud"]);
    setting.begin(&quick()).await;
    setting
}

/// How many appends a run takes that nothing disturbs.
async fn undisturbed() -> usize {
    let (setting, kill) = (two().await, Kill::never());
    assert_eq!(setting.run_until_killed(&kill).await, Some(Ended::Finished));
    setting.model.assert_all_is_well();
    kill.appends()
}

async fn killed_at_every_append(moment: Moment) {
    let appends = undisturbed().await;
    assert!(appends > 30, "{appends}");
    for at in 1..=appends {
        let (setting, kill) = (two().await, Kill::at(at, moment));
        let ended = setting.run_until_killed(&kill).await;
        assert_eq!(ended, None, "it was killed at append {at}");
        setting.model.assert_no_violation();
        setting.resume_to_the_end().await;
        setting.model.assert_all_is_well();
    }
}

#[tokio::test(start_paused = true)]
async fn killed_before_any_append_nothing_is_lost() {
    killed_at_every_append(Moment::Before).await;
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_append_nothing_is_lost() {
    killed_at_every_append(Moment::After).await;
}

/// Cuts through everything that is under way: before an effect, after it, between the two
/// halves of anything.
#[tokio::test(start_paused = true)]
async fn killed_at_any_moment_nothing_is_lost() {
    for killed_at in (5..1500).step_by(25) {
        let setting = two().await;
        let engine = setting.engine(&Kill::never());
        let run = crate::support::run(&engine);
        let cut = tokio::time::timeout(Duration::from_millis(killed_at), run).await;
        assert!(cut.is_err(), "it was still at work after {killed_at} ms");
        drop(engine);
        setting.model.assert_no_violation();
        setting.resume_to_the_end().await;
        setting.model.assert_all_is_well();
    }
}

/// Again and again in one rotation.
#[tokio::test(start_paused = true)]
async fn killed_over_and_over_it_still_comes_to_the_end() {
    let setting = two().await;
    let mut killed = 0;
    for round in 0..200u64 {
        let kill = Kill::at(
            2 + usize::try_from(round % 2).expect("small"),
            Moment::After,
        );
        let ended = setting.run_until_killed(&kill).await;
        tokio::time::sleep(Duration::from_secs(31)).await;
        setting.model.assert_no_violation();
        if ended == Some(Ended::Finished) {
            break;
        }
        killed += 1;
    }
    assert!(killed > 10, "{killed}");
    setting.model.assert_all_is_well();
}

/// The journal fails and the process lives: what was under way is finished, nothing is begun.
#[tokio::test(start_paused = true)]
async fn a_journal_that_fails_stops_the_run_and_the_next_one_goes_on() {
    for at in [4, 9, 14, 20] {
        let (setting, kill) = (two().await, Kill::at(at, Moment::Before));
        let engine = setting.engine(&kill);
        let failed = crate::support::run(&engine).await;
        assert!(failed.is_err(), "append {at} failed");
        let effects = setting.model.lock().effects.len();
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(setting.model.lock().effects.len(), effects, "it stopped");
        setting.resume_to_the_end().await;
        setting.model.assert_all_is_well();
        drop(Arc::clone(&kill));
    }
}

/// A key that was sealed before the crash is taken up again and not made anew.
#[tokio::test(start_paused = true)]
async fn a_key_in_custody_survives_the_crash() {
    let mut at = 1;
    loop {
        let setting = Setting::one("named", 0);
        setting.begin(&quick()).await;
        let kill = Kill::at(at, Moment::Before);
        if setting.run_until_killed(&kill).await.is_some() {
            break;
        }
        setting.resume_to_the_end().await;
        assert_eq!(setting.model.effects("mint"), 1, "killed at append {at}");
        setting.model.assert_all_is_well();
        at += 1;
    }
    assert!(at > 15, "{at}");
}
