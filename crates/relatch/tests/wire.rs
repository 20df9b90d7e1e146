//! A hundred rotations over a wire that fails: between the tool and the cloud, and between
//! the tool and the issuer. A person runs `apply` again and sends stuck steps back to work;
//! the services under load never notice.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use relatch_contract::proxy::{Proxy, Random, WireFault};
use support::{Cloud, Company, Facts, Rotation, Setup, number, person, say};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Rotations; `RELATCH_RUNS` asks for more.
const RUNS: u64 = 100;

/// Rotations at once: they mostly wait.
const AT_ONCE: usize = 26;

/// Emulators among which the companies are divided.
const CLOUDS: usize = 2;

/// How many of a thousand requests fail.
const PER_MILLE: u16 = 80;

/// How often a person runs `apply` again before it is called endless.
const PATIENCE: u32 = 60;

/// What came of one or more rotations.
#[derive(Debug, Default)]
struct Tally {
    runs: u64,
    faults: BTreeMap<&'static str, u64>,
    requests: usize,
    applies: u32,
    retried: BTreeSet<String>,
    asked: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_rotations_over_a_faulty_wire_harm_nothing() {
    let runs = number("RELATCH_RUNS").unwrap_or(RUNS);
    let seed = number("RELATCH_SEED").unwrap_or_else(rand::random);
    say!("seed {seed}: RELATCH_SEED={seed} draws the same faults");
    let began = Instant::now();
    let mut clouds = Vec::new();
    for _ in 0..CLOUDS {
        clouds.push(Cloud::start().await);
    }
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for (run, cloud) in (0..runs).zip(clouds.iter().cycle()) {
        let (room, cloud) = (Arc::clone(&room), cloud.clone());
        under_way.spawn(async move {
            let _place = room.acquire_owned().await.expect("open");
            rotate(&cloud, seed.wrapping_add(run * 2)).await
        });
    }
    let mut all = Tally::default();
    while let Some(one) = under_way.join_next().await {
        all.add(one.expect("no panic"));
    }
    let faults: u64 = all.faults.values().sum();
    assert!(faults > runs * 3, "few faults: {all:?}");
    assert!(all.faults.len() > 6, "few kinds: {all:?}");
    say!("retried by a person: {:?}", all.retried);
    say!(
        "runs {runs} faults {faults} by kind {:?} in {} requests; {} applies, {} requests of \
         services, none failed, {:?}",
        all.faults,
        all.requests,
        all.applies,
        all.asked,
        began.elapsed()
    );
}

impl Tally {
    fn add(&mut self, one: Self) {
        for (kind, count) in one.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.runs += one.runs;
        self.requests += one.requests;
        self.applies += one.applies;
        self.retried.extend(one.retried);
        self.asked += one.asked;
        if self.runs.is_multiple_of(10) {
            say!(
                "{} runs, {} faults",
                self.runs,
                self.faults.values().sum::<u64>()
            );
        }
    }
}

/// What happens to a request. Waiting for a client to give up takes long and is drawn less
/// often than the others.
fn faults() -> Vec<WireFault> {
    let answer = |status| WireFault::Status(status, "<html>something in between</html>".into());
    let quick = [
        WireFault::Latency(Duration::from_millis(300)),
        answer(429),
        answer(500),
        answer(503),
        WireFault::ResetBefore,
        WireFault::StatusAfter(500),
        WireFault::StatusAfter(503),
        WireFault::ResetAfter,
        WireFault::TruncatedBody,
        WireFault::Garbage,
    ];
    let mut faults = [quick.clone(), quick.clone(), quick].concat();
    faults.push(WireFault::HangAfter);
    faults
}

/// One rotation from its start to its certificate.
async fn rotate(cloud: &Cloud, seed: u64) -> Tally {
    let mut company = Company::found(cloud, Setup::SMALL).await;
    company.services.work();
    let rotation = Rotation::open(&company, company.tool(), "wire").await;
    let wires = [&company.wire, &company.openai_wire];
    for (wire, at) in wires.into_iter().zip(0..) {
        wire.forget();
        wire.randomly(Random {
            seed: seed.wrapping_add(at),
            per_mille: PER_MILLE,
            faults: faults(),
        });
    }
    let mut tally = Tally {
        runs: 1,
        ..Tally::default()
    };
    apply(&rotation, &mut tally, seed).await;
    for wire in wires {
        tally.take(wire);
        wire.calm();
    }
    company.services.assert_run_with(&company.values().await);
    assert_eq!(
        Facts::of(&rotation.tool).await.mints(),
        company.credentials()
    );
    rotation.assert_clean().await;
    tally.asked = company.assert_served();
    tally
}

/// Runs `apply` until the plan is carried out, as a person would.
async fn apply(rotation: &Rotation<'_>, tally: &mut Tally, seed: u64) {
    loop {
        let ran = rotation.tool.run("apply --yes --steps").await;
        tally.applies += 1;
        if ran.code == Some(0) {
            return;
        }
        assert!(tally.applies < PATIENCE, "seed {seed}: no end\n{ran}");
        tally.retried.extend(person(rotation, &ran).await);
    }
}

impl Tally {
    fn take(&mut self, wire: &Proxy) {
        for (kind, count) in wire.injected() {
            *self.faults.entry(kind).or_default() += count;
        }
        self.requests += wire.seen().len();
    }
}
