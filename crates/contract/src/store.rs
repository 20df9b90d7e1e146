//! The contract of [`relatch_places::Store`].

mod disturbed;
mod hostile;
mod writes;

use std::collections::BTreeMap;

use async_trait::async_trait;
use relatch_case::model::{Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_places::{Store, Version};
use relatch_secret::Secret;

use crate::Findings;
use crate::proxy::{Deed, WireFault};
use crate::wire::Wire;

/// What a store's tests give to the suite.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The store, behind the wire that fails.
    fn under_test(&self) -> &dyn Store;

    /// The same with a short time-out, for faults that wait until the client gives up.
    fn impatient(&self) -> &dyn Store;

    /// The same store over a wire that never fails.
    fn truth(&self) -> &dyn Store;

    /// The wire. `None`: there is none that could fail, as for files.
    fn wire(&self) -> Option<&dyn Wire>;

    /// Makes a container that holds, among others, the value `old` at a slot.
    async fn fresh(&self) -> (Container, Slot);

    /// Makes a container whose slots have names as nasty as its kind allows.
    async fn nasty(&self) -> Container;

    /// The container as its owner sees it, with everything that a write must leave alone; not
    /// what changes by itself with each write, as a version or a time.
    async fn whole(&self, container: &Container) -> String;

    /// A writer of its own puts `value` at the slot of a fresh container.
    fn rival(&self, container: &Container, slot: &Slot, value: &str) -> Deed;

    /// A container that is not there.
    fn absent(&self) -> Container;

    /// Most requests of one write that change something.
    fn changes(&self) -> usize;

    /// Whether the server refuses this value by rules of its own (Lambda: 4 kB in all). The
    /// write must then fail and leave everything as it was, but the kind is the server's.
    fn may_refuse(&self, _: &Secret) -> bool {
        false
    }
}

/// The value that a fresh container holds.
pub const OLD: &str = "old-value-0123456789";

/// What the suite writes.
const NEW: &str = "new-canary-9876543210";

/// Everything that a store must hold to.
pub async fn suite(harness: &dyn Harness) -> Findings {
    let mut findings = writes(harness).await;
    findings.extend(hostile(harness).await);
    findings.extend(disturbed(harness).await);
    findings
}

/// Reading and writing where nothing fails.
pub async fn writes(harness: &dyn Harness) -> Findings {
    let mut findings = Findings::default();
    writes::check(harness, &mut findings).await;
    findings
}

/// Values and names that break quoting.
pub async fn hostile(harness: &dyn Harness) -> Findings {
    hostile_part(harness, 0, 1).await
}

/// The part `part` of `parts` of [`hostile`], so that slow servers get several at once.
pub async fn hostile_part(harness: &dyn Harness, part: usize, parts: usize) -> Findings {
    let mut findings = Findings::default();
    hostile::check(harness, (part, parts), &mut findings).await;
    findings
}

/// Reading and writing over a wire that fails; nothing where there is no wire.
pub async fn disturbed(harness: &dyn Harness) -> Findings {
    disturbed_part(harness, 0, 1).await
}

/// The part `part` of `parts` of [`disturbed`], so that slow servers get several at once.
pub async fn disturbed_part(harness: &dyn Harness, part: usize, parts: usize) -> Findings {
    let mut findings = Findings::default();
    if let Some(wire) = harness.wire() {
        disturbed::check(harness, wire, (part, parts), &mut findings).await;
    }
    findings
}

/// The store to be used while the wire fails so.
fn during<'h>(harness: &'h dyn Harness, fault: &WireFault) -> &'h dyn Store {
    if fault.waits() {
        harness.impatient()
    } else {
        harness.under_test()
    }
}

fn change(slot: &Slot, value: &Secret) -> BTreeMap<Slot, Secret> {
    BTreeMap::from([(slot.clone(), value.clone())])
}

/// Reads and writes one slot, as the engine does.
async fn swap(
    store: &dyn Store,
    container: &Container,
    slot: &Slot,
    value: &Secret,
) -> Result<Version, Fault> {
    let seen = store.read(container).await?.version;
    store.write(container, &seen, &change(slot, value)).await
}

/// The slots as the truth shows them.
async fn slots(harness: &dyn Harness, container: &Container) -> BTreeMap<Slot, Vec<u8>> {
    let document = harness.truth().read(container).await;
    let slots = document.expect("the truth can be read").slots;
    let bytes = |(slot, value): (Slot, Secret)| (slot, value.expose().to_vec());
    slots.into_iter().map(bytes).collect()
}

/// That an outcome is a refusal of this kind.
fn refused<T: std::fmt::Debug>(
    outcome: &Result<T, Fault>,
    kind: FaultKind,
    about: &str,
    findings: &mut Findings,
) {
    let found = outcome.as_ref().err().map(|fault| fault.kind);
    findings.check(found == Some(kind), || {
        format!("{about}: {outcome:?}, not {kind:?}")
    });
}

/// That a fault does not show what was to be written.
fn quiet<T: std::fmt::Debug>(outcome: &Result<T, Fault>, about: &str, findings: &mut Findings) {
    findings.check(!format!("{outcome:?}").contains("canary"), || {
        format!("{about}: the outcome shows the value")
    });
}
