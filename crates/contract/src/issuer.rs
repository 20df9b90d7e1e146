//! The contract of [`relatch_issuers::Issuer`].

mod changes;
mod disturbed;
mod probes;

use async_trait::async_trait;
use relatch_case::model::{Minting, Probe};
use relatch_case::{Fault, KeyId, Principal};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};

use crate::Findings;
use crate::proxy::WireFault;
use crate::wire::Wire;

/// A principal of its own with one living key.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The principal.
    pub principal: Principal,
    /// The key's id.
    pub id: KeyId,
    /// How it is presented.
    pub key: KeyMaterial,
}

/// What an issuer's tests give to the suite.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The issuer, behind the wire that fails.
    fn under_test(&self) -> &dyn Issuer;

    /// The same with a short time-out, for faults that wait until the client gives up.
    fn impatient(&self) -> &dyn Issuer;

    /// The same issuer over a wire that never fails.
    fn truth(&self) -> &dyn Issuer;

    /// The wire.
    fn wire(&self) -> &dyn Wire;

    /// Makes a principal with one living key.
    async fn fresh(&self) -> Subject;

    /// Whether the principal is cut off, as its owner sees it. Only asked where the sheet says
    /// that it can be.
    async fn is_cut(&self, _: &Principal) -> bool {
        false
    }

    /// Probes `key`, which is refused, where a made-up key is *not* refused. `None`: there is
    /// no such place, which the harness explains in a comment.
    async fn probe_without_control(&self, key: &KeyMaterial) -> Option<Probe>;

    /// Whether the server keeps the cap of keys that the sheet tells.
    fn keeps_slots(&self) -> bool {
        true
    }

    /// Whether the server tells a principal that is not there from one without keys.
    fn knows_principals(&self) -> bool {
        true
    }

    /// Whether keys are presented over the wire that fails. Not so where the wire is a command.
    fn probes_on_wire(&self) -> bool {
        true
    }
}

/// Something that changes the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Mint,
    Disable,
    Enable,
    Delete,
    Cut,
    Uncut,
}

/// A principal as the truth shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct World {
    keys: Vec<(KeyId, bool)>,
    cut: bool,
}

impl World {
    async fn of(harness: &dyn Harness, principal: &Principal) -> Self {
        let listed = harness.truth().list(principal).await;
        let listed = listed.expect("the truth can be listed");
        let mut keys: Vec<_> = listed.into_iter().map(|key| (key.id, key.active)).collect();
        keys.sort();
        let cuts = harness.truth().sheet().cuts;
        Self {
            keys,
            cut: cuts && harness.is_cut(principal).await,
        }
    }

    fn active(&self, id: &KeyId) -> Option<bool> {
        let found = self.keys.iter().find(|(known, _)| known == id);
        found.map(|(_, active)| *active)
    }
}

impl Operation {
    /// What the sheet says that the issuer can do.
    fn of(issuer: &dyn Issuer) -> Vec<Self> {
        let sheet = issuer.sheet();
        let all = [
            (Self::Mint, sheet.minting == Minting::Program),
            (Self::Disable, sheet.disables),
            (Self::Enable, sheet.disables),
            (Self::Delete, sheet.deletes),
            (Self::Cut, sheet.cuts),
            (Self::Uncut, sheet.cuts),
        ];
        let can = all.into_iter().filter(|(_, can)| *can);
        can.map(|(operation, _)| operation).collect()
    }

    async fn run(self, issuer: &dyn Issuer, subject: &Subject) -> Result<Option<Minted>, Fault> {
        let (principal, id) = (&subject.principal, &subject.id);
        match self {
            Self::Mint => issuer.mint(&request(subject)).await.map(Some),
            Self::Disable => issuer.disable(principal, id).await.map(|()| None),
            Self::Enable => issuer.enable(principal, id).await.map(|()| None),
            Self::Delete => issuer.delete(principal, id).await.map(|()| None),
            Self::Cut => issuer.cut(principal).await.map(|()| None),
            Self::Uncut => issuer.uncut(principal).await.map(|()| None),
        }
    }

    /// A fresh subject on which this operation has something to do.
    async fn subject(self, harness: &dyn Harness) -> Subject {
        let subject = harness.fresh().await;
        let truth = harness.truth();
        let prepared = match self {
            Self::Enable => truth.disable(&subject.principal, &subject.id).await,
            Self::Uncut => truth.cut(&subject.principal).await,
            _ => Ok(()),
        };
        prepared.expect("prepared over a wire that never fails");
        subject
    }

    /// Whether `world` is as it is after this was done to `before`.
    fn is_done(self, subject: &Subject, before: &World, world: &World) -> bool {
        let active = world.active(&subject.id);
        match self {
            Self::Mint => world.keys.len() == before.keys.len() + 1,
            Self::Disable => active == Some(false),
            Self::Enable => active == Some(true),
            Self::Delete => active.is_none(),
            Self::Cut => world.cut,
            Self::Uncut => !world.cut,
        }
    }
}

/// The name of every key that the suite mints.
const NAME: &str = "relatch-contract-1";

fn request(subject: &Subject) -> MintRequest {
    MintRequest {
        principal: subject.principal.clone(),
        name: NAME.into(),
        replaces: None,
    }
}

/// The issuer to be used while the wire fails so.
fn during<'h>(harness: &'h dyn Harness, fault: &WireFault) -> &'h dyn Issuer {
    if fault.waits() {
        harness.impatient()
    } else {
        harness.under_test()
    }
}

/// Everything that an issuer must hold to.
pub async fn suite(harness: &dyn Harness) -> Findings {
    let mut findings = changes(harness).await;
    findings.extend(disturbed(harness).await);
    findings.extend(probes(harness).await);
    findings
}

/// Changes over a wire that works: each does what it says, once and again.
pub async fn changes(harness: &dyn Harness) -> Findings {
    let mut findings = Findings::default();
    changes::check(harness, &mut findings).await;
    findings
}

/// Changes and lists over a wire that fails.
pub async fn disturbed(harness: &dyn Harness) -> Findings {
    let mut findings = Findings::default();
    disturbed::check(harness, &mut findings).await;
    findings
}

/// Probes over a wire that works, and over one that fails.
pub async fn probes(harness: &dyn Harness) -> Findings {
    let mut findings = Findings::default();
    probes::check(harness, &mut findings).await;
    findings
}
