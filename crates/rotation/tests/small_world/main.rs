//! An exhaustive small world over the decisions of a rotation.
//!
//! Every order of events of two rotations that share a container and a consumer is looked at:
//! each answer late, lost or cut short by a crash, each wait over at any moment. What may be
//! done is asked of the tool's own `decide`, on a state folded from facts, for a plan that
//! the tool's own `make` made. The executor and the world outside are modelled.
//!
//! Invariant: nothing here decides what may be done; only `decide` does.

mod carry_out;
mod facts;
mod journal;
mod laws;
mod model;
mod moves;
mod outside;
mod setup;
mod world;

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::time::Instant;

use relatch_case::plan::{Plan, Step};
use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::model::SmallWorld;
use crate::moves::{Flaw, Move};
use crate::setup::Setup;
use crate::world::{Budget, World};

/// How many threads explore.
const THREADS: usize = 2;

const NOTHING: Budget = Budget {
    crashes: 0,
    losses: 0,
    takeovers: 0,
    strangers: 0,
};

type Found = HashMap<&'static str, Path<World, Move>>;

/// Explores a world, to its end or until one of `until` is found, and says how large it is.
fn explore(name: &str, model: SmallWorld, until: &[&'static str]) -> Found {
    let steps = model.setup.steps.len();
    let began = Instant::now();
    let until: BTreeSet<&'static str> = until.iter().copied().collect();
    let mut checker = model.checker().threads(THREADS);
    if !until.is_empty() {
        checker = checker.finish_when(HasDiscoveries::AnyOf(until));
    }
    let checker = checker.spawn_bfs().join();
    say(&format!(
        "{name}: {steps} steps, {} transitions, {} states, depth {}, {:.1} s",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64(),
    ));
    checker.discoveries()
}

/// Not `println!`: the figures are wanted of a test that passes, too.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The moves that lead to a broken law, a line each, and where they lead.
fn told(path: &Path<World, Move>) -> String {
    let setup = Setup::new(as_made);
    let line = |it: Move| match it {
        Move::Begin { step, .. }
        | Move::Go { step, .. }
        | Move::Lose { step, .. }
        | Move::Throttle { step, .. }
        | Move::Elapse { step } => format!("{it:?} {}", setup.steps[usize::from(step)].id),
        Move::Crash | Move::TakeOver | Move::Intrude { .. } => format!("{it:?}"),
    };
    let moves: Vec<String> = path.clone().into_actions().into_iter().map(line).collect();
    format!("{}\n{:?}", moves.join("\n"), path.last_state())
}

fn as_made(_: &mut Plan) {}

/// Explores a world to its end: no law is broken, and each of `signs` is seen.
fn holds(name: &str, budget: Budget, signs: &[&str]) {
    let model = SmallWorld {
        setup: Setup::new(as_made),
        budget,
        flaw: None,
    };
    let found = explore(name, model, &[]);
    for (law, path) in &found {
        assert!(laws::SIGNS.contains(law), "{law}\n{}", told(path));
    }
    for sign in signs {
        assert!(found.contains_key(sign), "{sign}: never seen");
    }
}

#[test]
fn holds_undisturbed() {
    holds("undisturbed", NOTHING, &[laws::FINISHES]);
}

#[test]
fn holds_with_a_crash_and_a_loss() {
    let budget = Budget {
        crashes: 1,
        losses: 1,
        ..NOTHING
    };
    holds("a crash and a loss", budget, &laws::SIGNS);
}

#[test]
fn holds_when_another_executor_takes_over() {
    holds("a takeover", TAKEOVER, &laws::SIGNS);
}

#[test]
fn holds_when_somebody_else_writes() {
    let budget = Budget {
        strangers: 1,
        losses: 1,
        ..NOTHING
    };
    holds("a stranger and a loss", budget, &laws::SIGNS);
}

/// Explores a world in which something is wrong until `law` is seen broken.
fn breaks(flaw: Option<Flaw>, edit: fn(&mut Plan), budget: Budget, law: &'static str) {
    let name = flaw.map_or_else(|| "no flaw".to_string(), |flaw| format!("{flaw:?}"));
    let model = SmallWorld {
        setup: Setup::new(edit),
        budget,
        flaw,
    };
    let found = explore(&format!("{name} breaks \"{law}\""), model, &[law]);
    assert!(found.contains_key(law), "nothing was found wrong");
}

/// Explores a changed plan under the executor as it is.
fn changed(edit: fn(&mut Plan), law: &'static str) {
    breaks(None, edit, NOTHING, law);
}

fn steps_called<'a>(plan: &'a mut Plan, verb: &'a str) -> impl Iterator<Item = &'a mut Step> {
    plan.steps
        .iter_mut()
        .filter(move |step| step.action.verb() == verb)
}

#[test]
fn a_plan_that_disables_at_once_is_found_out() {
    let edit = |plan: &mut Plan| steps_called(plan, "disable").for_each(|step| step.needs.clear());
    changed(edit, laws::NO_OUTAGE);
}

#[test]
fn a_plan_that_does_not_wait_for_consumers_is_found_out() {
    // It disables once every place is written.
    let edit = |plan: &mut Plan| {
        steps_called(plan, "observe").for_each(|step| step.needs.clear());
        for disable in 0..plan.steps.len() {
            if plan.steps[disable].action.verb() == "disable" {
                let of = plan.steps[disable].credential.clone();
                let writes = plan
                    .steps
                    .iter()
                    .filter(|step| step.credential == of && step.action.verb() == "write");
                plan.steps[disable].needs = writes.map(|step| step.id.clone()).collect();
            }
        }
    };
    changed(edit, laws::NO_OUTAGE);
}

#[test]
fn a_plan_that_deletes_first_is_found_out() {
    let edit = |plan: &mut Plan| {
        steps_called(plan, "delete").for_each(|step| {
            step.needs.clear();
            step.gates.clear();
        });
    };
    changed(edit, laws::REVERSIBLE);
}

#[test]
fn a_plan_that_writes_before_it_mints_is_found_out() {
    let edit = |plan: &mut Plan| steps_called(plan, "write").for_each(|step| step.needs.clear());
    changed(edit, laws::ENDS_WELL);
}

/// Explores the plan as it is under a flawed executor.
fn flawed(flaw: Flaw, budget: Budget, law: &'static str) {
    breaks(Some(flaw), as_made, budget, law);
}

const CRASH: Budget = Budget {
    crashes: 1,
    ..NOTHING
};

const TAKEOVER: Budget = Budget {
    takeovers: 1,
    ..NOTHING
};

#[test]
fn acting_before_the_intent_is_found_out() {
    flawed(Flaw::ActsBeforeIntent, NOTHING, laws::INTENT);
    flawed(Flaw::ActsBeforeIntent, CRASH, laws::NO_LOSS);
}

#[test]
fn replaying_a_mint_is_found_out() {
    flawed(Flaw::Replays, CRASH, laws::NO_LOSS);
}

#[test]
fn recording_a_mint_before_sealing_it_is_found_out() {
    flawed(Flaw::RecordsBeforeSealing, CRASH, laws::NO_LOSS);
}

#[test]
fn sharing_a_resource_is_found_out() {
    flawed(Flaw::SharesResources, NOTHING, laws::ENDS_WELL);
}

#[test]
fn writing_blindly_is_found_out() {
    let stranger = Budget {
        strangers: 1,
        ..NOTHING
    };
    flawed(Flaw::WritesBlindly, stranger, laws::NO_CLOBBER);
}

#[test]
fn a_journal_without_fences_is_found_out() {
    flawed(Flaw::Unfenced, TAKEOVER, laws::ONE_HAND);
    flawed(Flaw::Unfenced, TAKEOVER, laws::NO_LOSS);
}

/// Why an executor must not send what it had not sent when its lease ran out: the fence keeps
/// its facts out of the journal, and not its requests out of the world.
#[test]
fn acting_after_the_lease_ran_out_is_found_out() {
    flawed(Flaw::ActsLate, TAKEOVER, laws::NO_LOSS);
}

/// Why reconciling has to ask for the lease first, although it records no intent.
#[test]
fn reconciling_after_the_lease_ran_out_is_found_out() {
    flawed(Flaw::ReconcilesLate, TAKEOVER, laws::MINTED);
}

/// A mint's answer reaches an executor that lost the lease and is sealed after the new holder
/// removed that key as an orphan; then the answer to the removal is lost, too.
#[test]
fn holds_when_another_executor_takes_over_and_an_answer_is_lost() {
    let budget = Budget {
        takeovers: 1,
        losses: 1,
        ..NOTHING
    };
    holds("a takeover and a loss", budget, &laws::SIGNS);
}
