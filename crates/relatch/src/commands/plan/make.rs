//! Making a plan.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use relatch_case::model::ExposureLevel;
use relatch_case::plan::{Mode, Plan};
use relatch_case::{CredentialId, Fact, Policy, State};
use relatch_rotation::{Options, make};

use super::args::{Level, MakeArgs};
use super::view::View;
use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};
use crate::{names, signers};

type Cut = (CredentialId, CredentialId);

/// Runs `relatch plan`.
pub(super) fn run(app: &App, args: &MakeArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let policy = policy(app)?;
    let options = case.ledger.with(|state| options(app, state, args))?;
    if case.ledger.with(|state| !state.steps.is_empty()) {
        app.printer.note(
            "note: a plan is under way; a new one replaces it, and steps of the same name keep \
             what was done",
        );
    }
    let plan = case
        .ledger
        .with(|state| make(state, &policy, &options))
        .kind(Kind::Usage)?;
    let notes = case
        .ledger
        .with(|state| check_cuts(state, &plan, &options))?;
    let hash = plan.hash()?;
    let known = case
        .ledger
        .with(|s| s.plan.as_ref().is_some_and(|p| p.hash == hash));
    let plan = Arc::new(plan);
    if !known {
        let fact = Fact::PlanRecorded {
            hash: hash.clone(),
            plan: Arc::clone(&plan),
        };
        case.ledger.record(app.now(), vec![fact])?;
    }
    if let Some(path) = &args.out {
        write(path, &plan)?;
    }
    case.ledger.with(|state| {
        let view = View::new(hash.clone(), &plan, Some(state), &args.view, notes);
        app.printer.result(&view, |view| view.text(&args.view));
    });
    app.printer.note(&next_words(&policy, hash.short()));
    Ok(())
}

fn next_words(policy: &Policy, hash: &str) -> String {
    if policy.approvers.is_empty() {
        format!("next: relatch plan approve {hash}")
    } else {
        format!("next: relatch plan approve {hash} --sign KEYFILE")
    }
}

/// The configured policy, with the approvers of the allowed-signers file, so that the plan's
/// hash covers them.
fn policy(app: &App) -> Result<Policy, CommandError> {
    let mut policy = app.config.policy.clone();
    if let Some(path) = &app.config.approval.allowed_signers {
        if !policy.approvers.is_empty() {
            return Err(CommandError::new(
                Kind::Usage,
                "policy.approvers and approval.allowed_signers are both set: use one of them",
            ));
        }
        policy.approvers = approvers(app, path)?;
    }
    let people: BTreeSet<&str> = policy.approvers.iter().map(|a| a.name.as_str()).collect();
    let needed = policy.approvals.max(1) as usize;
    if !policy.approvers.is_empty() && people.len() < needed {
        return Err(CommandError::new(
            Kind::Usage,
            format!(
                "policy.approvals asks for {needed} people and only {} may approve: nobody could \
                 ever apply this plan",
                people.len()
            ),
        ));
    }
    if policy.approvers.is_empty() && needed > 1 {
        app.printer.note(&format!(
            "note: {needed} approvals by name only: a name is no proof of who typed it; set \
             approval.allowed_signers to ask for signatures"
        ));
    }
    Ok(policy)
}

fn approvers(app: &App, path: &Path) -> Result<Vec<relatch_case::policy::Approver>, CommandError> {
    let wrong = |why: String| {
        let words = format!("approval.allowed_signers, {}: {why}", path.display());
        CommandError::new(Kind::Usage, words)
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let signers = signers::read(&text, app.now()).map_err(|error| wrong(error.to_string()))?;
    for reason in &signers.left_out {
        app.printer
            .note(&format!("note: {}, {reason}", path.display()));
    }
    if signers.approvers.is_empty() {
        return Err(wrong("nobody in it may approve plans now".to_string()));
    }
    Ok(signers.approvers)
}

fn options(app: &App, state: &State, args: &MakeArgs) -> Result<Options, CommandError> {
    let only = args.only.iter().map(|text| names::credential(state, text));
    let cut = args.cut.iter().map(|text| cut(state, text));
    Ok(Options {
        mode: if args.hot {
            Some(Mode::Hot)
        } else {
            args.warm.then_some(Mode::Warm)
        },
        at_least: args.exposed.map(|level| match level {
            Level::Read => ExposureLevel::Read,
            Level::Readable => ExposureLevel::Readable,
            Level::Reachable => ExposureLevel::Reachable,
        }),
        at: Some(app.now()),
        only: only.collect::<Result<_, _>>()?,
        cut: cut.collect::<Result<_, _>>()?,
    })
}

/// Reads `A:B`. Key ids and names may hold colons, so every colon is tried.
fn cut(state: &State, text: &str) -> Result<Cut, CommandError> {
    let wrong = |why: &str| {
        CommandError::new(Kind::Usage, format!("--cut {text}: {why}"))
            .hint("--cut A:B: A need not be dead before B is renewed; both by id, key or name")
    };
    if !text.contains(':') {
        return Err(wrong("it names no pair"));
    }
    let pairs: Vec<Cut> = text
        .match_indices(':')
        .filter_map(|(at, _)| {
            let first = names::credential(state, &text[..at]).ok()?;
            let second = names::credential(state, &text[at + 1..]).ok()?;
            Some((first, second))
        })
        .collect();
    match pairs.as_slice() {
        [(first, second)] if first == second => Err(wrong("a credential never waits for itself")),
        [pair] => Ok(pair.clone()),
        [] => {
            let (first, second) = text.split_once(':').unwrap_or((text, ""));
            names::credential(state, first)?;
            names::credential(state, second)?;
            Err(wrong("it names no pair"))
        }
        _ => Err(wrong("it can be read in two ways: use ids")),
    }
}

/// A cut that changes nothing is a mistake: whoever typed it thinks of another pair.
fn check_cuts(state: &State, plan: &Plan, options: &Options) -> Result<Vec<String>, CommandError> {
    let mut notes = Vec::new();
    for pair in &options.cut {
        let mut without = options.clone();
        without.cut.remove(pair);
        let (first, second) = pair;
        if make(state, &plan.policy, &without).kind(Kind::Usage)? == *plan {
            return Err(CommandError::new(
                Kind::Usage,
                format!(
                    "--cut {first}:{second} changes nothing: {second} does not wait for the \
                     death of {first}"
                ),
            )
            .hint(format!("relatch plan explain {second}")));
        }
        notes.push(format!(
            "CUT by your decision: {first} need not be dead before {second} is renewed; whoever \
             holds the old {first} may read the new {second}"
        ));
    }
    Ok(notes)
}

fn write(path: &Path, plan: &Plan) -> Result<(), CommandError> {
    let bytes = relatch_case::chain::canonical(plan)?;
    std::fs::write(path, bytes).map_err(|error| {
        CommandError::new(
            Kind::Failed,
            format!("cannot write {}: {error}", path.display()),
        )
    })
}
