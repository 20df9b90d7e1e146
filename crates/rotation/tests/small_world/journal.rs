//! From the compact journal to the state that `decide` is asked about, by folding facts.

use std::cell::RefCell;
use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use relatch_case::State;
use relatch_case::state::StepState;
use relatch_rotation::{Decision, decide};
use serde_json::{Value, json};

use crate::facts::{now, record};
use crate::setup::{Setup, Verb};
use crate::world::{Entry, Status, UNTOUCHED};

/// The state of the last question, which differs from the next one's in few steps.
struct Scratch {
    setup: usize,
    entries: Vec<Entry>,
    state: State,
    folded: HashMap<(usize, Entry), StepState>,
}

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

/// What may be done, as the tool itself decides it.
pub(crate) fn decided(setup: &Setup, entries: &[Entry]) -> Decision {
    SCRATCH.with_borrow_mut(|scratch| {
        let scratch = match scratch {
            Some(known) if known.setup == setup.id => known,
            other => other.insert(Scratch::new(setup)),
        };
        scratch.follow(setup, entries);
        decide(&scratch.state, now())
    })
}

impl Scratch {
    fn new(setup: &Setup) -> Self {
        Self {
            setup: setup.id,
            entries: vec![UNTOUCHED; setup.steps.len()],
            state: setup.base.clone(),
            folded: HashMap::new(),
        }
    }

    fn follow(&mut self, setup: &Setup, entries: &[Entry]) {
        for (at, entry) in entries.iter().enumerate() {
            if self.entries[at] == *entry {
                continue;
            }
            let id = &setup.steps[at].id;
            if *entry == UNTOUCHED {
                self.state.steps.swap_remove(id);
            } else {
                let folded = self
                    .folded
                    .entry((at, *entry))
                    .or_insert_with(|| fold(setup, at, *entry));
                self.state.steps.insert(id.clone(), folded.clone());
            }
            self.entries[at] = *entry;
        }
    }
}

/// What the fold makes of the facts that lead to an entry.
fn fold(setup: &Setup, at: usize, entry: Entry) -> StepState {
    let step = &setup.steps[at];
    let mut state = setup.base.clone();
    let when = if entry.aged { a_day_ago() } else { now() };
    let ended = |attempt: u8, outcome: Value| json!({"kind": "step_ended", "step": step.id, "attempt": attempt, "outcome": outcome});
    for attempt in 1..=entry.attempt {
        if !step.looks {
            let intended = json!({"kind": "step_intended", "step": step.id, "attempt": attempt, "baseline": null});
            record(&mut state, when, intended);
        }
        if attempt < entry.attempt {
            let lost = json!({"outcome": "not_done", "how": "asked"});
            record(&mut state, when, ended(attempt, lost));
        }
    }
    if let Some(outcome) = outcome(&step.verb, entry.status) {
        record(&mut state, when, ended(entry.attempt, outcome));
    }
    state
        .steps
        .swap_remove(&step.id)
        .expect("a step that was touched")
}

fn a_day_ago() -> Timestamp {
    now() - SignedDuration::from_hours(24)
}

fn outcome(verb: &Verb, status: Status) -> Option<Value> {
    let fault = |kind: &str| json!({"kind": kind, "detail": "as modelled"});
    Some(match status {
        Status::Untouched | Status::Intended => return None,
        Status::Unknown => json!({"outcome": "unknown", "fault": fault("ambiguous")}),
        Status::Done if *verb == Verb::Mint => {
            json!({"outcome": "done", "result": {"key": "new"}})
        }
        Status::Done => json!({"outcome": "done", "result": {}}),
        Status::Failed => json!({"outcome": "failed", "fault": fault("throttled")}),
        Status::Refused => json!({"outcome": "failed", "fault": fault("conflict")}),
        Status::NotDone => json!({"outcome": "not_done", "how": "asked"}),
        Status::Stuck => json!({"outcome": "stuck", "because": "as modelled"}),
    })
}
