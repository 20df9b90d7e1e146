//! What must hold in every moment, and how it must end.

use stateright::Property;

use crate::journal::decided;
use crate::model::SmallWorld;
use crate::outside::chosen;
use crate::world::{Flight, Life, OLD, STRANGE, Stage, Status, World, Wrong};

pub(crate) const INTENT: &str = "an intent comes before its effect";
pub(crate) const ONE_HAND: &str = "a step has at most one open attempt";
pub(crate) const NO_OUTAGE: &str = "no key dies that a place holds or a consumer runs with";
pub(crate) const PLACED: &str = "a place holds a live key that is in custody";
pub(crate) const NO_CLOBBER: &str = "a place is only written over the expected value";
pub(crate) const NO_LOSS: &str = "a live new key is in custody or about to be found";
pub(crate) const MINTED: &str = "a key whose mint is done is alive";
pub(crate) const REVERSIBLE: &str = "a key is disabled before it is deleted";
pub(crate) const NEARER: &str = "whatever happens brings the end nearer";
pub(crate) const ENDS_WELL: &str = "where nothing can happen the plan is finished and true";
/// Not laws, but signs that the world is not an empty one.
pub(crate) const FINISHES: &str = "it can finish after everything that can go wrong did";
pub(crate) const RECONCILES: &str = "an orphan can be found and removed";

pub(crate) const SIGNS: [&str; 2] = [FINISHES, RECONCILES];

pub(crate) fn all() -> Vec<Property<SmallWorld>> {
    vec![
        Property::always(INTENT, |_, world: &World| {
            !world.wrong.contains(&Wrong::EffectWithoutIntent)
        }),
        Property::always(ONE_HAND, one_hand),
        Property::always(NO_OUTAGE, no_outage),
        Property::always(PLACED, placed),
        Property::always(NO_CLOBBER, |_, world: &World| {
            !world.wrong.contains(&Wrong::Clobbered)
        }),
        Property::always(NO_LOSS, no_loss),
        Property::always(MINTED, minted),
        Property::always(REVERSIBLE, |_, world: &World| {
            !world.wrong.contains(&Wrong::DeletedAlive)
        }),
        Property::always(NEARER, |_, world: &World| {
            !world.wrong.contains(&Wrong::NoNearer)
        }),
        Property::always(ENDS_WELL, ends_well),
        Property::sometimes(FINISHES, |model, world: &World| {
            let left = world.left;
            left.crashes + left.losses + left.takeovers + left.strangers == 0
                && decided(&model.setup, &world.journal).finished
        }),
        Property::sometimes(RECONCILES, |_, world: &World| {
            let removed = |flight: &Flight| matches!(flight.stage, Stage::Switched(_));
            world.flights.iter().any(removed)
        }),
    ]
}

/// What an executor without the lease has under way is no attempt any more, unless the
/// journal would take its outcome.
fn one_hand(model: &SmallWorld, world: &World) -> bool {
    let counts = |flight: &&Flight| {
        !model.step(flight.step).looks
            && (flight.hand == world.lease || model.flaw == Some(crate::moves::Flaw::Unfenced))
    };
    world.flights.iter().filter(counts).all(|flight| {
        let same = |other: &&Flight| other.step == flight.step;
        world.flights.iter().filter(counts).filter(same).count() == 1
    })
}

fn no_outage(model: &SmallWorld, world: &World) -> bool {
    let dead = |place: usize, value: u8| {
        let keys = &world.keys[model.setup.places[place].credential];
        keys.life(value).is_some_and(|life| life != Life::Alive)
    };
    let held = (0..)
        .zip(&world.places)
        .any(|(place, &value)| dead(place, value));
    let reads = model.setup.reads.iter().zip(&world.runs);
    let run = reads
        .into_iter()
        .any(|((_, place), &value)| dead(*place, value));
    !held && !run
}

fn placed(model: &SmallWorld, world: &World) -> bool {
    (0..).zip(&world.places).all(|(place, &value)| {
        let place: usize = place;
        let credential = model.setup.places[place].credential;
        match value {
            STRANGE => true,
            OLD => world.keys[credential].old == Life::Alive,
            new => chosen(&model.setup, world, credential) == Some(new),
        }
    })
}

