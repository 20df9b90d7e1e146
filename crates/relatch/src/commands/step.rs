//! `relatch skip` and `relatch retry`: a person's word on one step.

use clap::Args;
use relatch_case::state::StepStatus;
use relatch_case::{Fact, StepId};

use crate::app::App;
use crate::error::{CommandError, Kind};
use crate::workspace::OpenCase;

/// Options of `skip`.
#[derive(Debug, Args)]
pub(crate) struct SkipArgs {
    /// The step, as `relatch status` names it
    step: String,
    /// Why; it stands in every report
    #[arg(long, value_name = "REASON")]
    because: String,
}

/// Options of `retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The step, as `relatch status` names it
    step: String,
}

pub(crate) fn skip(app: &App, args: SkipArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let step = open_step(&case, &args.step)?;
    let fact = Fact::StepSkipped {
        step: step.clone(),
        because: args.because,
    };
    case.ledger.record(app.now(), vec![fact])?;
    app.printer.note(&format!(
        "{step} is left out; what waited for it may now go on"
    ));
    Ok(())
}

pub(crate) fn retry(app: &App, args: RetryArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let step = open_step(&case, &args.step)?;
    let unknown = case.ledger.with(|state| {
        state.steps.get(&step).is_some_and(|known| {
            matches!(
                known.status,
                StepStatus::Intended | StepStatus::Unknown { .. }
            )
        })
    });
    if unknown {
        return Err(CommandError::new(
            Kind::Refused,
            format!("the outcome of {step} is not known yet: it must be found out, not done again"),
        )
        .hint("relatch apply reconciles it"));
    }
    case.ledger
        .record(app.now(), vec![Fact::StepRetried { step: step.clone() }])?;
    app.printer
        .note(&format!("{step} will be tried again: relatch apply"));
    Ok(())
}

/// The step of the plan in force that is named and not over.
fn open_step(case: &OpenCase, name: &str) -> Result<StepId, CommandError> {
    let step = StepId::from(name);
    let (known, over) = case.ledger.with(|state| {
        let known = state
            .plan
            .as_ref()
            .is_some_and(|plan| plan.plan.step(&step).is_some());
        (known, state.is_over(&step))
    });
    if !known {
        return Err(
            CommandError::new(Kind::Usage, format!("the plan has no step {step}"))
                .hint("relatch plan show --steps"),
        );
    }
    if over {
        return Err(CommandError::new(
            Kind::Usage,
            format!("{step} is over already"),
        ));
    }
    Ok(step)
}
