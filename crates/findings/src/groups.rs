//! Events by actor and phase.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::moment::{Moment, Verdict};

/// The events of one actor in one phase, by time.
#[derive(Debug)]
pub(crate) struct Group<'m> {
    pub(crate) actor: &'m str,
    /// Empty if no tactic is named.
    pub(crate) tactic: &'m str,
    pub(crate) moments: Vec<&'m Moment>,
}

impl Group<'_> {
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.moments.iter().filter_map(|moment| moment.time).min()
    }

    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.moments.iter().filter_map(|moment| moment.time).max()
    }

    pub(crate) fn uncertain(&self) -> usize {
        let uncertain = |moment: &&&Moment| moment.verdict == Verdict::Uncertain;
        self.moments.iter().filter(uncertain).count()
    }
}

/// Groups clean moments; groups come in the order of their first event.
pub(crate) fn groups(ordered: &[Moment]) -> Vec<Group<'_>> {
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for moment in ordered {
        let (actor, tactic) = (moment.actor.as_str(), moment.phase());
        let place = *places.entry((actor, tactic)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group {
                actor,
                tactic,
                moments: Vec::new(),
            });
        }
        groups[place].moments.push(moment);
    }
    groups
}

/// A tactic's name, or words where none is named.
pub(crate) fn phase_words(tactic: &str) -> &str {
    if tactic.is_empty() {
        "No tactic named"
    } else {
        tactic
    }
}
