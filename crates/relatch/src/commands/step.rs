//! `relatch skip` and `relatch retry`: a person's word on one step.

use clap::Args;
use relatch_case::state::StepStatus;
use relatch_case::{Fact, State, StepId};

use crate::app::App;
use crate::error::{CommandError, Kind};
use crate::names;
use crate::workspace::OpenCase;

/// Options of `skip`.
#[derive(Debug, Args)]
pub(crate) struct SkipArgs {
    /// The step, by its id or the beginning of it
    step: String,
    /// Why; it stands in every report
    #[arg(long, value_name = "REASON", value_parser = reason)]
    because: String,
}

/// Options of `retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The step, by its id or the beginning of it
    step: String,
}

/// A reason that says something.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("a reason is needed: it stands in the report".to_string())
    } else {
        Ok(text.trim().to_string())
    }
}

pub(crate) fn skip(app: &App, args: SkipArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let step = open_step(&case, &args.step)?;
    case.ledger.with(|state| may_be_skipped(state, &step))?;
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

/// What the state would not take is refused before it is recorded.
fn may_be_skipped(state: &State, step: &StepId) -> Result<(), CommandError> {
    let refused = |words: String, hint: &str| {
        Err(CommandError::new(Kind::Refused, words).hint(hint.to_string()))
    };
    let is_mint = step.as_str().ends_with("/mint");
    match state.steps.get(step).map(|known| &known.status) {
        Some(StepStatus::Undoing { .. }) => refused(
            format!("{step} is being rolled back: it cannot be left out half way"),
            "relatch apply finishes that",
        ),
        Some(StepStatus::Intended | StepStatus::Unknown { .. }) if is_mint => refused(
            format!("whether {step} made a key is not known: left out, the key would be forgotten"),
            "relatch apply finds it out",
        ),
        _ => Ok(()),
    }
}

pub(crate) fn retry(app: &App, args: RetryArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let step = open_step(&case, &args.step)?;
    let wave = case.ledger.with(|state| {
        may_be_retried(state, &step)?;
        Ok::<_, CommandError>(wave_sent(state, &step))
    })?;
    case.ledger
        .record(app.now(), vec![Fact::StepRetried { step: step.clone() }])?;
    match wave {
        Some((wave, steps)) => app.printer.note(&format!(
            "{step} is of wave {wave}, which failed: the whole wave is sent back to work, {steps} \
             steps are done again"
        )),
        None => app.printer.note(&format!("{step} will be tried again")),
    }
    app.printer.note("next: relatch apply");
    Ok(())
}

fn may_be_retried(state: &State, step: &StepId) -> Result<(), CommandError> {
    let in_wave = wave_sent(state, step).is_some();
    let words = match state.steps.get(step).map(|known| &known.status) {
        Some(StepStatus::Intended | StepStatus::Unknown { .. }) => {
            format!("the outcome of {step} is not known yet: it must be found out, not done again")
        }
        Some(StepStatus::Undoing { .. }) => {
            format!("{step} is still being rolled back: that comes first")
        }
        None if !in_wave => format!("{step} was not begun: there is nothing to try again"),
        _ => return Ok(()),
    };
    Err(CommandError::new(Kind::Refused, words).hint("relatch apply goes on with it"))
}

/// The failed wave that goes back to work with a step, and how many of its steps are done
/// again.
fn wave_sent(state: &State, step: &StepId) -> Option<(u32, usize)> {
    let plan = &state.plan.as_ref()?.plan;
    let planned = plan.step(step)?;
    let failed = state.failed_waves.get(&planned.credential)?;
    let wave = planned.wave.filter(|wave| *wave == failed.wave)?;
    let again = plan
        .steps_of(&planned.credential)
        .filter(|other| other.wave == Some(wave))
        .filter(|other| {
            let status = state.steps.get(&other.id).map(|known| &known.status);
            matches!(
                status,
                Some(StepStatus::Undone { .. } | StepStatus::Failed { .. } | StepStatus::Retried)
            )
        });
    Some((wave, again.count()))
}

/// The step of the plan in force that is named and not over.
fn open_step(case: &OpenCase, name: &str) -> Result<StepId, CommandError> {
    let (step, over) = case.ledger.with(|state| {
        let step = names::step(state, name)?;
        let over = state.is_over(&step);
        Ok::<_, CommandError>((step, over))
    })?;
    if over {
        return Err(CommandError::new(
            Kind::Usage,
            format!("{step} is over already"),
        ));
    }
    Ok(step)
}
