//! One fact in plain words, one line.

use relatch_case::Fact;
use relatch_case::fact::{Judgement, Outcome, StepResult};
use relatch_case::model::{ConsumerKind, ExposureLevel, Liveness, Minting, Probe, ProbeKind};
use serde_json::Value;

use crate::words::{count, list, moment, name, text};

/// Tells a fact in plain words, on one line, with everything that came from outside cleaned.
pub fn describe(fact: &Fact) -> String {
    match fact {
        Fact::StepIntended { .. }
        | Fact::StepEnded { .. }
        | Fact::StepSkipped { .. }
        | Fact::StepRetried { .. }
        | Fact::UndoIntended { .. }
        | Fact::UndoEnded { .. } => step(fact),
        Fact::MeasureIntended { .. }
        | Fact::MeasureApplied { .. }
        | Fact::MeasureFailed { .. }
        | Fact::MeasureVerified { .. }
        | Fact::MeasureRestored { .. }
        | Fact::ContainmentWaived { .. } => containment(fact),
        Fact::IssuerKnown { .. }
        | Fact::KeysListed { .. }
        | Fact::InventoryStarted
        | Fact::CredentialFound { .. }
        | Fact::PlaceFound { .. }
        | Fact::ConsumerFound { .. }
        | Fact::DependencyFound { .. }
        | Fact::Probed { .. } => inventory(fact),
        Fact::EvidenceTaken { .. }
        | Fact::ActorConvicted { .. }
        | Fact::TriageBegan { .. }
        | Fact::ActorJudged { .. }
        | Fact::Exposed { .. }
        | Fact::KeyPlanted { .. }
        | Fact::BlindSpotFound { .. } => evidence(fact),
        Fact::CaseOpened { .. }
        | Fact::PlanRecorded { .. }
        | Fact::PlanApproved { .. }
        | Fact::PlanSigned { .. }
        | Fact::ApprovalBypassed { .. }
        | Fact::Paused { .. }
        | Fact::Resumed { .. }
        | Fact::Waived { .. }
        | Fact::TripwireHit { .. }
        | Fact::TripwireChecked { .. }
        | Fact::CustodyShredded
        | Fact::CertificateIssued { .. }
        | Fact::CaseClosed { .. } => rest(fact),
    }
}

fn evidence(fact: &Fact) -> String {
    match fact {
        Fact::EvidenceTaken { files, events } => {
            let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            let files = count(files.len(), "log file", "log files");
            format!("Took in {files} with {events} events: {}", list(&paths))
        }
        Fact::ActorConvicted {
            keys,
            arns,
            addresses,
            first,
            last,
            why,
        } => {
            let keys: Vec<&str> = keys.iter().map(relatch_case::KeyId::as_str).collect();
            let mut words = String::from("Found to be the thief's:");
            for (label, names) in [
                ("keys", list(&keys)),
                ("identities", list(arns)),
                ("addresses", list(addresses)),
            ] {
                if !names.is_empty() {
                    words = format!("{words} {label} {names};");
                }
            }
            if let (Some(first), Some(last)) = (first, last) {
                words = format!("{words} from {} to {};", moment(*first), moment(*last));
            }
            let why: Vec<String> = why.iter().map(|why| text(why)).collect();
            format!("{words} because {}", or_none(&why.join("; ")))
        }
        Fact::TriageBegan {
            keys,
            arns,
            addresses,
            since,
            until,
            proposed,
        } => {
            let keys: Vec<&str> = keys.iter().map(relatch_case::KeyId::as_str).collect();
            let said = [
                ("keys", list(&keys)),
                ("identities", list(arns)),
                ("addresses", list(addresses)),
                ("not before", since.map(moment).unwrap_or_default()),
                ("over by", until.map(moment).unwrap_or_default()),
                ("proposed", list(proposed)),
            ];
            let said: Vec<String> = said
                .into_iter()
                .filter(|(_, names)| !names.is_empty())
                .map(|(label, names)| format!("{label} {names}"))
                .collect();
            format!("The triage began with {}", or_none(&said.join("; ")))
        }
        Fact::ActorJudged {
            actor,
            judgement,
            because,
            by,
            clears_keys,
            clears_arns,
        } => {
            let whose = match judgement {
                Judgement::Convicted => "the thief's",
                Judgement::Acquitted => "not the thief's",
            };
            let keys: Vec<&str> = clears_keys
                .iter()
                .map(relatch_case::KeyId::as_str)
                .collect();
            let (actor, by, because) = (name(actor), name(by), text(because));
            let mut words = format!("{by} judged {actor} to be {whose}, because {because}");
            let cleared = [("keys", list(&keys)), ("identities", list(clears_arns))];
            let cleared: Vec<String> = cleared
                .into_iter()
                .filter(|(_, names)| !names.is_empty())
                .map(|(label, names)| format!("{label} {names}"))
                .collect();
            if !cleared.is_empty() {
                let cleared = cleared.join(", ");
                words = format!("{words}; no longer held for the thief's: {cleared}");
            }
            words
        }
        Fact::Exposed {
            container,
            level,
            event_ids,
        } => format!(
            "{} {}{}",
            name(&container.to_string()),
            exposure(*level),
            evidence_ids(event_ids)
        ),
        Fact::KeyPlanted {
            issuer,
            key,
            event_id,
        } => format!(
            "The thief made key {} at {} (event {})",
            name(key.as_str()),
            name(issuer.as_str()),
            name(event_id)
        ),
        Fact::BlindSpotFound { what, why, hides } => format!(
            "Blind spot: {}, because {}; it could hide {}",
            text(what),
            text(why),
            text(hides)
        ),
        _ => String::new(),
    }
}

