//! The contract tests: each takes a new store.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use relatch_case::chain::{self, ChainError};
use relatch_case::{JournalError, State};

use super::{Store, all, draft, now, processes, remark, step};

pub(crate) fn facts_come_back_as_written_and_the_chain_holds(store: &Store) {
    let mut journal = store.open();
    assert_eq!(all(&*journal).expect("empty"), []);
    let lease = journal.acquire("me", now(), 30).expect("lease");
    let written = journal
        .append(0, Some(&lease), vec![draft("a"), draft("b"), step("s")])
        .expect("append");
    let nothing = journal.append(3, None, vec![]).expect("nothing to do");
    assert_eq!(nothing, []);
    let reopened = store.open();
    assert_eq!(all(&*reopened).expect("read"), written);
    chain::verify(&written).expect("chain");
    assert_eq!(reopened.head().expect("head").seq, 3);
    assert_eq!(reopened.head().expect("head").hash, written[2].hash);
    assert_eq!(reopened.read_after(1, 9).expect("tail"), written[1..]);
    assert_eq!(reopened.read_after(1, 1).expect("one"), written[1..2]);
    assert_eq!(reopened.read_after(3, 9).expect("none"), []);
    assert_eq!(reopened.read_after(0, usize::MAX).expect("all"), written);
    assert_eq!(State::fold(&written).blind_spots.len(), 2);
}

pub(crate) fn a_long_journal_comes_in_batches_and_in_order(store: &Store) {
    let mut journal = store.open();
    let (mut written, total) = (Vec::new(), 21_003);
    while written.len() < total {
        let next = (written.len() + 7_001).min(total);
        let drafts = (written.len()..next).map(|n| draft(&n.to_string()));
        let seq = written.len() as u64;
        written.extend(journal.append(seq, None, drafts.collect()).expect("append"));
    }
    assert!(all(&*journal).expect("read") == written, "another order");
    let mut tail = Vec::new();
    journal
        .for_each_after(10_500, &mut |record| tail.push(record.clone()))
        .expect("tail");
    assert!(tail == written[10_500..], "another tail");
    // What comes before the harm was sound and was given.
    (store.tamper)("UPDATE facts SET fact = replace(fact, '20500', '20501') WHERE seq = 20501");
    let mut given = 0;
    let error = store
        .open()
        .for_each_after(0, &mut |_| given += 1)
        .expect_err("found");
    assert!(given <= 20_500);
    assert!(matches!(
        error,
        JournalError::Chain(ChainError::Altered { seq: 20_501 })
    ));
}

pub(crate) fn two_appends_on_one_number_never_both_succeed(store: &Store) {
    let (mut one, mut two) = (store.open(), store.open());
    one.append(0, None, vec![draft("a")]).expect("first");
    let refused = two.append(0, None, vec![draft("b")]);
    assert!(matches!(
        refused,
        Err(JournalError::Moved {
            expected: 0,
            found: 1
        })
    ));
    let ahead = two.append(2, None, vec![draft("b")]);
    assert!(matches!(
        ahead,
        Err(JournalError::Moved {
            expected: 2,
            found: 1
        })
    ));
    assert_eq!(two.head().expect("head").seq, 1);
}

pub(crate) fn eight_at_once_lose_nothing_and_double_nothing(store: &Store) {
    const EACH: usize = 12;
    let wins: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| scope.spawn(move || append_all(store, n, EACH)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    });
    assert_eq!(wins, 1, "appends on number 0 that succeeded");
    let records = all(&*store.open()).expect("the chain holds");
    let remarks: BTreeSet<&str> = records.iter().map(remark).collect();
    assert_eq!(remarks.len(), 8 * EACH, "lost");
    assert_eq!(records.len(), 8 * EACH, "doubled");
}

