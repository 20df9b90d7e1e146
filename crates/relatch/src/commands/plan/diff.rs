//! Comparing two plans.

use std::fmt::Write as _;
use std::path::Path;

use relatch_rotation::diff::{CredentialChange, Diff, diff};

use super::run::read;
use super::show::in_force;
use crate::app::App;
use crate::error::CommandError;
use crate::output::{count, first, more};

/// Runs `relatch plan diff`.
pub(super) fn run(
    app: &App,
    old: &Path,
    new: Option<&Path>,
    all: bool,
) -> Result<(), CommandError> {
    let old = read(old)?;
    let changes = match new {
        Some(path) => diff(&old, &read(path)?),
        None => diff(&old, &*in_force(app)?),
    };
    app.printer.result(&changes, |changes| text(changes, all));
    Ok(())
}

/// The changes, for people.
pub(super) fn text(diff: &Diff, all: bool) -> String {
    if diff.is_empty() {
        return "the plans are the same".to_string();
    }
    let mut parts = vec![head(diff)];
    parts.extend(policy(diff));
    parts.extend(credentials(diff, all));
    parts.extend(baseline(diff, all));
    relatch_secret::redact::printable_text(&parts.join("\n\n").replace('\n', LINE))
        .replace(LINE, "\n")
}

/// Stands for a line end while what comes from outside is cleaned of control characters.
const LINE: &str = "\u{2028}";

fn head(diff: &Diff) -> String {
    let mut text = format!(
        "+{} -{} ~{} credentials, +{} -{} ~{} steps, {}, {}",
        diff.count('+'),
        diff.count('-'),
        diff.count('~'),
        diff.steps_added,
        diff.steps_removed,
        diff.steps_changed,
        count(diff.baseline.len(), "change") + " of the world",
        count(diff.policy.len(), "change") + " of the policy",
    );
    for about in &diff.about {
        let _ = write!(text, "\n! {about}");
    }
    text
}

fn policy(diff: &Diff) -> Option<String> {
    if diff.policy.is_empty() {
        return None;
    }
    let lines = diff.policy.iter().map(|change| {
        let words = format!("{}: {} -> {}", change.field, change.old, change.new);
        match change.beware {
            Some(beware) => format!("!! {beware}: {words}"),
            None => format!("~  {words}"),
        }
    });
    let lines: Vec<String> = lines.collect();
    Some(format!("policy:\n{}", lines.join("\n")))
}

fn credentials(diff: &Diff, all: bool) -> Option<String> {
    if diff.credentials.is_empty() {
        return None;
    }
    let blocks: Vec<String> = first(diff.credentials.iter(), all).map(block).collect();
    let more = more(
        diff.credentials.len(),
        "credential",
        all,
        "--all lists them",
    );
    Some(format!("credentials:\n{}{more}", blocks.join("\n")))
}

fn block(change: &CredentialChange) -> String {
    let what = change.what.iter().map(|what| format!("\n     {what}"));
    let what: String = what.collect();
    format!(
        "{}  {} ({}){what}",
        change.sign, change.name, change.credential
    )
}

fn baseline(diff: &Diff, all: bool) -> Option<String> {
    if diff.baseline.is_empty() {
        return None;
    }
    let lines: Vec<String> = first(diff.baseline.iter(), all)
        .map(|change| format!("{}  {}", change.sign, change.what))
        .collect();
    let more = more(diff.baseline.len(), "change", all, "--all lists them");
    Some(format!("the world it expects:\n{}{more}", lines.join("\n")))
}
