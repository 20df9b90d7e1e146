//! A PostgreSQL server that is killed in the midst of appends.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use relatch_case::postgres::{PostgresConfig, PostgresJournal};
use relatch_case::{CaseId, Journal, JournalError, Record};
use support::server::Server;
use support::{all, draft, remark};

fn open(address: &str) -> PostgresJournal {
    let config = PostgresConfig::parse(address)
        .expect("address")
        .with_limit(Duration::from_secs(10));
    PostgresJournal::open(config, &CaseId::from("case-1")).expect("open")
}

/// Appends one fact after the other, each again until it is acknowledged; how often the
/// server was not there.
fn write(mut journal: PostgresJournal, stop: &AtomicBool) -> (Vec<Record>, usize) {
    let (mut acknowledged, mut failed) = (Vec::new(), 0);
    while !stop.load(Ordering::SeqCst) {
        let expected = acknowledged.len() as u64;
        match journal.append(expected, None, vec![draft(&expected.to_string())]) {
            Ok(records) => acknowledged.extend(records),
            Err(JournalError::Store { .. }) => {
                failed += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            // Nobody else writes: it would be ours, written without our knowing.
            Err(error) => panic!("{error:?}"),
        }
    }
    (acknowledged, failed)
}

#[test]
fn a_killed_server_loses_nothing_acknowledged_and_doubles_nothing() {
    let server = Server::start();
    server
        .sql("postgres", "CREATE DATABASE crash")
        .expect("database");
    let address = server.address("crash");
    let stop = AtomicBool::new(false);
    let (acknowledged, failed) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(open(&address), &stop));
        for round in 0..5 {
            std::thread::sleep(Duration::from_millis(300 + round * 37));
            server.kill();
            std::thread::sleep(Duration::from_millis(round * 120));
            server.run_again();
        }
        std::thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::SeqCst);
        writer.join().expect("the writer goes on by itself")
    });
    assert!(acknowledged.len() > 50, "only {}", acknowledged.len());
    assert!(failed > 0, "the server was always there");
    let read = all(&open(&address)).expect("the chain holds");
    assert_eq!(read.len(), acknowledged.len());
    assert!(read == acknowledged, "not what was acknowledged");
    let remarks: std::collections::BTreeSet<_> = read.iter().map(remark).collect();
    assert_eq!(remarks.len(), read.len(), "doubled");
}