/// How sure it is that the thief has a value, as words after its name.
pub(crate) fn exposure(level: ExposureLevel) -> &'static str {
    match level {
        ExposureLevel::Read => "was read by the thief, or has to be taken as read",
        ExposureLevel::Readable => "could be read by the thief",
        ExposureLevel::Reachable => "is in the account that was entered",
    }
}

fn evidence_ids(ids: &[String]) -> String {
    if ids.is_empty() {
        " (no event shows it)".to_string()
    } else {
        format!(" (events {})", list(ids))
    }
}

fn inventory(fact: &Fact) -> String {
    match fact {
        Fact::InventoryStarted => "Began a new inventory".to_string(),
        Fact::IssuerKnown { issuer, sheet } => {
            let minting = match sheet.minting {
                Minting::Program => "keys made by a call",
                Minting::Person { .. } => "keys made by a person at its console",
                Minting::Impossible { .. } => "keys cannot be replaced in place",
            };
            format!(
                "Know what issuer {} can do: {minting}",
                name(issuer.as_str())
            )
        }
        Fact::KeysListed {
            issuer,
            principal,
            keys,
        } => format!(
            "{} lists {} for {}, {} active",
            name(issuer.as_str()),
            count(keys.len(), "key", "keys"),
            name(principal.as_str()),
            keys.iter().filter(|key| key.active).count()
        ),
        Fact::CredentialFound { credential } => format!(
            "Found credential {} ({}) of {}, {}",
            name(&credential.name),
            credential.id,
            name(credential.issuer.as_str()),
            match &credential.key_id {
                Some(key) => format!("key {}", name(key.as_str())),
                None => "not matched to a key at its issuer".to_string(),
            }
        ),
        Fact::PlaceFound { place } => format!(
            "Found {} in place {}",
            name(place.credential.as_str()),
            name(place.id.as_str())
        ),
        Fact::DependencyFound { credential, opens } => {
            format!("{} {}", name(credential.as_str()), text(&opens.to_string()))
        }
        Fact::ConsumerFound { consumer } => {
            let kind = match consumer.kind {
                ConsumerKind::Lambda { .. } => "function",
                ConsumerKind::Service { .. } => "service",
            };
            let reads: Vec<String> = consumer.reads.iter().map(ToString::to_string).collect();
            format!(
                "Found consumer {} ({kind}), which reads {}",
                name(consumer.id.as_str()),
                or_none(&list(&reads))
            )
        }
        Fact::Probed { credential, probe } => {
            format!("Probed the old key of {credential}: {}", proof(probe))
        }
        _ => String::new(),
    }
}

fn containment(fact: &Fact) -> String {
    match fact {
        Fact::MeasureIntended { id, measure, .. } => format!(
            "About to take measure {}: {}",
            name(id),
            value_words(measure)
        ),
        Fact::MeasureApplied { id } => format!("Took measure {}", name(id)),
        Fact::MeasureFailed { id, fault } => format!(
            "Measure {} failed or its outcome is not known: {}",
            name(id),
            text(&fault.detail)
        ),
        Fact::MeasureVerified { id, binds, how } => format!(
            "Measure {} {}: {}",
            name(id),
            match binds {
                Some(true) => "was seen to bind",
                Some(false) => "was seen not to bind",
                None => "could not be seen to bind",
            },
            text(how)
        ),
        Fact::MeasureRestored { id } => {
            format!(
                "Took back measure {}; what was there before is back",
                name(id)
            )
        }
        Fact::ContainmentWaived { because, people } => format!(
            "{} let new values into places before containment is verified: {}",
            or_none(&list(people)),
            text(because)
        ),
        _ => String::new(),
    }
}

fn step(fact: &Fact) -> String {
    match fact {
        Fact::StepIntended { step, attempt, .. } => {
            format!("About to do {} (try {attempt})", name(step.as_str()))
        }
        Fact::StepEnded {
            step,
            attempt,
            outcome,
        } => format!(
            "{} (try {attempt}) {}",
            name(step.as_str()),
            ending(outcome)
        ),
        Fact::StepSkipped { step, because } => {
            format!("{} is skipped: {}", name(step.as_str()), text(because))
        }
        Fact::StepRetried { step } => format!("{} was sent back to work", name(step.as_str())),
        Fact::UndoIntended { step, because } => {
            format!("About to undo {}: {}", name(step.as_str()), text(because))
        }
        Fact::UndoEnded { step, outcome } => {
            format!("Undoing {} {}", name(step.as_str()), ending(outcome))
        }
        _ => String::new(),
    }
}

