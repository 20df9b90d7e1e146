//! Who still uses the old key: a consumer that nobody declared, or the thief (requirement D4).

use jiff::{SignedDuration, Timestamp};
use relatch_case::Fault;

use crate::context::Job;
use crate::world::KeyUse;

/// What is known of the old key's use in a window, in words.
#[derive(Debug)]
pub(crate) enum Used {
    /// Not used, as far as can be told.
    NotSeen(String),
    /// From an address of the thief's: waiting only feeds him (requirement R2).
    ByThief(String),
    /// By somebody else, or by nobody knows whom.
    ByOthers(String),
}

impl Used {
    pub(crate) fn words(self) -> String {
        match self {
            Self::NotSeen(words) | Self::ByThief(words) | Self::ByOthers(words) => words,
        }
    }
}

/// What the issuer says, and when it says that the key was used, what the log says of by whom.
/// The issuer is asked only where its answer matters.
pub(crate) async fn used_since(job: &Job, quiet: bool, since: Timestamp) -> Result<Used, Fault> {
    let issuer = job.issuer()?;
    if !issuer.sheet().last_used {
        let words = "the issuer does not tell when a key was last used";
        return Ok(Used::NotSeen(words.to_string()));
    }
    if !quiet && job.ctx.world.log_of(&job.rotation.issuer).is_none() {
        return Ok(Used::NotSeen(
            "the thief has the old key: its use was not waited for".to_string(),
        ));
    }
    let used = issuer
        .last_used(&job.rotation.principal, &job.rotation.old_key)
        .await?;
    // Issuers round the time of last use, to the second at best.
    let grace = since
        .checked_add(SignedDuration::from_secs(1))
        .unwrap_or(since);
    match used {
        Some(at) if at > grace => {
            let logged = logged_since(job, since).await?;
            Ok(match logged {
                Some(by @ (Used::ByThief(_) | Used::ByOthers(_))) => by,
                _ => Used::ByOthers(format!(
                    "the old key was used at {at:.0}: an unknown consumer? the window starts anew"
                )),
            })
        }
        Some(at) => Ok(Used::NotSeen(format!(
            "the old key was last used at {at:.0}"
        ))),
        None => Ok(Used::NotSeen(
            "the issuer knows no use of the old key".to_string(),
        )),
    }
}

/// What the log shows of the old key's use. `None`: there is no log of this issuer's keys.
pub(crate) async fn logged_since(job: &Job, since: Timestamp) -> Result<Option<Used>, Fault> {
    let Some(log) = job.ctx.world.log_of(&job.rotation.issuer) else {
        return Ok(None);
    };
    let uses = log.uses(&job.rotation.old_key, since).await?;
    let (thief, others): (Vec<&KeyUse>, Vec<&KeyUse>) = job.ctx.ledger.with(|state| {
        uses.iter().partition(|used| {
            let is_his = |address: &String| address == &used.address;
            state
                .actors
                .iter()
                .any(|actor| actor.addresses.iter().any(is_his))
        })
    });
    let words = |used: &KeyUse| {
        let client = relatch_secret::redact::outside(&used.client);
        format!("at {:.0} from {} with {client}", used.at, used.address)
    };
    Ok(Some(match (thief.last(), others.last()) {
        (Some(used), _) => Used::ByThief(format!(
            "the thief used the old key {}: no more waiting",
            words(used)
        )),
        (None, Some(used)) => Used::ByOthers(format!(
            "the old key was used {}: a consumer that nobody declared? the window starts anew",
            words(used)
        )),
        (None, None) => Used::NotSeen("the log shows no use of the old key so far".to_string()),
    }))
}
