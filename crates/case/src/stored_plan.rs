//! A recorded plan, read fast: one fact, and in a large case as long as all the others together,
//! which wait for it. Its steps are therefore read by all cores at once. Whatever does not fit
//! exactly, down to a name that is not known, is left to serde: `None`.

use std::num::NonZero;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fact::Fact;
use crate::plan::{Baseline, Blocked, PlanIndex, Rotation, Step};
use crate::{CaseId, Plan, PlanHash, Policy, names};

/// Fewer steps than this are not worth a thread.
const WORTH_A_THREAD: usize = 5_000;

/// The recorded plan with this canonical text. Nothing in it may say more than is understood:
/// all of a plan is strict.
pub(crate) fn parse(text: &str) -> Option<Fact> {
    if !text.starts_with("{\"hash\":") {
        return None;
    }
    let flat: FlatFact<'_> = names::sharing(|| serde_json::from_str(text)).ok()?;
    if flat.kind != "plan_recorded" {
        return None;
    }
    let plan = Arc::new(flat.plan.into_plan()?);
    // Its index is wanted soon, and here it is made beside other work.
    plan.index.of(&plan);
    let hash = flat.hash;
    Some(Fact::PlanRecorded { hash, plan })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatFact<'a> {
    hash: PlanHash,
    kind: &'a str,
    #[serde(borrow)]
    plan: FlatPlan<'a>,
}

/// A [`Plan`] whose steps are still text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatPlan<'a> {
    version: u32,
    case: CaseId,
    account: Option<String>,
    policy: Policy,
    rotations: Vec<Rotation>,
    #[serde(borrow)]
    steps: Vec<&'a RawValue>,
    baseline: Baseline,
    blocked: Vec<Blocked>,
}

impl FlatPlan<'_> {
    fn into_plan(self) -> Option<Plan> {
        Some(Plan {
            version: self.version,
            case: self.case,
            account: self.account,
            policy: self.policy,
            rotations: self.rotations,
            steps: steps(&self.steps)?,
            baseline: self.baseline,
            blocked: self.blocked,
            index: PlanIndex::default(),
        })
    }
}

fn steps(texts: &[&RawValue]) -> Option<Vec<Step>> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = texts.len().div_ceil(cores).max(WORTH_A_THREAD);
    let (ours, others) = texts.split_at(share.min(texts.len()));
    std::thread::scope(|scope| {
        let others: Vec<_> = others
            .chunks(share)
            .map(|part| scope.spawn(move || names::sharing(|| read(part, part.len()))))
            .collect();
        let mut steps = names::sharing(|| read(ours, texts.len()))?;
        for part in others {
            let part = part.join();
            steps.extend(part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Some(steps)
    })
}

fn read(texts: &[&RawValue], room: usize) -> Option<Vec<Step>> {
    let mut steps = Vec::with_capacity(room);
    for text in texts {
        steps.push(serde_json::from_str(text.get()).ok()?);
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain;

    /// The text of a recorded plan with so many steps.
    fn recorded(steps: usize) -> String {
        let step = |n: usize| {
            serde_json::json!({
                "id": format!("cred-{}:keep:{n}", n / 7), "credential": format!("cred-{}", n / 7),
                "action": {
                    "verb": "keep", "slot": "a\"é",
                    "container": {"kind": "ssm", "region": "", "name": format!("/p/{n}")},
                },
                "needs": [format!("cred-{}:keep:{}", n.saturating_sub(1) / 7, n.saturating_sub(1))],
                "gates": [{"gate": "approved"}],
            })
        };
        let plan = serde_json::json!({
            "version": 1, "case": "case-1", "account": null, "policy": Policy::default(),
            "rotations": [], "steps": (0..steps).map(step).collect::<Vec<_>>(),
            "baseline": Baseline::default(), "blocked": [],
        });
        let fact = serde_json::json!({"kind": "plan_recorded", "hash": "h", "plan": plan});
        String::from_utf8(chain::canonical(&fact).expect("canonical")).expect("text")
    }

    #[test]
    fn a_plan_is_read_as_serde_reads_it_by_however_many() {
        for steps in [
            0,
            1,
            9,
            WORTH_A_THREAD,
            WORTH_A_THREAD + 1,
            3 * WORTH_A_THREAD + 2,
        ] {
            let text = recorded(steps);
            let fact = parse(&text).expect("a plan");
            let serdes: Fact = serde_json::from_str(&text).expect("a fact");
            assert_eq!(fact, serdes, "{steps} steps");
            let again = chain::canonical(&fact).expect("canonical");
            assert_eq!(String::from_utf8_lossy(&again), text, "nothing was lost");
        }
    }

    #[test]
    fn a_plan_that_says_more_is_left_to_serde() {
        let text = recorded(2 * WORTH_A_THREAD);
        for (from, to) in [
            ("plan_recorded", "plan_approved"),
            ("\"kind\":\"plan", "\"newly\":1,\"kind\":\"plan"),
            ("\"blocked\":[]", "\"blocked\":[],\"newly\":1"),
            ("\"name\":\"/p/9999\"", "\"name\":\"/p/9999\",\"newly\":1"),
            ("\"name\":\"/p/3\"", "\"name\":3"),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text);
            assert_eq!(parse(&other), None, "{to}");
        }
        for end in [0, 8, text.len() / 2, text.len() - 1] {
            assert_eq!(
                text.get(..end).and_then(parse),
                None,
                "half a plan was read"
            );
        }
    }
}
