//! A plan as it is shown: a summary first, then as many rows as can be read.

use std::fmt::Write as _;

use relatch_case::plan::{Gate, Plan};
use relatch_case::{ConsumerId, PlanHash, Policy, State};
use relatch_rotation::estimate::Duration;
use relatch_rotation::order::Severity;
use relatch_rotation::summary::{
    Group, Row, Summary, exposure_word, group, mode_word, rows, summarise,
};
use serde::Serialize;

use super::args::ViewArgs;
use crate::output::{MOST_ROWS, count, first, more, span, table};

/// A plan with its hash, as shown and written; documented in `docs/plan-json.md`.
#[derive(Debug, Serialize)]
pub(crate) struct View<'a> {
    hash: PlanHash,
    summary: Summary,
    notes: Vec<String>,
    groups: Vec<Group>,
    /// What the filters take.
    credentials: Vec<Row>,
    /// How many they leave out.
    filtered_out: usize,
    plan: &'a Plan,
}

impl<'a> View<'a> {
    /// Looks at a plan; `state` is that of its case, where it is at hand.
    pub(crate) fn new(
        hash: PlanHash,
        plan: &'a Plan,
        state: Option<&State>,
        args: &ViewArgs,
        notes: Vec<String>,
    ) -> Self {
        let mut credentials = rows(plan, state);
        let summary = summarise(plan, &credentials);
        let all = credentials.len();
        let filter = args.filter();
        credentials.retain(|row| filter.takes(row));
        let groups = args
            .group_by
            .map_or_else(Vec::new, |by| group(&credentials, by.by()));
        Self {
            hash,
            summary,
            notes,
            groups,
            filtered_out: all - credentials.len(),
            credentials,
            plan,
        }
    }

    /// For people.
    pub(crate) fn text(&self, args: &ViewArgs) -> String {
        let mut parts = vec![self.head()];
        parts.extend(self.notes.iter().map(|note| format!("! {note}")));
        if args.group_by.is_some() {
            parts.push(self.groups(args.all));
        } else {
            parts.push(self.rows(args.all));
        }
        if args.steps {
            parts.push(self.steps(args.all));
        }
        parts.join("\n\n")
    }

    fn head(&self) -> String {
        let summary = &self.summary;
        let mut lines = vec![format!(
            "plan {} for {}: {}, {}",
            self.hash.short(),
            self.plan.case,
            count(summary.credentials, "credential"),
            count(summary.steps, "step"),
        )];
        let mut line = |name: &str, text: String| {
            if !text.is_empty() {
                lines.push(format!("  {name:<9} {text}"));
            }
        };
        line("mode", numbers(&summary.by_mode));
        line("issuer", numbers(&summary.by_issuer));
        line("severity", severities(&summary.by_severity));
        line("exposure", numbers(&summary.by_exposure));
        line("waves", waves(summary));
        line("outage", outage(&summary.outage));
        line("people", tasks(summary.tasks));
        line("duration", duration(&summary.duration, &self.plan.policy));
        line("approval", approval(&self.plan.policy));
        lines.extend(blocked(summary));
        lines.join("\n")
    }

    fn rows(&self, all: bool) -> String {
        if self.credentials.is_empty() {
            return match self.filtered_out {
                0 => "it rotates nothing".to_string(),
                out => format!("no credential fits the filters ({out} do not)"),
            };
        }
        let rows = self.credentials.iter().map(|row| {
            [
                row.credential.to_string(),
                row.name.clone(),
                row.issuer
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                row.old_key
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                row.mode.map_or("blocked", mode_word).to_string(),
                row.severity.map_or("", Severity::name).to_string(),
                exposure_word(row.exposure).to_string(),
                row.steps.to_string(),
                row.why.clone(),
            ]
        });
        let mut text = table(
            [
                "CREDENTIAL",
                "NAME",
                "ISSUER",
                "OLD KEY",
                "MODE",
                "SEVERITY",
                "EXPOSED",
                "STEPS",
                "WHY",
            ],
            first(rows, all),
        );
        let hint = "--all lists them; --group-by, --issuer, --mode, --severity, --credential, \
                    --container, --consumer, --blocked narrow them down";
        text.push_str(&more(self.credentials.len(), "credential", all, hint));
        if self.filtered_out > 0 {
            let out = count(self.filtered_out, "credential");
            let _ = write!(text, "\n{out} do not fit the filters");
        }
        text
    }

    fn groups(&self, all: bool) -> String {
        let rows = self.groups.iter().map(|group| {
            [
                group.key.clone(),
                group.credentials.to_string(),
                group.warm.to_string(),
                group.hot.to_string(),
                group.retire.to_string(),
                group.blocked.to_string(),
                group.steps.to_string(),
            ]
        });
        let head = [
            "GROUP",
            "CREDENTIALS",
            "WARM",
            "HOT",
            "RETIRE",
            "BLOCKED",
            "STEPS",
        ];
        let mut text = table(head, first(rows, all));
        text.push_str(&more(self.groups.len(), "group", all, "--all lists them"));
        text
    }

