//! What can happen next: the model that the checker explores.
//!
//! Left out, because it adds no behaviour:
//! - a look that sees "not yet" (nothing is recorded, so the world is as before), and a look
//!   under way that has not looked yet (it holds no resource and is in no journal); the end of
//!   an observation window, which may come at any moment;
//! - a crash of an executor that has nothing but looks under way (what follows is what could
//!   follow without it);
//! - the arrival of an answer apart from its being recorded, except where a value is sealed in
//!   between (a crash in between is a crash before the arrival, for all that remains).
//!
//! Time has no clock: whatever is waited for may be over at any later moment, each wait by
//! itself, which covers every real order of events. What is assumed: a request that was out
//! when its executor died takes effect before its outcome is asked for, or never; an issuer's
//! list is complete when it is read (the executor waits for that).
//!
//! Not modelled: the undoing of a wave that failed (what is offered besides executing and
//! reconciling is not begun), limits of rate, people.

use std::collections::BTreeSet;

use relatch_rotation::{Command, Decision, Waiting};
use stateright::{Model, Property};

use crate::carry_out::{go, is_lossy};
use crate::journal::decided;
use crate::laws::{self, rank};
use crate::moves::{Flaw, Move};
use crate::outside::sees;
use crate::setup::Setup;
use crate::world::{
    Budget, Flight, Keys, Life, NEW, OLD, STRANGE, Stage, Status, UNTOUCHED, World, Wrong,
};

pub(crate) struct SmallWorld {
    pub(crate) setup: Setup,
    pub(crate) budget: Budget,
    pub(crate) flaw: Option<Flaw>,
}

impl Model for SmallWorld {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        let keys = Keys {
            old: Life::Alive,
            kept: false,
            new: Vec::new(),
            baseline: 0,
            custody: Vec::new(),
        };
        vec![World {
            journal: vec![UNTOUCHED; self.setup.steps.len()],
            flights: Vec::new(),
            keys: vec![keys; self.setup.issuers.len()],
            places: vec![OLD; self.setup.places.len()],
            runs: vec![OLD; self.setup.reads.len()],
            lease: 0,
            left: self.budget,
            wrong: BTreeSet::new(),
        }]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        let decision = decided(&self.setup, &world.journal);
        self.steady(world, &decision, moves);
        self.mishaps(world, moves);
    }

    fn next_state(&self, last: &World, action: Move) -> Option<World> {
        let mut world = last.clone();
        self.apply(&mut world, action);
        self.forget_spent(&mut world);
        world.flights.sort_unstable();
        let no_nearer = self.flaw.is_none() && rank(&world) >= rank(last);
        world.note(no_nearer, Wrong::NoNearer);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        laws::all()
    }
}

impl SmallWorld {
    /// What happens without anything going wrong.
    pub(crate) fn steady(&self, world: &World, decision: &Decision, moves: &mut Vec<Move>) {
        for hand in 0..=world.lease {
            self.begins(world, decision, hand, moves);
        }
        for flight in &world.flights {
            let (hand, step) = (flight.hand, flight.step);
            moves.push(Move::Go { hand, step });
        }
        for wait in &decision.waits {
            let step = self.setup.by_id[&wait.step];
            if matches!(wait.on, Waiting::Time { .. }) && !self.waited_for(world, step).is_empty() {
                moves.push(Move::Elapse { step });
            }
        }
    }

    fn begins(&self, world: &World, decision: &Decision, hand: u8, moves: &mut Vec<Move>) {
        let mine = || world.flights.iter().filter(|flight| flight.hand == hand);
        let taken = mine().fold(0, |taken, flight| taken | self.step(flight.step).resources);
        for command in &decision.commands {
            let step = self.setup.by_id[command.step()];
            let known = self.step(step);
            let reconcile = matches!(command, Command::Reconcile { .. });
            if !reconcile && !matches!(command, Command::Execute { .. }) {
                continue;
            }
            let late = hand != world.lease
                && self.flaw != Some(Flaw::Unfenced)
                && !(reconcile && self.flaw == Some(Flaw::ReconcilesLate));
            let shared = known.resources & taken != 0 && self.flaw != Some(Flaw::SharesResources);
            let blind = known.looks && !sees(&self.setup, world, step);
            if !late && !shared && !blind && mine().all(|flight| flight.step != step) {
                moves.push(Move::Begin {
                    hand,
                    step,
                    reconcile,
                });
            }
        }
    }

