//! Which credential comes before which (requirement G1): first by what depends on what, then
//! by how much harm it can do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use relatch_case::model::{Consumer, Container, Credential, ExposureLevel, Opens};
use relatch_case::plan::After;
use relatch_case::{CredentialId, IssuerId, Policy, State};
use serde::Serialize;

use crate::plan::Candidate;

/// How much harm a credential can do, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The thief made it.
    Planted,
    /// The thief used it.
    UsedByThief,
    /// It makes other keys.
    MintsKeys,
    /// It deploys what reads other keys.
    Deploys,
    /// It opens places that hold other keys.
    Opens,
    /// Its use costs money by the call.
    Spends,
    /// None of these.
    Plain,
}

impl Severity {
    /// Its name, as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planted => "planted",
            Self::UsedByThief => "used-by-thief",
            Self::MintsKeys => "mints-keys",
            Self::Deploys => "deploys",
            Self::Opens => "opens",
            Self::Spends => "spends",
            Self::Plain => "plain",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Planted => "the thief made it",
            Self::UsedByThief => "the thief used it",
            Self::MintsKeys => "it makes other keys",
            Self::Deploys => "it deploys what reads other keys",
            Self::Opens => "it opens places that hold other keys",
            Self::Spends => "its use costs money by the call",
            Self::Plain => "nothing makes it worse than others",
        }
    }
}

impl Severity {
    /// How much harm a credential can do, by what is known of it.
    pub fn of(state: &State, policy: &Policy, credential: &Credential) -> Self {
        let opens = state.dependencies.get(&credential.id);
        let any = |what: fn(&Opens) -> bool| opens.is_some_and(|opens| opens.iter().any(what));
        let key = credential.key_id.as_ref();
        if key.is_some_and(|key| state.planted.contains_key(key)) {
            Self::Planted
        } else if key.is_some_and(|key| state.is_used_by_thief(key)) {
            Self::UsedByThief
        } else if credential.mints_keys || any(|o| matches!(o, Opens::Issuer { .. })) {
            Self::MintsKeys
        } else if any(|o| matches!(o, Opens::Consumer { .. })) {
            Self::Deploys
        } else if any(|o| matches!(o, Opens::Container { .. })) {
            Self::Opens
        } else if policy.spends.contains(&credential.issuer) {
            Self::Spends
        } else {
            Self::Plain
        }
    }
}

/// What comes first where nothing depends on anything: the worse, then what he is surer to
/// have, then by name.
type Urgency<'a> = (
    Severity,
    Reverse<Option<ExposureLevel>>,
    &'a str,
    &'a CredentialId,
);

/// Candidates in the order in which they are to be dealt with.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Positions of candidates, first things first. What is in a circle is absent.
    pub(crate) sorted: Vec<usize>,
    /// What comes before each, by its position.
    pub(crate) after: BTreeMap<usize, Vec<After>>,
    /// Why a candidate has no place in the order.
    pub(crate) circles: BTreeMap<usize, String>,
}

/// One edge: by the position of what comes later, the earlier ones with the reason.
type Edges = BTreeMap<usize, BTreeMap<usize, String>>;

/// Puts candidates in order. `cut` are pairs of which the first need not come before the
/// second, by a person's decision.
pub(crate) fn order(
    state: &State,
    policy: &Policy,
    candidates: &[Candidate<'_>],
    cut: &BTreeSet<(CredentialId, CredentialId)>,
) -> Order {
    let mut edges = edges(state, candidates);
    for (later, earlier) in &mut edges {
        let later = &candidates[*later].credential.id;
        earlier
            .retain(|at, _| !cut.contains(&(candidates[*at].credential.id.clone(), later.clone())));
    }
    let mut waiting: BTreeMap<usize, usize> = (0..candidates.len())
        .map(|at| (at, edges.get(&at).map_or(0, BTreeMap::len)))
        .collect();
    let mut later: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (to, froms) in &edges {
        for from in froms.keys() {
            later.entry(*from).or_default().push(*to);
        }
    }
    let urgency = |at: usize| -> Urgency<'_> {
        let c = &candidates[at];
        (
            Severity::of(state, policy, c.credential),
            Reverse(c.exposure),
            &c.credential.name,
            &c.credential.id,
        )
    };
    let mut free: BTreeSet<(Urgency<'_>, usize)> = waiting
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(at, _)| (urgency(*at), *at))
        .collect();
    let mut order = Order::default();
    while let Some((_, at)) = free.pop_first() {
        waiting.remove(&at);
        order.sorted.push(at);
        for next in later.get(&at).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    free.insert((urgency(*next), *next));
                }
            }
        }
    }
    for at in waiting.keys() {
        order
            .circles
            .insert(*at, in_circle(*at, &waiting, &edges, candidates));
    }
    for at in &order.sorted {
        let before = edges.remove(at).unwrap_or_default();
        let after = before.into_iter().map(|(from, because)| After {
            credential: candidates[from].credential.id.clone(),
            because,
        });
        order.after.insert(*at, after.collect());
    }
    order
}

