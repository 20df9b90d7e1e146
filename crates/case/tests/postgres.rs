//! The journals in PostgreSQL: the contract on a real server, and what only a network can do.

mod support;

use std::time::{Duration, Instant};

use relatch_case::postgres::{PostgresConfig, PostgresJournal};
use relatch_case::{CaseId, Journal, JournalError};
use relatch_secret::Secret;
use support::proxy::{Loss, Proxy};
use support::server::{self, PASSWORD, Server};
use support::{Store, all, draft, now, step, told};

include!("support/suite.rs");

fn store() -> Store {
    server::shared().store()
}

fn open(address: &str) -> Box<dyn Journal> {
    Box::new(journal(address, "case-1"))
}

fn journal(address: &str, case: &str) -> PostgresJournal {
    let config = PostgresConfig::parse(address).expect("address");
    PostgresJournal::open(config, &CaseId::from(case)).expect("open")
}

#[test]
fn cases_are_apart_and_can_be_listed() {
    let store = store();
    let (mut a, mut b) = (
        journal(&store.address, "b"),
        journal(&store.address, "A'; --"),
    );
    drop(journal(&store.address, "empty"));
    let lease = a.acquire("me", now(), 30).expect("lease");
    b.acquire("you", now(), 30)
        .expect("another case, another lease");
    a.append(0, Some(&lease), vec![step("s"), draft("a")])
        .expect("a");
    b.append(0, None, vec![draft("b")]).expect("b");
    assert_eq!(all(&a).expect("read").len(), 2);
    assert_eq!(all(&b).expect("read").len(), 1);
    let config = PostgresConfig::parse(&store.address).expect("address");
    let cases = PostgresJournal::cases(config).expect("list");
    assert_eq!(cases, [CaseId::from("A'; --"), CaseId::from("b")]);
}

#[test]
fn it_may_be_used_within_an_async_runtime() {
    let store = store();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    let read = runtime.block_on(async {
        let mut journal = store.open();
        journal.append(0, None, vec![draft("a")]).expect("append");
        tokio::spawn(async move { all(&*journal).expect("read").len() }).await
    });
    assert_eq!(read.expect("no panic"), 1);
}

/// Somebody who goes round the journal, and has the numbers on their side.
#[test]
fn the_table_itself_takes_no_number_twice() {
    let store = store();
    let mut journal = store.open();
    journal.append(0, None, vec![draft("a")]).expect("append");
    let again = "INSERT INTO facts SELECT case_id, seq, at, by, prev, 'other', fact FROM facts";
    assert!(!(store.try_sql)(again));
    assert!(!(store.try_sql)("TRUNCATE facts"));
    assert!(!(store.try_sql)("TRUNCATE head"));
    let beyond = "INSERT INTO facts SELECT case_id, 2, at, by, hash, 'other', fact FROM facts";
    assert!((store.try_sql)(beyond));
    let error = journal
        .append(1, None, vec![draft("b")])
        .expect_err("found");
    assert!(matches!(error, JournalError::Chain(_)), "{error:?}");
}

#[test]
fn tables_of_somebody_else_are_left_alone() {
    let store = store();
    assert!((store.try_sql)("CREATE TABLE lease (theirs TEXT)"));
    for _ in 0..2 {
        let error = (store.open)().err().expect("in the way");
        assert!(matches!(error, JournalError::Store { .. }));
        assert!(told(&error).contains("already exists"), "{}", told(&error));
    }
    // Nothing of ours was left half made.
    assert!((store.try_sql)("CREATE TABLE facts (theirs TEXT)"));
    assert!((store.try_sql)("CREATE TABLE relatch_schema (theirs TEXT)"));
}

fn through(proxy: &Proxy, store: &Store, limit: u64) -> PostgresJournal {
    let database = store.address.rsplit('/').next().expect("database");
    let address = Server::address_through(proxy.port, database);
    let config = PostgresConfig::parse(&address)
        .expect("address")
        .with_limit(Duration::from_secs(limit));
    PostgresJournal::open(config, &"case-1".into()).expect("open")
}

/// The commit happened or did not, and nobody said which: it is found out, and every fact is
/// there exactly once.
#[test]
fn an_append_whose_answer_is_lost_is_there_once() {
    for loss in [Loss::Answer, Loss::Commit, Loss::CommitUnseen] {
        let store = store();
        let proxy = Proxy::to(server::shared().port);
        let mut journal = through(&proxy, &store, 6);
        let first = journal.append(0, None, vec![draft("a")]).expect("whole");
        proxy.lose(loss);
        let second = journal
            .append(1, None, vec![draft("b"), draft("c")])
            .unwrap_or_else(|error| panic!("{loss:?}: {error:?}"));
        assert!(proxy.has_lost(), "{loss:?} did not happen");
        let third = journal.append(3, None, vec![draft("d")]).expect("goes on");
        let written = [first, second, third].concat();
        assert_eq!(all(&*store.open()).expect("read"), written, "{loss:?}");
    }
}

