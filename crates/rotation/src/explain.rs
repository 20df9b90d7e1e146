//! Why a step is in the plan, what it waits for and what happens if it fails.

use jiff::Timestamp;
use relatch_case::plan::{Action, Gate, Mode, Plan, Rotation, Step};
use relatch_case::state::StepStatus;
use relatch_case::{ConsumerId, CredentialId, KeyId, State, StepId};
use serde::Serialize;

use crate::decide::{Command, Holders, Next, Waiting, next};
use crate::find::Target;
use crate::order::Severity;
use crate::summary::exposure_word;

/// A rotation explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Which credential.
    pub credential: CredentialId,
    /// Its name for people.
    pub name: String,
    /// Why it is blocked; then there is no rotation.
    pub blocked: Option<String>,
    /// How it is dealt with, where it is not blocked.
    pub rotation: Option<RotationExplained>,
    /// The step that was asked about.
    pub step: Option<StepExplained>,
}

/// A rotation's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RotationExplained {
    /// `aws-iam user/ci`.
    pub owner: String,
    /// The key to be retired.
    pub old_key: KeyId,
    /// How.
    pub mode: Mode,
    /// Why it is in scope and in this mode.
    pub why: String,
    /// How sure it is that the thief has it, with the number of events that show it.
    pub exposure: String,
    /// Its place in the order, from 1.
    pub place: usize,
    /// How many are in the order.
    pub of: usize,
    /// How much harm it can do, in words; `None` where the inventory has it no more.
    pub severity: Option<&'static str>,
    /// What must be dead before a new key is made.
    pub after: Vec<Before>,
    /// Which others wait for its death.
    pub awaited_by: Vec<CredentialId>,
    /// Why a person stopped it.
    pub paused: Option<String>,
    /// Its steps and how far each is.
    pub steps: Vec<Known>,
}

/// Something that must be dead before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Before {
    /// Which.
    pub credential: CredentialId,
    /// Why: `opens ssm:…`.
    pub because: String,
    /// Whether it is proven dead.
    pub dead: bool,
}

/// A step and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Known {
    /// Which.
    pub step: StepId,
    /// Whether it needs nothing more.
    pub over: bool,
    /// How far it is, in words.
    pub status: String,
}

/// A step explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepExplained {
    /// Which, and how far it is.
    pub known: Known,
    /// What it does, in words.
    pub does: String,
    /// Its wave and why it is in it; `None`: it belongs to none.
    pub wave: Option<String>,
    /// Steps that must be over before.
    pub needs: Vec<Known>,
    /// What else must hold, and whether it does.
    pub gates: Vec<GateExplained>,
    /// Steps that wait for it.
    pub awaited_by: Vec<StepId>,
    /// What happens if it fails, a sentence each.
    pub if_it_fails: Vec<String>,
    /// What it waits for right now.
    pub now: String,
}

/// A gate and whether it is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateExplained {
    /// What must hold.
    pub what: String,
    /// Whether it does.
    pub open: bool,
}

/// Explains a step or a credential of the plan in force. `None`: it has no such thing.
pub fn explain(state: &State, target: &Target, now: Timestamp) -> Option<Explained> {
    let plan = &*state.plan.as_ref()?.plan;
    let step = match target {
        Target::Step(id) => Some(plan.step(id)?),
        Target::Credential(_) => None,
    };
    let credential = match target {
        Target::Credential(id) => id,
        Target::Step(_) => &step?.credential,
    };
    let Some(rotation) = plan.rotation(credential) else {
        let blocked = plan.blocked.iter().find(|b| &b.credential == credential)?;
        return Some(Explained {
            credential: credential.clone(),
            name: blocked.name.clone(),
            blocked: Some(blocked.because.clone()),
            rotation: None,
            step: None,
        });
    };
    Some(Explained {
        credential: credential.clone(),
        name: rotation.name.clone(),
        blocked: None,
        rotation: Some(explain_rotation(state, plan, rotation)),
        step: step.map(|step| explain_step(state, plan, rotation, step, now)),
    })
}

