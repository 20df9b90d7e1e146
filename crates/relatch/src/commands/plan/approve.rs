//! Approving the plan in force: by name, or by signatures of those whom it names.

use std::collections::BTreeSet;

use relatch_case::approval::message;
use relatch_case::state::PlanInForce;
use relatch_case::{CaseId, Fact, State};
use serde::Serialize;

use super::args::ApproveArgs;
use super::{emergency, signed};
use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};
use crate::workspace::OpenCase;

/// How far the approval of a plan is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Approval {
    /// How many people must approve.
    pub(crate) needed: usize,
    /// Who did.
    pub(crate) by: Vec<String>,
    /// Who may and did not; empty where any name counts.
    pub(crate) others: Vec<String>,
    /// Whether names alone count.
    pub(crate) by_name: bool,
    /// Whether it may be applied.
    pub(crate) approved: bool,
    /// Who went on without, and why.
    pub(crate) bypassed: Option<(String, String)>,
}

impl Approval {
    /// That of the plan in force.
    pub(crate) fn of(plan: &PlanInForce) -> Self {
        let policy = &plan.plan.policy;
        let people: BTreeSet<&String> = policy.approvers.iter().map(|a| &a.name).collect();
        Self {
            needed: policy.approvals.max(1) as usize,
            by: plan.approved_by.iter().cloned().collect(),
            others: people
                .into_iter()
                .filter(|name| !plan.approved_by.contains(*name))
                .cloned()
                .collect(),
            by_name: policy.approvers.is_empty(),
            approved: plan.is_approved(),
            bypassed: plan.bypassed.clone(),
        }
    }

    /// `approved by alice (1 of 2), still missing 1 of bob, carol`.
    pub(crate) fn words(&self) -> String {
        let have = self.by.len();
        let by = if self.by.is_empty() {
            "not approved".to_string()
        } else {
            format!("approved by {}", self.by.join(", "))
        };
        let missing = self.needed.saturating_sub(have);
        match (missing, self.by_name) {
            (0, _) => format!("{by} ({have} of {})", self.needed),
            (_, true) => format!("{by} ({have} of {}), {missing} missing", self.needed),
            (_, false) => format!(
                "{by} ({have} of {}), still missing {missing} of: {}",
                self.needed,
                self.others.join(", ")
            ),
        }
    }

    /// A bypass, to be seen by everybody.
    pub(crate) fn alarm(&self) -> Option<String> {
        let (by, because) = self.bypassed.as_ref()?;
        Some(format!(
            "!! APPROVAL BYPASSED by {by}: {because} ({} of {} approvals)",
            self.by.len(),
            self.needed
        ))
    }
}

/// Runs `relatch plan approve`.
pub(super) fn run(app: &App, args: &ApproveArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    if args.print_message {
        let plan = in_force(&case, args.hash.as_deref())?;
        app.printer.exactly(&message(&plan.plan.case, &plan.hash));
        return Ok(());
    }
    if args.emergency {
        return emergency::run(app, &case, args);
    }
    match (&args.sign, &args.signature, args.hash.as_deref()) {
        (Some(key), _, Some(hash)) => signed::sign(app, &case, hash, key, args.as_name.as_deref()),
        (_, Some(file), hash) => {
            let name = args.as_name.as_deref().unwrap_or_default();
            signed::take(app, &case, hash, file, name)
        }
        (None, None, Some(hash)) => by_name(app, hash),
        (_, None, None) => {
            let plan = in_force(&case, None)?;
            Err(CommandError::new(
                Kind::Usage,
                "name the plan that you have looked at by its hash",
            )
            .hint(format!(
                "the plan in force: relatch plan show, then relatch plan approve {}",
                plan.hash.short()
            )))
        }
    }
}

/// Approves by the name of whoever runs the command.
pub(crate) fn by_name(app: &App, hash: &str) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let plan = in_force(&case, Some(hash))?;
    let approval = Approval::of(&plan);
    if !approval.by_name {
        return Err(CommandError::new(
            Kind::Refused,
            format!(
                "this plan is approved by signatures, not by name; who may: {}",
                approval.others.join(", ")
            ),
        )
        .hint(format!(
            "relatch plan approve {} --sign KEYFILE, or --signature FILE --as NAME",
            plan.hash.short()
        )));
    }
    refuse_twice(&approval, &app.by)?;
    let fact = Fact::PlanApproved {
        hash: plan.hash.clone(),
        by: app.by.clone(),
    };
    case.ledger.record(app.now(), vec![fact])?;
    say(app, &case, &app.by)
}

/// The plan in force, which must be the one that was meant.
pub(super) fn in_force(case: &OpenCase, hash: Option<&str>) -> Result<PlanInForce, CommandError> {
    let found = case
        .ledger
        .with(|state: &State| state.plan.clone())
        .ok_or("there is no plan to approve")
        .kind(Kind::Usage)
        .map_err(|error| error.hint("make one: relatch plan"))?;
    let Some(hash) = hash else {
        return Ok(found);
    };
    if hash.len() >= 12 && found.hash.as_str().starts_with(hash) {
        return Ok(found);
    }
    Err(CommandError::new(
        Kind::Refused,
        format!(
            "the plan in force has hash {}, not {hash}: look at it again",
            found.hash.short()
        ),
    )
    .hint("relatch plan show"))
}

/// One person approves once.
pub(super) fn refuse_twice(approval: &Approval, name: &str) -> Result<(), CommandError> {
    if approval.by.iter().any(|by| by == name) {
        return Err(CommandError::new(
            Kind::Refused,
            format!(
                "{name} has approved this plan already; {}",
                approval.words()
            ),
        ));
    }
    Ok(())
}

/// Says that it counts, and what is missing still.
pub(super) fn say(app: &App, case: &OpenCase, name: &str) -> Result<(), CommandError> {
    let plan = in_force(case, None)?;
    let approval = Approval::of(&plan);
    if !approval.by.iter().any(|by| by == name) {
        return Err(CommandError::new(
            Kind::Failed,
            format!("the approval of {name} was recorded and does not count: another plan may be in force by now"),
        )
        .hint("relatch status"));
    }
    app.printer.result(&approval, |approval| {
        format!("plan {}: {}", plan.hash.short(), approval.words())
    });
    if approval.approved {
        app.printer.note("next: relatch apply");
    }
    Ok(())
}

/// The case's id as its journal has it, which is what is signed.
pub(super) fn case_id(plan: &PlanInForce) -> &CaseId {
    &plan.plan.case
}