/// What is left over waits for itself, by way of others, or for such a circle.
fn in_circle(
    at: usize,
    left: &BTreeMap<usize, usize>,
    edges: &Edges,
    candidates: &[Candidate<'_>],
) -> String {
    // Back from one to what it waits for, until one comes up again.
    let mut path = vec![at];
    loop {
        let last = path[path.len() - 1];
        let Some(from) = edges
            .get(&last)
            .and_then(|froms| froms.keys().find(|from| left.contains_key(*from)))
        else {
            break;
        };
        if let Some(start) = path.iter().position(|seen| seen == from) {
            path.push(*from);
            path.drain(..start);
            break;
        }
        path.push(*from);
    }
    let id = |at: &usize| candidates[*at].credential.id.as_str();
    let steps: Vec<String> = path
        .windows(2)
        .filter_map(|pair| {
            let because = edges.get(&pair[0])?.get(&pair[1])?;
            Some(format!(
                "{} before {} ({because}: --cut {}:{})",
                candidates[pair[1]].credential.name,
                candidates[pair[0]].credential.name,
                id(&pair[1]),
                id(&pair[0]),
            ))
        })
        .collect();
    format!(
        "it waits for a circle: {}. Decide which of these need not hold, and plan again with \
         that --cut",
        steps.join("; ")
    )
}

fn edges(state: &State, candidates: &[Candidate<'_>]) -> Edges {
    let mut at: BTreeMap<&CredentialId, usize> = BTreeMap::new();
    let mut in_container: BTreeMap<&Container, BTreeSet<usize>> = BTreeMap::new();
    let mut of_issuer: BTreeMap<&IssuerId, BTreeSet<usize>> = BTreeMap::new();
    for (n, c) in candidates.iter().enumerate() {
        at.insert(&c.credential.id, n);
        of_issuer.entry(&c.credential.issuer).or_default().insert(n);
        for place in state.places_of(&c.credential.id) {
            in_container.entry(&place.container).or_default().insert(n);
        }
    }
    let mut edges = Edges::new();
    let mut add = |from: usize, to: usize, because: &str| {
        // Nothing has to wait for a key that nobody replaces but its own death.
        if from != to && !candidates[to].planted {
            edges
                .entry(to)
                .or_default()
                .entry(from)
                .or_insert_with(|| because.to_string());
        }
    };
    for (n, c) in candidates.iter().enumerate() {
        if c.credential.mints_keys {
            let words = format!("makes keys at {}", c.credential.issuer);
            for to in of_issuer.get(&c.credential.issuer).into_iter().flatten() {
                if !candidates[*to].credential.mints_keys {
                    add(n, *to, &words);
                }
            }
        }
        for opens in state
            .dependencies
            .get(&c.credential.id)
            .into_iter()
            .flatten()
        {
            for to in opened(state, opens, &in_container, &of_issuer) {
                add(n, to, &opens.to_string());
            }
        }
    }
    edges
}

/// The candidates that something opens.
fn opened(
    state: &State,
    opens: &Opens,
    in_container: &BTreeMap<&Container, BTreeSet<usize>>,
    of_issuer: &BTreeMap<&IssuerId, BTreeSet<usize>>,
) -> BTreeSet<usize> {
    let within = |wanted: &dyn Fn(&Container) -> bool| {
        in_container
            .iter()
            .filter(|(container, _)| wanted(container))
            .flat_map(|(_, at)| at.iter().copied())
            .collect()
    };
    match opens {
        Opens::Issuer { issuer } => of_issuer.get(issuer).cloned().unwrap_or_default(),
        Opens::Consumer { consumer } => {
            let reads = state.consumers.get(consumer).map(|c: &Consumer| &c.reads);
            within(&|container| reads.is_some_and(|reads| reads.contains(container)))
        }
        Opens::Container { container } => within(&|found| matches(container, found)),
    }
}

fn matches(pattern: &Container, container: &Container) -> bool {
    pattern.kind == container.kind
        && pattern.region == container.region
        && match pattern.name.strip_suffix('*') {
            Some(prefix) => container.name.starts_with(prefix),
            None => pattern.name == container.name,
        }
}
