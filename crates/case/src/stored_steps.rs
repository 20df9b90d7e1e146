//! Step facts, which are what most of a long journal is made of, read fast.
//!
//! For serde a tag within the data means that all of it is held twice; one flat shape that has
//! the names of both facts costs a third of that. Whatever does not fit exactly, down to a
//! name that is not known, is left to serde: `None`.

use relatch_secret::Fingerprint;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fact::{Fact, Outcome, StepResult};
use crate::fault::{Fault, FaultKind};
use crate::model::{Liveness, Probe, ProbeKind};
use crate::{KeyId, StepBaseline, StepId};

/// The step fact with this canonical text.
pub(crate) fn parse(text: &str) -> Option<Fact> {
    if !text.starts_with("{\"attempt\":") {
        return None;
    }
    let flat: FlatFact<'_> = serde_json::from_str(text).ok()?;
    let (step, attempt) = (flat.step, flat.attempt);
    match (flat.kind, flat.baseline, flat.outcome) {
        ("step_intended", baseline, None) => Some(Fact::StepIntended {
            step,
            attempt,
            baseline: StepBaseline::from_raw(baseline?),
        }),
        ("step_ended", None, Some(outcome)) => Some(Fact::StepEnded {
            step,
            attempt,
            outcome: outcome.into_outcome()?,
        }),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatFact<'a> {
    attempt: u32,
    #[serde(borrow, default, deserialize_with = "present")]
    baseline: Option<&'a RawValue>,
    kind: &'a str,
    #[serde(borrow)]
    outcome: Option<FlatOutcome<'a>>,
    step: StepId,
}

/// A baseline of `null` is there; one that is left out is not.
fn present<'de, D>(from: D) -> Result<Option<&'de RawValue>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    <&RawValue>::deserialize(from).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatOutcome<'a> {
    because: Option<String>,
    fault: Option<FlatFault>,
    how: Option<String>,
    outcome: &'a str,
    result: Option<FlatResult>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatFault {
    kind: FaultKind,
    detail: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatResult {
    key: Option<KeyId>,
    fingerprint: Option<Fingerprint>,
    probe: Option<FlatProbe>,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatProbe {
    liveness: Liveness,
    answer: String,
    control: bool,
    how: ProbeKind,
}

impl FlatOutcome<'_> {
    fn into_outcome(self) -> Option<Outcome> {
        let fault = self.fault.map(FlatFault::into_fault);
        match (self.outcome, self.result, fault, self.how, self.because) {
            ("done", Some(result), None, None, None) => Some(Outcome::Done {
                result: result.into_result(),
            }),
            ("failed", None, Some(fault), None, None) => Some(Outcome::Failed { fault }),
            ("unknown", None, Some(fault), None, None) => Some(Outcome::Unknown { fault }),
            ("not_done", None, None, Some(how), None) => Some(Outcome::NotDone { how }),
            ("stuck", None, None, None, Some(because)) => Some(Outcome::Stuck { because }),
            _ => None,
        }
    }
}

impl FlatFault {
    fn into_fault(self) -> Fault {
        Fault {
            kind: self.kind,
            detail: self.detail,
        }
    }
}

impl FlatResult {
    fn into_result(self) -> StepResult {
        StepResult {
            key: self.key,
            fingerprint: self.fingerprint,
            probe: self.probe.map(|probe| Probe {
                liveness: probe.liveness,
                answer: probe.answer,
                control: probe.control,
                how: probe.how,
            }),
            note: self.note,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step_facts() -> Vec<String> {
        let fingerprint = serde_json::to_string(
            &relatch_secret::FingerprintKey::from_bytes([1; 32])
                .fingerprint(&relatch_secret::Secret::from("v".to_string())),
        )
        .expect("text");
        let fault = r#"{"detail":"cut \"é\" \u0001","kind":"ambiguous"}"#;
        let probe = r#"{"answer":"429","control":true,"how":"listed","liveness":"out-of-quota"}"#;
        let outcomes = [
            r#"{"outcome":"done","result":{}}"#.to_string(),
            format!(
                r#"{{"outcome":"done","result":{{"fingerprint":{fingerprint},"key":"k","note":"n","probe":{probe}}}}}"#
            ),
            format!(r#"{{"fault":{fault},"outcome":"failed"}}"#),
            format!(r#"{{"fault":{fault},"outcome":"unknown"}}"#),
            r#"{"how":"the issuer's list","outcome":"not_done"}"#.to_string(),
            r#"{"because":"\u001b","outcome":"stuck"}"#.to_string(),
        ];
        let baselines = [
            "null",
            "{}",
            r#"{"a":[1,-2,1.5,1e+21,null,{"b":"é"}],"n":9007199254740991}"#,
        ];
        let ended = outcomes.iter().map(|outcome| {
            format!(r#"{{"attempt":3,"kind":"step_ended","outcome":{outcome},"step":"c:mint"}}"#)
        });
        let intended = baselines.iter().map(|baseline| {
            format!(r#"{{"attempt":4294967295,"baseline":{baseline},"kind":"step_intended","step":"s\"é"}}"#)
        });
        ended.chain(intended).collect()
    }

    #[test]
    fn every_step_fact_is_read_as_serde_reads_it() {
        for text in step_facts() {
            let fact = parse(&text).unwrap_or_else(|| panic!("left to serde: {text}"));
            let serdes: Fact = serde_json::from_str(&text).expect("a fact");
            assert_eq!(fact, serdes, "{text}");
            let again = crate::chain::canonical(&fact).expect("canonical");
            assert_eq!(String::from_utf8_lossy(&again), text, "nothing was lost");
        }
    }

    /// Whatever is changed in a text: what is read at all is what serde reads.
    #[test]
    fn nothing_is_read_that_serde_reads_otherwise() {
        for text in step_facts() {
            for (from, to) in [
                ("step_ended", "step_intended"),
                ("step_intended", "step_ended"),
                ("\"done\"", "\"failed\""),
                ("\"failed\"", "\"unknown\""),
                ("\"failed\"", "\"done\""),
                ("\"outcome\":\"", "\"newly\":1,\"outcome\":\""),
                ("\"kind\":\"step", "\"newly\":1,\"kind\":\"step"),
                ("\"kind\":\"step", "\"kind\":\"step_ended\",\"kind\":\"step"),
                ("\"attempt\":", "\"attempt\":-"),
                ("\"baseline\":null,", ""),
                ("\"outcome\":{", "\"outcome\":{\"because\":\"b\","),
                ("\"result\":{", "\"result\":{\"newly\":1,"),
                ("\"detail\"", "\"newly\":1,\"detail\""),
                ("\"answer\"", "\"newly\":1,\"answer\""),
            ] {
                let other = text.replacen(from, to, 1);
                if let Some(fact) = parse(&other) {
                    let serdes: Fact = serde_json::from_str(&other).expect("serde reads it too");
                    assert_eq!(fact, serdes, "{other}");
                    let again = crate::chain::canonical(&fact).expect("canonical");
                    assert_eq!(String::from_utf8_lossy(&again), other, "something was lost");
                }
            }
            for end in 0..text.len() {
                assert_eq!(
                    text.get(..end).and_then(parse),
                    None,
                    "half a fact was read"
                );
            }
        }
    }
}
