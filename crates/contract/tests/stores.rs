//! The suite of stores finds what is wrong with a store, and nothing wrong with a good one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use relatch_case::model::{Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_contract::proxy::Deed;
use relatch_contract::store::{self, Harness, OLD};
use relatch_contract::wire::Wire;
use relatch_places::{Document, Store, Version};
use relatch_secret::Secret;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    WritesAtAnyVersion,
    TouchesOthers,
    TrimsValues,
    MakesSlots,
    TakesNothing,
    MakesContainers,
    RefusesAsDenied,
    TellsValues,
    DropsAfterRefusing,
}

type Slots = BTreeMap<Slot, Secret>;

/// Containers in memory.
struct Memory {
    flaw: Flaw,
    containers: Mutex<BTreeMap<String, (u64, Slots)>>,
}

fn no(kind: FaultKind, why: &str) -> Fault {
    Fault::new(kind, why)
}

impl Memory {
    fn write_to(
        &self,
        now: &mut (u64, Slots),
        version: &Version,
        changes: &Slots,
    ) -> Result<Version, Fault> {
        if now.0.to_string() != version.0 && self.flaw != Flaw::WritesAtAnyVersion {
            return Err(no(FaultKind::Conflict, "it moved on"));
        }
        if changes.is_empty() && self.flaw != Flaw::TakesNothing {
            return Err(no(FaultKind::Invalid, "nothing to write"));
        }
        let unknown = changes.keys().any(|slot| !now.1.contains_key(slot));
        if unknown && self.flaw != Flaw::MakesSlots {
            return Err(self.refusal(changes));
        }
        for (slot, value) in changes {
            if value.expose_str().is_none() {
                if self.flaw == Flaw::DropsAfterRefusing {
                    now.1.remove(slot);
                }
                return Err(no(FaultKind::Invalid, "no text"));
            }
            now.1.insert(slot.clone(), self.kept(value));
        }
        if self.flaw == Flaw::TouchesOthers {
            now.1.insert(Slot::key("other"), Secret::from("touched"));
        }
        now.0 += 1;
        Ok(Version(now.0.to_string()))
    }

    fn refusal(&self, changes: &Slots) -> Fault {
        let values = changes.values().filter_map(Secret::expose_str);
        match self.flaw {
            Flaw::RefusesAsDenied => no(FaultKind::Denied, "no such slot"),
            Flaw::TellsValues => no(FaultKind::Invalid, &values.collect::<String>()),
            _ => no(FaultKind::Invalid, "no such slot"),
        }
    }

    fn kept(&self, value: &Secret) -> Secret {
        match value.expose_str() {
            Some(text) if self.flaw == Flaw::TrimsValues => Secret::from(text.trim()),
            _ => value.clone(),
        }
    }

    fn put(&self, slots: Slots) -> Container {
        let mut containers = self.containers.lock().expect("not poisoned");
        let name = format!("c{}", containers.len());
        containers.insert(name.clone(), (1, slots));
        container(name)
    }
}

fn container(name: String) -> Container {
    Container {
        kind: "memory".into(),
        region: String::new(),
        name,
    }
}

#[async_trait]
impl Store for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    async fn read(&self, container: &Container) -> Result<Document, Fault> {
        let containers = self.containers.lock().expect("not poisoned");
        let (version, slots) = containers
            .get(&container.name)
            .ok_or_else(|| no(FaultKind::NotFound, "nowhere"))?;
        Ok(Document {
            version: Version(version.to_string()),
            slots: slots.clone(),
        })
    }

    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &Slots,
    ) -> Result<Version, Fault> {
        let mut containers = self.containers.lock().expect("not poisoned");
        if self.flaw == Flaw::MakesContainers {
            let made = (1, changes.clone());
            containers.entry(container.name.clone()).or_insert(made);
        }
        let now = containers
            .get_mut(&container.name)
            .ok_or_else(|| no(FaultKind::NotFound, "nowhere"))?;
        self.write_to(now, version, changes)
    }
}

struct Bench(Memory);

#[async_trait]
impl Harness for Bench {
    fn under_test(&self) -> &dyn Store {
        &self.0
    }

    fn impatient(&self) -> &dyn Store {
        &self.0
    }

    fn truth(&self) -> &dyn Store {
        &self.0
    }

    fn wire(&self) -> Option<&dyn Wire> {
        None
    }

    async fn fresh(&self) -> (Container, Slot) {
        let other = (Slot::key("other"), Secret::from("x"));
        let slots = [(Slot::key("key"), Secret::from(OLD)), other];
        (self.0.put(slots.into()), Slot::key("key"))
    }

    async fn nasty(&self) -> Container {
        self.0.put([(Slot::key("a/b"), Secret::from("1"))].into())
    }

    async fn whole(&self, container: &Container) -> String {
        let document = self.0.read(container).await.expect("there");
        let text = |(slot, value): (Slot, Secret)| format!("{slot:?}={:?}", value.expose());
        document.slots.into_iter().map(text).collect()
    }

    fn rival(&self, _: &Container, _: &Slot, _: &str) -> Deed {
        Box::pin(async {})
    }

    fn absent(&self) -> Container {
        container("nowhere".into())
    }

    fn changes(&self) -> usize {
        0
    }
}

async fn breaches(flaw: Flaw) -> Vec<String> {
    let memory = Memory {
        flaw,
        containers: Mutex::default(),
    };
    store::suite(&Bench(memory)).await.breaches().to_vec()
}

#[tokio::test]
async fn a_good_store_passes() {
    assert_eq!(breaches(Flaw::None).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_flaw_is_found() {
    for flaw in [
        Flaw::WritesAtAnyVersion,
        Flaw::TouchesOthers,
        Flaw::TrimsValues,
        Flaw::MakesSlots,
        Flaw::TakesNothing,
        Flaw::MakesContainers,
        Flaw::RefusesAsDenied,
        Flaw::TellsValues,
        Flaw::DropsAfterRefusing,
    ] {
        assert!(!breaches(flaw).await.is_empty(), "{flaw:?} passes");
    }
}