/// Appends `each` facts, catching up when others were faster; how often on number 0.
fn append_all(store: &Store, thread: usize, each: usize) -> usize {
    let mut journal = store.open();
    let (mut expected, mut wins) = (0, 0);
    for n in 0..each {
        loop {
            match journal.append(expected, None, vec![draft(&format!("{thread}-{n}"))]) {
                Ok(records) => {
                    wins += usize::from(expected == 0);
                    expected = records[0].seq;
                    break;
                }
                Err(JournalError::Moved { found, .. }) => expected = found,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    wins
}

pub(crate) fn a_step_fact_needs_the_lease_in_force(store: &Store) {
    let mut journal = store.open();
    assert!(matches!(
        journal.append(0, None, vec![step("s")]),
        Err(JournalError::NoLease)
    ));
    let old = journal.acquire("one", now(), 30).expect("lease");
    assert_eq!(old.lapsed, None);
    let held = journal.acquire("two", now(), 30).expect_err("held");
    assert!(
        matches!(&held, JournalError::Held { holder, until }
            if holder == "one" && *until == now() + SignedDuration::from_secs(30)),
        "{held:?}"
    );
    journal.renew(&old, now(), 60).expect("ours");
    journal.must_hold(&old).expect("ours");
    let soon = now() + SignedDuration::from_secs(31);
    assert!(matches!(
        journal.acquire("two", soon, 30),
        Err(JournalError::Held { .. })
    ));
    let later = now() + SignedDuration::from_secs(61);
    let new = store.open().acquire("two", later, 30).expect("expired");
    assert_eq!(new.lapsed.as_deref(), Some("one"));
    journal.must_hold(&new).expect("the new one counts");
    assert!(matches!(
        journal.must_hold(&old),
        Err(JournalError::Fenced {
            ours: 1,
            current: 2
        })
    ));
    assert!(matches!(
        journal.append(0, Some(&old), vec![step("s")]),
        Err(JournalError::Fenced {
            ours: 1,
            current: 2
        })
    ));
    assert!(matches!(
        journal.renew(&old, later, 30),
        Err(JournalError::Fenced { .. })
    ));
    journal.release(&old).expect("left alone");
    assert!(matches!(
        journal.acquire("one", later, 30),
        Err(JournalError::Held { .. })
    ));
    journal
        .append(0, Some(&new), vec![step("s")])
        .expect("append");
    journal.release(&new).expect("release");
    let again = journal.acquire("one", later, 30).expect("free again");
    assert_eq!(again.lapsed, None);
    assert!(again.fence > new.fence);
}

pub(crate) fn the_lease_is_nobodys_twice_not_even_its_holders(store: &Store) {
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| store.open().acquire("root (process 1)", now(), 30).is_ok()))
            .collect();
        threads
            .into_iter()
            .map(|thread| usize::from(thread.join().expect("no panic")))
            .sum()
    });
    assert_eq!(taken, 1);
}

pub(crate) fn what_was_recorded_is_not_changed_by_sql(store: &Store) {
    let mut journal = store.open();
    let written = journal
        .append(0, None, vec![draft("a"), draft("b")])
        .expect("append");
    for sql in [
        "UPDATE facts SET by = 'x' WHERE seq = 1",
        "DELETE FROM facts WHERE seq = 2",
        "DELETE FROM facts",
        "UPDATE head SET seq = 1",
        "DELETE FROM head",
    ] {
        assert!(!(store.try_sql)(sql), "let through: {sql}");
    }
    assert_eq!(all(&*store.open()).expect("read"), written);
}

