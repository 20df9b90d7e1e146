//! What changed between two plans: credential by credential, the world they expect, and the
//! policy field by field.

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::plan::{Blocked, Plan, Rotation, Step};
use relatch_case::{CredentialId, Policy};
use serde::Serialize;
use serde_json::Value;

use crate::summary::mode_word;

/// The differences from one plan to another, each list in a fixed order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// What the plans are for, where that differs: case, account, format.
    pub about: Vec<String>,
    /// Fields of the policy.
    pub policy: Vec<FieldChange>,
    /// Credentials, in the order of the new plan, those that are gone last.
    pub credentials: Vec<CredentialChange>,
    /// The world that the plan expects: containers, slots, keys.
    pub baseline: Vec<Change>,
    /// Steps only in the new plan.
    pub steps_added: usize,
    /// Steps only in the old plan.
    pub steps_removed: usize,
    /// Steps in both that differ.
    pub steps_changed: usize,
}

/// One difference, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `+` only in the new plan, `-` only in the old one, `~` in both and different.
    pub sign: char,
    /// What it is about.
    pub what: String,
}

/// One field of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Which.
    pub field: String,
    /// What it was, as JSON.
    pub old: String,
    /// What it is, as JSON.
    pub new: String,
    /// Why a reviewer must not overlook it.
    pub beware: Option<&'static str>,
}

/// One credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialChange {
    /// `+`, `-` or `~`.
    pub sign: char,
    /// Which.
    pub credential: CredentialId,
    /// Its name for people.
    pub name: String,
    /// What changed, in words.
    pub what: Vec<String>,
}

impl Diff {
    /// Whether the plans say the same.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// How many credentials have this sign.
    pub fn count(&self, sign: char) -> usize {
        self.credentials.iter().filter(|c| c.sign == sign).count()
    }
}

/// What a plan does with one credential.
enum Fate<'a> {
    Rotated(&'a Rotation, usize),
    Blocked(&'a Blocked),
}

impl Fate<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Rotated(rotation, _) => &rotation.name,
            Self::Blocked(blocked) => &blocked.name,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Rotated(r, _) => format!("{} rotation of key {}", mode_word(r.mode), r.old_key),
            Self::Blocked(blocked) => format!("blocked: {}", blocked.because),
        }
    }
}

/// The differences from `old` to `new`.
pub fn diff(old: &Plan, new: &Plan) -> Diff {
    let mut diff = Diff {
        about: about(old, new),
        policy: policy(&old.policy, &new.policy),
        baseline: baseline(old, new),
        ..Diff::default()
    };
    let (before, after) = (fates(old), fates(new));
    let moved = moved(old, new);
    for id in ids(new) {
        let Some(now) = after.get(id) else { continue };
        let Some(was) = before.get(id) else {
            let steps = new.steps_of(id).count();
            diff.steps_added += steps;
            diff.push('+', id, now, vec![with_steps(now, steps)]);
            continue;
        };
        let what = diff.changes(old, new, (id, was, now), moved.contains(id));
        if !what.is_empty() {
            diff.push('~', id, now, what);
        }
    }
    for id in ids(old).filter(|id| !after.contains_key(*id)) {
        let steps = old.steps_of(id).count();
        diff.steps_removed += steps;
        if let Some(was) = before.get(id) {
            diff.push('-', id, was, vec![with_steps(was, steps)]);
        }
    }
    diff
}

fn ids(plan: &Plan) -> impl Iterator<Item = &CredentialId> {
    let rotated = plan.rotations.iter().map(|r| &r.credential);
    rotated.chain(plan.blocked.iter().map(|b| &b.credential))
}

fn fates(plan: &Plan) -> BTreeMap<&CredentialId, Fate<'_>> {
    let rotated = plan.rotations.iter().enumerate();
    let rotated = rotated.map(|(at, r)| (&r.credential, Fate::Rotated(r, at + 1)));
    let blocked = plan.blocked.iter();
    rotated
        .chain(blocked.map(|b| (&b.credential, Fate::Blocked(b))))
        .collect()
}

fn with_steps(fate: &Fate<'_>, steps: usize) -> String {
    match fate {
        Fate::Rotated(..) => format!("{}, {steps} steps", fate.words()),
        Fate::Blocked(_) => fate.words(),
    }
}

/// Rotations whose place among those of both plans changed: all but the longest run that kept
/// its order.
fn moved<'a>(old: &Plan, new: &'a Plan) -> BTreeSet<&'a CredentialId> {
    let before: BTreeMap<&CredentialId, usize> = old
        .rotations
        .iter()
        .enumerate()
        .map(|(at, r)| (&r.credential, at))
        .collect();
    let both: Vec<(&CredentialId, usize)> = new
        .rotations
        .iter()
        .filter_map(|r| Some((&r.credential, *before.get(&r.credential)?)))
        .collect();
    let stay = longest_rising(&both.iter().map(|(_, at)| *at).collect::<Vec<_>>());
    (0..)
        .zip(both)
        .filter(|(n, _)| !stay.contains(n))
        .map(|(_, (id, _))| id)
        .collect()
}

