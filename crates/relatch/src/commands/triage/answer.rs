//! The answer as `--json` and `triage.json` have it: what the evidence shows, and what asking
//! elsewhere came to.

use std::collections::{BTreeMap, BTreeSet};

use relatch_evidence::{
    Actor, AwsFinding, BlindSpot, DetectionCounts, DetectionGroup, FileSkipped, FileTaken, Judged,
    Persistence, Problem, SecretKnown, SecretRead, SecretReadable, SeedUsed, TaintedEvent, Triage,
};
use serde::Serialize;

use super::athena::Asked;

/// Every field of a [`Triage`] under its name, and more. What they are is said in
/// `docs/triage.md`.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'t> {
    tainted_events: &'t [String],
    uncertain_events: &'t [String],
    events: &'t [TaintedEvent],
    secrets_read: &'t [SecretRead],
    attempted_reads: &'t [SecretRead],
    issued_credentials: &'t [SecretRead],
    secrets_known: &'t [SecretKnown],
    secrets_readable: Option<&'t [SecretReadable]>,
    actors: &'t [Actor],
    addresses: &'t [String],
    first: Option<&'t str>,
    last: Option<&'t str>,
    detections: &'t [DetectionGroup],
    detection_counts: &'t DetectionCounts,
    detections_by_event: &'t BTreeMap<String, Vec<String>>,
    persistence: &'t [Persistence],
    created_keys: &'t BTreeSet<String>,
    aws_findings: &'t [AwsFinding],
    blind_spots: &'t [BlindSpot],
    problems: &'t [Problem],
    seeds: &'t [SeedUsed],
    judgements: &'t [Judged],
    files: &'t [FileTaken],
    skipped: &'t [FileSkipped],
    events_read: u64,
    duplicates: u64,
    athena: Option<&'t Asked>,
}

impl<'t> Answer<'t> {
    /// The answer of a triage; `athena` where it was asked.
    pub(super) fn new(triage: &'t Triage, athena: Option<&'t Asked>) -> Self {
        // Without `..`: a field that is added there must not be left out here.
        let Triage {
            tainted_events,
            uncertain_events,
            events,
            secrets_read,
            attempted_reads,
            issued_credentials,
            secrets_known,
            secrets_readable,
            actors,
            addresses,
            first,
            last,
            detections,
            detection_counts,
            detections_by_event,
            persistence,
            created_keys,
            aws_findings,
            blind_spots,
            problems,
            seeds,
            judgements,
            files,
            skipped,
            events_read,
            duplicates,
        } = triage;
        Self {
            tainted_events,
            uncertain_events,
            events,
            secrets_read,
            attempted_reads,
            issued_credentials,
            secrets_known,
            secrets_readable: secrets_readable.as_deref(),
            actors,
            addresses,
            first: first.as_deref(),
            last: last.as_deref(),
            detections,
            detection_counts,
            detections_by_event,
            persistence,
            created_keys,
            aws_findings,
            blind_spots,
            problems,
            seeds,
            judgements,
            files,
            skipped,
            events_read: *events_read,
            duplicates: *duplicates,
            athena,
        }
    }
}

#[cfg(test)]
mod tests {
    use relatch_evidence::{Options, Seeds, Source, triage_sources};
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_answer_is_the_triage_and_one_field_more() {
        let line = r#"{"eventID":"1","eventTime":"2026-11-10T10:00:00Z","eventName":"ListUsers","eventSource":"iam.amazonaws.com","sourceIPAddress":"198.51.100.7","userIdentity":{"type":"IAMUser","accessKeyId":"AKIAOWNEROWNEROWNERX"}}"#;
        let source = Source::Bytes {
            name: "x".to_owned(),
            bytes: line.as_bytes().to_vec(),
        };
        let options = Options::with_seeds(Seeds::default());
        let triage = triage_sources(&[source], &options).expect("triaged");
        let mut answer = serde_json::to_value(Answer::new(&triage, None)).expect("JSON");
        let more = answer.as_object_mut().expect("an object").remove("athena");
        assert_eq!(more, Some(Value::Null));
        assert_eq!(answer, serde_json::to_value(&triage).expect("JSON"));
    }
}