fn ending(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { result } => format!("is done{}", result_words(result)),
        Outcome::Failed { fault } => format!("did not happen: {}", text(&fault.detail)),
        Outcome::Unknown { fault } => {
            format!("may or may not have happened: {}", text(&fault.detail))
        }
        Outcome::NotDone { how } => {
            format!("was asked after and had not happened: {}", text(how))
        }
        Outcome::Stuck { because } => format!("waits for a person: {}", text(because)),
    }
}

fn result_words(result: &StepResult) -> String {
    let key = result
        .key
        .as_ref()
        .map(|key| format!("key {}", name(key.as_str())));
    let probe = result.probe.as_ref().map(proof);
    let note = result.note.as_ref().map(|note| text(note));
    let parts: Vec<String> = [key, probe, note].into_iter().flatten().collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(": {}", parts.join("; "))
    }
}

/// A probe in words: verdict, answer, way, and whether the control held.
pub(crate) fn proof(probe: &Probe) -> String {
    let how = match probe.how {
        ProbeKind::Presented => "the key itself was presented",
        ProbeKind::Listed => "read from the issuer's list",
    };
    let control = if probe.control {
        "control held"
    } else {
        "control did not hold"
    };
    let answer = or_none(&text(&probe.answer));
    format!("{} ({answer}; {how}; {control})", liveness(probe.liveness))
}

/// A liveness in the words that commands use.
pub(crate) fn liveness(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Alive => "alive",
        Liveness::Restricted => "restricted",
        Liveness::OutOfQuota => "out-of-quota",
        Liveness::Dead => "dead",
        Liveness::Unknown => "unknown",
    }
}

fn rest(fact: &Fact) -> String {
    match fact {
        Fact::CaseOpened {
            id, title, account, ..
        } => match account {
            Some(account) => format!(
                "Opened case {id} on account {}: {}",
                name(account),
                text(title)
            ),
            None => format!("Opened case {id}: {}", text(title)),
        },
        Fact::PlanRecorded { hash, plan } => format!(
            "Recorded plan {}: {} to rotate or retire, {}, {} blocked",
            name(hash.short()),
            count(plan.rotations.len(), "credential", "credentials"),
            count(plan.steps.len(), "step", "steps"),
            plan.blocked.len()
        ),
        Fact::PlanApproved { hash, by } => {
            format!("{} approved plan {}", name(by), name(hash.short()))
        }
        Fact::PlanSigned { hash, by, .. } => format!(
            "{} approved plan {} with a signature",
            name(by),
            name(hash.short())
        ),
        Fact::ApprovalBypassed { hash, by, because } => format!(
            "EMERGENCY: {} went on with plan {} without its approvals: {}",
            name(by),
            name(hash.short()),
            text(because)
        ),
        Fact::Paused {
            credential,
            because,
        } => format!("Paused {}: {}", all_or(credential.as_ref()), text(because)),
        Fact::Resumed { credential } => format!("Resumed {}", all_or(credential.as_ref())),
        Fact::Waived {
            credential,
            because,
            owner,
            expires,
        } => format!(
            "{credential} will not be rotated until {}, {} answers for it: {}",
            moment(*expires),
            name(owner),
            text(because)
        ),
        Fact::TripwireHit {
            key,
            event_id,
            at,
            seen,
        } => format!(
            "Retired key {} was tried at {} (event {}): {}",
            name(key.as_str()),
            moment(*at),
            name(event_id),
            text(seen)
        ),
        Fact::TripwireChecked { source, through } => format!(
            "Looked for uses of retired keys in {} up to {}",
            name(source),
            moment(*through)
        ),
        Fact::CustodyShredded => "Destroyed the sealed values in custody".to_string(),
        Fact::CertificateIssued { sha256 } => {
            format!("Issued a certificate, SHA-256 {}", name(sha256))
        }
        Fact::CaseClosed { remark } => format!("Closed the case: {}", or_none(&text(remark))),
        _ => String::new(),
    }
}

fn or_none(words: &str) -> String {
    if words.is_empty() {
        "nothing said".to_string()
    } else {
        words.to_string()
    }
}

/// Data of another crate's in words: `verb thing` where it names itself, else its plain
/// fields in a row. Nested data is left to the journal.
pub(crate) fn value_words(value: &Value) -> String {
    match value {
        Value::Null => "nothing said".to_string(),
        Value::String(words) => text(words),
        Value::Object(fields) => {
            let mut plain: Vec<String> = fields
                .iter()
                .filter_map(|(field, value)| Some(format!("{} {}", name(field), scalar(value)?)))
                .collect();
            plain.sort();
            or_none(&plain.join(", "))
        }
        Value::Array(items) => {
            let plain: Vec<String> = items.iter().filter_map(scalar).collect();
            or_none(&plain.join(", "))
        }
        other => other.to_string(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(words) => Some(text(words)),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Some(text(&list(&names)))
        }
        _ => None,
    }
}

fn all_or(credential: Option<&relatch_case::CredentialId>) -> String {
    credential.map_or_else(|| "every rotation".to_string(), |id| name(id.as_str()))
}
