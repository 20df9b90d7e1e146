//! Seeing what the world looks like now, as far as a plan relies on it.

use std::collections::BTreeSet;

use relatch_case::model::Container;
use relatch_case::plan::{ContainerBaseline, Plan};
use relatch_case::{FaultKind, IssuerId, KeyId, Principal};
use relatch_rotation::drift::Observed;
use tokio::task::JoinSet;

use crate::Context;
use crate::context::Prints;

/// What one task saw.
enum Saw {
    Place(Container, Prints),
    Keys((IssuerId, Principal), BTreeSet<KeyId>),
}

/// Reads every container and lists every principal that the plan names, as many at once as
/// the plan allows at one issuer. What cannot be read is absent from the result, which the
/// comparison reports.
pub async fn survey(ctx: &Context, plan: &Plan) -> Observed {
    let at_once = plan.policy.concurrency.max(1) as usize;
    let mut observed = Observed::default();
    let mut tasks: JoinSet<Option<Saw>> = JoinSet::new();
    for place in &plan.baseline.places {
        make_room(&mut tasks, at_once, &mut observed).await;
        tasks.spawn(read(ctx.clone(), place.clone()));
    }
    for (issuer, principals) in &plan.baseline.keys {
        for principal in principals.keys() {
            make_room(&mut tasks, at_once, &mut observed).await;
            tasks.spawn(list(ctx.clone(), issuer.clone(), principal.clone()));
        }
    }
    make_room(&mut tasks, 1, &mut observed).await;
    observed
}

/// Takes results in until fewer than `at_once` are under way.
async fn make_room(tasks: &mut JoinSet<Option<Saw>>, at_once: usize, observed: &mut Observed) {
    while tasks.len() >= at_once {
        match tasks.join_next().await {
            Some(Ok(Some(Saw::Place(container, prints)))) => {
                observed.places.insert(container, prints);
            }
            Some(Ok(Some(Saw::Keys(of, keys)))) => {
                observed.keys.insert(of, keys);
            }
            Some(_) => {}
            None => return,
        }
    }
}

async fn read(ctx: Context, place: ContainerBaseline) -> Option<Saw> {
    let store = ctx.world.store(&place.container).ok()?;
    let document = store.read(&place.container).await.ok()?;
    let prints = document
        .slots
        .iter()
        .filter(|(slot, _)| place.slots.contains_key(*slot))
        .map(|(slot, value)| (slot.clone(), ctx.fingerprints.fingerprint(value)))
        .collect();
    Some(Saw::Place(place.container, prints))
}

async fn list(ctx: Context, issuer: IssuerId, principal: Principal) -> Option<Saw> {
    let keys = match ctx.world.issuer(&issuer).ok()?.list(&principal).await {
        Ok(keys) => keys.into_iter().map(|key| key.id).collect(),
        Err(fault) if fault.kind == FaultKind::NotFound => BTreeSet::new(),
        Err(_) => return None,
    };
    Some(Saw::Keys((issuer, principal), keys))
}
