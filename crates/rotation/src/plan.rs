//! From a state to a plan: which credentials, in which order, in which mode.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use relatch_case::model::{Credential, ExposureLevel, Minting, Part, Sheet};
use relatch_case::plan::{
    After, Baseline, Blocked, ContainerBaseline, Mode, Plan, PlanIndex, Rotation, VERSION,
};
use relatch_case::{ConsumerId, CredentialId, IssuerId, KeyId, Policy, Principal, State};

use crate::order::order;
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
    /// Pairs of which the first need not be dead before the second is renewed, by a person's
    /// decision.
    pub cut: BTreeSet<(CredentialId, CredentialId)>,
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
    let (candidates, mut blocked) = sort_out(state, options);
    let order = order(state, policy, &candidates, &options.cut);
    for (at, because) in order.circles {
        blocked.push(block(candidates[at].credential, because));
    }
    let slots = Slots::of(state, &candidates);
    let mut chosen: Vec<(&Candidate<'_>, Rotation)> = Vec::new();
    for at in order.sorted {
        let candidate = &candidates[at];
        let after = order.after.get(&at).cloned().unwrap_or_default();
        let mode =
            first_dead(&after, &blocked).and_then(|()| mode_of(state, candidate, &slots, options));
        match mode {
            Ok((mode, why)) => chosen.push((candidate, rotation(candidate, mode, why, after))),
            Err(because) => blocked.push(block(candidate.credential, because)),
        }
    }
    heat(state, &mut chosen);
    let mut steps = Steps::new(state, policy, &chosen);
    for (candidate, rotation) in &chosen {
        steps.add(candidate, rotation);
    }
    let rotations: Vec<Rotation> = chosen.iter().map(|(_, r)| r.clone()).collect();
    let steps = steps.finish();
    let baseline = baseline(state, &rotations);
    Ok(Plan {
        version: VERSION,
        case: case.id.clone(),
        account: case.account.clone(),
        policy: policy.clone(),
        rotations,
        steps,
        baseline,
        blocked,
        index: PlanIndex::default(),
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

/// Makes hot what a hot rotation waits for, where they share a consumer: it is down until both
/// are renewed, and could not be seen well on the one that comes first.
fn heat(state: &State, chosen: &mut [(&Candidate<'_>, Rotation)]) {
    let at: BTreeMap<CredentialId, usize> = chosen
        .iter()
        .enumerate()
        .map(|(at, (c, _))| (c.credential.id.clone(), at))
        .collect();
    for later in (0..chosen.len()).rev() {
        if chosen[later].1.mode != Mode::Hot {
            continue;
        }
        let after = chosen[later].1.after.clone();
        let down = readers(state, &chosen[later].1.credential);
        for before in after.iter().filter_map(|a| at.get(&a.credential).copied()) {
            let (c, rotation) = &chosen[before];
            let shared = !readers(state, &rotation.credential).is_disjoint(&down);
            let room = !is_full(state, c) || c.sheet.deletes;
            if rotation.mode == Mode::Warm && shared && room {
                let why = format!(
                    "{} is rotated hot and waits for it, and they share a consumer",
                    chosen[later].1.name
                );
                chosen[before].1.mode = Mode::Hot;
                chosen[before].1.why = why;
            }
        }
    }
}

fn readers<'a>(state: &'a State, credential: &CredentialId) -> BTreeSet<&'a ConsumerId> {
    state
        .places_of(credential)
        .flat_map(|place| state.consumers_of(&place.container))
        .map(|consumer| &consumer.id)
        .collect()
}

/// Whether everything that has to be dead before can be killed.
fn first_dead(after: &[After], blocked: &[Blocked]) -> Result<(), String> {
    let missing = after
        .iter()
        .find_map(|a| Some((a, blocked.iter().find(|b| b.credential == a.credential)?)));
    match missing {
        None => Ok(()),
        Some((after, before)) => Err(format!(
            "{} {} and is not rotated itself: deal with that one first, or plan again with \
             --cut {}:…",
            before.name, after.because, after.credential
        )),
    }
}

/// The mode of a rotation with the reason, or why it cannot be rotated.
fn mode_of(
    state: &State,
    c: &Candidate<'_>,
    slots: &Slots<'_>,
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
    } else if c.credential.mints_keys && c.exposure == Some(ExposureLevel::Read) {
        (
            Mode::Hot,
            "it makes keys and the thief read it: it dies first, an outage is accepted".to_string(),
        )
    } else if options.mode == Some(Mode::Hot) {
        (
            Mode::Hot,
            "asked for: the old key dies first, an outage is accepted".to_string(),
        )
    } else {
        (Mode::Warm, exposure_words(c.exposure).to_string())
    };
    if mode == Mode::Warm && slots.free(c) == Some(0) {
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
        let listed = state.keys_of(&c.credential.issuer, c.principal);
        let unlisted = usize::from(!listed.iter().any(|key| &key.id == c.key));
        let held = listed.len() + unlisted;
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

/// Room for new keys, by principal.
struct Slots<'a> {
    held: BTreeMap<(&'a IssuerId, &'a Principal), usize>,
}

impl<'a> Slots<'a> {
    /// Keys that stay while new ones are made: those that the thief made go first, where they
    /// can be deleted.
    fn of(state: &'a State, candidates: &'a [Candidate<'a>]) -> Self {
        let going: BTreeSet<(&IssuerId, &KeyId)> = candidates
            .iter()
            .filter(|c| c.sheet.deletes && retires_first(c))
            .map(|c| (&c.credential.issuer, c.key))
            .collect();
        let mut held = BTreeMap::new();
        for (issuer, lists) in &state.keys {
            for (principal, keys) in lists {
                let stays = keys
                    .iter()
                    .filter(|key| !going.contains(&(issuer, &key.id)));
                held.insert((issuer, principal), stays.count());
            }
        }
        // A key that no list shows takes a slot all the same.
        for c in candidates {
            let owner = (&c.credential.issuer, c.principal);
            let listed = state.keys_of(owner.0, owner.1);
            if !listed.iter().any(|key| &key.id == c.key) && !going.contains(&(owner.0, c.key)) {
                *held.entry(owner).or_default() += 1;
            }
        }
        Self { held }
    }

    /// Slots left for a new key. `None`: no limit.
    fn free(&self, c: &Candidate<'_>) -> Option<u32> {
        let slots = c.sheet.slots?;
        let held = self.held.get(&(&c.credential.issuer, c.principal));
        let held = u32::try_from(held.copied().unwrap_or(0)).unwrap_or(u32::MAX);
        Some(slots.saturating_sub(held))
    }
}

/// Whether a candidate's key is retired without replacement, and so frees its slot.
pub(crate) fn retires_first(c: &Candidate<'_>) -> bool {
    c.planted || c.used_by_thief && !c.placed
}

fn rotation(c: &Candidate<'_>, mode: Mode, why: String, after: Vec<After>) -> Rotation {
    Rotation {
        credential: c.credential.id.clone(),
        name: c.credential.name.clone(),
        issuer: c.credential.issuer.clone(),
        principal: c.principal.clone(),
        old_key: c.key.clone(),
        mode,
        why,
        after,
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
