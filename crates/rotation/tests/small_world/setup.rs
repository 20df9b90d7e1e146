//! The plan of the small world, and what of it the model needs at hand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use relatch_case::plan::{Action, Gate, Plan};
use relatch_case::{CredentialId, Policy, State, StepId};
use relatch_rotation::decide::resources;
use relatch_rotation::{Options, make};
use serde_json::json;

use crate::facts::{facts, now, record};

/// What a step does, as far as the world can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Keep(usize),
    Mint,
    Check,
    /// Writes these places, all of one container.
    Write(Vec<usize>),
    Roll(usize),
    /// Sees these pairs of consumer and place on the new value.
    Adopt(Vec<usize>),
    Observe,
    Disable,
    Settle,
    Prove,
    Delete,
    /// Anything else: what looks sees nothing amiss, what acts changes nothing here.
    Other,
}

pub(crate) struct Step {
    pub(crate) id: StepId,
    pub(crate) credential: usize,
    pub(crate) verb: Verb,
    pub(crate) looks: bool,
    /// A bit for each resource that it needs for itself.
    pub(crate) resources: u64,
    /// Steps since whose end it waits some time.
    pub(crate) timers: Vec<usize>,
}

pub(crate) struct Place {
    pub(crate) container: String,
    pub(crate) credential: usize,
}

pub(crate) struct Issuer {
    pub(crate) named: bool,
    pub(crate) slots: Option<usize>,
}

pub(crate) struct Setup {
    /// Tells setups apart.
    pub(crate) id: usize,
    /// The case with its approved plan.
    pub(crate) base: State,
    pub(crate) steps: Vec<Step>,
    pub(crate) by_id: HashMap<StepId, u8>,
    pub(crate) places: Vec<Place>,
    /// Which consumer reads which place.
    pub(crate) reads: Vec<(usize, usize)>,
    /// By credential.
    pub(crate) issuers: Vec<Issuer>,
    /// The mint step, by credential.
    pub(crate) mints: Vec<u8>,
}

impl Setup {
    /// The case with the plan that the tool makes for it, changed by `edit`.
    pub(crate) fn new(edit: fn(&mut Plan)) -> Self {
        let mut base = State::default();
        for fact in facts() {
            record(&mut base, now(), fact);
        }
        let policy = Policy {
            observe_s: 1,
            soak_s: 60,
            dead_probes_s: vec![0],
            poll_s: 1,
            backoff_s: 1,
            ..Policy::default()
        };
        let mut plan = make(&base, &policy, &Options::default()).expect("a plan");
        assert_eq!(plan.blocked, [], "both credentials are rotated");
        edit(&mut plan);
        let hash = plan.hash().expect("a hash");
        let recorded = json!({"kind": "plan_recorded", "hash": hash, "plan": plan});
        record(&mut base, now(), recorded);
        let approved = json!({"kind": "plan_approved", "hash": hash, "by": "somebody"});
        record(&mut base, now(), approved);
        Self::read(base)
    }

    fn read(base: State) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let in_force = base.plan.clone().expect("a plan is in force");
        let plan = &*in_force.plan;
        let credentials: Vec<&CredentialId> = base.credentials.keys().collect();
        let number = |id: &CredentialId| {
            let found = credentials.iter().position(|known| *known == id);
            found.expect("a known credential")
        };
        let mut setup = Self {
            id: COUNT.fetch_add(1, Ordering::Relaxed),
            by_id: (0u8..)
                .zip(&plan.steps)
                .map(|(n, s)| (s.id.clone(), n))
                .collect(),
            places: base
                .places
                .values()
                .map(|place| Place {
                    container: place.container.to_string(),
                    credential: number(&place.credential),
                })
                .collect(),
            reads: Vec::new(),
            issuers: Vec::new(),
            mints: Vec::new(),
            steps: Vec::new(),
            base: State::default(),
        };
        for (consumer, known) in base.consumers.values().enumerate() {
            let reads = base.places.values().enumerate();
            let reads = reads.filter(|(_, place)| known.reads.contains(&place.container));
            setup
                .reads
                .extend(reads.map(|(place, _)| (consumer, place)));
        }
        for credential in base.credentials.values() {
            let sheet = &base.sheets[&credential.issuer];
            setup.issuers.push(Issuer {
                named: sheet.named,
                slots: sheet.slots.map(|slots| slots as usize),
            });
            let mint = plan.step_of(&credential.id, "mint").expect("a mint");
            setup.mints.push(setup.by_id[&mint.id]);
        }
        let mut bits: HashMap<String, u32> = HashMap::new();
        for step in &plan.steps {
            let credential = number(&step.credential);
            let step = Step {
                id: step.id.clone(),
                credential,
                verb: setup.verb(&base, credential, &step.action),
                looks: step.action.only_looks(),
                resources: resources(plan, step)
                    .into_iter()
                    .map(|name| {
                        let next = u32::try_from(bits.len()).expect("few resources");
                        1u64 << *bits.entry(name).or_insert(next)
                    })
                    .sum(),
                timers: step
                    .gates
                    .iter()
                    .filter_map(|gate| setup.timer(gate))
                    .collect(),
            };
            setup.steps.push(step);
        }
        setup.base = base;
        setup
    }

    fn timer(&self, gate: &Gate) -> Option<usize> {
        if let Gate::After { step, .. } = gate {
            Some(usize::from(self.by_id[step]))
        } else {
            None
        }
    }

    fn verb(&self, base: &State, credential: usize, action: &Action) -> Verb {
        let consumer = |id| {
            let found = base.consumers.keys().position(|known| known == id);
            found.expect("a known consumer")
        };
        match action {
            Action::Keep { container, .. } => {
                Verb::Keep(self.slots(credential, &container.to_string())[0])
            }
            Action::Mint { .. } => Verb::Mint,
            Action::Check => Verb::Check,
            Action::Write { container, .. } => {
                Verb::Write(self.slots(credential, &container.to_string()))
            }
            Action::Roll { consumer: id } => Verb::Roll(consumer(id)),
            Action::Adopt { consumer: id, .. } => Verb::Adopt(self.pairs(consumer(id), credential)),
            Action::Observe { .. } => Verb::Observe,
            Action::Disable => Verb::Disable,
            Action::Prove => Verb::Prove,
            Action::Delete => Verb::Delete,
            other if other.verb() == "settle" => Verb::Settle,
            _ => Verb::Other,
        }
    }

    fn slots(&self, credential: usize, container: &str) -> Vec<usize> {
        let places = self.places.iter().enumerate();
        places
            .filter(|(_, place)| place.credential == credential && place.container == container)
            .map(|(at, _)| at)
            .collect()
    }

    fn pairs(&self, consumer: usize, credential: usize) -> Vec<usize> {
        let reads = self.reads.iter().enumerate();
        reads
            .filter(|(_, (who, place))| {
                *who == consumer && self.places[*place].credential == credential
            })
            .map(|(at, _)| at)
            .collect()
    }
}