fn explain_rotation(state: &State, plan: &Plan, rotation: &Rotation) -> RotationExplained {
    let id = &rotation.credential;
    let credential = state.credentials.get(id);
    let exposure = credential.and_then(|c| state.exposure_of(c));
    let events = exposure.as_ref().map_or(0, |e| e.event_ids.len());
    let mut words = exposure_word(exposure.map(|e| e.level)).to_string();
    if events > 0 {
        words = format!("{words} ({events} events)");
    }
    let after = rotation.after.iter().map(|after| Before {
        credential: after.credential.clone(),
        because: after.because.clone(),
        dead: state.is_over(&StepId::new(format!("{}/prove/0s", after.credential))),
    });
    let place = plan.rotations.iter().position(|r| &r.credential == id);
    let paused = state.paused_rotations.get(id).or(state.paused.as_ref());
    RotationExplained {
        owner: format!("{} {}", rotation.issuer, rotation.principal),
        old_key: rotation.old_key.clone(),
        mode: rotation.mode,
        why: rotation.why.clone(),
        exposure: words,
        place: place.map_or(0, |at| at + 1),
        of: plan.rotations.len(),
        severity: credential.map(|c| Severity::of(state, &plan.policy, c).words()),
        after: after.collect(),
        awaited_by: plan
            .rotations
            .iter()
            .filter(|r| r.after.iter().any(|after| &after.credential == id))
            .map(|r| r.credential.clone())
            .collect(),
        paused: paused.cloned(),
        steps: plan
            .steps_of(id)
            .map(|step| known(state, &step.id))
            .collect(),
    }
}

fn explain_step(
    state: &State,
    plan: &Plan,
    rotation: &Rotation,
    step: &Step,
    now: Timestamp,
) -> StepExplained {
    StepExplained {
        known: known(state, &step.id),
        does: does(step, rotation),
        wave: wave_words(plan, rotation, step),
        needs: step.needs.iter().map(|id| known(state, id)).collect(),
        gates: step.gates.iter().map(|g| gate(state, g, now)).collect(),
        awaited_by: plan.dependents(&step.id).map(|s| s.id.clone()).collect(),
        if_it_fails: if_it_fails(plan, rotation, step),
        now: now_words(state, plan, step, now),
    }
}

fn known(state: &State, step: &StepId) -> Known {
    Known {
        step: step.clone(),
        over: state.is_over(step),
        status: status_words(state, step),
    }
}

/// How far a step is, in words.
pub fn status_words(state: &State, step: &StepId) -> String {
    let Some(known) = state.steps.get(step) else {
        return "not begun".to_string();
    };
    let at = known.at;
    match &known.status {
        StepStatus::Intended => format!("begun at {at:.0}, no outcome yet"),
        StepStatus::Unknown { fault } => format!("outcome not known: {}", fault.detail),
        StepStatus::Done { .. } => format!("done at {at:.0}"),
        StepStatus::Failed { fault } => format!("failed at {at:.0}: {}", fault.detail),
        StepStatus::NotDone => "was asked for and had not happened".to_string(),
        StepStatus::Retried => format!("to be done again since {at:.0}"),
        StepStatus::Stuck { because } => format!("stuck: {because}"),
        StepStatus::Skipped { because } => format!("left out: {because}"),
        StepStatus::Undoing { because } => format!("being rolled back: {because}"),
        StepStatus::Undone { because } => format!("rolled back: {because}"),
    }
}

