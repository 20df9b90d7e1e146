//! The acceptance test: the tool is killed, as `kill -9` does, at every failpoint that it has,
//! and resumed each time. Nothing is lost, no orphan stays, nothing is clobbered, no key is
//! revoked early, and no service has to do without.

mod support;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use relatch_contract::proxy::{Matching, WireFault};
use support::{Cloud, Company, Facts, Moment, Rotation, Setup, number, person, say};

/// Kills before the test is content; `RELATCH_KILLS` asks for more.
const KILLS: usize = 200;

/// Kills that are tried in one rotation.
const SHOTS: usize = 14;

const SIGKILL: i32 = 9;

/// How often each failpoint was passed.
type Passes = BTreeMap<String, usize>;

/// Where the tool is to be killed.
#[derive(Debug, Clone)]
enum Shot {
    /// At this pass of a failpoint.
    At(String, usize),
    /// At a moment that no failpoint names.
    Somewhen(Moment),
}

/// One rotation with its kills.
#[derive(Debug)]
struct Round {
    /// Whether answers to mints are lost, and services are ill on new values at first.
    troubled: bool,
    shots: Vec<Shot>,
}

/// What came of the rotations so far.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    torn: usize,
    rounds: usize,
    asked: u64,
    at: BTreeMap<String, BTreeSet<usize>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_failpoint_it_goes_on_and_harms_nothing() {
    let wanted = number("RELATCH_KILLS").map_or(KILLS, |n| usize::try_from(n).expect("small"));
    let seed = number("RELATCH_SEED").unwrap_or_else(rand::random);
    say!("seed {seed}: RELATCH_SEED={seed} draws the same kills");
    let mut random = StdRng::seed_from_u64(seed);
    let began = Instant::now();
    let cloud = Cloud::start().await;
    let (plain, troubled) = tokio::join!(passes(&cloud, false), passes(&cloud, true));
    say!(
        "passes {plain:?}, in trouble {troubled:?}, {:?}",
        began.elapsed()
    );
    let every: BTreeSet<&String> = plain.keys().chain(troubled.keys()).collect();
    assert_eq!(every, in_source().iter().collect(), "not all are passed");
    let queue = Mutex::new(at_the_last(&plain, &troubled));
    let tally = Mutex::new(Tally::default());
    let random = Mutex::new(&mut random);
    let next = || {
        let waiting = queue.lock().expect("lock").pop_front();
        waiting.or_else(|| {
            let enough = tally.lock().expect("lock").kills >= wanted;
            (!enough).then(|| drawn(&plain, &troubled, &mut random.lock().expect("lock")))
        })
    };
    let work = async || {
        while let Some(round) = next() {
            play(&cloud, round, &tally).await;
        }
    };
    // Rotations mostly wait, so that some go on at once.
    let half = async || tokio::join!(work(), work(), work(), work(), work(), work());
    tokio::join!(half(), half());
    let tally = tally.into_inner().expect("lock");
    let missed: Vec<_> = every
        .iter()
        .filter(|name| !tally.at.contains_key(**name))
        .collect();
    assert!(missed.is_empty(), "never killed at {missed:?}");
    assert!(tally.kills >= wanted, "too few kills: {tally:?}");
    assert!(tally.torn > 0, "not one kill came in the middle of a step");
    let Tally {
        kills,
        torn,
        rounds,
        asked,
        at,
    } = &tally;
    say!("{at:?}");
    say!(
        "kills {kills} over {} failpoints: {torn} in the act, {rounds} rotations, \
         {asked} requests of services, {:?}",
        at.len() - 1,
        began.elapsed()
    );
}

/// The names of all failpoints, as they stand in the source.
fn in_source() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/src");
    let mut names = BTreeSet::new();
    for file in support::files(&folder) {
        let text = std::fs::read_to_string(&file).expect("source");
        for (_, rest) in text
            .match_indices("pass(\"")
            .map(|(at, found)| text.split_at(at + found.len()))
        {
            names.insert(rest.split('"').next().expect("a name").to_string());
        }
    }
    names
}

/// An undisturbed rotation, to see what there is to kill at.
async fn passes(cloud: &Cloud, troubled: bool) -> Passes {
    let company = company(cloud, troubled).await;
    let log = company.folder.path().join("passes");
    let tool = company.tool().env("RELATCH_FAILPOINT_LOG", &log);
    let rotation = Rotation::open(&company, tool, "round").await;
    trouble(&rotation);
    rotation.finish().await;
    rotation.assert_clean().await;
    let mut passes = Passes::new();
    for name in std::fs::read_to_string(log).expect("passes").lines() {
        *passes.entry(name.to_string()).or_default() += 1;
    }
    passes
}

