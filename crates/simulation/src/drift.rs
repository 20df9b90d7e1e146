//! What others of ours do meanwhile, without asking anybody.

use relatch_case::model::{Container, Part, Slot};
use relatch_case::{ConsumerId, CredentialId, KeyId};

use crate::dice::{Kind, Luck};
use crate::world::{Inner, Origin, Status, Text};

impl Inner {
    /// Something of this kind happens.
    pub(crate) fn drift(&mut self, kind: Kind, luck: &mut Luck) {
        match kind {
            Kind::DriftSlot => {
                if let Some((container, slot, _)) = self.some_place(luck) {
                    self.write_foreign(&container, &slot);
                }
            }
            Kind::DriftOther => {
                let all: Vec<Container> = self.places.keys().cloned().collect();
                if let Some(container) = luck.one_of(&all) {
                    self.change_other(container);
                }
            }
            Kind::DriftGone => self.delete_container(luck),
            Kind::DriftKey => self.add_key(luck, Origin::Foreign),
            Kind::ThiefMints => self.add_key(luck, Origin::Thief),
            Kind::DriftKill => self.kill_old(luck),
            Kind::DriftByHand => self.rotate_by_hand(luck),
            Kind::DriftRestart => {
                let all: Vec<ConsumerId> = self.readers.keys().cloned().collect();
                if let Some(id) = luck.one_of(&all) {
                    self.tell("others", || format!("{id} starts anew by itself"));
                    self.restart(id);
                }
            }
            Kind::ThiefUses => self.use_old(luck),
            _ => {}
        }
    }

    /// A place of a credential in the plan.
    fn some_place(&self, luck: &mut Luck) -> Option<(Container, Slot, CredentialId)> {
        let places: Vec<_> = self
            .book
            .state
            .places
            .values()
            .filter(|place| place.part == Part::Secret)
            .map(|place| {
                (
                    place.container.clone(),
                    place.slot.clone(),
                    place.credential.clone(),
                )
            })
            .collect();
        luck.one_of(&places).cloned()
    }

    /// Somebody else's value goes into a slot.
    pub(crate) fn write_foreign(&mut self, container: &Container, slot: &Slot) {
        let value: Text = format!("foreign-{}", self.foreign.len() + 1).into();
        if !self.put(container, [(slot.clone(), value.clone())]) {
            return;
        }
        self.tell("others", || {
            format!("write {value} to {container}#{}", slot.0)
        });
        self.foreign.insert(value.clone());
        self.laws
            .foreign
            .insert((container.clone(), slot.clone()), value);
        self.disturb(container, slot);
    }

    fn disturb(&mut self, container: &Container, slot: &Slot) {
        let of = self.book.state.places.values();
        let credential = of
            .filter(|place| &place.container == container && &place.slot == slot)
            .map(|place| place.credential.clone())
            .next();
        self.laws.disturbed.extend(credential);
    }

    /// Somebody changes what is nobody's business.
    pub(crate) fn change_other(&mut self, container: &Container) {
        let slot = Slot::key("other");
        let value: Text = format!("other since {}", self.now).into();
        if self.put(container, [(slot.clone(), value.clone())]) {
            self.tell("others", || format!("change another slot of {container}"));
            self.laws
                .bystanders
                .insert((container.clone(), slot), value);
        }
    }

    fn delete_container(&mut self, luck: &mut Luck) {
        let all: Vec<Container> = self.places.keys().cloned().collect();
        let Some(container) = luck.one_of(&all) else {
            return;
        };
        let now = self.now;
        let slots: Vec<Slot> = self
            .places
            .get(container)
            .and_then(|place| place.slots())
            .map(|slots| slots.keys().cloned().collect())
            .unwrap_or_default();
        for slot in &slots {
            self.disturb(container, slot);
            let place = (container.clone(), slot.clone());
            self.laws.foreign.remove(&place);
            self.laws.bystanders.remove(&place);
        }
        self.tell("others", || format!("delete {container}"));
        if let Some(place) = self.places.get_mut(container) {
            place.set(now, None);
        }
    }

    fn add_key(&mut self, luck: &mut Luck, origin: Origin) {
        let principals: Vec<_> = self
            .keys
            .values()
            .map(|key| (key.issuer.clone(), key.principal.clone()))
            .collect();
        let Some((issuer, principal)) = luck.one_of(&principals).cloned() else {
            return;
        };
        if origin == Origin::Foreign && self.could_be_ours(&issuer, &principal) {
            return;
        }
        let sheet = self.sheets.get(&issuer).cloned();
        let held = self.keys.values().filter(|key| {
            key.issuer == issuer && key.principal == principal && key.status() != Status::Deleted
        });
        let slots = sheet.as_ref().and_then(|sheet| sheet.slots);
        if slots.is_some_and(|slots| held.count() >= slots as usize) {
            return;
        }
        let named = sheet.is_some_and(|sheet| sheet.named);
        let name = named.then(|| "somebody's".to_string());
        let id = self.make_key(&issuer, &principal, name, origin.clone());
        self.tell("others", || {
            format!("make {id} at {issuer} {principal} ({origin:?})")
        });
    }

    fn old_key(&self, luck: &mut Luck) -> Option<(CredentialId, KeyId)> {
        let old = self.laws.old.iter();
        let old: Vec<_> = old
            .map(|(credential, (key, _))| (credential.clone(), key.clone()))
            .collect();
        luck.one_of(&old).cloned()
    }

    fn kill_old(&mut self, luck: &mut Luck) {
        let now = self.now;
        let Some((credential, key)) = self.old_key(luck) else {
            return;
        };
        let planned = self.book.state.plan.as_ref();
        if planned.is_none_or(|plan| plan.plan.rotation(&credential).is_none()) {
            return;
        }
        self.tell("others", || format!("delete {key}"));
        self.laws.disturbed.insert(credential);
        if let Some(key) = self.keys.get_mut(&key) {
            key.become_(now, Status::Deleted);
        }
    }

    /// Somebody makes a key, puts it into all places of a credential, and rolls who reads it.
    fn rotate_by_hand(&mut self, luck: &mut Luck) {
        let Some((credential, old)) = self.old_key(luck) else {
            return;
        };
        let Some(known) = self.keys.get(&old).cloned() else {
            return;
        };
        if self.could_be_ours(&known.issuer, &known.principal) {
            return;
        }
        let id = self.make_key(&known.issuer, &known.principal, None, Origin::Foreign);
        let Some(value) = self.keys.get(&id).map(|key| key.value.clone()) else {
            return;
        };
        self.tell("others", || format!("rotate {credential} by hand: {id}"));
        self.laws.disturbed.insert(credential.clone());
        let places: Vec<_> = self.book.state.places_of(&credential).cloned().collect();
        for place in places {
            let new: Text = match place.part {
                Part::Secret => value.clone(),
                Part::KeyId => id.as_str().into(),
            };
            if self.put(&place.container, [(place.slot.clone(), new.clone())]) {
                self.foreign.insert(new.clone());
                self.laws.foreign.insert((place.container, place.slot), new);
            }
        }
    }

    /// The thief uses what he has.
    fn use_old(&mut self, luck: &mut Luck) {
        let now = self.now;
        let Some((_, id)) = self.old_key(luck) else {
            return;
        };
        if let Some(key) = self.keys.get_mut(&id)
            && key.may_work(now)
        {
            key.last_used = Some(now);
            self.tell("thief", || format!("uses {id}"));
        }
    }
}
