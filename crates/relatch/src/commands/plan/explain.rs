//! Explaining a step or a rotation of the plan in force.

use relatch_rotation::explain::{Explained, Known, RotationExplained, StepExplained, explain};
use relatch_rotation::find::find;
use relatch_rotation::summary::mode_word;

use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};
use crate::output::{MOST_ROWS, first, more};

/// Runs `relatch plan explain`.
pub(super) fn run(app: &App, name: &str) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let explained = case.ledger.with(|state| {
        let plan = state
            .plan
            .as_ref()
            .ok_or("there is no plan")
            .kind(Kind::Usage)
            .map_err(|error| error.hint("make one: relatch plan"))?;
        let target = find(&plan.plan, name)
            .kind(Kind::Usage)
            .map_err(|error| error.hint("relatch plan show --steps, relatch plan show --all"))?;
        explain(state, &target, app.now())
            .ok_or("the plan does not have it")
            .kind(Kind::Failed)
    })?;
    app.printer.result(&explained, text);
    Ok(())
}

/// An explanation, for people.
pub(super) fn text(explained: &Explained) -> String {
    let mut lines = Lines::default();
    let title = format!("{} ({})", explained.name, explained.credential);
    if let Some(because) = &explained.blocked {
        lines.say("", &format!("{title} is not rotated"));
        lines.say("because", because);
    }
    if let Some(step) = &explained.step {
        say_step(&mut lines, step);
        lines.say("", "");
    }
    if let Some(rotation) = &explained.rotation {
        lines.say("", &format!("rotation of {title}"));
        say_rotation(&mut lines, rotation, explained.step.is_none());
    }
    lines.0.join("\n")
}

/// Lines with a name each; what comes from outside is cleaned.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn say(&mut self, name: &str, text: &str) {
        let text = relatch_secret::redact::printable_text(text);
        self.0.push(if name.is_empty() {
            text
        } else {
            format!("  {name:<12} {text}")
        });
    }

    /// A list of which every line but the first goes without a name.
    fn list(&mut self, name: &str, none: &str, all: Vec<String>) {
        let count = all.len();
        if all.is_empty() && !none.is_empty() {
            self.say(name, none);
        }
        for (n, text) in first(all.into_iter(), false).enumerate() {
            self.say(if n == 0 { name } else { " " }, &text);
        }
        if count > MOST_ROWS {
            let words = more(count, "line", false, "--json has them");
            self.say(" ", words.trim_start());
        }
    }
}

fn say_step(lines: &mut Lines, step: &StepExplained) {
    lines.say("", step.known.step.as_str());
    lines.say("does", &step.does);
    lines.say("status", &step.known.status);
    lines.say("waits for", &step.now);
    if let Some(wave) = &step.wave {
        lines.say("wave", wave);
    }
    lines.list(
        "needs",
        "no other step",
        step.needs.iter().map(known).collect(),
    );
    let gates = step
        .gates
        .iter()
        .map(|gate| mark(gate.open, &gate.what, ""));
    lines.list("gates", "none", gates.collect());
    let awaited = step.awaited_by.iter().map(ToString::to_string);
    lines.list("awaited by", "nothing", awaited.collect());
    lines.list("if it fails", "", step.if_it_fails.clone());
}

fn say_rotation(lines: &mut Lines, r: &RotationExplained, with_steps: bool) {
    lines.say("owner", &r.owner);
    lines.say("old key", r.old_key.as_str());
    lines.say("mode", &format!("{}: {}", mode_word(r.mode), r.why));
    lines.say("exposed", &r.exposure);
    let severity = r.severity.unwrap_or("the inventory has it no more");
    lines.say("order", &format!("{} of {}: {severity}", r.place, r.of));
    let before = r.after.iter().map(|before| {
        let words = format!("{} {}", before.credential, before.because);
        let note = if before.dead {
            "proven dead"
        } else {
            "not dead yet"
        };
        mark(before.dead, &words, note)
    });
    lines.list("dead before", "nothing has to be", before.collect());
    let awaited = r.awaited_by.iter().map(ToString::to_string);
    lines.list("awaited by", "", awaited.collect());
    if let Some(because) = &r.paused {
        lines.say("PAUSED", because);
    }
    if with_steps {
        lines.list("steps", "none", r.steps.iter().map(known).collect());
    }
}

fn known(known: &Known) -> String {
    mark(known.over, known.step.as_str(), &known.status)
}

fn mark(holds: bool, what: &str, note: &str) -> String {
    let mark = if holds { "[x]" } else { "[ ]" };
    if note.is_empty() {
        format!("{mark} {what}")
    } else {
        format!("{mark} {what}: {note}")
    }
}