fn does(step: &Step, r: &Rotation) -> String {
    let list = |all: &[ConsumerId]| {
        let names: Vec<&str> = all.iter().take(5).map(ConsumerId::as_str).collect();
        match all.len().saturating_sub(names.len()) {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    };
    match &step.action {
        Action::Keep { container, .. } => format!(
            "takes the old value from {container} into custody: it is presented again to prove \
             it dead, and put back if a wave fails"
        ),
        Action::Mint { person: true, .. } => {
            format!("a person makes a new key at the console of {}", r.issuer)
        }
        Action::Mint { name, .. } => format!("makes a new key at {}, named {name}", r.issuer),
        Action::Check => "presents the new key as a consumer would".to_string(),
        Action::Write { container, slots } => {
            format!(
                "puts the new value into {container} ({} slots)",
                slots.len()
            )
        }
        Action::Roll { consumer } => format!("makes {consumer} read its places again"),
        Action::Adopt { consumer, .. } => format!("sees {consumer} well on the new value"),
        Action::Settle { consumers } => {
            format!("watches the wave before the next: {}", list(consumers))
        }
        Action::Observe { quiet: true } => {
            "watches that every consumer stays well and nobody uses the old key".to_string()
        }
        Action::Observe { quiet: false } => "watches that every consumer stays well; use of the \
             old key is not waited for, because it may be the thief's"
            .to_string(),
        Action::Announce { consumers } => format!(
            "says which consumers stop working until they have the new value: {}",
            list(consumers)
        ),
        Action::Cut => format!("denies {} everything, so that attempts show", r.principal),
        Action::Disable => format!("switches {} off, reversibly", r.old_key),
        Action::Prove => format!("sees {} dead", r.old_key),
        Action::Delete => format!("removes {} for good", r.old_key),
        Action::Sweep => "looks for keys that this rotation made and nobody uses".to_string(),
    }
}

fn wave_words(plan: &Plan, r: &Rotation, step: &Step) -> Option<String> {
    let Some(wave) = step.wave else {
        let acts = step.action.consumer().is_some() || matches!(step.action, Action::Write { .. });
        return match r.mode {
            Mode::Hot if acts => {
                Some("all at once: the old key is dead, waves would lengthen the outage".into())
            }
            Mode::Warm if acts => Some("none: nobody is known to read what it writes".into()),
            _ => None,
        };
    };
    let last = plan.steps_of(&r.credential).filter_map(|s| s.wave).max();
    let consumers: Vec<&ConsumerId> = plan
        .steps_of(&r.credential)
        .filter(|s| s.wave == Some(wave) && matches!(s.action, Action::Roll { .. }))
        .filter_map(|s| s.action.consumer())
        .collect();
    let why = match (wave, plan.policy.wave_growth) {
        (_, 0) => "the policy has everybody in one wave".to_string(),
        (1, _) if consumers.iter().any(|c| plan.policy.canaries.contains(c)) => {
            "the canary that the policy names goes first".to_string()
        }
        (1, _) => "one consumer goes first, by name".to_string(),
        (_, 1) => "one consumer after the other".to_string(),
        (_, growth) => {
            format!("each wave has {growth} times as many consumers as the one before")
        }
    };
    Some(format!(
        "{wave} of {}, {} consumers: {why}",
        last.unwrap_or(wave),
        consumers.len()
    ))
}

fn gate(state: &State, gate: &Gate, now: Timestamp) -> GateExplained {
    match gate {
        Gate::Approved => GateExplained {
            what: "the plan is approved".to_string(),
            open: state
                .plan
                .as_ref()
                .is_some_and(relatch_case::state::PlanInForce::is_approved),
        },
        Gate::Contained => GateExplained {
            what: "the thief is contained".to_string(),
            open: state.is_contained(),
        },
        Gate::After { step, seconds } => {
            let ended = state.steps.get(step).filter(|_| state.is_over(step));
            let until = ended.and_then(|known| {
                let wait = jiff::SignedDuration::from_secs(i64::from(*seconds));
                known.at.checked_add(wait).ok()
            });
            let since = until.map_or(String::new(), |until| format!(", at {until:.0}"));
            GateExplained {
                what: format!("{seconds} s after {step}{since}"),
                open: until.is_some_and(|until| now >= until),
            }
        }
    }
}

fn if_it_fails(plan: &Plan, r: &Rotation, step: &Step) -> Vec<String> {
    let policy = &plan.policy;
    let mut lines = Vec::new();
    let watches = matches!(step.action, Action::Adopt { .. } | Action::Settle { .. });
    if watches && step.wave.is_some() {
        lines.push(format!(
            "a consumer that is not well in time ({} s) fails its wave: what the wave wrote is \
             put back, its consumers read again, later waves do not begin, the old key stays; \
             relatch retry sends the whole wave back to work",
            policy.adopt_s
        ));
        lines.push(
            "not rolled back once the old key is being switched off, or if the thief used it: \
             then the way is forward"
                .to_string(),
        );
    } else if watches {
        lines.push(
            "nothing is rolled back: the old key must not come back, so a person mends the \
             consumer, then relatch retry"
                .to_string(),
        );
    } else if step.action.only_looks() {
        lines.push(format!(
            "it only looks: it looks again every {} s, and changes nothing",
            policy.poll_s
        ));
    }
    if !step.action.only_looks() {
        lines.push(format!(
            "a passing fault is tried again, up to {} times, {} s later at first and twice as \
             long each time; then it is stuck and waits for relatch retry or relatch skip",
            policy.max_attempts, policy.backoff_s
        ));
        lines.push(unknown_words(step).to_string());
    }
    if step.wave.is_some() && step.action.can_be_undone() {
        lines.push("it is undone if another step of its wave fails".to_string());
    }
    if matches!(step.action, Action::Disable) && r.mode == Mode::Warm {
        lines.push("it can be taken back at the issuer until the key is deleted".to_string());
    }
    lines
}

fn unknown_words(step: &Step) -> &'static str {
    match &step.action {
        Action::Mint { .. } => {
            "if the answer is lost, the key is looked for in custody and in the issuer's list; \
             one that is ours and unused is removed, so that none is forgotten"
        }
        Action::Write { .. } => {
            "if the answer is lost, the container is read and compared with the old and the new \
             fingerprint"
        }
        _ => "if the answer is lost, it is done again: twice has the effect of once",
    }
}