/// The positions of a longest rising run among different numbers, by patience sorting.
fn longest_rising(numbers: &[usize]) -> BTreeSet<usize> {
    // Of each length, the position at which a run of it ends lowest; and what came before.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::new();
    for (at, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut run = BTreeSet::new();
    let mut at = ends.last().copied();
    while let Some(position) = at {
        run.insert(position);
        at = before[position];
    }
    run
}

impl Diff {
    fn push(&mut self, sign: char, id: &CredentialId, fate: &Fate<'_>, what: Vec<String>) {
        self.credentials.push(CredentialChange {
            sign,
            credential: id.clone(),
            name: fate.name().to_string(),
            what,
        });
    }

    /// What differs in one credential that both plans have.
    fn changes(
        &mut self,
        old: &Plan,
        new: &Plan,
        (id, was, now): (&CredentialId, &Fate<'_>, &Fate<'_>),
        moved: bool,
    ) -> Vec<String> {
        let mut what = Vec::new();
        match (was, now) {
            (Fate::Rotated(a, from), Fate::Rotated(b, to)) => {
                rotation(a, b, &mut what);
                if moved {
                    what.push(format!("place in the order {from} -> {to}"));
                }
            }
            (Fate::Blocked(a), Fate::Blocked(b)) => {
                if a.because != b.because {
                    what.push(format!("blocked: {} -> {}", a.because, b.because));
                }
            }
            (Fate::Rotated(..), Fate::Blocked(_)) => {
                what.push(format!("NO LONGER ROTATED, {}", now.words()));
            }
            (Fate::Blocked(_), Fate::Rotated(..)) => {
                what.push(format!("no longer blocked: {}", now.words()));
            }
        }
        self.steps(old, new, id, &mut what);
        what
    }

    fn steps(&mut self, old: &Plan, new: &Plan, id: &CredentialId, what: &mut Vec<String>) {
        let added = missing(new, old, id);
        let removed = missing(old, new, id);
        let changed: Vec<(&Step, &Step)> = new
            .steps_of(id)
            .filter_map(|step| Some((old.step(&step.id)?, step)))
            .filter(|(was, is)| was != is)
            .collect();
        self.steps_added += added.len();
        self.steps_removed += removed.len();
        self.steps_changed += changed.len();
        if !added.is_empty() {
            what.push(format!("steps added: {}", shorts(&added, id)));
        }
        if !removed.is_empty() {
            what.push(format!("steps removed: {}", shorts(&removed, id)));
        }
        if !changed.is_empty() {
            let names: Vec<&Step> = changed.iter().map(|(_, is)| *is).collect();
            let aspects = aspects(&changed).join(", ");
            what.push(format!("steps changed ({aspects}): {}", shorts(&names, id)));
        }
    }
}

/// Steps of a credential in one plan that another lacks.
fn missing<'a>(plan: &'a Plan, other: &Plan, id: &CredentialId) -> Vec<&'a Step> {
    plan.steps_of(id)
        .filter(|step| other.step(&step.id).is_none())
        .collect()
}

/// Most step names in one line.
const MOST_NAMES: usize = 8;

