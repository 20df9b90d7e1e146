//! Issuers, places and consumers: what requests do to them and what looking at them shows.

use crate::model::{SmallWorld, value_of};
use crate::moves::Flaw;
use crate::setup::{Setup, Step, Verb};
use crate::world::{Flight, Life, Minted, OLD, STRANGE, Stage, Status, Value, World, Wrong};

/// Every effect passes here: law 1 wants its intent in the journal.
fn touch(world: &mut World, flight: Flight) {
    let entry = world.entry(flight.step);
    let intended = entry.status == Status::Done || entry.attempt >= flight.attempt;
    world.note(!intended, Wrong::EffectWithoutIntent);
}

/// The value that a credential's places are to get: what custody holds for its mint.
pub(crate) fn chosen(setup: &Setup, world: &World, credential: usize) -> Option<Value> {
    let mint = world.entry(setup.mints[credential]);
    let key = world.keys[credential].sealed(mint.attempt)?;
    (mint.status == Status::Done).then(|| value_of(key))
}

/// Makes a key, if there is room.
pub(crate) fn mint(model: &SmallWorld, world: &mut World, flight: Flight) -> Result<u8, Status> {
    touch(world, flight);
    let credential = model.step(flight.step).credential;
    let keys = &mut world.keys[credential];
    let slots = model.setup.issuers[credential].slots;
    if slots.is_some_and(|slots| keys.held() >= slots) {
        return Err(Status::Refused);
    }
    keys.new.push(Minted {
        attempt: flight.attempt,
        life: Life::Alive,
    });
    Ok(u8::try_from(keys.new.len() - 1).expect("few keys"))
}

/// What stands in the places of a write: the new value, the old one, or neither.
pub(crate) fn stands(
    model: &SmallWorld,
    world: &World,
    step: u8,
    places: &[usize],
) -> Option<bool> {
    let new = chosen(&model.setup, world, model.step(step).credential)?;
    let all = |value| places.iter().all(|&place| world.places[place] == value);
    if all(new) {
        Some(true)
    } else {
        all(OLD).then_some(false)
    }
}

/// Writes where a place was read, if nobody wrote meanwhile.
pub(crate) fn write(model: &SmallWorld, world: &mut World, flight: Flight) -> Status {
    touch(world, flight);
    let step = model.step(flight.step);
    let blind = model.flaw == Some(Flaw::WritesBlindly);
    let (Verb::Write(places), Some(new)) =
        (&step.verb, chosen(&model.setup, world, step.credential))
    else {
        return Status::Refused;
    };
    if flight.stage == Stage::Stale && !blind {
        return Status::Refused;
    }
    for &place in places {
        let held = world.places[place];
        world.note(held != OLD && held != new, Wrong::Clobbered);
        world.places[place] = new;
    }
    model.written(world, &model.setup.places[places[0]].container);
    Status::Done
}

/// Does what is one request.
pub(crate) fn act(model: &SmallWorld, world: &mut World, flight: Flight) -> Status {
    touch(world, flight);
    let step = model.step(flight.step);
    match &step.verb {
        Verb::Keep(place) if world.places[*place] == OLD => world.keys[step.credential].kept = true,
        Verb::Keep(_) => return Status::Refused,
        Verb::Roll(consumer) => {
            for (pair, (who, place)) in model.setup.reads.iter().enumerate() {
                if who == consumer {
                    world.runs[pair] = world.places[*place];
                }
            }
        }
        Verb::Disable => {
            let old = &mut world.keys[step.credential].old;
            *old = (*old).max(Life::Disabled);
        }
        Verb::Delete => {
            let alive = world.keys[step.credential].old == Life::Alive;
            world.note(alive, Wrong::DeletedAlive);
            world.keys[step.credential].old = Life::Deleted;
        }
        _ => {}
    }
    Status::Done
}

pub(crate) fn disable_new(world: &mut World, credential: usize, key: u8) {
    let life = &mut world.keys[credential].new[usize::from(key)].life;
    *life = (*life).max(Life::Disabled);
}

pub(crate) fn delete_new(world: &mut World, credential: usize, key: u8) {
    world.keys[credential].new[usize::from(key)].life = Life::Deleted;
}

/// Whether a step that looks would now see what it looks for.
pub(crate) fn sees(setup: &Setup, world: &World, step: u8) -> bool {
    let step = &setup.steps[usize::from(step)];
    let keys = &world.keys[step.credential];
    let new = chosen(setup, world, step.credential);
    match &step.verb {
        Verb::Check => new.and_then(|new| keys.life(new)) == Some(Life::Alive),
        Verb::Adopt(pairs) => pairs.iter().all(|&pair| {
            let (consumer, place) = setup.reads[pair];
            Some(world.places[place]) == new
                && Some(world.runs[pair]) == new
                && is_well(setup, world, consumer)
        }),
        Verb::Observe => (0..setup.reads.len()).all(|pair| {
            let (consumer, place) = setup.reads[pair];
            setup.places[place].credential != step.credential
                || is_well(setup, world, consumer) && world.runs[pair] != OLD
        }),
        Verb::Settle => (0..setup.reads.len()).all(|pair| {
            let (consumer, place) = setup.reads[pair];
            setup.places[place].credential != step.credential || is_well(setup, world, consumer)
        }),
        Verb::Prove => keys.old != Life::Alive,
        _ => true,
    }
}

/// A consumer is well while everything that it runs with works.
fn is_well(setup: &Setup, world: &World, consumer: usize) -> bool {
    let mine = setup.reads.iter().zip(&world.runs);
    mine.filter(|((who, _), _)| *who == consumer)
        .all(|((_, place), &value)| {
            let keys = &world.keys[setup.places[*place].credential];
            value == STRANGE || keys.life(value) == Some(Life::Alive)
        })
}

impl Step {
    /// Whether it writes to this container.
    pub(crate) fn writes_to(&self, setup: &Setup, container: &str) -> bool {
        matches!(&self.verb, Verb::Write(places)
            if places.iter().any(|&place| setup.places[place].container == container))
    }
}
