//! The acceptance test: the tool is killed at random moments of rotations and resumed each
//! time. Nothing is lost, no orphan stays, nothing is clobbered, no key is revoked early.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use support::{Company, Moment, Tool};

/// Tells the person who watches the test.
macro_rules! say {
    ($($word:tt)*) => { let _ = writeln!(std::io::stderr(), $($word)*); };
}

/// Kills before the test is content; `RELATCH_KILLS` asks for more.
const KILLS: u32 = 50;

/// Kills in one rotation, so that there are several.
const KILLS_A_CASE: u32 = 25;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_goes_on_and_harms_nothing() {
    let wanted = number("RELATCH_KILLS").map_or(KILLS, |n| u32::try_from(n).expect("small"));
    let seed = number("RELATCH_SEED").unwrap_or_else(rand::random);
    say!("seed {seed}: RELATCH_SEED={seed} replays the moments");
    let mut random = StdRng::seed_from_u64(seed);
    let company = Company::start().await;
    let tool = company.tool();
    tool.ok("init").await;
    let began = Instant::now();
    let (mut kills, mut torn, mut round) = (0, 0, 0);
    while kills < wanted {
        round += 1;
        let old = company.values().await;
        open(&tool, round).await;
        let (here, torn_here) = apply(&tool, &mut random).await;
        let journal = journal(&tool).await;
        never_early(&journal);
        let new = company.values().await;
        assert!(
            old.iter().all(|(name, value)| new[name] != *value),
            "a value was kept"
        );
        all(&company.alive(&new).await, &true, "lost");
        all(&company.alive(&old).await, &false, "still alive");
        all(&company.key_counts().await, &1, "orphans");
        tool.ok(&format!("certificate --out certificate-{round}.json"))
            .await;
        tool.ok(&format!("verify certificate-{round}.json")).await;
        tool.ok("case close").await;
        kills += here;
        torn += torn_here;
        let facts = journal.len();
        let so_far = began.elapsed();
        say!("round {round}: {here} kills, {torn_here} in the act, {facts} facts, {so_far:?}");
        assert!(round < 30, "too few kills: {kills}");
    }
    assert!(
        torn > 0,
        "not one of {kills} kills came in the middle of a step"
    );
}

/// A case with an approved plan for everything there is.
async fn open(tool: &Tool, round: u32) {
    let identity = "--identity-file identity.txt";
    let account = support::ACCOUNT;
    tool.ok(&format!(
        "case open --title round --id round-{round} --account {account} {identity}"
    ))
    .await;
    tool.ok("inventory").await;
    let plan: Value = serde_json::from_str(&tool.ok("plan --json").await).expect("JSON");
    let rotations = plan["plan"]["rotations"].as_array().expect("a list").len();
    assert_eq!(
        rotations,
        support::USERS.len() + support::ACCOUNTS.len(),
        "{plan:#}"
    );
    let hash = plan["hash"].as_str().expect("a hash");
    tool.ok(&format!("plan approve {hash}")).await;
}

/// Applies, killing again and again; then lets it finish. Returns the kills, and how many of
/// them left a step of which nobody knew what became of it.
async fn apply(tool: &Tool, random: &mut StdRng) -> (u32, u32) {
    let mut torn = 0;
    for kills in 0..KILLS_A_CASE {
        let ran = tool.run_killed("apply --yes --steps", moment(random)).await;
        if let Some(ran) = ran {
            assert_eq!(ran.code, Some(0), "after {kills} kills\n{ran}");
            return (kills, torn);
        }
        torn += u32::from(is_torn(&journal(tool).await));
    }
    tool.ok("apply --yes --steps").await;
    (KILLS_A_CASE, torn)
}

/// Any moment; every other time one just after the tool said something, for then it acts.
fn moment(random: &mut StdRng) -> Moment {
    if random.random() {
        return Moment::After(Duration::from_millis(random.random_range(20..1500)));
    }
    let then = Duration::from_millis(random.random_range(0..30));
    Moment::Line(random.random_range(1..8), then)
}

/// Whether a step was intended and has not ended.
fn is_torn(journal: &[Value]) -> bool {
    let mut under_way = BTreeSet::new();
    for record in journal {
        let step = record["fact"]["step"].as_str();
        match record["fact"]["kind"].as_str() {
            Some("step_intended") => under_way.insert(step),
            Some("step_ended") => under_way.remove(&step),
            _ => false,
        };
    }
    !under_way.is_empty()
}

async fn journal(tool: &Tool) -> Vec<Value> {
    let text = tool.ok("case log --json").await;
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// An old key is switched off only after everyone was seen on the new one.
fn never_early(journal: &[Value]) {
    let plan = journal
        .iter()
        .rfind(|record| record["fact"]["kind"] == "plan_recorded");
    let steps = plan.expect("a plan")["fact"]["plan"]["steps"].as_array();
    let mut adopted: BTreeMap<&str, u64> = BTreeMap::new();
    let mut revoked: BTreeMap<&str, u64> = BTreeMap::new();
    for step in steps.expect("steps") {
        let credential = step["credential"].as_str().expect("a credential");
        match step["action"]["verb"].as_str().expect("a verb") {
            "adopt" => {
                let seq = done(journal, &step["id"]).expect("adopted");
                let latest = adopted.entry(credential).or_default();
                *latest = seq.max(*latest);
            }
            "cut" | "disable" | "delete" => {
                let seq = intended(journal, &step["id"]).expect("revoked");
                let first = revoked.entry(credential).or_insert(seq);
                *first = seq.min(*first);
            }
            _ => {}
        }
    }
    assert_eq!(
        adopted.len(),
        support::USERS.len() + support::ACCOUNTS.len()
    );
    for (credential, seq) in &adopted {
        let first = revoked.get(credential).expect("revoked");
        assert!(
            seq < first,
            "{credential}: revoked at {first}, adopted only at {seq}"
        );
    }
}

fn done(journal: &[Value], step: &Value) -> Option<u64> {
    let is = |fact: &Value| fact["kind"] == "step_ended" && fact["outcome"]["outcome"] == "done";
    seq(journal, step, is)
}

fn intended(journal: &[Value], step: &Value) -> Option<u64> {
    seq(journal, step, |fact| fact["kind"] == "step_intended")
}

/// The first fact of a step that is like this.
fn seq(journal: &[Value], step: &Value, is: impl Fn(&Value) -> bool) -> Option<u64> {
    let mut facts = journal.iter();
    let found = facts.find(|record| record["fact"]["step"] == *step && is(&record["fact"]));
    found.and_then(|record| record["seq"].as_u64())
}

fn all<T: PartialEq + std::fmt::Debug>(found: &[(String, T)], expected: &T, otherwise: &str) {
    assert!(
        found.iter().all(|(_, value)| value == expected),
        "{otherwise}: {found:?}"
    );
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
