//! A consumer of the model: what it runs with, and how it is.

use std::collections::BTreeMap;

use relatch_case::model::Container;
use relatch_case::{ConsumerId, CredentialId};

use super::place::Slots;
use super::{Inner, Ms, Text};

/// One consumer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    pub(crate) reads: Vec<Container>,
    /// What it runs with, by container.
    pub(crate) running: BTreeMap<Container, Slots>,
    pub(crate) since: Ms,
    /// Whether it can be seen from outside what it runs with.
    pub(crate) is_open: bool,
    pub(crate) ill_until: Ms,
    /// It gets ill on the new value of this credential, after so long.
    pub(crate) allergy: Option<(CredentialId, Ms)>,
}

impl Reader {
    /// Whether it runs with this value.
    pub(crate) fn runs_with(&self, value: &str) -> bool {
        self.values().any(|own| &**own == value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Text> {
        self.running.values().flat_map(BTreeMap::values)
    }
}

impl Inner {
    /// The consumer reads its containers.
    pub(crate) fn restart(&mut self, id: &ConsumerId) {
        let now = self.now;
        let old: Vec<Text> = self
            .readers
            .get(id)
            .map(|reader| reader.values().cloned().collect())
            .unwrap_or_default();
        for value in old {
            let key = self.by_value.get(&value).cloned();
            if let Some(key) = key.and_then(|id| self.keys.get_mut(&id))
                && key.may_work(now)
            {
                key.last_used = Some(now);
            }
        }
        let Some(reader) = self.readers.get_mut(id) else {
            return;
        };
        reader.since = now;
        for container in &reader.reads {
            match self.places.get(container).and_then(super::Place::slots) {
                Some(slots) => reader.running.insert(container.clone(), slots.clone()),
                None => reader.running.remove(container),
            };
        }
    }

    /// What is wrong with a consumer; `None`: it is well.
    pub(crate) fn ails(&self, id: &ConsumerId) -> Option<String> {
        let reader = self.readers.get(id)?;
        if self.now < reader.ill_until {
            return Some("for reasons of its own".to_string());
        }
        for (container, slots) in &reader.running {
            for value in slots.values() {
                let Some((key, held)) = self.key_of(value) else {
                    continue;
                };
                if !held.is_active() && self.now >= held.accepted_until
                    || held.is_active() && self.now < held.refused_until
                    || self.is_cut(held)
                {
                    return Some(format!("{key} of {container} is refused"));
                }
                if let Some((credential, after)) = &reader.allergy
                    && held.is_new_of(credential)
                    && self.now >= reader.since + after
                {
                    return Some(format!("it cannot live with {key}"));
                }
            }
        }
        None
    }
}
