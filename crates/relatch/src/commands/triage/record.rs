//! What a triage found, as facts of the case.

use std::collections::BTreeSet;

use jiff::Timestamp;
use relatch_case::fact::EvidenceFile;
use relatch_case::model::{Container, ExposureLevel};
use relatch_case::{Fact, IssuerId, KeyId};
use relatch_evidence::{Actor, Judgement, Triage};

use super::container::container;
use crate::app::App;
use crate::error::CommandError;
use crate::workspace::OpenCase;

/// Records what a triage found, after where it began and what people judged of actors.
pub(crate) fn record(
    app: &App,
    case: &OpenCase,
    mut facts: Vec<Fact>,
    triage: &Triage,
) -> Result<(), CommandError> {
    facts.push(Fact::EvidenceTaken {
        files: triage
            .files
            .iter()
            .map(|file| EvidenceFile {
                path: file.path.clone(),
                sha256: file.sha256.clone(),
                bytes: file.bytes,
            })
            .collect(),
        events: triage.events_read,
    });
    facts.extend(convicted(app, triage));
    facts.extend(planted(triage));
    facts.extend(exposed(triage));
    facts.extend(readable(triage));
    facts.extend(triage.blind_spots.iter().map(|spot| Fact::BlindSpotFound {
        what: "the log".to_string(),
        why: spot.what.clone(),
        hides: spot.hides.clone(),
    }));
    case.ledger.record(app.now(), facts)?;
    Ok(())
}

/// What raised the score; where a person convicted, who; and what ties it to the attacker.
fn why(triage: &Triage, actor: &Actor, by: &str) -> Vec<String> {
    let judged = triage.judgements.iter().filter(|judged| {
        judged.judgement == Judgement::Convicted
            && (judged.actor == actor.id
                || actor.arn.as_ref() == Some(&judged.actor)
                || actor.access_keys.contains(&judged.actor))
    });
    let mut why: Vec<String> = judged.map(|_| format!("convicted by {by}")).collect();
    why.extend(actor.path.last().map(|step| step.reason.clone()));
    why.extend(actor.reasons.iter().cloned());
    why
}

fn convicted<'t>(app: &'t App, triage: &'t Triage) -> impl Iterator<Item = Fact> + 't {
    triage.actors.iter().filter_map(|actor| {
        let his = actor.attackers.as_ref()?;
        Some(Fact::ActorConvicted {
            keys: his.access_keys.iter().map(KeyId::new).collect(),
            arns: actor.arn.iter().cloned().collect(),
            addresses: his.addresses.iter().cloned().collect(),
            first: time(his.first.as_deref()),
            last: time(his.last.as_deref()),
            why: why(triage, actor, &app.by),
        })
    })
}

fn planted(triage: &Triage) -> impl Iterator<Item = Fact> + '_ {
    triage
        .persistence
        .iter()
        .filter(|made| triage.created_keys.contains(&made.id))
        .map(|made| Fact::KeyPlanted {
            issuer: IssuerId::from("aws-iam"),
            key: KeyId::new(made.id.clone()),
            event_id: made.event_id.clone(),
        })
}

fn exposed(triage: &Triage) -> impl Iterator<Item = Fact> + '_ {
    triage.secrets_read.iter().filter_map(|read| {
        Some(Fact::Exposed {
            container: container(
                &read.kind,
                &read.id,
                read.region.as_deref().unwrap_or_default(),
            )?,
            level: ExposureLevel::Read,
            event_ids: read.event_ids.clone(),
        })
    })
}

/// What could be read by policy; once a container, whoever could.
fn readable(triage: &Triage) -> Vec<Fact> {
    let found = triage.secrets_readable.iter().flatten();
    let containers: BTreeSet<Container> = found
        .filter_map(|one| {
            container(
                &one.kind,
                &one.id,
                one.region.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    let fact = |container| Fact::Exposed {
        container,
        level: ExposureLevel::Readable,
        event_ids: Vec::new(),
    };
    containers.into_iter().map(fact).collect()
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}
