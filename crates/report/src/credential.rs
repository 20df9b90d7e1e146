//! How far each old key is, and the strict rule of what counts as dead.

use std::fmt;

use jiff::Timestamp;
use relatch_case::model::{ExposureLevel, Liveness, Place};
use relatch_case::plan::{Action, Mode, Step};
use relatch_case::state::StepStatus;
use relatch_case::{CredentialId, IssuerId, KeyId, Principal, State};
use serde::{Deserialize, Serialize};

use crate::figures::Count;
use crate::history::{History, Proof};
use crate::scope::Subject;
use crate::{describe, words};

/// Whether an old key is proven dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "key", rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyStatus {
    /// The latest proof is a definite refusal, and a made-up key was refused the same way.
    Dead {
        /// When that proof was recorded.
        at: Timestamp,
    },
    /// Anything else.
    NotDead {
        /// What speaks against it.
        because: NotDead,
    },
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead { at } => write!(f, "proven dead, last on {}", words::moment(*at)),
            Self::NotDead { because } => write!(f, "not proven dead: {because}"),
        }
    }
}

/// Why an old key does not count as dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case", deny_unknown_fields)]
pub enum NotDead {
    /// Nobody asked.
    NeverProbed,
    /// It worked when last asked.
    Works {
        /// The verdict.
        liveness: Liveness,
    },
    /// The last answer was not definite.
    Unknown,
    /// The last answer was `dead`, and nothing showed that the answer means anything.
    NoControl,
    /// Its issuer listed it as active after it was proven dead.
    ListedActive {
        /// When.
        at: Timestamp,
    },
}

impl fmt::Display for NotDead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverProbed => f.write_str("it was never probed"),
            Self::Works { liveness } => {
                write!(f, "it was last seen {}", describe::liveness(*liveness))
            }
            Self::Unknown => f.write_str("the last probe had no definite answer"),
            Self::NoControl => {
                f.write_str("the last probe said dead, but its control did not hold")
            }
            Self::ListedActive { at } => write!(
                f,
                "its issuer listed it as active on {}, after the last proof",
                words::moment(*at)
            ),
        }
    }
}

/// Whether the old key of a credential is dead, strictly: only when the latest probe says
/// [`Liveness::Dead`] and its negative control held. No probe, an unknown answer or a missing
/// control are never dead.
pub fn credential_status(state: &State, credential: &CredentialId) -> KeyStatus {
    let because = match state.probes.get(credential) {
        None => NotDead::NeverProbed,
        Some((at, probe)) => match (probe.liveness, probe.control) {
            (Liveness::Dead, true) => return KeyStatus::Dead { at: *at },
            (Liveness::Dead, false) => NotDead::NoControl,
            (Liveness::Unknown, _) => NotDead::Unknown,
            (liveness @ (Liveness::Alive | Liveness::Restricted | Liveness::OutOfQuota), _) => {
                NotDead::Works { liveness }
            }
        },
    };
    KeyStatus::NotDead { because }
}

/// What has become of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The old key is proven dead and the new one is everywhere.
    Rotated,
    /// The old key is proven dead and nothing takes its place.
    Retired,
    /// Excepted, with reason, owner and an expiry that has not come.
    Waived,
    /// None of these.
    Open,
}

/// What a credential still lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "missing", rename_all = "snake_case", deny_unknown_fields)]
pub enum Missing {
    /// The old key is not proven dead.
    Death {
        /// Why.
        because: NotDead,
    },
    /// No plan deals with it.
    Plan,
    /// The plan in force cannot rotate it.
    Way {
        /// Why.
        because: String,
    },
    /// No new key was made.
    NewKey,
    /// The new key was not seen to work.
    Check,
    /// A place does not hold the new value.
    Write {
        /// Which.
        place: String,
    },
    /// A consumer was not made to read again, or not seen on the new value.
    Adoption {
        /// Which.
        consumer: String,
    },
    /// Nobody looked yet whether a key that was made for it is left over.
    Sweep,
    /// Its waiver has run out.
    WaiverExpired {
        /// When.
        at: Timestamp,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Death { because } => write!(f, "the old key is not proven dead: {because}"),
            Self::Plan => f.write_str("no plan deals with it"),
            Self::Way { because } => write!(f, "the plan cannot rotate it: {because}"),
            Self::NewKey => f.write_str("no new key was made"),
            Self::Check => f.write_str("the new key was not seen to work"),
            Self::Write { place } => write!(f, "{place} does not hold the new value"),
            Self::Adoption { consumer } => write!(f, "{consumer} was not seen on the new value"),
            Self::Sweep => f.write_str("its issuer was not searched for keys left over"),
            Self::WaiverExpired { at } => {
                write!(f, "its waiver ran out on {}", words::moment(*at))
            }
        }
    }
}

