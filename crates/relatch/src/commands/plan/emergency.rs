//! Going on without the approvals that a plan asks for, seen by everybody.

use relatch_case::Fact;

use super::approve::{Approval, in_force};
use super::args::ApproveArgs;
use crate::app::App;
use crate::error::{CommandError, Kind};
use crate::workspace::OpenCase;

/// Records the bypass once the person at the terminal has typed the plan's hash.
pub(super) fn run(app: &App, case: &OpenCase, args: &ApproveArgs) -> Result<(), CommandError> {
    let plan = in_force(case, args.hash.as_deref())?;
    let approval = Approval::of(&plan);
    if let Some(alarm) = approval.alarm() {
        return Err(CommandError::new(
            Kind::Refused,
            format!("it was bypassed already: {alarm}"),
        ));
    }
    if approval.approved {
        return Err(CommandError::new(
            Kind::Refused,
            format!("there is nothing to bypass: {}", approval.words()),
        ));
    }
    app.confirm_by_typing(
        &format!(
            "Plan {} is {}. It will be applied WITHOUT these approvals, and every report and the \
             certificate will say so.",
            plan.hash.short(),
            approval.words()
        ),
        plan.hash.short(),
        args.yes,
    )?;
    let fact = Fact::ApprovalBypassed {
        hash: plan.hash.clone(),
        by: app.by.clone(),
        because: args.because.clone().unwrap_or_default(),
    };
    case.ledger.record(app.now(), vec![fact])?;
    let approval = Approval::of(&in_force(case, None)?);
    app.printer.result(&approval, |approval| {
        approval.alarm().unwrap_or_else(|| approval.words())
    });
    app.printer.note("next: relatch apply");
    Ok(())
}
