//! Who uses an old access key while it is observed: CloudTrail's event history.

use async_trait::async_trait;
use jiff::Timestamp;
use relatch_aws::{Connection, LookupBy};
use relatch_case::{Fault, FaultKind, IssuerId, KeyId};
use relatch_evidence::uses_of_keys;
use relatch_executor::{KeyUse, UseLog};
use tokio::sync::Mutex;

use crate::commands::triage;

/// The event history of some regions. Management events only, some minutes late: it names who
/// used a key, and its silence proves nothing.
#[derive(Debug)]
pub(crate) struct EventHistory {
    connection: Connection,
    regions: Vec<String>,
    /// One question at a time: the service allows two a second for the whole account.
    asking: Mutex<()>,
}

impl EventHistory {
    pub(crate) fn new(connection: Connection, regions: Vec<String>) -> Self {
        Self {
            connection,
            regions,
            asking: Mutex::new(()),
        }
    }
}

#[async_trait]
impl UseLog for EventHistory {
    fn covers(&self, issuer: &IssuerId) -> bool {
        issuer.as_str() == "aws-iam"
    }

    async fn uses(&self, key: &KeyId, since: Timestamp) -> Result<Vec<KeyUse>, Fault> {
        let _turn = self.asking.lock().await;
        let by = LookupBy::AccessKeyId(key.to_string());
        let mut documents = Vec::new();
        for region in &self.regions {
            let until = Timestamp::now();
            let found = triage::lookup(&self.connection, region, &by, since, until).await;
            documents.extend(
                found.map_err(|error| {
                    Fault::new(FaultKind::Unreachable, error.lines().join("; "))
                })?,
            );
        }
        let found = uses_of_keys(&documents, &[key.to_string()].into());
        let mut uses: Vec<KeyUse> = found
            .uses
            .into_iter()
            .filter_map(|used| {
                Some(KeyUse {
                    at: used.time?.parse().ok()?,
                    address: used.address,
                    client: used.user_agent,
                })
            })
            .filter(|used| used.at >= since)
            .collect();
        uses.sort_by_key(|used| used.at);
        Ok(uses)
    }
}
