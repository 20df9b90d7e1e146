//! From a state to a plan: which credentials, in which order, in which mode.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use relatch_case::model::{Credential, ExposureLevel, IssuedKey, Minting, Part, Sheet};
use relatch_case::plan::{Baseline, Blocked, ContainerBaseline, Mode, Plan, Rotation, VERSION};
use relatch_case::{CredentialId, KeyId, Policy, Principal, State};

use crate::steps::Steps;

/// What a person asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Mode for credentials that the rules would rotate warm. `None`: warm.
    pub mode: Option<Mode>,
    /// Only credentials exposed at least so much; `None` takes every one.
    pub at_least: Option<ExposureLevel>,
    /// Only these; empty takes every one.
    pub only: BTreeSet<CredentialId>,
    /// When the plan is made: waivers that ran out by then no longer count. `None`: all count.
    pub at: Option<Timestamp>,
}

/// A state from which no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No case.
    #[error("there is no case to plan for")]
    NoCase,
    /// Nothing to rotate.
    #[error("no credential is known: run an inventory first")]
    NothingKnown,
}

/// A credential with everything that planning it needs.
pub(crate) struct Candidate<'a> {
    pub(crate) credential: &'a Credential,
    pub(crate) sheet: &'a Sheet,
    pub(crate) principal: &'a Principal,
    pub(crate) key: &'a KeyId,
    pub(crate) exposure: Option<ExposureLevel>,
    pub(crate) planted: bool,
    pub(crate) used_by_thief: bool,
    pub(crate) placed: bool,
}

/// Makes the plan. Same state, policy and options: same plan, same hash.
pub fn make(state: &State, policy: &Policy, options: &Options) -> Result<Plan, PlanError> {
    let case = state.case.as_ref().ok_or(PlanError::NoCase)?;
    if state.credentials.is_empty() {
        return Err(PlanError::NothingKnown);
    }
    let (mut candidates, mut blocked) = sort_out(state, options);
    candidates.sort_by(|a, b| urgency(a).cmp(&urgency(b)));
    let mut rotations = Vec::new();
    for candidate in &candidates {
        match mode_of(state, candidate, &candidates, options) {
            Ok((mode, why)) => rotations.push((candidate, rotation(candidate, mode, why))),
            Err(because) => blocked.push(block(candidate.credential, because)),
        }
    }
    let mut steps = Steps::new(state, policy);
    for (candidate, rotation) in &rotations {
        steps.add(candidate, rotation, &rotations);
    }
    let rotations: Vec<Rotation> = rotations
        .into_iter()
        .map(|(_, rotation)| rotation)
        .collect();
    let baseline = baseline(state, &rotations);
    Ok(Plan {
        version: VERSION,
        case: case.id.clone(),
        account: case.account.clone(),
        policy: policy.clone(),
        rotations,
        steps: steps.finish(),
        baseline,
        blocked,
    })
}

/// Splits what is in scope into what can be planned and what cannot.
fn sort_out<'a>(state: &'a State, options: &Options) -> (Vec<Candidate<'a>>, Vec<Blocked>) {
    let (mut candidates, mut blocked) = (Vec::new(), Vec::new());
    for credential in state.credentials.values() {
        if !options.only.is_empty() && !options.only.contains(&credential.id)
            || is_waived(state, &credential.id, options.at)
        {
            continue;
        }
        let exposure = state.exposure_of(credential).map(|e| e.level);
        let planted = credential
            .key_id
            .as_ref()
            .is_some_and(|key| state.planted.contains_key(key));
        // The thief's own keys are exposed in no place, and in scope all the same.
        if !planted && options.at_least.is_some_and(|least| exposure < Some(least)) {
            continue;
        }
        match candidate(state, credential, exposure) {
            Ok(candidate) => candidates.push(candidate),
            Err(because) => blocked.push(block(credential, because)),
        }
    }
    (candidates, blocked)
}

fn is_waived(state: &State, credential: &CredentialId, at: Option<Timestamp>) -> bool {
    let waiver = state.waivers.get(credential);
    waiver.is_some_and(|waiver| at.is_none_or(|at| waiver.expires > at))
}

fn candidate<'a>(
    state: &'a State,
    credential: &'a Credential,
    exposure: Option<ExposureLevel>,
) -> Result<Candidate<'a>, String> {
    let Some(sheet) = state.sheets.get(&credential.issuer) else {
        return Err(format!(
            "issuer {} is not configured: add it and take the inventory again",
            credential.issuer
        ));
    };
    let (Some(principal), Some(key)) = (&credential.principal, &credential.key_id) else {
        return Err(format!(
            "{} lists no key that matches this value: check which account it belongs to, or \
             waive it with a reason",
            credential.issuer
        ));
    };
    Ok(Candidate {
        credential,
        sheet,
        principal,
        key,
        exposure,
        planted: state.planted.contains_key(key),
        used_by_thief: state.is_used_by_thief(key),
        placed: state
            .places_of(&credential.id)
            .any(|place| place.part == Part::Secret),
    })
}

