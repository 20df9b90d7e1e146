//! The same questions to an engine that nobody here wrote: ministack's.
//!
//! It is looked for under `RELATCH_PEERS` (default `/var/tmp/relatch-peers`), in the virtual
//! environment `ministack`; without it the test says so and passes.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use relatch_access::{Answer, Verdict};
use serde_json::json;

mod support;

use support::{ABROAD, Case, HOME, case};

const CASES: usize = 4_000;

fn python() -> Option<PathBuf> {
    let root = std::env::var_os("RELATCH_PEERS")
        .map_or_else(|| PathBuf::from("/var/tmp/relatch-peers"), PathBuf::from);
    let python = root.join("ministack/bin/python");
    python.exists().then_some(python)
}

fn cases() -> Vec<Case> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut next = || {
        let mut case = case().new_tree(&mut runner).expect("a case").current();
        // The peer takes the account's own transport for an absent one.
        case.context
            .retain(|(key, values)| key != "aws:SecureTransport" || !values.is_empty());
        if !case
            .context
            .iter()
            .any(|(key, _)| key == "aws:SecureTransport")
        {
            case.context
                .push(("aws:SecureTransport".into(), vec!["true".into()]));
        }
        case
    };
    (0..CASES).map(|_| next()).collect()
}

fn asked(case: &Case) -> String {
    let owner = if case.resource.contains(ABROAD) {
        ABROAD
    } else {
        HOME
    };
    json!({
        "principal": case.principal(), "of_role": case.of_role, "identity": case.identity,
        "boundary": case.boundary, "session": case.session, "resource_policy": case.resource_policy,
        "action": case.action, "resource": case.resource, "owner": owner, "context": case.context,
    })
    .to_string()
}

fn word(answer: &Answer) -> &'static str {
    match answer.verdict {
        Verdict::Allowed => "Allow",
        Verdict::Denied { explicit: true, .. } => "Deny",
        Verdict::Denied {
            explicit: false, ..
        } => "ImplicitDeny",
        Verdict::Undecidable { .. } => "?",
    }
}

#[test]
fn another_engine_sees_the_same() {
    let Some(python) = python() else {
        let mut out = std::io::stderr();
        let _ = writeln!(out, "skipped: no ministack/bin/python under RELATCH_PEERS");
        return;
    };
    let cases = cases();
    let mut peer = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let questions: Vec<String> = cases.iter().map(asked).collect();
    let mut to = peer.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || to.write_all((questions.join("\n") + "\n").as_bytes()));
    let out = peer.wait_with_output().expect("answers");
    writer.join().expect("no panic").expect("written");
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    let theirs: Vec<&str> = text.lines().collect();
    assert_eq!(theirs.len(), cases.len());
    let mut seen = std::collections::BTreeMap::new();
    for (case, theirs) in cases.iter().zip(theirs) {
        let ours = case.answer();
        *seen.entry((word(&ours), theirs)).or_insert(0_usize) += 1;
        assert!(
            agrees(case, &ours, theirs),
            "{theirs}: {ours:#?}\n{case:#?}"
        );
    }
    let count = |ours| {
        seen.iter()
            .filter(|((o, _), _)| *o == ours)
            .map(|(_, n)| n)
            .sum::<usize>()
    };
    for (word, least) in [("Allow", 300), ("Deny", 300), ("ImplicitDeny", 300)] {
        assert!(count(word) >= least, "{seen:?}");
    }
    assert!(count("?") <= CASES / 50, "{seen:?}");
}

/// The same, or in doubt for a reason that is known: a grant to everyone that meets the limits of
/// the principal, which AWS's guide leaves open.
fn agrees(case: &Case, ours: &Answer, theirs: &str) -> bool {
    if word(ours) == "?" {
        let everyone = case
            .resource_policy
            .as_ref()
            .is_some_and(|p| p.to_string().contains("\"*\""));
        let limited = case.boundary.is_some() || !case.session.is_empty();
        return limited && everyone && theirs != "Deny";
    }
    word(ours) == theirs
}
