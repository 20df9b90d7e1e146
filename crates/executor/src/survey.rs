//! Seeing what the world looks like now, as far as a plan relies on it.

use std::collections::BTreeMap;

use relatch_case::FaultKind;
use relatch_case::plan::Plan;
use relatch_rotation::drift::Observed;
use tokio::task::JoinSet;

use crate::Context;

/// How many containers and lists are read at once.
const AT_ONCE: usize = 8;

/// Reads every container and lists every principal that the plan names. What cannot be read
/// is absent from the result, which the comparison reports.
pub async fn survey(ctx: &Context, plan: &Plan) -> Observed {
    let mut observed = Observed::default();
    let mut tasks = JoinSet::new();
    for place in plan.baseline.places.clone() {
        if tasks.len() >= AT_ONCE {
            collect(&mut observed, tasks.join_next().await);
        }
        let ctx = ctx.clone();
        tasks.spawn(async move {
            let store = ctx.world.store(&place.container).ok()?;
            let document = store.read(&place.container).await.ok()?;
            let prints: BTreeMap<_, _> = document
                .slots
                .iter()
                .filter(|(slot, _)| place.slots.contains_key(*slot))
                .map(|(slot, value)| (slot.clone(), ctx.fingerprints.fingerprint(value)))
                .collect();
            Some((place.container, prints))
        });
    }
    while let Some(result) = tasks.join_next().await {
        collect(&mut observed, Some(result));
    }
    lists(ctx, plan, &mut observed).await;
    observed
}

type Read = Option<(relatch_case::model::Container, crate::context::Prints)>;

fn collect(observed: &mut Observed, result: Option<Result<Read, tokio::task::JoinError>>) {
    if let Some(Ok(Some((container, prints)))) = result {
        observed.places.insert(container, prints);
    }
}

async fn lists(ctx: &Context, plan: &Plan, observed: &mut Observed) {
    for (id, principals) in &plan.baseline.keys {
        let Ok(issuer) = ctx.world.issuer(id) else {
            continue;
        };
        for principal in principals.keys() {
            let keys = match issuer.list(principal).await {
                Ok(keys) => keys.into_iter().map(|key| key.id).collect(),
                Err(fault) if fault.kind == FaultKind::NotFound => [].into(),
                Err(_) => continue,
            };
            observed.keys.insert((id.clone(), principal.clone()), keys);
        }
    }
}
