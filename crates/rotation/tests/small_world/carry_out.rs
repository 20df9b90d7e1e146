//! One command under way: effect, answer, outcome; and how an unknown one is reconciled.

use crate::model::SmallWorld;
use crate::moves::Flaw;
use crate::outside::{act, delete_new, disable_new, mint, stands, write};
use crate::setup::{Setup, Verb};
use crate::world::{Entry, Flight, Life, Minted, Stage, Status, World};

/// The next thing happens to a command under way.
pub(crate) fn go(model: &SmallWorld, world: &mut World, hand: u8, step: u8) {
    let Some(flight) = world.flight(hand, step).copied() else {
        return;
    };
    let credential = model.step(step).credential;
    match flight.stage {
        Stage::Sent if flight.reconcile => reconcile(model, world, flight),
        Stage::Sent => execute(model, world, flight),
        Stage::Read | Stage::Stale => {
            let answer = write(model, world, flight);
            world.on_to(flight, Stage::Answer(answer));
        }
        Stage::Made(key) if model.flaw == Some(Flaw::RecordsBeforeSealing) => {
            world.on_to(flight, Stage::Unsealed(key));
            record(model, world, flight, Status::Done);
        }
        Stage::Made(key) => {
            seal(world, credential, flight.attempt, key);
            world.on_to(flight, Stage::Known(Status::Done));
        }
        Stage::Unsealed(key) => {
            seal(world, credential, flight.attempt, key);
            world.land(flight);
        }
        Stage::Asked => {
            let found = held(model, world, flight)
                .map_or_else(|| orphan(model, world, flight), Stage::Known);
            world.on_to(flight, found);
        }
        Stage::Listed(key) => {
            disable_new(world, credential, key);
            world.on_to(flight, Stage::Switched(key));
        }
        Stage::Switched(key) => {
            delete_new(world, credential, key);
            world.on_to(flight, Stage::Answer(Status::NotDone));
        }
        Stage::Answer(status) | Stage::Known(status) => end(model, world, flight, status),
    }
}

/// Whether something of it is on its way that can be lost.
pub(crate) fn is_lossy(setup: &Setup, flight: Flight) -> bool {
    let mint = setup.steps[usize::from(flight.step)].verb == Verb::Mint;
    match flight.stage {
        // Custody is asked first, and that is here.
        Stage::Sent => !(flight.reconcile && mint),
        Stage::Unsealed(_) | Stage::Known(_) => false,
        _ => true,
    }
}

fn execute(model: &SmallWorld, world: &mut World, flight: Flight) {
    let stage = match &model.step(flight.step).verb {
        Verb::Mint => match mint(model, world, flight) {
            Ok(key) => Stage::Made(key),
            Err(refused) => Stage::Answer(refused),
        },
        Verb::Write(_) if model.flaw == Some(Flaw::WritesBlindly) => Stage::Read,
        Verb::Write(places) => match stands(model, world, flight.step, places) {
            Some(true) => Stage::Answer(Status::Done),
            Some(false) => Stage::Read,
            None => Stage::Answer(Status::Refused),
        },
        _ => Stage::Answer(act(model, world, flight)),
    };
    world.on_to(flight, stage);
}

/// Law 1: what may have happened is asked for; only what can be done twice is done again.
fn reconcile(model: &SmallWorld, world: &mut World, flight: Flight) {
    let known = model.step(flight.step);
    let stage = match &known.verb {
        Verb::Mint if model.flaw == Some(Flaw::Replays) => return execute(model, world, flight),
        Verb::Mint => held(model, world, flight).map_or(Stage::Asked, Stage::Known),
        Verb::Write(places) => Stage::Answer(match stands(model, world, flight.step, places) {
            Some(true) => Status::Done,
            Some(false) => Status::NotDone,
            None => Status::Refused,
        }),
        _ => return execute(model, world, flight),
    };
    world.on_to(flight, stage);
}

/// What custody says of a mint, if it holds its key: done if the issuer has it, too; else what
/// is held is destroyed with what is left of the key.
fn held(model: &SmallWorld, world: &mut World, flight: Flight) -> Option<Status> {
    let credential = model.step(flight.step).credential;
    let key = world.keys[credential].sealed(flight.attempt)?;
    if world.keys[credential].new[usize::from(key)].life == Life::Alive {
        return Some(Status::Done);
    }
    delete_new(world, credential, key);
    world.keys[credential]
        .custody
        .retain(|(of, _)| *of != flight.attempt);
    Some(Status::NotDone)
}

/// What the issuer's list says of a mint whose answer was lost.
fn orphan(model: &SmallWorld, world: &World, flight: Flight) -> Stage {
    let credential = model.step(flight.step).credential;
    let keys = &world.keys[credential];
    let named = model.setup.issuers[credential].named;
    let ours = |key: &&(u8, &Minted)| {
        key.1.life != Life::Deleted
            && key.0 >= keys.baseline
            && (!named || key.1.attempt == flight.attempt)
    };
    let fresh: Vec<u8> = (0u8..)
        .zip(&keys.new)
        .filter(|key| ours(&key))
        .map(|(key, _)| key)
        .collect();
    match fresh.as_slice() {
        [] => Stage::Answer(Status::NotDone),
        [one] => Stage::Listed(*one),
        _ => Stage::Answer(Status::Stuck),
    }
}

fn seal(world: &mut World, credential: usize, attempt: u8, key: u8) {
    let custody = &mut world.keys[credential].custody;
    custody.retain(|(of, _)| *of != attempt);
    custody.push((attempt, key));
    custody.sort_unstable();
}

/// The outcome is recorded, if the executor still has the lease (law 9); the command is over.
pub(crate) fn end(model: &SmallWorld, world: &mut World, flight: Flight, status: Status) {
    world.land(flight);
    record(model, world, flight, status);
}

fn record(model: &SmallWorld, world: &mut World, flight: Flight, status: Status) {
    if flight.hand != world.lease && model.flaw != Some(Flaw::Unfenced) {
        return;
    }
    world.journal[usize::from(flight.step)] = Entry {
        status,
        // Nobody asks how many tries a step took that is done, but for a mint's custody.
        attempt: if status == Status::Done && model.step(flight.step).verb != Verb::Mint {
            1
        } else {
            flight.attempt
        },
        aged: false,
    };
    if status == Status::Done {
        forget_tries(model, world, flight.step);
    }
}

/// Gives a new key that is minted and unused yet the number that it has where nothing went
/// wrong. Numbers are names: nothing but equality is asked of them, so worlds that differ in
/// them alone behave alike.
fn forget_tries(model: &SmallWorld, world: &mut World, step: u8) {
    let credential = model.step(step).credential;
    let attempt = world.entry(step).attempt;
    let keys = &mut world.keys[credential];
    let chosen = keys.sealed(attempt).map(usize::from);
    let others_gone = (0..)
        .zip(&keys.new)
        .all(|(key, minted)| Some(key) == chosen || minted.life == Life::Deleted);
    let in_the_air = world.flights.iter().any(|flight| flight.step == step);
    if model.setup.mints[credential] != step || !others_gone || in_the_air || model.flaw.is_some() {
        return;
    }
    if let Some(chosen) = chosen {
        let life = keys.new[chosen].life;
        keys.new = vec![Minted { attempt: 1, life }];
        keys.custody = vec![(1, 0)];
        keys.baseline = 0;
        world.journal[usize::from(step)].attempt = 1;
    }
}
