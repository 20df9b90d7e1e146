//! The answer in words, for a terminal and a tired reader.

mod what;
mod who;

use crate::answer::{Triage, Verdict};
use crate::text::sanitize;

/// Entries shown of a list before the rest is only counted.
const SHOWN: usize = 15;

/// The answer as plain text without terminal codes; one finding a line, what to do at the end.
pub fn summary(triage: &Triage) -> String {
    let mut lines = Lines::default();
    head(triage, &mut lines);
    who::who(triage, &mut lines);
    who::suspects(triage, &mut lines);
    who::reported(triage, &mut lines);
    what::read(triage, &mut lines);
    what::readable(triage, &mut lines);
    what::planted(triage, &mut lines);
    what::detected(triage, &mut lines);
    blind(triage, &mut lines);
    next(triage, &mut lines);
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn title(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&sanitize(text));
        self.0.push('\n');
    }

    fn line(&mut self, text: &str) {
        self.0.push_str("  ");
        self.0.push_str(&sanitize(text));
        self.0.push('\n');
    }

    fn list(&mut self, entries: &[String]) {
        entries
            .iter()
            .take(SHOWN)
            .for_each(|entry| self.line(entry));
        if entries.len() > SHOWN {
            self.line(&format!(
                "... and {} more (see --json)",
                entries.len() - SHOWN
            ));
        }
    }
}

fn or_unknown(text: Option<&String>) -> &str {
    text.map_or("unknown", String::as_str)
}

fn head(triage: &Triage, lines: &mut Lines) {
    if triage.tainted_events.is_empty() {
        lines.title("NO ATTACKER FOUND. This is not proof that there was none.");
    } else {
        lines.title(&format!(
            "ATTACKER ACTIVE from {} to {}",
            or_unknown(triage.first.as_ref()),
            or_unknown(triage.last.as_ref())
        ));
        lines.line(&format!(
            "{} calls from {}",
            triage.tainted_events.len(),
            listed(&triage.addresses)
        ));
    }
    if !triage.uncertain_events.is_empty() {
        lines.line(&format!(
            "{} more calls are uncertain: they may be the attacker's or the owner's",
            triage.uncertain_events.len()
        ));
    }
    lines.line(&format!(
        "Read {} events in {} files, {} of them duplicates",
        triage.events_read,
        triage.files.len(),
        triage.duplicates
    ));
}

fn listed(texts: &[String]) -> String {
    match texts {
        [] => "no known address".into(),
        few if few.len() <= 4 => few.join(", "),
        many => format!(
            "{} and {} more addresses",
            many[..4].join(", "),
            many.len() - 4
        ),
    }
}

fn blind(triage: &Triage, lines: &mut Lines) {
    if !triage.blind_spots.is_empty() {
        lines.title("What this evidence cannot show");
        lines.list(
            &triage
                .blind_spots
                .iter()
                .map(|spot| format!("{}: hides {}", spot.what, spot.hides))
                .collect::<Vec<_>>(),
        );
    }
    if !triage.problems.is_empty() {
        lines.title(&format!("Could not be read: {}", triage.problems.len()));
        let place =
            |line: Option<u64>| line.map(|line| format!(" line {line}")).unwrap_or_default();
        lines.list(
            &triage
                .problems
                .iter()
                .map(|problem| format!("{}{} {}", problem.file, place(problem.line), problem.what))
                .collect::<Vec<_>>(),
        );
    }
}

fn next(triage: &Triage, lines: &mut Lines) {
    lines.title("Next");
    if triage.tainted_events.is_empty() {
        lines.line(
            "1. Name a start: an access key, an ARN, an address or a time, and run triage again",
        );
        lines.line("2. Take in more: other regions, accounts, and the time before");
        return;
    }
    let mut steps =
        vec!["Contain every actor above, sessions included: a session outlives its key".to_owned()];
    if !triage.created_keys.is_empty() {
        steps.push(format!(
            "Disable the keys the attacker created: {}",
            triage
                .created_keys
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        ));
    }
    if !triage.persistence.is_empty() {
        steps.push("Undo what was planted, newest first".to_owned());
    }
    if !triage.secrets_read.is_empty() {
        steps.push("Rotate everything that was read".to_owned());
    }
    if triage
        .secrets_readable
        .as_ref()
        .is_some_and(|found| !found.is_empty())
    {
        steps.push("Rotate what he could read, after that".to_owned());
    }
    if !triage.uncertain_events.is_empty()
        || triage
            .actors
            .iter()
            .any(|actor| actor.verdict == Verdict::Mixed)
    {
        steps.push(
            "Ask the owners of mixed and uncertain actors which calls were theirs".to_owned(),
        );
    }
    steps.push("Close the blind spots, then run triage again".to_owned());
    for (number, step) in steps.iter().enumerate() {
        lines.line(&format!("{}. {step}", number + 1));
    }
}