fn no_loss(model: &SmallWorld, world: &World) -> bool {
    (0..).zip(&world.keys).all(|(credential, keys)| {
        let credential: usize = credential;
        let mint = world.entry(model.setup.mints[credential]);
        let open = matches!(mint.status, Status::Intended | Status::Unknown);
        let chosen = chosen(&model.setup, world, credential);
        (0..).zip(&keys.new).all(|(key, minted)| {
            minted.life == Life::Deleted
                || open && minted.attempt == mint.attempt
                || chosen == Some(crate::model::value_of(key))
        })
    })
}

fn minted(model: &SmallWorld, world: &World) -> bool {
    (0..).zip(&world.keys).all(|(credential, keys)| {
        let chosen = chosen(&model.setup, world, credential);
        chosen.is_none_or(|new| keys.life(new) == Some(Life::Alive))
    })
}

/// Nothing that can happen by itself is left: then every step is over, every old key is gone,
/// every place holds and every consumer runs with the new key that custody has, and no other
/// key lives. Where somebody else wrote into a place, a person is waited for instead.
fn ends_well(model: &SmallWorld, world: &World) -> bool {
    if !world.flights.is_empty() {
        return true;
    }
    let decision = decided(&model.setup, &world.journal);
    let mut moves = Vec::new();
    model.steady(world, &decision, &mut moves);
    if !moves.is_empty() {
        return true;
    }
    let intruded = world.left.strangers < model.budget.strangers;
    if decision.finished {
        is_true(model, world)
    } else {
        intruded
    }
}

fn is_true(model: &SmallWorld, world: &World) -> bool {
    let value = |place: usize| {
        let credential = model.setup.places[place].credential;
        chosen(&model.setup, world, credential)
    };
    let right = |place: usize, held: u8| held == STRANGE || Some(held) == value(place);
    let keys = |(credential, keys): (usize, &crate::world::Keys)| {
        let alive = (0u8..)
            .zip(&keys.new)
            .filter(|(_, key)| key.life != Life::Deleted);
        let alive: Vec<u8> = alive.map(|(key, _)| crate::model::value_of(key)).collect();
        keys.old == Life::Deleted
            && keys.kept
            && chosen(&model.setup, world, credential).is_some_and(|new| alive == [new])
    };
    (0..).zip(&world.keys).all(keys)
        && (0..)
            .zip(&world.places)
            .all(|(place, &held)| right(place, held))
        && model
            .setup
            .reads
            .iter()
            .zip(&world.runs)
            .all(|((_, place), &runs)| right(*place, runs))
}

/// How far the end is. Every move makes it less, so there is no way round in a circle, and
/// each way ends where nothing can happen.
pub(crate) fn rank(world: &World) -> u32 {
    let left = world.left;
    let mishaps = left.crashes + left.losses + left.takeovers + left.strangers;
    let quiet = (0u8..)
        .zip(&world.journal)
        .filter(|(step, _)| world.flight(world.lease, *step).is_none())
        .map(|(_, entry)| {
            let base = match entry.status {
                Status::Unknown => 42,
                Status::Intended => 40,
                Status::Failed => 22,
                Status::Untouched | Status::NotDone => 20,
                Status::Done | Status::Refused | Status::Stuck => 2,
            };
            base - u32::from(entry.aged)
        });
    let busy = world.flights.iter().map(|flight| {
        let base = match flight.stage {
            Stage::Sent => 19,
            Stage::Read => 18,
            Stage::Stale | Stage::Asked => 17,
            Stage::Made(_) | Stage::Listed(_) => 16,
            Stage::Switched(_) | Stage::Unsealed(_) => 15,
            Stage::Answer(_) => 12,
            Stage::Known(_) => 11,
        };
        base + if flight.reconcile { 20 } else { 0 }
    });
    10_000 * u32::from(mishaps) + quiet.chain(busy).sum::<u32>()
}