    /// An executor that lost the lease sends nothing more and records nothing, unless it is
    /// flawed. All that it can still do is to seal a new key whose answer reaches it.
    fn forget_spent(&self, world: &mut World) {
        let late = matches!(
            self.flaw,
            Some(Flaw::Unfenced | Flaw::ActsLate | Flaw::ReconcilesLate)
        );
        let lease = world.lease;
        world.flights.retain(|flight| {
            late || flight.hand == lease || matches!(flight.stage, Stage::Made(_))
        });
    }

    /// The steps whose age a waiting step waits for: its own last try, else those that its
    /// gates count from.
    fn waited_for(&self, world: &World, step: u8) -> Vec<usize> {
        let paused = matches!(world.entry(step).status, Status::Failed | Status::Unknown);
        let own = paused.then_some(usize::from(step));
        let gates = self.step(step).timers.iter().copied();
        let young = |at: &usize| !world.journal[*at].aged;
        match own.filter(young) {
            Some(own) => vec![own],
            None => gates.filter(young).collect(),
        }
    }

    fn mishaps(&self, world: &World, moves: &mut Vec<Move>) {
        let left = world.left;
        let busy = world
            .flights
            .iter()
            .any(|flight| flight.hand == world.lease && !self.step(flight.step).looks);
        if left.crashes > 0 && busy {
            moves.push(Move::Crash);
        }
        if left.takeovers > 0 && busy {
            moves.push(Move::TakeOver);
        }
        if left.losses > 0 {
            for flight in world.flights.iter().filter(|f| f.hand == world.lease) {
                let (hand, step) = (flight.hand, flight.step);
                if is_lossy(&self.setup, *flight) {
                    moves.push(Move::Lose { hand, step });
                }
                if flight.stage == Stage::Sent && !flight.reconcile {
                    moves.push(Move::Throttle { hand, step });
                }
            }
        }
        if left.strangers > 0 {
            let places = (0u8..).zip(&world.places);
            moves.extend(places.map(|(place, _)| Move::Intrude { place }));
        }
    }

    fn apply(&self, world: &mut World, action: Move) {
        match action {
            Move::Begin {
                hand,
                step,
                reconcile,
            } => self.begin(world, hand, step, reconcile),
            Move::Go { hand, step } => go(self, world, hand, step),
            Move::Lose { hand, step } => {
                world.left.losses -= 1;
                self.fail(world, hand, step, Status::Unknown);
            }
            Move::Throttle { hand, step } => {
                world.left.losses -= 1;
                self.fail(world, hand, step, Status::Failed);
            }
            Move::Crash => {
                world.left.crashes -= 1;
                let dead = world.lease;
                world.flights.retain(|flight| flight.hand != dead);
            }
            Move::TakeOver => {
                world.left.takeovers -= 1;
                world.lease += 1;
            }
            Move::Elapse { step } => {
                for at in self.waited_for(world, step) {
                    world.journal[at].aged = true;
                }
            }
            Move::Intrude { place } => {
                world.left.strangers -= 1;
                let place = usize::from(place);
                world.places[place] = STRANGE;
                self.written(world, &self.setup.places[place].container);
            }
        }
    }

    /// Law 1: the intent is recorded first, with what stands outside.
    fn begin(&self, world: &mut World, hand: u8, step: u8, reconcile: bool) {
        let known = self.step(step);
        let entry = &mut world.journal[usize::from(step)];
        let attempt = entry.attempt + u8::from(!reconcile);
        let stage = if known.looks {
            Stage::Known(Status::Done)
        } else {
            Stage::Sent
        };
        if !known.looks && !reconcile && self.flaw != Some(Flaw::ActsBeforeIntent) {
            entry.status = Status::Intended;
            entry.attempt = attempt;
            entry.aged = false;
            let keys = &mut world.keys[known.credential];
            if step == self.setup.mints[known.credential] {
                keys.baseline = u8::try_from(keys.new.len()).expect("few keys");
            }
        }
        world.flights.push(Flight {
            step,
            hand,
            attempt,
            reconcile,
            stage,
        });
    }

    fn fail(&self, world: &mut World, hand: u8, step: u8, status: Status) {
        if let Some(flight) = world.flight(hand, step).copied() {
            crate::carry_out::end(self, world, flight, status);
        }
    }

    /// Whoever read a place of this container before holds a version that is no more.
    pub(crate) fn written(&self, world: &mut World, container: &str) {
        for flight in &mut world.flights {
            let step = &self.setup.steps[usize::from(flight.step)];
            if flight.stage == Stage::Read && step.writes_to(&self.setup, container) {
                flight.stage = Stage::Stale;
            }
        }
    }

    pub(crate) fn step(&self, step: u8) -> &crate::setup::Step {
        &self.setup.steps[usize::from(step)]
    }
}

/// The value of a new key.
pub(crate) fn value_of(key: u8) -> u8 {
    NEW + key
}
