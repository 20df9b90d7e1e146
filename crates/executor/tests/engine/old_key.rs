//! Who uses the old key while it is observed, as far as a log tells.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use relatch_case::fact::Fact;
use relatch_case::model::ExposureLevel;
use relatch_case::{Fault, IssuerId, KeyId, Policy};
use relatch_executor::{Ended, KeyUse, UseLog};

use crate::support::{Setting, container, quick, step};

/// A log in which the old key is used from one address, some seconds after the start.
struct Log {
    start: Timestamp,
    uses: Vec<(i64, &'static str)>,
}

#[async_trait]
impl UseLog for Log {
    fn covers(&self, issuer: &IssuerId) -> bool {
        issuer.as_str() == "named"
    }

    async fn uses(&self, _: &KeyId, since: Timestamp) -> Result<Vec<KeyUse>, Fault> {
        let uses = self.uses.iter().map(|(seconds, address)| KeyUse {
            at: self.start + SignedDuration::from_secs(*seconds),
            address: (*address).to_string(),
            client: "curl/8 \u{1b}[31m".to_string(),
        });
        Ok(uses.filter(|used| used.at >= since).collect())
    }
}

const THIEF: &str = "198.51.100.7";

/// A key that the thief did not read; he is known by his address.
async fn observed(uses: &[(i64, &'static str)]) -> (Setting, i64, String) {
    let mut setting = Setting::one("named", 0);
    setting.fact(Fact::ActorConvicted {
        keys: Vec::new(),
        arns: Vec::new(),
        addresses: vec![THIEF.to_string()],
        first: None,
        last: None,
        why: Vec::new(),
    });
    setting.fact(Fact::ContainmentWaived {
        because: "test".to_string(),
        people: vec!["a".to_string(), "b".to_string()],
    });
    setting.fact(Fact::Exposed {
        container: container("app"),
        level: ExposureLevel::Readable,
        event_ids: Vec::new(),
    });
    let start = setting.model.now();
    setting.world.set_log(Arc::new(Log {
        start,
        uses: uses.to_vec(),
    }));
    let policy = Policy {
        observe_s: 60,
        ..quick()
    };
    setting.begin(&policy).await;
    let last = uses.last().copied();
    let model = Arc::clone(&setting.model);
    let using = async move {
        if let Some((seconds, _)) = last {
            let wait = u64::try_from(seconds).expect("later");
            tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
            let now = model.now();
            let mut inner = model.lock();
            if let Some(key) = inner.keys.get_mut(&"k0".into()) {
                key.last_used = Some(now);
            }
        }
    };
    let (ended, ()) = tokio::join!(setting.run(), using);
    assert_eq!(ended.expect("run"), Ended::Finished);
    let state = setting.state();
    let known = &state.steps[&step("k0", "observe")];
    let took = known.at.duration_since(start).as_secs();
    let note = state
        .result_of(&step("k0", "observe"))
        .and_then(|result| result.note.clone())
        .unwrap_or_default();
    (setting, took, note)
}

#[tokio::test(start_paused = true)]
async fn the_thiefs_use_ends_the_waiting_at_once() {
    let (setting, took, note) = observed(&[(20, THIEF)]).await;
    assert!(took < 30, "{took}");
    assert!(note.contains("the thief used the old key"), "{note}");
    assert!(!note.contains('\u{1b}'), "{note:?}");
    setting.model.assert_all_is_well();
}

#[tokio::test(start_paused = true)]
async fn anybody_elses_use_restarts_the_window_and_is_named() {
    let (setting, took, note) = observed(&[(40, "192.0.2.1")]).await;
    assert!(took >= 100, "{took}");
    assert!(note.contains("no use of the old key"), "{note}");
    let events = format!("{:?}", setting.events.lock().expect("events"));
    assert!(events.contains("from 192.0.2.1 with curl/8"), "{events}");
}

#[tokio::test(start_paused = true)]
async fn silence_in_the_log_is_noted() {
    let (_, took, note) = observed(&[]).await;
    assert!((60..80).contains(&took), "{took}");
    assert!(note.contains("the log shows no use"), "{note}");
}
