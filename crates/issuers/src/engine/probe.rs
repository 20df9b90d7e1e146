//! Trying a key, with a made-up one beside it.

use relatch_case::model::{Liveness, Probe, ProbeKind};
use relatch_secret::Secret;

use super::call::Caller;
use crate::catalog::{Entry, ProbeSpec, fill, tell};
use crate::http::{Answer, NoAnswer, scrub};

/// What one presented key was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    liveness: Liveness,
    answer: String,
}

/// Presents a key and a made-up one of the same format.
pub(crate) async fn probe(caller: &Caller, entry: &Entry, key: &Secret) -> Probe {
    let control = made_up(entry, key);
    let (tried, control) = tokio::join!(
        present(caller, &entry.probe, key),
        present(caller, &entry.probe, &control)
    );
    conclude(tried, control)
}

/// A made-up key of the format that the key has, or of the first format.
fn made_up(entry: &Entry, key: &Secret) -> Secret {
    let begins = |prefix: &str| key.expose().starts_with(prefix.as_bytes());
    let alike = entry
        .formats
        .iter()
        .filter(|f| begins(&f.prefix))
        .max_by_key(|f| f.prefix.len());
    let format = alike
        .or(entry.formats.first())
        .map(|format| format.made_up.as_str());
    let template = format
        .or(entry.probe.made_up.as_deref())
        .unwrap_or_default();
    Secret::from(fill(template).unwrap_or_default())
}

async fn present(caller: &Caller, spec: &ProbeSpec, key: &Secret) -> Verdict {
    match caller.try_key(&spec.request, key).await {
        Ok(answer) => judge(caller, spec, &answer, key),
        Err(NoAnswer::Unsendable(text) | NoAnswer::Unreached(text) | NoAnswer::Lost(text)) => {
            let answer = format!("no answer: {}", scrub(&text, &[key]));
            Verdict {
                liveness: Liveness::Unknown,
                answer,
            }
        }
    }
}

fn judge(caller: &Caller, spec: &ProbeSpec, answer: &Answer, key: &Secret) -> Verdict {
    let code = caller
        .code(answer)
        .map_or(String::new(), |code| format!(" {code}"));
    let rule = tell(&spec.rules, answer.status, answer.json());
    let (liveness, words) = match rule {
        Some(rule) => (rule.liveness, rule.answer.as_str()),
        None if answer.body.is_none() => (Liveness::Unknown, "not in the issuer's own format"),
        None => (Liveness::Unknown, "proves nothing"),
    };
    let text = format!("{}{code}: {words}", answer.status);
    Verdict {
        liveness,
        answer: scrub(&text, &[key]),
    }
}

/// Weighs the answer to the key by the answer to the made-up one.
fn conclude(tried: Verdict, control: Verdict) -> Probe {
    let refused = control.liveness == Liveness::Dead;
    let silent = control.liveness == Liveness::Unknown;
    let (liveness, beside) = if refused {
        (tried.liveness, "a made-up key was refused".to_string())
    } else if silent {
        let liveness = match tried.liveness {
            Liveness::Dead => Liveness::Unknown,
            other => other,
        };
        (
            liveness,
            format!("no control: a made-up key got {}", control.answer),
        )
    } else {
        let why = "so the endpoint does not tell keys apart";
        (
            Liveness::Unknown,
            format!("a made-up key got {}, {why}", control.answer),
        )
    };
    let answer = relatch_secret::redact::outside(&format!("{}; {beside}", tried.answer));
    Probe {
        liveness,
        answer,
        control: refused,
        how: ProbeKind::Presented,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(liveness: Liveness) -> Verdict {
        Verdict {
            liveness,
            answer: "x".into(),
        }
    }

    #[test]
    fn nothing_is_dead_without_a_refused_control() {
        use Liveness::{Alive, Dead, OutOfQuota, Restricted, Unknown};
        for control in [Alive, Restricted, OutOfQuota, Unknown] {
            let probe = conclude(verdict(Dead), verdict(control));
            assert_eq!(
                (probe.liveness, probe.control),
                (Unknown, false),
                "{control:?}"
            );
        }
        for tried in [Alive, Restricted, OutOfQuota, Dead, Unknown] {
            let probe = conclude(verdict(tried), verdict(Dead));
            assert_eq!((probe.liveness, probe.control), (tried, true));
        }
        assert_eq!(conclude(verdict(Alive), verdict(Unknown)).liveness, Alive);
        assert_eq!(conclude(verdict(Alive), verdict(Alive)).liveness, Unknown);
    }
}