/// What comes first: the thief's own keys, keys that make keys, what he read, then by name.
fn urgency<'a>(
    c: &Candidate<'a>,
) -> (
    bool,
    bool,
    bool,
    std::cmp::Reverse<Option<ExposureLevel>>,
    &'a str,
    &'a CredentialId,
) {
    (
        !c.planted,
        !c.used_by_thief,
        !c.credential.mints_keys,
        std::cmp::Reverse(c.exposure),
        &c.credential.name,
        &c.credential.id,
    )
}

/// The mode of a rotation with the reason, or why it cannot be rotated.
fn mode_of(
    state: &State,
    c: &Candidate<'_>,
    all: &[Candidate<'_>],
    options: &Options,
) -> Result<(Mode, String), String> {
    if !c.sheet.disables && !c.sheet.deletes {
        return Err(format!(
            "{} can neither disable nor delete a key: a person has to kill it there, or waive \
             it with a reason",
            c.credential.issuer
        ));
    }
    if c.planted {
        return Ok((Mode::Retire, "the thief made this key".to_string()));
    }
    if c.used_by_thief && !c.placed {
        let why = "the thief used this key and no place of ours holds it";
        return Ok((Mode::Retire, why.to_string()));
    }
    if !c.placed {
        return Err(
            "its issuer lists it but no known place holds it: find where it lives, or \
                    waive it with a reason"
                .to_string(),
        );
    }
    if let Minting::Impossible { because } = &c.sheet.minting {
        return Err(because.clone());
    }
    let (mode, why) = if c.used_by_thief {
        (
            Mode::Hot,
            "the thief used this key: it dies first, an outage is accepted".to_string(),
        )
    } else if options.mode == Some(Mode::Hot) {
        (
            Mode::Hot,
            "asked for: the old key dies first, an outage is accepted".to_string(),
        )
    } else {
        (Mode::Warm, exposure_words(c.exposure).to_string())
    };
    if mode == Mode::Warm && free_slots(state, c, all) == Some(0) {
        return Err(format!(
            "{} already holds as many keys as its issuer allows, so old and new cannot overlap: \
             delete the other key if nobody uses it, or plan this one hot (the old key is \
             deleted first)",
            c.principal
        ));
    }
    if mode == Mode::Hot && is_full(state, c) && !c.sheet.deletes {
        return Err(format!(
            "{} already holds as many keys as its issuer allows, and none can be deleted: a \
             person has to make room there",
            c.principal
        ));
    }
    Ok((mode, why))
}

/// Whether the principal holds as many keys as it can.
pub(crate) fn is_full(state: &State, c: &Candidate<'_>) -> bool {
    c.sheet.slots.is_some_and(|slots| {
        let held = state.keys_of(&c.credential.issuer, c.principal).len();
        u32::try_from(held).unwrap_or(u32::MAX) >= slots
    })
}

fn exposure_words(exposure: Option<ExposureLevel>) -> &'static str {
    match exposure {
        Some(ExposureLevel::Read) => "the thief read it",
        Some(ExposureLevel::Readable) => "the thief could read it",
        Some(ExposureLevel::Reachable) => "it is in the account that was entered",
        None => "asked for",
    }
}

/// Slots left for a new key once the keys that the thief made are gone. `None`: no limit.
fn free_slots(state: &State, c: &Candidate<'_>, all: &[Candidate<'_>]) -> Option<u32> {
    let slots = c.sheet.slots?;
    let going = |key: &&IssuedKey| {
        !c.sheet.deletes
            || !all
                .iter()
                .any(|other| other.key == &key.id && retires_first(other))
    };
    let held = state
        .keys_of(&c.credential.issuer, c.principal)
        .iter()
        .filter(going)
        .count();
    Some(slots.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX)))
}

/// Whether a candidate's key is retired without replacement, and so frees its slot.
pub(crate) fn retires_first(c: &Candidate<'_>) -> bool {
    c.planted || c.used_by_thief && !c.placed
}

fn rotation(c: &Candidate<'_>, mode: Mode, why: String) -> Rotation {
    Rotation {
        credential: c.credential.id.clone(),
        name: c.credential.name.clone(),
        issuer: c.credential.issuer.clone(),
        principal: c.principal.clone(),
        old_key: c.key.clone(),
        mode,
        why,
    }
}

fn block(credential: &Credential, because: String) -> Blocked {
    Blocked {
        credential: credential.id.clone(),
        name: credential.name.clone(),
        because,
    }
}

/// What the plan relies on: the slots it writes and the key lists it changes.
fn baseline(state: &State, rotations: &[Rotation]) -> Baseline {
    let mut places: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    let mut keys: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
    for rotation in rotations {
        if rotation.mode != Mode::Retire {
            for place in state.places_of(&rotation.credential) {
                places
                    .entry(place.container.clone())
                    .or_default()
                    .insert(place.slot.clone(), place.fingerprint.clone());
            }
        }
        keys.entry(rotation.issuer.clone()).or_default().insert(
            rotation.principal.clone(),
            state
                .keys_of(&rotation.issuer, &rotation.principal)
                .iter()
                .map(|key| key.id.clone())
                .collect(),
        );
    }
    let places = places
        .into_iter()
        .map(|(container, slots)| ContainerBaseline { container, slots })
        .collect();
    Baseline { places, keys }
}
