//! Everything that did not go by the rule, so that nobody has to look for it.

use std::fmt;

use jiff::Timestamp;
use relatch_case::State;
use relatch_case::fact::Judgement;
use relatch_case::state::StepStatus;
use serde::{Deserialize, Serialize};

use crate::credential::{CredentialReport, KeyStatus, NotDead};
use crate::figures::is_bound;
use crate::history::History;
use crate::words::{self, name, text};

/// What kind of exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionKind {
    /// A credential will not be rotated, until its waiver runs out.
    Waiver,
    /// A waiver ran out.
    WaiverExpired,
    /// The plan in force cannot rotate a credential.
    Blocked,
    /// A person judged an actor otherwise than the log.
    Judged,
    /// New values were let into places before containment was verified.
    ContainmentWaived,
    /// The plan was carried out without the approvals that it asks for.
    ApprovalBypassed,
    /// A standing measure was not seen to bind.
    MeasureNotSeen,
    /// A person decided not to do a step.
    StepSkipped,
    /// A wave failed: this step of it is taken back, and the old value stands.
    RolledBack,
    /// A step waits for a person.
    StepStuck,
    /// It is not known whether a step happened.
    StepUnknown,
    /// An old key's last probe had no definite answer, or its control did not hold.
    ProbeUnknown,
    /// More than one key was made for a credential; this is not the one in use.
    ExtraKey,
}

impl fmt::Display for ExceptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiver => "waived",
            Self::WaiverExpired => "waiver ran out",
            Self::Blocked => "blocked",
            Self::Judged => "judged by a person",
            Self::ContainmentWaived => "containment waived",
            Self::ApprovalBypassed => "APPROVAL BYPASSED",
            Self::MeasureNotSeen => "measure not seen to bind",
            Self::StepSkipped => "step skipped",
            Self::RolledBack => "rolled back",
            Self::StepStuck => "step stuck",
            Self::StepUnknown => "step of unknown outcome",
            Self::ProbeUnknown => "probe without answer",
            Self::ExtraKey => "extra key",
        })
    }
}

/// One exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What kind.
    pub kind: ExceptionKind,
    /// What it is about: a credential, step, measure or key.
    pub subject: String,
    /// Why.
    pub because: String,
    /// Who answers for it, where somebody does.
    pub who: Option<String>,
    /// Until when, where it runs out.
    pub expires: Option<Timestamp>,
}

impl Exception {
    fn new(kind: ExceptionKind, subject: &str, because: &str) -> Self {
        Self {
            kind,
            subject: name(subject),
            because: text(because),
            who: None,
            expires: None,
        }
    }
}

/// All exceptions of a case as of `now`, by kind.
pub(crate) fn all(
    credentials: &[CredentialReport],
    history: &History,
    state: &State,
    now: Timestamp,
) -> Vec<Exception> {
    let mut exceptions = waivers(state, now);
    exceptions.extend(blocked(state));
    exceptions.extend(bypassed(state));
    exceptions.extend(judged(state));
    exceptions.extend(containment(state));
    exceptions.extend(steps(state));
    exceptions.extend(credentials.iter().filter_map(probe));
    exceptions.extend(extra_keys(history, state));
    exceptions.sort_by(|a, b| (a.kind, &a.subject).cmp(&(b.kind, &b.subject)));
    exceptions
}

fn waivers(state: &State, now: Timestamp) -> Vec<Exception> {
    let waivers = state.waivers.iter();
    waivers
        .map(|(id, waiver)| {
            let kind = if waiver.expires > now {
                ExceptionKind::Waiver
            } else {
                ExceptionKind::WaiverExpired
            };
            Exception {
                who: Some(name(&waiver.owner)),
                expires: Some(waiver.expires),
                ..Exception::new(kind, id.as_str(), &waiver.because)
            }
        })
        .collect()
}

fn blocked(state: &State) -> Vec<Exception> {
    let blocked = state.plan.iter().flat_map(|plan| &plan.plan.blocked);
    blocked
        .map(|b| Exception::new(ExceptionKind::Blocked, b.credential.as_str(), &b.because))
        .collect()
}