    /// The steps of the credentials shown.
    fn steps(&self, all: bool) -> String {
        let shown = first(self.credentials.iter(), all);
        let steps = shown.flat_map(|row| self.plan.steps_of(&row.credential));
        let join = |parts: Vec<String>, by: &str| parts.join(by);
        table(
            ["STEP", "WAVE", "NEEDS", "GATES"],
            steps.map(|step| {
                [
                    step.id.to_string(),
                    step.wave.map(|wave| wave.to_string()).unwrap_or_default(),
                    join(step.needs.iter().map(ToString::to_string).collect(), " "),
                    join(step.gates.iter().map(gate_word).collect(), ", "),
                ]
            }),
        )
    }
}

fn gate_word(gate: &Gate) -> String {
    match gate {
        Gate::Approved => "approved".to_string(),
        Gate::Contained => "contained".to_string(),
        Gate::After { step, seconds } => format!("{seconds} s after {step}"),
    }
}

/// `6000 aws-iam, 4000 openai`; the rarest of many are counted together.
fn numbers(counts: &std::collections::BTreeMap<String, usize>) -> String {
    const MOST: usize = 8;
    let mut sorted: Vec<(&String, &usize)> = counts.iter().collect();
    sorted.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
    let mut words: Vec<String> = sorted
        .iter()
        .take(MOST)
        .map(|(key, n)| format!("{n} {key}"))
        .collect();
    let rest = sorted.iter().skip(MOST);
    let others: usize = rest.clone().map(|(_, n)| **n).sum();
    if others > 0 {
        words.push(format!("{others} of {} others", rest.count()));
    }
    words.join(", ")
}

fn severities(severities: &[(Severity, usize)]) -> String {
    let words = severities.iter();
    let words: Vec<String> = words
        .map(|(severity, n)| format!("{n} {}", severity.name()))
        .collect();
    words.join(", ")
}

fn waves(summary: &Summary) -> String {
    if summary.waves == 0 {
        return String::new();
    }
    format!(
        "{} in all, at most {} in one rotation",
        summary.waves, summary.most_waves
    )
}

fn outage(consumers: &std::collections::BTreeSet<ConsumerId>) -> String {
    const MOST: usize = 5;
    if consumers.is_empty() {
        return "none announced".to_string();
    }
    let mut names: Vec<&str> = consumers
        .iter()
        .take(MOST)
        .map(ConsumerId::as_str)
        .collect();
    let rest = format!("{} more", consumers.len().saturating_sub(MOST));
    if consumers.len() > MOST {
        names.push(&rest);
    }
    let consumers = count(consumers.len(), "consumer");
    format!("ANNOUNCED for {consumers}: {}", names.join(", "))
}

fn tasks(tasks: usize) -> String {
    if tasks == 0 {
        return String::new();
    }
    format!(
        "{} at a console, not counted in the duration",
        count(tasks, "task")
    )
}

fn duration(duration: &Duration, policy: &Policy) -> String {
    let Some(lane) = &duration.slowest else {
        return String::new();
    };
    format!(
        "about {}: windows and time gates {}, slowest lane {} {} ({} at {} a minute, {} at once)",
        span(duration.expected_s),
        span(duration.gates_s),
        lane.name,
        span(lane.seconds),
        count(usize::try_from(lane.calls).unwrap_or(usize::MAX), "call"),
        policy.per_minute,
        policy.concurrency,
    )
}

fn approval(policy: &Policy) -> String {
    let needed = policy.approvals.max(1);
    let people: std::collections::BTreeSet<&str> =
        policy.approvers.iter().map(|a| a.name.as_str()).collect();
    if people.is_empty() {
        return format!("{needed} by name");
    }
    let people: Vec<&str> = people.into_iter().collect();
    format!("{needed} by signature, of {}", people.join(", "))
}

fn blocked(summary: &Summary) -> Vec<String> {
    let all: usize = summary.blocked.iter().map(|by| by.count).sum();
    if all == 0 {
        return Vec::new();
    }
    let mut lines = vec![format!(
        "  blocked   {} not rotated, a person has to decide:",
        count(all, "credential")
    )];
    for by in summary.blocked.iter().take(MOST_ROWS / 2) {
        lines.push(format!("    {:>6}  {}", by.count, by.reason));
        if !by.advice.is_empty() {
            lines.push(format!("            {}", by.advice));
        }
    }
    let rest = summary.blocked.len().saturating_sub(MOST_ROWS / 2);
    if rest > 0 {
        lines.push(format!(
            "            and {rest} more reasons: --blocked --all"
        ));
    }
    lines
}