async fn company(cloud: &Cloud, troubled: bool) -> Company {
    let adopt_s = if troubled { 2 } else { 60 };
    let setup = Setup {
        adopt_s,
        ..Setup::LIVELY
    };
    let mut company = Company::found(cloud, setup).await;
    company.services.work();
    company
}

/// Loses the answers to the first mints, and lets the services be ill on new values, if the
/// company was founded for it.
fn trouble(rotation: &Rotation<'_>) {
    let company = rotation.company;
    if company.setup.adopt_s == 60 {
        return;
    }
    let minting = Matching::request("POST", "", "Action=CreateAccessKey");
    company.wire.script(minting, WireFault::ResetAfter, Some(1));
    let minting = Matching::request("POST", "/api_keys", "");
    company
        .openai_wire
        .script(minting, WireFault::ResetAfter, Some(1));
    company.sicken(&rotation.old);
}

/// For each failpoint a rotation that is killed at its last pass, and then at what is left.
fn at_the_last(plain: &Passes, troubled: &Passes) -> VecDeque<Round> {
    let once = |name: &str| Shot::At(name.to_string(), 1);
    let mut rounds = VecDeque::new();
    for (in_trouble, passes) in [(true, troubled), (false, plain)] {
        for (name, last) in passes {
            if in_trouble && plain.contains_key(name) {
                continue;
            }
            let shots = vec![
                Shot::At(name.clone(), *last),
                once(name),
                once("outcome/recorded"),
                once("lease/before-release"),
                once("lease/taken"),
            ];
            rounds.push_back(Round {
                troubled: in_trouble,
                shots,
            });
        }
    }
    rounds
}

/// A rotation with kills at first and other early passes of any failpoint, some at a moment
/// that none names.
fn drawn(plain: &Passes, troubled: &Passes, random: &mut StdRng) -> Round {
    let in_trouble = random.random_ratio(1, 3);
    let passes = if in_trouble { troubled } else { plain };
    let names: Vec<&String> = passes.keys().collect();
    let shot = |_| {
        if random.random_ratio(1, 6) {
            let after = Duration::from_millis(random.random_range(100..2000));
            return Shot::Somewhen(Moment::After(after));
        }
        let name = *names.choose(random).expect("names");
        let n = if random.random() {
            1
        } else {
            random.random_range(1..=passes[name].min(5))
        };
        Shot::At(name.clone(), n)
    };
    Round {
        troubled: in_trouble,
        shots: (0..SHOTS).map(shot).collect(),
    }
}

/// Plays one round, and sees that everything is as it must be.
async fn play(cloud: &Cloud, round: Round, tally: &Mutex<Tally>) {
    let began = Instant::now();
    let company = company(cloud, round.troubled).await;
    let rotation = Rotation::open(&company, company.tool(), "round").await;
    trouble(&rotation);
    let journal = rotation.folder().join("journal.db");
    let (mut kills, mut torn) = (Vec::new(), 0);
    for shot in &round.shots {
        match shoot(&rotation, shot).await {
            Some(true) => {
                kills.push(shot);
                torn += usize::from(Facts::in_file(&journal).is_torn());
            }
            Some(false) => {}
            None => break,
        }
    }
    rotation.finish().await;
    rotation.assert_clean().await;
    let asked = company.assert_served();
    company.services.assert_run_with(&company.values().await);
    let mut tally = tally.lock().expect("lock");
    tally.kills += kills.len();
    tally.torn += torn;
    tally.rounds += 1;
    tally.asked += asked;
    for shot in &kills {
        let (name, n) = match shot {
            Shot::At(name, n) => (name.as_str(), *n),
            Shot::Somewhen(_) => ("at any moment", 0),
        };
        tally.at.entry(name.to_string()).or_default().insert(n);
    }
    say!(
        "{} kills in {:?}, {} in all",
        kills.len(),
        began.elapsed(),
        tally.kills
    );
}

/// One run of the tool: whether it was killed; `None` when it came to the end of the plan.
async fn shoot(rotation: &Rotation<'_>, shot: &Shot) -> Option<bool> {
    const APPLY: &str = "apply --yes --steps";
    let ran = match shot {
        Shot::Somewhen(moment) => match rotation.tool.run_killed(APPLY, *moment).await {
            Some(ran) => ran,
            None => return Some(true),
        },
        Shot::At(name, n) => {
            let armed = rotation.tool.clone();
            armed
                .env("RELATCH_FAILPOINT", format!("{name}:{n}"))
                .run(APPLY)
                .await
        }
    };
    if ran.signal == Some(SIGKILL) {
        return Some(true);
    }
    if ran.code == Some(0) {
        return None;
    }
    person(rotation, &ran).await;
    Some(false)
}