fn bypassed(state: &State) -> Option<Exception> {
    let plan = state.plan.as_ref()?;
    let (by, because) = plan.bypassed.as_ref()?;
    Some(Exception {
        who: Some(name(by)),
        ..Exception::new(ExceptionKind::ApprovalBypassed, plan.hash.short(), because)
    })
}

fn judged(state: &State) -> impl Iterator<Item = Exception> + '_ {
    state.judgements.iter().map(|(actor, judged)| {
        let whose = match judged.judgement {
            Judgement::Convicted => "the thief's",
            Judgement::Acquitted => "not the thief's",
        };
        let because = format!("{whose}: {}", judged.because);
        Exception {
            who: Some(name(&judged.by)),
            ..Exception::new(ExceptionKind::Judged, actor, &because)
        }
    })
}

fn containment(state: &State) -> Vec<Exception> {
    let mut exceptions = Vec::new();
    if let Some((because, people)) = &state.containment_waiver {
        exceptions.push(Exception {
            who: Some(words::list(people)),
            ..Exception::new(ExceptionKind::ContainmentWaived, "containment", because)
        });
    }
    let standing = state
        .measures
        .iter()
        .filter(|(_, measure)| measure.restored_at.is_none() && !is_bound(measure));
    for (id, measure) in standing {
        let because = match (&measure.verified, &measure.fault) {
            (Some((_, Some(false), how)), _) => format!("it was seen not to bind: {how}"),
            (Some((_, _, how)), _) => format!("whether it binds is not known: {how}"),
            (None, Some(fault)) => fault.detail.clone(),
            (None, None) => "nobody looked whether it binds".to_string(),
        };
        exceptions.push(Exception::new(ExceptionKind::MeasureNotSeen, id, &because));
    }
    exceptions
}

fn steps(state: &State) -> Vec<Exception> {
    let mut exceptions = Vec::new();
    for (id, step) in &state.steps {
        let (kind, because) = match &step.status {
            StepStatus::Skipped { because } => (ExceptionKind::StepSkipped, because.as_str()),
            StepStatus::Stuck { because } => (ExceptionKind::StepStuck, because.as_str()),
            StepStatus::Unknown { fault } => (ExceptionKind::StepUnknown, fault.detail.as_str()),
            StepStatus::Intended => (
                ExceptionKind::StepUnknown,
                "begun, and no outcome is recorded",
            ),
            StepStatus::Undoing { because } | StepStatus::Undone { because } => {
                (ExceptionKind::RolledBack, because.as_str())
            }
            StepStatus::Done { .. }
            | StepStatus::Failed { .. }
            | StepStatus::NotDone
            | StepStatus::Retried => continue,
        };
        exceptions.push(Exception::new(kind, id.as_str(), because));
    }
    exceptions
}

fn probe(credential: &CredentialReport) -> Option<Exception> {
    let KeyStatus::NotDead {
        because: because @ (NotDead::Unknown | NotDead::NoControl),
    } = &credential.key_status
    else {
        return None;
    };
    let kind = ExceptionKind::ProbeUnknown;
    Some(Exception::new(
        kind,
        credential.id.as_str(),
        &because.to_string(),
    ))
}

/// Keys made and replaced by a later one that their issuer was not yet seen to be without.
fn extra_keys(history: &History, state: &State) -> Vec<Exception> {
    let mut exceptions = Vec::new();
    for (credential, keys) in &history.minted {
        let Some((_, earlier)) = keys.split_last() else {
            continue;
        };
        for key in earlier {
            let listed = state
                .keys
                .values()
                .flat_map(|lists| lists.values().flatten());
            let seen = listed.filter(|listed| &listed.id == key).count();
            let because = if seen > 0 {
                format!("made for {credential}, replaced, and still listed by its issuer")
            } else {
                format!("made for {credential} and replaced; not in the last list of its issuer")
            };
            exceptions.push(Exception::new(
                ExceptionKind::ExtraKey,
                key.as_str(),
                &because,
            ));
        }
    }
    exceptions
}