/// The answer is lost and another was faster: theirs stands, ours is not added after it.
#[test]
fn a_lost_append_does_not_come_after_somebody_elses() {
    let store = store();
    let proxy = Proxy::to(server::shared().port);
    let mut journal = through(&proxy, &store, 6);
    proxy.lose(Loss::CommitUnseen);
    let mut other = store.open();
    std::thread::scope(|scope| {
        let ours = scope.spawn(|| journal.append(0, None, vec![draft("ours")]));
        while !proxy.has_lost() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let theirs = other.append(0, None, vec![draft("theirs")]);
        let ours = ours.join().expect("no panic");
        let both = (ours.is_ok(), theirs.is_ok());
        assert!(matches!(both, (true, false) | (false, true)), "{both:?}");
    });
    assert_eq!(all(&*store.open()).expect("read").len(), 1);
}

/// Whether a lease whose answer was lost is ours cannot be told from its row, so it is not
/// taken for ours; it runs out.
#[test]
fn a_lease_whose_answer_is_lost_is_not_taken_for_ours() {
    let store = store();
    let proxy = Proxy::to(server::shared().port);
    let mut journal = through(&proxy, &store, 6);
    proxy.lose(Loss::Answer);
    let lost = journal.acquire("me", now(), 30);
    assert!(matches!(lost, Err(JournalError::Store { .. })), "{lost:?}");
    let held = journal.acquire("me", now(), 30);
    assert!(matches!(held, Err(JournalError::Held { .. })), "{held:?}");
    let later = now() + jiff::SignedDuration::from_secs(31);
    assert_eq!(journal.acquire("me", later, 30).expect("free").fence, 2);
}

/// Connections that the server ended while nobody used them cost nothing.
#[test]
fn a_connection_ended_meanwhile_is_made_again() {
    let store = store();
    let mut journal = store.open();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for n in 0..3 {
        assert!((store.try_sql)(end));
        journal
            .append(n, None, vec![draft(&n.to_string())])
            .expect("append");
        assert!((store.try_sql)(end));
        assert_eq!(journal.head().expect("head").seq, n + 1);
    }
}

#[test]
fn a_server_that_never_answers_does_not_hold_us() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind");
    let port = silent.local_addr().expect("address").port();
    let config = PostgresConfig::parse(&Server::address_through(port, "d"))
        .expect("address")
        .with_limit(Duration::from_secs(2));
    let began = Instant::now();
    let error = PostgresJournal::open(config, &"case-1".into()).expect_err("no answer");
    assert!(began.elapsed() < Duration::from_secs(10));
    let text = told(&error);
    assert!(text.contains("no answer within 2 seconds"), "{text}");
}

#[test]
fn an_append_does_not_wait_for_ever_for_a_lock() {
    let store = store();
    drop(store.open());
    let config = PostgresConfig::parse(&store.address)
        .expect("address")
        .with_limit(Duration::from_secs(2));
    let mut journal = PostgresJournal::open(config, &"case-1".into()).expect("open");
    std::thread::scope(|scope| {
        scope.spawn(|| (store_sleeper(&store.address))());
        std::thread::sleep(Duration::from_millis(700));
        let error = journal
            .append(0, None, vec![draft("a")])
            .expect_err("locked");
        assert!(error.to_string().contains("took too long"), "{error}");
    });
    journal.append(0, None, vec![draft("a")]).expect("free");
}

/// Holds the case's lock for a few seconds.
fn store_sleeper(address: &str) -> impl FnOnce() + use<> {
    let database = address.rsplit('/').next().expect("database").to_string();
    move || {
        let sql = "BEGIN; SELECT * FROM lease FOR UPDATE; SELECT pg_sleep(4); COMMIT";
        server::shared().sql(&database, sql).expect("sleep");
    }
}

#[test]
fn no_message_shows_a_password_and_each_says_what_to_do() {
    let server = server::shared();
    let database = server.database();
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind");
    let closed = nobody.local_addr().expect("address").port();
    drop(nobody);
    let refused = |address: &str| {
        let config = PostgresConfig::parse(address).expect("address");
        assert!(!format!("{config:?}").contains(PASSWORD));
        let error = PostgresJournal::open(config, &"case-1".into()).expect_err("refused");
        let text = told(&error);
        assert!(text.contains("postgresql://postgres@127.0.0.1"), "{text}");
        text
    };
    let wrong = server
        .address(&database)
        .replace(PASSWORD, &format!("{PASSWORD}-not"));
    for (address, advice) in [
        (wrong, "check the user and the password"),
        (server.address("nowhere"), "createdb"),
        (
            Server::address_through(closed, "d"),
            "check that the server runs",
        ),
    ] {
        let text = refused(&address);
        assert!(text.contains(advice), "{text}");
        assert!(!text.contains(PASSWORD), "{text}");
    }
    for address in [
        format!("postgresql://u:{PASSWORD}@h:port/d"),
        format!("host=h user=u password=a {PASSWORD}=1"),
        PASSWORD.to_string(),
    ] {
        let error = PostgresConfig::parse(&address).expect_err("no address");
        assert!(!told(&error).contains(PASSWORD), "{}", told(&error));
        assert!(error.to_string().contains("postgresql://user@host"));
    }
    let without = server
        .address(&database)
        .replace(&format!(":{PASSWORD}"), "");
    let config = PostgresConfig::parse(&without)
        .expect("address")
        .with_password(&Secret::from(PASSWORD.to_string()));
    PostgresJournal::open(config, &"case-1".into()).expect("the password given apart");
}