/// One place or consumer of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Which.
    pub name: String,
    /// When it was written or seen on the new value.
    pub done_at: Option<Timestamp>,
}

/// A credential in the scope of the case, from old key to new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialReport {
    /// Its id.
    pub id: CredentialId,
    /// Its name for people.
    pub name: String,
    /// Its issuer.
    pub issuer: IssuerId,
    /// Whom the issuer holds it for.
    pub principal: Option<Principal>,
    /// The old key's id.
    pub old_key: Option<KeyId>,
    /// The new key's id.
    pub new_key: Option<KeyId>,
    /// How it is dealt with; `None` without a plan.
    pub mode: Option<Mode>,
    /// Why it is in scope.
    pub why: String,
    /// How sure it is that the thief has it.
    pub exposure: Option<ExposureLevel>,
    /// Events that show it.
    pub event_ids: Vec<String>,
    /// Whether the thief made it.
    pub planted: bool,
    /// Whether the thief used it.
    pub used_by_thief: bool,
    /// Places written, of all to be written.
    pub places: Count,
    /// The places.
    pub place_lines: Vec<Line>,
    /// Consumers seen on the new value, of all that read it.
    pub consumers: Count,
    /// The consumers.
    pub consumer_lines: Vec<Line>,
    /// Every proof of the old key, in order.
    pub proofs: Vec<Proof>,
    /// When the last unbroken run of proofs of death began.
    pub dead_since: Option<Timestamp>,
    /// Whether the old key is proven dead.
    pub key_status: KeyStatus,
    /// What has become of it.
    pub status: Status,
    /// What it lacks; empty unless open or waived.
    pub missing: Vec<Missing>,
    /// Planned steps that are still to come and do not decide the status: later proofs,
    /// deletion.
    pub to_come: Vec<String>,
}

impl CredentialReport {
    /// Puts one credential together, as of `now`.
    pub(crate) fn of(subject: &Subject, history: &History, state: &State, now: Timestamp) -> Self {
        let id = &subject.id;
        let steps = history.steps_of(id, state);
        let place_lines = place_lines(&steps, state);
        let consumer_lines = consumer_lines(&steps, state);
        let key_status = strict(subject, history, state);
        let missing = missing(&steps, subject, &key_status, state, now);
        let status = status(&missing, &steps, subject, state, now);
        let dead = matches!(key_status, KeyStatus::Dead { .. });
        Self {
            id: id.clone(),
            name: words::name(&subject.name),
            issuer: subject.issuer.clone(),
            principal: subject.principal.clone(),
            old_key: subject.old_key.clone(),
            new_key: history.minted.get(id).and_then(|keys| keys.last()).cloned(),
            mode: history.rotations.get(id).map(|rotation| rotation.mode),
            why: words::text(&subject.why),
            exposure: subject.exposure.as_ref().map(|exposure| exposure.level),
            event_ids: subject.event_ids(),
            planted: subject.planted,
            used_by_thief: subject.used_by_thief,
            places: count(&place_lines),
            place_lines,
            consumers: count(&consumer_lines),
            consumer_lines,
            proofs: history.proofs.get(id).cloned().unwrap_or_default(),
            dead_since: history.dead_since(id).filter(|_| dead),
            key_status,
            status,
            missing,
            to_come: to_come(&steps, state),
        }
    }

    /// Whether the old key is proven dead.
    pub fn is_dead(&self) -> bool {
        matches!(self.key_status, KeyStatus::Dead { .. })
    }
}