/// Step names without the credential that is named already.
fn shorts(steps: &[&Step], id: &CredentialId) -> String {
    let short = |step: &Step| {
        let name = step.id.as_str();
        let short = name.strip_prefix(id.as_str()).unwrap_or(name);
        short.trim_start_matches('/').to_string()
    };
    let names: Vec<String> = steps.iter().take(MOST_NAMES).map(|s| short(s)).collect();
    match steps.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// What about steps changed.
fn aspects(changed: &[(&Step, &Step)]) -> Vec<&'static str> {
    let any = |differ: fn(&Step, &Step) -> bool| changed.iter().any(|(a, b)| differ(a, b));
    [
        ("act", any(|a, b| a.action != b.action)),
        ("needs", any(|a, b| a.needs != b.needs)),
        ("gates", any(|a, b| a.gates != b.gates)),
        ("wave", any(|a, b| a.wave != b.wave)),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

fn rotation(a: &Rotation, b: &Rotation, what: &mut Vec<String>) {
    if a.mode != b.mode {
        let (from, to) = (mode_word(a.mode), mode_word(b.mode));
        what.push(format!("mode {from} -> {to}: {}", b.why));
    } else if a.why != b.why {
        what.push(format!("why: {} -> {}", a.why, b.why));
    }
    for (field, from, to) in [
        ("name", a.name.as_str(), b.name.as_str()),
        ("key", a.old_key.as_str(), b.old_key.as_str()),
        ("principal", a.principal.as_str(), b.principal.as_str()),
        ("issuer", a.issuer.as_str(), b.issuer.as_str()),
    ] {
        if from != to {
            what.push(format!("{field} {from} -> {to}"));
        }
    }
    for after in b.after.iter().filter(|after| !a.after.contains(after)) {
        let (id, because) = (&after.credential, &after.because);
        what.push(format!("waits for the death of {id}: it {because}"));
    }
    for after in a.after.iter().filter(|after| !b.after.contains(after)) {
        let (id, because) = (&after.credential, &after.because);
        what.push(format!(
            "NO LONGER waits for the death of {id}, which {because}"
        ));
    }
}

fn about(old: &Plan, new: &Plan) -> Vec<String> {
    let account = |plan: &Plan| plan.account.clone().unwrap_or_else(|| "none".to_string());
    [
        ("case", old.case.to_string(), new.case.to_string()),
        ("account", account(old), account(new)),
        (
            "format version",
            old.version.to_string(),
            new.version.to_string(),
        ),
    ]
    .into_iter()
    .filter(|(_, a, b)| a != b)
    .map(|(what, a, b)| format!("{what} {a} -> {b}"))
    .collect()
}

fn policy(old: &Policy, new: &Policy) -> Vec<FieldChange> {
    let fields = |policy: &Policy| match serde_json::to_value(policy) {
        Ok(Value::Object(fields)) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    let (before, after) = (fields(old), fields(new));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let text = |name: &str, value: Option<&Value>, policy: &Policy| match value {
        Some(value) => value.to_string(),
        None => left_out(name, policy),
    };
    let mut changes: Vec<FieldChange> = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| FieldChange {
            field: name.clone(),
            old: text(name, before.get(name), old),
            new: text(name, after.get(name), new),
            beware: beware(name, old, new),
        })
        .collect();
    changes.sort_by_key(|change| change.beware.is_none());
    changes
}

/// A field that a plan does not write because it is as usual.
fn left_out(field: &str, policy: &Policy) -> String {
    match field {
        "approvals" => policy.approvals.to_string(),
        "wave_growth" => policy.wave_growth.to_string(),
        "settle_s" => policy.settle_s.to_string(),
        "adopt_s" => policy.adopt_s.to_string(),
        _ => "as usual".to_string(),
    }
}

/// Why a change of a field makes a plan less safe.
fn beware(field: &str, old: &Policy, new: &Policy) -> Option<&'static str> {
    match field {
        "approvals" if new.approvals < old.approvals => Some("FEWER PEOPLE HAVE TO APPROVE"),
        "approvers" if new.approvers.is_empty() => {
            Some("NO SIGNATURE IS NEEDED ANY MORE: any name approves")
        }
        "approvers" => Some("OTHER PEOPLE OR KEYS MAY APPROVE"),
        "soak_s" if new.soak_s < old.soak_s => Some("OLD KEYS ARE DELETED SOONER"),
        "observe_s" if new.observe_s < old.observe_s => Some("OLD KEYS ARE WATCHED SHORTER"),
        "settle_s" if new.settle_s < old.settle_s => Some("WAVES ARE WATCHED SHORTER"),
        "wave_growth" if new.wave_growth == 0 => Some("ALL CONSUMERS CHANGE AT ONCE"),
        "wave_growth" if old.wave_growth != 0 && new.wave_growth > old.wave_growth => {
            Some("WAVES GROW FASTER")
        }
        "dead_probes_s" if new.dead_probes_s.len() < old.dead_probes_s.len() => {
            Some("DEAD KEYS ARE PROBED LESS OFTEN")
        }
        _ => None,
    }
}

fn baseline(old: &Plan, new: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(&slots(old), &slots(new), &mut changes);
    compare(&lists(old), &lists(new), &mut changes);
    changes
}

/// Fingerprints by place.
fn slots(plan: &Plan) -> BTreeMap<String, String> {
    let places = plan.baseline.places.iter();
    places
        .flat_map(|place| {
            place.slots.iter().map(|(slot, print)| {
                let id = relatch_case::model::Place::id_of(&place.container, slot);
                (format!("place {id}"), print.short().to_string())
            })
        })
        .collect()
}

/// Key ids by principal.
fn lists(plan: &Plan) -> BTreeMap<String, String> {
    let issuers = plan.baseline.keys.iter();
    issuers
        .flat_map(|(issuer, principals)| {
            principals.iter().map(move |(principal, keys)| {
                let keys: Vec<&str> = keys.iter().map(relatch_case::KeyId::as_str).collect();
                (format!("keys of {issuer} {principal}"), keys.join(" "))
            })
        })
        .collect()
}

fn compare(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    changes: &mut Vec<Change>,
) {
    for (what, was) in old {
        match new.get(what) {
            None => changes.push(change('-', what.clone())),
            Some(is) if is != was => changes.push(change('~', format!("{what}: {was} -> {is}"))),
            Some(_) => {}
        }
    }
    for what in new.keys().filter(|what| !old.contains_key(*what)) {
        changes.push(change('+', what.clone()));
    }
}

fn change(sign: char, what: String) -> Change {
    Change { sign, what }
}