fn now_words(state: &State, plan: &Plan, step: &Step, now: Timestamp) -> String {
    match next(state, plan, step, now, &mut Holders::default()) {
        Next::Over => "it is over".to_string(),
        Next::Now(Command::Execute { .. }) => "nothing: relatch apply does it now".to_string(),
        Next::Now(Command::Reconcile { .. }) => {
            "nothing: relatch apply finds out now what became of it".to_string()
        }
        Next::Now(Command::Undo { because, .. }) => {
            format!("nothing: relatch apply rolls it back now: {because}")
        }
        Next::Later(on) => waiting_words(&on),
        Next::NotYet => not_yet(state, step),
    }
}

/// What is waited for, in words.
pub fn waiting_words(on: &Waiting) -> String {
    match on {
        Waiting::Approval => "the plan's approval: relatch plan approve".to_string(),
        Waiting::Containment => "containment: relatch contain verify".to_string(),
        Waiting::Time { until } => format!("the time: {until:.0}"),
        Waiting::Person => "a person: relatch tasks".to_string(),
        Waiting::Stuck { because } => format!("a person, because it is stuck: {because}"),
        Waiting::Paused { because } => format!("relatch resume; it is paused: {because}"),
    }
}

fn not_yet(state: &State, step: &Step) -> String {
    let open: Vec<&str> = step
        .waits_for()
        .filter(|id| !state.is_over(id))
        .map(StepId::as_str)
        .collect();
    if !open.is_empty() {
        let first: Vec<&str> = open.iter().take(3).copied().collect();
        return match open.len() - first.len() {
            0 => format!("other steps: {}", first.join(", ")),
            more => format!("other steps: {} and {more} more", first.join(", ")),
        };
    }
    if let Some(failed) = state.failed_waves.get(&step.credential) {
        return format!(
            "wave {} of its rotation, which failed: {}; relatch retry {}",
            failed.wave, failed.because, failed.step
        );
    }
    match step.action.consumer() {
        Some(consumer) => {
            format!("{consumer}, which another rotation has rolled and not yet seen well")
        }
        None => "other steps".to_string(),
    }
}
