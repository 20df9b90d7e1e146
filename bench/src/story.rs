//! A long journal: the inventory, the plan, and many tries of each of its steps.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use relatch_case::fact::{Fact, Outcome, StepResult};
use relatch_case::model::{Liveness, Probe, ProbeKind};
use relatch_case::plan::{Action, Plan, Step};
use relatch_case::sqlite::SqliteJournal;
use relatch_case::{Draft, Fault, FaultKind, Journal, KeyId, Lease, Policy};
use relatch_rotation::{Options, make};
use relatch_secret::Secret;
use serde_json::{Value, json};

use crate::Error;
use crate::world::{self, Size};

/// Facts written at once.
const BATCH: usize = 10_000;

/// Writes a journal of exactly so many facts; says how many steps its plan has.
pub(crate) fn write(path: &Path, size: Size, facts: usize) -> Result<usize, Error> {
    let mut book = Book::open(path)?;
    let inventory = world::facts(size);
    let state = world::state(inventory.clone());
    let plan = make(&state, &Policy::default(), &Options::default())?;
    drop(state);
    let steps = plan.steps.len();
    let hash = plan.hash()?;
    let plan = Arc::new(plan);
    let by = "bench".to_string();
    for fact in inventory {
        book.add(fact)?;
    }
    book.add(Fact::PlanRecorded {
        hash: hash.clone(),
        plan: Arc::clone(&plan),
    })?;
    book.add(Fact::PlanApproved { hash, by })?;
    let least: usize = plan.steps.iter().map(facts_of).sum();
    let used = book.written + book.drafts.len();
    let left = facts
        .checked_sub(used + least)
        .ok_or_else(|| format!("{facts} facts are too few: {} are needed", used + least))?;
    tell(&mut book, &plan, left)?;
    while book.written + book.drafts.len() < facts {
        book.add(Fact::TripwireChecked {
            source: "issuer:issuer-0".to_string(),
            through: book.now(),
        })?;
    }
    book.flush()?;
    book.journal.release(&book.lease)?;
    Ok(steps)
}

/// Every step with its last try and, evenly spread, so many facts of tries that failed.
fn tell(book: &mut Book, plan: &Plan, facts_to_fail: usize) -> Result<(), Error> {
    let trying = plan.steps.iter().filter(|step| !step.action.only_looks());
    let (tries, trying) = (facts_to_fail / 2, trying.count());
    let (each, more) = (tries / trying, tries % trying);
    let mut seen = 0;
    for step in &plan.steps {
        if step.action.only_looks() {
            book.add(ended(step, 1, done(step, seen)))?;
            continue;
        }
        let failed = each + usize::from(seen < more);
        seen += 1;
        for attempt in 1..=failed {
            let attempt = u32::try_from(attempt)?;
            book.add(intended(step, attempt, plan))?;
            let fault = Fault::new(FaultKind::Throttled, "429 Too Many Requests, slow down");
            book.add(ended(step, attempt, Outcome::Failed { fault }))?;
        }
        let attempt = u32::try_from(failed + 1)?;
        book.add(intended(step, attempt, plan))?;
        book.add(ended(step, attempt, done(step, seen)))?;
    }
    Ok(())
}

fn facts_of(step: &Step) -> usize {
    if step.action.only_looks() { 1 } else { 2 }
}

fn intended(step: &Step, attempt: u32, plan: &Plan) -> Fact {
    Fact::StepIntended {
        step: step.id.clone(),
        attempt,
        baseline: baseline(step, attempt, plan).into(),
    }
}

fn ended(step: &Step, attempt: u32, outcome: Outcome) -> Fact {
    Fact::StepEnded {
        step: step.id.clone(),
        attempt,
        outcome,
    }
}

/// As the engine records it.
fn baseline(step: &Step, attempt: u32, plan: &Plan) -> Value {
    match &step.action {
        Action::Mint { name, .. } => {
            let old = plan.rotation(&step.credential).map(|r| r.old_key.clone());
            json!({"keys": [old], "name": format!("{name}-{attempt}")})
        }
        Action::Write { container, slots } => {
            let from = plan.baseline_of(container).map(|place| &place.slots);
            let new = world::fingerprints().fingerprint(&Secret::from(step.id.as_str()));
            let to: std::collections::BTreeMap<_, _> =
                slots.keys().map(|slot| (slot, new.clone())).collect();
            json!({"from": from, "to": to})
        }
        Action::Roll { .. } => json!({"version": "17"}),
        _ => Value::Null,
    }
}

fn done(step: &Step, n: usize) -> Outcome {
    let print = || world::fingerprints().fingerprint(&Secret::from(step.id.as_str()));
    let probe = |liveness| Probe {
        liveness,
        answer: "401 invalid_api_key".to_string(),
        control: true,
        how: ProbeKind::Presented,
    };
    let mut result = StepResult::default();
    match &step.action {
        Action::Keep { .. } => result.fingerprint = Some(print()),
        Action::Mint { .. } => {
            result.key = Some(KeyId::new(format!("new_{n:016x}")));
            result.fingerprint = Some(print());
        }
        Action::Check => result.probe = Some(probe(Liveness::Alive)),
        Action::Prove => result.probe = Some(probe(Liveness::Dead)),
        Action::Disable | Action::Delete => result.key = Some(KeyId::new(format!("key_{n:016x}"))),
        Action::Adopt { .. } => result.note = Some("200".to_string()),
        Action::Settle { .. } => result.note = Some("1 consumer stayed well".to_string()),
        Action::Observe { .. } => result.note = Some("consumers stayed well".to_string()),
        Action::Sweep => result.note = Some("no key is left over".to_string()),
        _ => {}
    }
    Outcome::Done { result }
}

struct Book {
    journal: SqliteJournal,
    lease: Lease,
    drafts: Vec<Draft>,
    written: usize,
}

impl Book {
    fn open(path: &Path) -> Result<Self, Error> {
        let mut journal = SqliteJournal::open(path)?;
        let lease = journal.acquire("bench", world::start(), 60)?;
        Ok(Self {
            journal,
            lease,
            drafts: Vec::new(),
            written: 0,
        })
    }

    /// 3 ms after the fact before.
    fn now(&self) -> Timestamp {
        let n = i64::try_from(self.written + self.drafts.len()).unwrap_or(0);
        world::start() + SignedDuration::from_micros(n * 3_001)
    }

    fn add(&mut self, fact: Fact) -> Result<(), Error> {
        self.drafts.push(Draft {
            at: self.now(),
            by: "oncall@example.com".to_string(),
            fact,
        });
        if self.drafts.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let drafts = std::mem::take(&mut self.drafts);
        let (lease, expected) = (self.lease.clone(), u64::try_from(self.written)?);
        self.written += drafts.len();
        self.journal.append(expected, Some(&lease), drafts)?;
        Ok(())
    }
}
