//! A few hundred schedules, and that each is a function of its seed.

use relatch_simulation::dice::Kind;
use relatch_simulation::shrink::replay_line;
use relatch_simulation::soak::{Order, soak};
use relatch_simulation::{Setup, run};

#[test]
fn no_law_is_broken() {
    let order = Order {
        from: 1,
        schedules: 300,
        threads: 2,
        most: None,
        only: None,
    };
    let figures = soak(&order, &|_, _| {});
    assert_eq!(
        figures.violations,
        [],
        "replay with relatch-soak --replay SEED"
    );
    assert_eq!(figures.schedules, 300);
    let never: Vec<&str> = Kind::ALL
        .iter()
        .filter(|kind| !figures.faults.contains_key(kind))
        .map(|kind| kind.name())
        .collect();
    assert!(never.is_empty(), "never struck: {never:?}");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 1..40 {
        let (once, twice) = (run(&Setup::of(seed)), run(&Setup::of(seed)));
        assert_eq!((once.hash, once.ms), (twice.hash, twice.ms), "seed {seed}");
        assert_eq!(once.struck, twice.struck, "seed {seed}");
    }
}

#[test]
fn without_faults_nothing_strikes() {
    let mut setup = Setup::of(7);
    setup.muted.kinds = Kind::ALL.iter().copied().collect();
    let report = run(&setup);
    assert!(report.struck.is_empty());
    assert!(report.violation.is_none());
    assert!(replay_line(&setup).contains("--without"));
}
