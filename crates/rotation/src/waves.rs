//! Which consumers get a new value together, and in which order (requirement D1): one first,
//! then more and more.

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::model::{Consumer, Container};
use relatch_case::{ConsumerId, Policy};

/// Some consumers and what is written for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wave {
    pub(crate) consumers: Vec<ConsumerId>,
    /// Containers that no wave before has written.
    pub(crate) containers: BTreeSet<Container>,
}

/// Splits the readers of a credential's containers into waves; what nobody is known to read
/// is in none of them.
pub(crate) fn waves(
    readers: &BTreeMap<&ConsumerId, &Consumer>,
    containers: &BTreeSet<Container>,
    policy: &Policy,
) -> Vec<Wave> {
    let mut order: Vec<&Consumer> = readers.values().copied().collect();
    order.sort_by_key(|consumer| {
        let canary = policy.canaries.iter().position(|id| id == &consumer.id);
        (canary.unwrap_or(usize::MAX), &consumer.id)
    });
    let mut left = order.as_slice();
    let mut written = BTreeSet::new();
    let mut waves = Vec::new();
    let mut size = if policy.wave_growth == 0 {
        left.len().max(1)
    } else {
        1
    };
    while !left.is_empty() {
        let (now, later) = left.split_at(size.min(left.len()));
        left = later;
        size = size.saturating_mul(policy.wave_growth.max(1) as usize);
        let mut wave = Wave::default();
        for consumer in now {
            wave.consumers.push(consumer.id.clone());
            let reads = consumer.reads.iter().filter(|c| containers.contains(*c));
            wave.containers
                .extend(reads.filter(|c| written.insert((*c).clone())).cloned());
        }
        waves.push(wave);
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::*;
    use relatch_case::model::{ConsumerKind, Hook, Known};

    fn consumer(id: &str, reads: &[&str]) -> Consumer {
        let hook = || Hook::Http {
            url: "http://localhost/".to_string(),
        };
        Consumer {
            id: id.into(),
            kind: ConsumerKind::Service {
                reload: hook(),
                health: hook(),
            },
            reads: reads.iter().map(|name| container(name)).collect(),
            known: Known::Declared,
        }
    }

    fn container(name: &str) -> Container {
        Container {
            kind: "ssm".to_string(),
            region: String::new(),
            name: name.to_string(),
        }
    }

    fn split(consumers: &[Consumer], policy: &Policy) -> Vec<(usize, usize)> {
        let readers = consumers.iter().map(|c| (&c.id, c)).collect();
        let containers = consumers.iter().flat_map(|c| c.reads.clone()).collect();
        waves(&readers, &containers, policy)
            .iter()
            .map(|wave| (wave.consumers.len(), wave.containers.len()))
            .collect()
    }

    #[test]
    fn one_goes_first_and_each_wave_is_larger() {
        let many: Vec<Consumer> = (0..30)
            .map(|n| consumer(&format!("c{n:02}"), &[&format!("s{n}"), "shared"]))
            .collect();
        let policy = Policy::default();
        assert_eq!(split(&many, &policy), [(1, 2), (4, 4), (16, 16), (9, 9)]);
        let all_at_once = Policy {
            wave_growth: 0,
            ..Policy::default()
        };
        assert_eq!(split(&many, &all_at_once), [(30, 31)]);
        let one_by_one = Policy {
            wave_growth: 1,
            ..Policy::default()
        };
        assert_eq!(split(&many, &one_by_one).len(), 30);
    }

    #[test]
    fn the_canary_goes_first() {
        let two = [consumer("a", &["s"]), consumer("z", &["s"])];
        let policy = Policy {
            canaries: vec!["z".into()],
            ..Policy::default()
        };
        let readers = two.iter().map(|c| (&c.id, c)).collect();
        let split = waves(&readers, &[container("s")].into(), &policy);
        assert_eq!(split[0].consumers, [ConsumerId::from("z")]);
        assert_eq!(split[0].containers.len(), 1);
        assert!(split[1].containers.is_empty(), "it is written already");
    }
}