/// Every kind of harm is found, explained, still there the next time, and not added to.
pub(crate) fn harm_is_found_and_explained_and_never_repaired(make: &dyn Fn() -> Store) {
    let cases: [(&str, u64, &str); 9] = [
        ("UPDATE facts SET by = 'x' WHERE seq = 2", 2, "altered"),
        (
            "UPDATE facts SET at = '2026-11-21T03:00:01Z' WHERE seq = 1",
            1,
            "altered",
        ),
        // The same time and the same fact, spelled otherwise.
        (
            "UPDATE facts SET at = '2026-11-21T03:00:00.0Z' WHERE seq = 1",
            1,
            "altered",
        ),
        (
            "UPDATE facts SET fact = replace(fact, ',', ', ') WHERE seq = 3",
            3,
            "altered",
        ),
        ("UPDATE facts SET hash = prev WHERE seq = 1", 1, "altered"),
        (
            "UPDATE facts SET prev = hash WHERE seq = 2",
            2,
            "does not follow",
        ),
        ("DELETE FROM facts WHERE seq = 2", 2, "missing"),
        (
            "DELETE FROM facts WHERE seq > 2",
            2,
            "the facts after 2 are missing",
        ),
        ("DELETE FROM facts", 0, "the facts after 0 are missing"),
    ];
    for (sql, seq, why) in cases {
        let store = make();
        let drafts = vec![draft("a"), draft("b"), draft("c"), draft("d")];
        store.open().append(0, None, drafts).expect("append");
        (store.tamper)(sql);
        for _ in 0..2 {
            let error = all(&*store.open()).expect_err(sql);
            let JournalError::Chain(broken) = &error else {
                panic!("{sql}: {error:?}");
            };
            let text = broken.to_string();
            assert!(
                text.contains(why) && text.contains(&seq.to_string()),
                "{sql}: {text}"
            );
        }
        if sql.starts_with("DELETE") && seq != 2 || why.contains("after") {
            let error = store
                .open()
                .append(seq, None, vec![draft("e")])
                .expect_err(sql);
            assert!(matches!(error, JournalError::Chain(_)), "{sql}: {error:?}");
        }
    }
}

/// A fact with a name that this version does not know is refused, not read as if it had none.
pub(crate) fn a_fact_that_says_more_is_not_read_in_part(make: &dyn Fn() -> Store) {
    let texts = [
        r#"{"kind":"case_closed","newly":1,"remark":"r"}"#,
        r#"{"kind":"measured_by_tomorrows_version"}"#,
        r#"{"attempt":1,"baseline":null,"kind":"step_intended","newly":1,"step":"s"}"#,
        r#"{"attempt":1,"kind":"step_ended","outcome":{"fault":{"detail":"d","kind":"denied","newly":1},"outcome":"failed"},"step":"s"}"#,
        r#"{"attempt":1,"kind":"step_ended","outcome":{"outcome":"done","result":{"newly":{}}},"step":"s"}"#,
    ];
    for text in texts {
        let store = make();
        store
            .open()
            .append(0, None, vec![draft("a")])
            .expect("append");
        let (at, by, prev) = ("2026-11-21T03:00:00Z", "b", chain::GENESIS);
        let whole = format!(r#"{{"at":"{at}","by":"{by}","fact":{text},"prev":"{prev}","seq":1}}"#);
        let hash = chain::sha256_hex(whole.as_bytes());
        (store.tamper)(&format!(
            "UPDATE facts SET by = '{by}', fact = '{text}', hash = '{hash}'"
        ));
        (store.tamper)(&format!("UPDATE head SET hash = '{hash}'"));
        let error = all(&*store.open()).expect_err(text);
        assert!(
            matches!(error, JournalError::Unreadable { seq: 1, .. }),
            "{text}: {error:?}"
        );
    }
}

pub(crate) fn a_newer_schema_is_refused(store: &Store) {
    drop(store.open());
    (store.make_newer)();
    let refused = (store.open)().err();
    assert!(
        matches!(refused, Some(JournalError::Newer { found: 99, .. })),
        "{refused:?}"
    );
}

pub(crate) fn processes_that_make_it_at_once_all_get_it(store: &Store) {
    processes::open_at_once(&store.address, 4);
    assert_eq!(all(&*store.open()).expect("read").len(), 4);
}

/// Over and over: a whole number of appends is there, none that was acknowledged is missing,
/// the chain holds.
pub(crate) fn a_killed_writer_leaves_whole_facts_and_loses_none(store: &Store) {
    for round in 0..8u64 {
        let acknowledged = processes::write_until_killed(&store.address, 3 + round * 7 % 23);
        assert!(acknowledged > 0, "round {round}: the writer never wrote");
        let records = all(&*store.open()).expect("the chain holds");
        assert!(
            records.len() as u64 >= acknowledged,
            "round {round} lost a fact"
        );
        let last = remark(records.last().expect("some"));
        assert!(
            last.ends_with("-last"),
            "round {round} left half an append: {last}"
        );
    }
}