/// [`credential_status`], and no later word of the issuer's that the key is active.
fn strict(subject: &Subject, history: &History, state: &State) -> KeyStatus {
    let status = credential_status(state, &subject.id);
    let (KeyStatus::Dead { at }, Some(key)) = (&status, &subject.old_key) else {
        return status;
    };
    match history.listed.get(&(subject.issuer.clone(), key.clone())) {
        Some((listed, true)) if listed > at => KeyStatus::NotDead {
            because: NotDead::ListedActive { at: *listed },
        },
        _ => status,
    }
}

fn missing(
    steps: &[&Step],
    subject: &Subject,
    key_status: &KeyStatus,
    state: &State,
    now: Timestamp,
) -> Vec<Missing> {
    let mut missing = Vec::new();
    if let KeyStatus::NotDead { because } = key_status {
        missing.push(Missing::Death {
            because: because.clone(),
        });
        match &subject.blocked {
            Some(because) => missing.push(Missing::Way {
                because: words::text(because),
            }),
            None if steps.is_empty() => missing.push(Missing::Plan),
            None => {}
        }
    }
    for step in steps.iter().filter(|step| !state.is_over(&step.id)) {
        match &step.action {
            Action::Mint { .. } => missing.push(Missing::NewKey),
            Action::Check => missing.push(Missing::Check),
            Action::Write { container, slots } => {
                missing.extend(slots.keys().map(|slot| Missing::Write {
                    place: words::name(Place::id_of(container, slot).as_str()),
                }));
            }
            Action::Adopt { consumer, .. } => missing.push(Missing::Adoption {
                consumer: words::name(consumer.as_str()),
            }),
            Action::Sweep => missing.push(Missing::Sweep),
            // An adoption is seen after its roll; the rest decides nothing by itself.
            Action::Roll { .. }
            | Action::Keep { .. }
            | Action::Settle { .. }
            | Action::Observe { .. }
            | Action::Announce { .. }
            | Action::Cut
            | Action::Disable
            | Action::Prove
            | Action::Delete => {}
        }
    }
    if let Some(waiver) = state.waivers.get(&subject.id)
        && waiver.expires <= now
        && !missing.is_empty()
    {
        missing.push(Missing::WaiverExpired { at: waiver.expires });
    }
    missing
}

fn status(
    missing: &[Missing],
    steps: &[&Step],
    subject: &Subject,
    state: &State,
    now: Timestamp,
) -> Status {
    let waived = state
        .waivers
        .get(&subject.id)
        .is_some_and(|waiver| waiver.expires > now);
    let renewed = steps.iter().any(|step| {
        matches!(step.action, Action::Mint { .. }) && state.result_of(&step.id).is_some()
    });
    match (missing.is_empty(), waived, renewed) {
        (true, _, true) => Status::Rotated,
        (true, _, false) => Status::Retired,
        (false, true, _) => Status::Waived,
        (false, false, _) => Status::Open,
    }
}

/// When a step was done; a skipped one was not.
fn done_at(step: &Step, state: &State) -> Option<Timestamp> {
    let known = state.steps.get(&step.id)?;
    matches!(known.status, StepStatus::Done { .. }).then_some(known.at)
}

fn place_lines(steps: &[&Step], state: &State) -> Vec<Line> {
    let mut lines = Vec::new();
    for step in steps {
        if let Action::Write { container, slots } = &step.action {
            lines.extend(slots.keys().map(|slot| Line {
                name: words::name(Place::id_of(container, slot).as_str()),
                done_at: done_at(step, state),
            }));
        }
    }
    lines
}

fn consumer_lines(steps: &[&Step], state: &State) -> Vec<Line> {
    let mut lines = Vec::new();
    for step in steps {
        if let Action::Adopt { consumer, .. } = &step.action {
            lines.push(Line {
                name: words::name(consumer.as_str()),
                done_at: done_at(step, state),
            });
        }
    }
    lines
}

fn count(lines: &[Line]) -> Count {
    Count {
        done: lines.iter().filter(|line| line.done_at.is_some()).count(),
        of: lines.len(),
    }
}

fn to_come(steps: &[&Step], state: &State) -> Vec<String> {
    steps
        .iter()
        .filter(|step| !state.is_over(&step.id))
        .filter(|step| matches!(step.action, Action::Prove | Action::Delete))
        .map(|step| words::name(step.id.as_str()))
        .collect()
}
