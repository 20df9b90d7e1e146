//! Many schedules, on some threads.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::dice::Kind;
use crate::laws::{Law, Violation};
use crate::schedule::{Report, Setup, run};

/// How many schedules, and how.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub schedules: u64,
    /// On how many threads.
    pub threads: usize,
    /// For how long at most.
    pub most: Option<Duration>,
    /// Only violations of this law count.
    pub only: Option<Law>,
}

/// What came of them.
#[derive(Debug, Default, Clone)]
pub struct Figures {
    /// How many ran.
    pub schedules: u64,
    /// Those that broke a law.
    pub violations: Vec<(u64, Violation)>,
    /// How often each kind of fault struck.
    pub faults: BTreeMap<Kind, u64>,
    /// How often each law was checked.
    pub checks: BTreeMap<Law, u64>,
    /// How often what was seen.
    pub seen: BTreeMap<&'static str, u64>,
    /// Virtual time of all of them, in milliseconds.
    pub ms: u64,
}

impl Figures {
    fn add(&mut self, report: &Report, only: Option<Law>) {
        self.schedules += 1;
        self.ms += report.ms;
        for fault in &report.struck {
            *self.faults.entry(fault.kind).or_insert(0) += 1;
        }
        for (law, count) in &report.checks {
            *self.checks.entry(*law).or_insert(0) += count;
        }
        for (what, count) in &report.seen {
            *self.seen.entry(what).or_insert(0) += count;
        }
        if let Some(violation) = &report.violation
            && only.is_none_or(|law| law == violation.law)
        {
            self.violations.push((report.seed, violation.clone()));
        }
    }

    fn join(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.ms += other.ms;
        self.violations.extend(other.violations);
        for (kind, count) in other.faults {
            *self.faults.entry(kind).or_insert(0) += count;
        }
        for (law, count) in other.checks {
            *self.checks.entry(law).or_insert(0) += count;
        }
        for (what, count) in other.seen {
            *self.seen.entry(what).or_insert(0) += count;
        }
    }
}

/// Runs them; `progress` is told how many have run and how many broke a law, at times.
pub fn soak(order: &Order, progress: &(dyn Fn(u64, u64) + Sync)) -> Figures {
    let (next, broken) = (AtomicU64::new(0), AtomicU64::new(0));
    let enough = AtomicBool::new(false);
    let began = Instant::now();
    let all = Mutex::new(Figures::default());
    let work = || {
        let mut own = Figures::default();
        while !enough.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= order.schedules {
                break;
            }
            let report = run(&Setup::of(order.from + number));
            own.add(&report, order.only);
            if report.violation.is_some() {
                broken.fetch_add(1, Ordering::Relaxed);
            }
            if number % 256 == 0 {
                progress(number, broken.load(Ordering::Relaxed));
            }
            if order.most.is_some_and(|most| began.elapsed() > most) {
                enough.store(true, Ordering::Relaxed);
            }
        }
        if let Ok(mut all) = all.lock() {
            all.join(own);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..order.threads.max(1) {
            scope.spawn(work);
        }
    });
    let mut figures = all.into_inner().unwrap_or_default();
    figures.violations.sort_by_key(|(seed, _)| *seed);
    figures
}
