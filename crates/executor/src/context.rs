//! What every step has at hand.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use relatch_case::model::{Container, Part, Slot};
use relatch_case::plan::{Plan, Rotation, Step};
use relatch_case::{Fault, FaultKind, State, StepId};
use relatch_issuers::{Issuer, KeyMaterial};
use relatch_secret::{Fingerprint, FingerprintKey, Secret};

use crate::tenure::Tenure;
use crate::vault::half;
use crate::{Clock, Ledger, Vault, World};

/// Journal, world, custody, fingerprint key and clock.
#[derive(Clone)]
pub struct Context {
    /// The journal and its state.
    pub ledger: Arc<Ledger>,
    /// Everything outside.
    pub world: World,
    /// Sealed values.
    pub vault: Vault,
    /// Under which values are known.
    pub fingerprints: Arc<FingerprintKey>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("world", &self.world)
            .finish_non_exhaustive()
    }
}

/// One step with what its plan says of it.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) ctx: Context,
    pub(crate) tenure: Option<Arc<Tenure>>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) step: Step,
    pub(crate) rotation: Rotation,
    new_key: Arc<OnceLock<KeyMaterial>>,
}

/// What stands in slots before and after a write.
pub(crate) type Prints = BTreeMap<Slot, Fingerprint>;

impl Job {
    /// The job of a step of the plan in force.
    pub(crate) fn new(ctx: &Context, plan: &Arc<Plan>, id: &StepId) -> Option<Self> {
        let step = plan.step(id)?.clone();
        let rotation = plan.rotation(&step.credential)?.clone();
        Some(Self {
            ctx: ctx.clone(),
            tenure: None,
            plan: Arc::clone(plan),
            step,
            rotation,
            new_key: Arc::default(),
        })
    }

    /// The same, in a run.
    pub(crate) fn within(mut self, tenure: &Arc<Tenure>) -> Self {
        self.tenure = Some(Arc::clone(tenure));
        self
    }

    /// Makes sure that the lease is still ours, right before something outside is touched after
    /// others were asked: a process that was stalled in between may wake up in another's tenure.
    pub(crate) fn assure(&self) -> Result<(), Fault> {
        let Some(tenure) = &self.tenure else {
            return Ok(());
        };
        tenure
            .assure(&self.ctx.ledger, self.ctx.clock.now())
            .map_err(|error| Fault::new(FaultKind::Local, error.to_string()))
    }

    pub(crate) fn issuer(&self) -> Result<Arc<dyn Issuer>, Fault> {
        self.ctx.world.issuer(&self.rotation.issuer).map(Arc::clone)
    }

    /// The new key, from custody; opened once for a step that wants it several times.
    pub(crate) fn new_key(&self) -> Result<KeyMaterial, Fault> {
        if let Some(key) = self.new_key.get() {
            return Ok(key.clone());
        }
        let missing = |what: &str| Fault::new(FaultKind::Local, what);
        let attempt = self.attempt_of_mint();
        let attempt = attempt.ok_or_else(|| missing("the new key was not minted yet"))?;
        let sealed = self.ctx.vault.new_key(&self.step.credential, attempt)?;
        let (id, secret) = sealed.ok_or_else(|| missing("the new key is not in custody"))?;
        let id = Some(id);
        Ok(self
            .new_key
            .get_or_init(|| KeyMaterial { id, secret })
            .clone())
    }

    fn attempt_of_mint(&self) -> Option<u32> {
        let mint = &self.plan.step_of(&self.step.credential, "mint")?.id;
        let state = |state: &State| state.steps.get(mint).map(|known| known.attempt);
        self.ctx.ledger.with(state)
    }

    /// The old key, if its value was ever known.
    pub(crate) fn old_key(&self) -> Result<Option<KeyMaterial>, Fault> {
        let secret = self.ctx.vault.old(&self.step.credential)?;
        let id = Some(self.rotation.old_key.clone());
        Ok(secret.map(|secret| KeyMaterial { id, secret }))
    }

    /// What the slots of a container held when the plan was made.
    pub(crate) fn before(&self, container: &Container, slots: &BTreeMap<Slot, Part>) -> Prints {
        self.plan
            .baseline_of(container)
            .into_iter()
            .flat_map(|place| &place.slots)
            .filter(|(slot, _)| slots.contains_key(*slot))
            .map(|(slot, print)| (slot.clone(), print.clone()))
            .collect()
    }

    /// The new values for slots.
    pub(crate) fn after(
        &self,
        slots: &BTreeMap<Slot, Part>,
    ) -> Result<BTreeMap<Slot, Secret>, Fault> {
        halves(slots, &self.new_key()?)
    }

    /// The old values for slots, to put them back.
    pub(crate) fn back(
        &self,
        slots: &BTreeMap<Slot, Part>,
    ) -> Result<BTreeMap<Slot, Secret>, Fault> {
        let gone = || Fault::new(FaultKind::Local, "the old value is not in custody");
        halves(slots, &self.old_key()?.ok_or_else(gone)?)
    }

    /// Fingerprints of values.
    pub(crate) fn prints(&self, values: &BTreeMap<Slot, Secret>) -> Prints {
        values
            .iter()
            .map(|(slot, value)| (slot.clone(), self.ctx.fingerprints.fingerprint(value)))
            .collect()
    }
}

/// The halves of a key for slots.
fn halves(
    slots: &BTreeMap<Slot, Part>,
    key: &KeyMaterial,
) -> Result<BTreeMap<Slot, Secret>, Fault> {
    slots
        .iter()
        .map(|(slot, part)| {
            let value = half(*part, key)
                .ok_or_else(|| Fault::new(FaultKind::Invalid, "the key has no id"))?;
            Ok((slot.clone(), value))
        })
        .collect()
}
