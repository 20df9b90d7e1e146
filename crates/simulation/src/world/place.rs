//! A container with its past.

use std::collections::BTreeMap;
use std::sync::Arc;

use relatch_case::model::{Container, Slot};

use super::{Inner, Ms};

/// A text that is shared.
pub(crate) type Text = Arc<str>;

/// What stands in slots.
pub(crate) type Slots = BTreeMap<Slot, Text>;

/// A container: every content with the time since when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    past: Vec<(Ms, Option<Slots>)>,
}

impl Place {
    /// What stands there. `None`: it is not there.
    pub(crate) fn slots(&self) -> Option<&Slots> {
        self.past.last()?.1.as_ref()
    }

    /// Its version.
    pub(crate) fn version(&self) -> usize {
        self.past.len()
    }

    /// What stood there at a time, with its version.
    pub(crate) fn at(&self, at: Ms) -> (usize, Option<&Slots>) {
        let newer = self
            .past
            .iter()
            .rev()
            .take_while(|(since, _)| *since > at)
            .count();
        let version = (self.past.len() - newer).max(1);
        (
            version,
            self.past
                .get(version - 1)
                .and_then(|(_, slots)| slots.as_ref()),
        )
    }

    /// Puts other content there.
    pub(crate) fn set(&mut self, now: Ms, slots: Option<Slots>) {
        self.past.push((now, slots));
    }
}

impl Inner {
    /// What stands in a slot now.
    pub(crate) fn value_at(&self, container: &Container, slot: &Slot) -> Option<&Text> {
        self.places.get(container)?.slots()?.get(slot)
    }

    /// Changes slots of a container that is there; says whether it was.
    pub(crate) fn put(
        &mut self,
        container: &Container,
        changes: impl IntoIterator<Item = (Slot, Text)>,
    ) -> bool {
        let now = self.now;
        let Some(place) = self.places.get_mut(container) else {
            return false;
        };
        let Some(mut slots) = place.slots().cloned() else {
            return false;
        };
        slots.extend(changes);
        place.set(now, Some(slots));
        true
    }
}
