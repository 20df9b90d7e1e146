//! Who it was: where the search began, the actors, those worth a look, and what AWS reported.

use super::{Lines, or_unknown};
use crate::answer::{Actor, Triage, Verdict};
use crate::input::aws_findings::AwsFinding;
use crate::taint::judgements::Judgement;
use crate::taint::score::SUSPICIOUS;

pub(super) fn who(triage: &Triage, lines: &mut Lines) {
    for seed in &triage.seeds {
        lines.title(&format!(
            "{}: {} {}",
            if seed.proposed {
                "Began with (proposed by score, please confirm)"
            } else {
                "Began with (given)"
            },
            seed.kind.replace('_', " "),
            seed.value
        ));
        if seed.score > 0 {
            lines.line(&format!("score {}", seed.score));
        }
        lines.list(
            &seed
                .reasons
                .iter()
                .map(|reason| format!("- {reason}"))
                .collect::<Vec<_>>(),
        );
    }
    judged(triage, lines);
    let hands: Vec<&Actor> = triage
        .actors
        .iter()
        .filter(|actor| actor.verdict != Verdict::Legitimate)
        .collect();
    if !hands.is_empty() {
        lines.title("Who");
        lines.list(
            &hands
                .iter()
                .map(|actor| actor_line(actor))
                .collect::<Vec<_>>(),
        );
    }
}

/// What a person decided.
fn judged(triage: &Triage, lines: &mut Lines) {
    for judged in &triage.judgements {
        let word = match judged.judgement {
            Judgement::Convicted => "Convicted by a person",
            Judgement::Acquitted => "Acquitted by a person",
        };
        let nobody = if judged.events == 0 {
            ": NOBODY IN THIS LOG has that name"
        } else {
            ""
        };
        lines.title(&format!("{word}: {}{nobody}", judged.actor));
    }
}

fn is_acquitted(triage: &Triage, actor: &Actor) -> bool {
    triage.judgements.iter().any(|judged| {
        judged.judgement == Judgement::Acquitted
            && (judged.actor == actor.id || actor.arn.as_ref() == Some(&judged.actor))
    })
}

fn actor_line(actor: &Actor) -> String {
    let verdict = match actor.verdict {
        Verdict::Attacker => "attacker",
        Verdict::Mixed => "mixed",
        Verdict::Uncertain => "uncertain",
        Verdict::Legitimate => "legitimate",
    };
    let arn = actor
        .arn
        .as_ref()
        .filter(|arn| **arn != actor.id)
        .map(|arn| format!(" ({arn})"))
        .unwrap_or_default();
    let why = actor
        .path
        .last()
        .map(|step| format!("; {}", step.reason))
        .unwrap_or_default();
    // Of one that both used, the attacker's first call and not the owner's.
    let his = actor.attackers.as_ref();
    let first = his.map_or(&actor.first, |his| &his.first);
    format!(
        "{verdict:<9} {}{arn}, {} calls of the attacker's, {} uncertain, first {}{why}",
        actor.id,
        actor.tainted,
        actor.uncertain,
        or_unknown(first.as_ref())
    )
}

/// Actors that look suspicious and were not taken for the attacker.
pub(super) fn suspects(triage: &Triage, lines: &mut Lines) {
    let mut suspects: Vec<&Actor> = triage
        .actors
        .iter()
        .filter(|actor| actor.score >= SUSPICIOUS && actor.verdict == Verdict::Legitimate)
        .filter(|actor| !is_acquitted(triage, actor))
        .collect();
    suspects.sort_by_key(|actor| std::cmp::Reverse(actor.score));
    if suspects.is_empty() {
        return;
    }
    lines.title("Worth a look, nothing ties them to the attacker");
    let show = |actor: &Actor| {
        format!(
            "{} score {}: {}",
            actor.id,
            actor.score,
            actor.reasons.join("; ")
        )
    };
    lines.list(&suspects.into_iter().map(show).collect::<Vec<_>>());
}

/// What AWS's own detectors said.
pub(super) fn reported(triage: &Triage, lines: &mut Lines) {
    if triage.aws_findings.is_empty() {
        return;
    }
    lines.title(&format!(
        "Reported by GuardDuty and CloudTrail Insights: {}",
        triage.aws_findings.len()
    ));
    lines.list(
        &triage
            .aws_findings
            .iter()
            .map(finding_line)
            .collect::<Vec<_>>(),
    );
}

fn finding_line(finding: &AwsFinding) -> String {
    let joined = |texts: Vec<&str>| match texts.as_slice() {
        [] => None,
        few if few.len() <= 3 => Some(few.join(", ")),
        many => Some(format!(
            "{} and {} more",
            many[..3].join(", "),
            many.len() - 3
        )),
    };
    let actors = finding.actors.iter().filter_map(|actor| actor.best_name());
    let actors = joined(actors.collect()).map(|actors| format!(" of {actors}"));
    let from = joined(finding.addresses.iter().map(String::as_str).collect());
    let calls = joined(finding.calls.iter().map(String::as_str).collect());
    let marks = [
        (finding.archived, ", archived"),
        (finding.sample, ", a sample"),
    ];
    let marks = marks
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, mark)| mark);
    format!(
        "{} {} {}{}{}{}{}; leads to {} events",
        or_unknown(finding.first.as_ref()),
        finding.severity.as_deref().unwrap_or("-"),
        finding.kind,
        actors.unwrap_or_default(),
        from.map(|from| format!(" from {from}")).unwrap_or_default(),
        calls.map(|calls| format!(": {calls}")).unwrap_or_default(),
        marks.collect::<String>(),
        finding.events
    )
}
