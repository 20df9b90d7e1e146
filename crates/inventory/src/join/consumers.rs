//! Who reads which place.

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::ConsumerId;
use relatch_case::model::{Consumer, Container, Known};

use super::Joined;
use crate::BlindSpot;

/// Adds consumers, and what is missing between them and the places.
pub(super) fn attach(
    joined: &mut Joined,
    observed: Vec<Consumer>,
    declared: Vec<Consumer>,
    containers: &[Container],
) {
    let holding: BTreeSet<&Container> =
        joined.places.iter().map(|place| &place.container).collect();
    let read: BTreeSet<&Container> = containers.iter().chain(holding.iter().copied()).collect();
    for consumer in &declared {
        let missing = consumer
            .reads
            .iter()
            .filter(|container| !read.contains(container));
        joined
            .blind_spots
            .extend(missing.map(|container| BlindSpot {
                what: container.to_string(),
                why: format!(
                    "{} is said to read it, and it was not found or not looked at",
                    consumer.id
                ),
                hides: "credentials that this consumer uses".to_string(),
            }));
    }
    let known: BTreeSet<ConsumerId> = declared
        .iter()
        .map(|consumer| consumer.id.clone())
        .collect();
    joined.consumers = merge(observed, declared)
        .into_iter()
        .filter(|consumer| {
            known.contains(&consumer.id)
                || consumer
                    .reads
                    .iter()
                    .any(|container| holding.contains(container))
        })
        .collect();
    let served: BTreeSet<&Container> = joined
        .consumers
        .iter()
        .flat_map(|consumer| &consumer.reads)
        .collect();
    joined.without_consumer = joined
        .places
        .iter()
        .filter(|place| !served.contains(&place.container))
        .map(|place| place.id.clone())
        .collect();
}

/// One consumer of each id. What people wrote down about reloading counts more than what a
/// source guessed; what was observed to be read counts even if nobody wrote it down.
fn merge(observed: Vec<Consumer>, declared: Vec<Consumer>) -> Vec<Consumer> {
    let mut merged: BTreeMap<ConsumerId, Consumer> = BTreeMap::new();
    for consumer in declared.into_iter().chain(observed) {
        match merged.get_mut(&consumer.id) {
            None => {
                merged.insert(consumer.id.clone(), consumer);
            }
            Some(known) => {
                if consumer.known == Known::Observed {
                    known.known = Known::Observed;
                }
                known.reads.extend(consumer.reads);
            }
        }
    }
    let mut merged: Vec<Consumer> = merged.into_values().collect();
    for consumer in &mut merged {
        consumer.reads.sort();
        consumer.reads.dedup();
    }
    merged
}
