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

/// Kills that come of one rotation at the least, mostly.
const A_ROUND: usize = 2;

const SIGKILL: i32 = 9;

/// What is passed in trouble only begins so.
const RARE: [&str; 4] = ["orphan/", "reconcile/", "remove/", "undo/"];

/// In the tally: at a moment that no failpoint names.
const ANY: &str = "at any moment";

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
    under_way: usize,
    asked: u64,
    at: BTreeMap<String, BTreeSet<usize>>,
}

/// All rotations of the test.
struct Campaign {
    cloud: Cloud,
    wanted: usize,
    began: Instant,
    random: Mutex<StdRng>,
    /// What there is to kill at, without trouble and with it; known after a rotation of each.
    passes: Mutex<BTreeMap<bool, Passes>>,
    waiting: Mutex<VecDeque<Round>>,
    tally: Mutex<Tally>,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_failpoint_it_goes_on_and_harms_nothing() {
    let wanted = number("RELATCH_KILLS").map_or(KILLS, |n| usize::try_from(n).expect("small"));
    let seed = number("RELATCH_SEED").unwrap_or_else(rand::random);
    say!("seed {seed}: RELATCH_SEED={seed} draws the same kills");
    let campaign = Campaign {
        cloud: Cloud::start().await,
        wanted,
        began: Instant::now(),
        random: Mutex::new(StdRng::seed_from_u64(seed)),
        passes: Mutex::default(),
        waiting: Mutex::default(),
        tally: Mutex::default(),
    };
    let troubled = async {
        campaign.explore(true).await;
        campaign.work().await;
    };
    let plain = async {
        campaign.explore(false).await;
        let four = async || {
            let work = || campaign.work();
            tokio::join!(work(), work(), work(), work())
        };
        // Rotations mostly wait, so that some go on at once.
        tokio::join!(four(), four(), four());
    };
    tokio::join!(plain, troubled);
    campaign.end();
}

impl Campaign {
    /// An undisturbed rotation, and then what is to be killed at the last pass of each.
    async fn explore(&self, troubled: bool) {
        let passes = Box::pin(passes(&self.cloud, troubled)).await;
        say!("passes, in trouble {troubled}: {passes:?}");
        let rounds = at_the_last(troubled, &passes);
        self.waiting.lock().expect("lock").extend(rounds);
        self.passes.lock().expect("lock").insert(troubled, passes);
    }

    async fn work(&self) {
        while !self.is_over() {
            match self.next() {
                // Boxed, for there are many at once.
                Some(round) => Box::pin(play(&self.cloud, round, &self.tally)).await,
                // Whether more are needed shows when others are over.
                None => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    fn is_over(&self) -> bool {
        let explored = self.passes.lock().expect("lock").len() == 2;
        let tally = self.tally.lock().expect("lock");
        let waiting = self.waiting.lock().expect("lock");
        explored && waiting.is_empty() && tally.kills + tally.under_way * A_ROUND >= self.wanted
    }

    fn next(&self) -> Option<Round> {
        let waiting = self.waiting.lock().expect("lock").pop_front();
        let next = waiting.or_else(|| {
            let tally = self.tally.lock().expect("lock");
            let enough = tally.kills + tally.under_way * A_ROUND >= self.wanted;
            let passes = self.passes.lock().expect("lock");
            (!enough).then(|| drawn(&passes, &mut self.random.lock().expect("lock")))
        });
        self.tally.lock().expect("lock").under_way += usize::from(next.is_some());
        next
    }

    /// There were enough kills, at every failpoint that there is.
    fn end(&self) {
        let tally = self.tally.lock().expect("lock");
        let missed: Vec<String> = in_source()
            .into_iter()
            .filter(|name| !tally.at.contains_key(name))
            .collect();
        assert!(missed.is_empty(), "never killed at {missed:?}");
        assert!(tally.kills >= self.wanted, "too few kills: {tally:?}");
        assert!(tally.torn > 0, "not one kill came in the middle of a step");
        say!("{:?}", tally.at);
        say!(
            "kills {} over {} failpoints: {} in the act, {} rotations, {} requests of \
             services, none failed, {:?}",
            tally.kills,
            tally.at.keys().filter(|name| *name != ANY).count(),
            tally.torn,
            tally.rounds,
            tally.asked,
            self.began.elapsed()
        );
    }
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
/// In trouble, only for those that nothing else leads to.
fn at_the_last(troubled: bool, passes: &Passes) -> Vec<Round> {
    let rare = |name: &str| RARE.iter().any(|start| name.starts_with(start));
    let once = |name: &str| Shot::At(name.to_string(), 1);
    let chosen = passes.iter().filter(|(name, _)| rare(name) == troubled);
    let round = |(name, last): (&String, &usize)| Round {
        troubled,
        shots: vec![
            Shot::At(name.clone(), *last),
            once(name),
            once("outcome/recorded"),
            once("lease/before-release"),
            once("lease/taken"),
        ],
    };
    chosen.map(round).collect()
}

/// A rotation with kills at first and other early passes of any failpoint, some at a moment
/// that none names.
fn drawn(known: &BTreeMap<bool, Passes>, random: &mut StdRng) -> Round {
    let drawn = random.random_ratio(1, 4);
    let (&in_trouble, passes) = known
        .get_key_value(&drawn)
        .or_else(|| known.first_key_value())
        .expect("one is known");
    // The end of a run is the end of the round.
    let early = |name: &&String| *name != "lease/before-release";
    let names: Vec<&String> = passes.keys().filter(early).collect();
    let shot = |_| {
        if random.random_ratio(1, 6) {
            let after = Duration::from_millis(random.random_range(100..2000));
            return Shot::Somewhen(Moment::After(after));
        }
        let name = *names.choose(random).expect("names");
        let most = if random.random_ratio(1, 5) { 5 } else { 1 };
        let n = random.random_range(1..=passes[name].min(most));
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
    tally.under_way -= 1;
    tally.asked += asked;
    for shot in &kills {
        let (name, n) = match shot {
            Shot::At(name, n) => (name.as_str(), *n),
            Shot::Somewhen(_) => (ANY, 0),
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
