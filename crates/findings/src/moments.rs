//! Moments out of a triage.

use std::collections::BTreeMap;

use relatch_evidence::{TaintedEvent, Triage, Verdict as Whose};

use crate::calls::phase;
use crate::moment::{Moment, Verdict};

/// The attacker's and the uncertain events of a triage, by time, with what each read and
/// planted, and with the phase of an attack that its call belongs to.
pub fn moments(triage: &Triage) -> Vec<Moment> {
    let reads = reads(triage);
    let made = made(triage);
    let told = triage.events.iter();
    told.map(|event| Moment {
        detections: detections(triage, event),
        ..moment(event, &reads, &made)
    })
    .collect()
}

/// Texts by the id of an event.
type ByEvent<'t> = BTreeMap<&'t str, Vec<String>>;

fn moment(event: &TaintedEvent, reads: &ByEvent<'_>, made: &ByEvent<'_>) -> Moment {
    let of = |texts: &ByEvent<'_>| texts.get(event.event_id.as_str()).cloned();
    let phase = phase(event);
    Moment {
        event_id: event.event_id.clone(),
        time: event.time.as_deref().and_then(|time| time.parse().ok()),
        verdict: match event.verdict {
            Whose::Attacker | Whose::Mixed => Verdict::Attacker,
            Whose::Uncertain | Whose::Legitimate => Verdict::Uncertain,
        },
        actor: event.actor.clone(),
        account: event.account.clone(),
        region: event.region.clone(),
        call: event.call.clone(),
        address: event.address.clone(),
        client: event.client.clone(),
        error: event.error.clone(),
        reason: event.reason.clone(),
        from: event.from.clone(),
        reads: of(reads).unwrap_or_default(),
        made: of(made).unwrap_or_default(),
        tactics: phase.iter().map(|(tactic, _)| (*tactic).into()).collect(),
        techniques: phase.iter().map(|(_, id)| (*id).into()).collect(),
        detections: Vec::new(),
    }
}

fn detections(triage: &Triage, event: &TaintedEvent) -> Vec<String> {
    let titles = triage.detections_by_event.get(&event.event_id);
    titles.cloned().unwrap_or_default()
}

fn reads(triage: &Triage) -> ByEvent<'_> {
    let mut by_event = ByEvent::new();
    for read in &triage.secrets_read {
        let all = read.id == "*";
        let id = if all {
            format!("every {}", read.kind)
        } else {
            read.id.clone()
        };
        for event in &read.event_ids {
            by_event.entry(event).or_default().push(id.clone());
        }
    }
    by_event
}

fn made(triage: &Triage) -> ByEvent<'_> {
    let mut by_event = ByEvent::new();
    for made in &triage.persistence {
        let kind = made.kind.replace('_', " ");
        let detail = match made.detail.as_str() {
            "" => String::new(),
            detail => format!(" ({detail})"),
        };
        let words = format!("{kind} {}{detail}", made.id);
        by_event.entry(&made.event_id).or_default().push(words);
    }
    by_event
}
