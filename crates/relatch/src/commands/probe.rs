//! `relatch probe`: which keys are alive.

use clap::Args;

use crate::app::App;
use crate::commands::inventory;
use crate::error::CommandError;
use crate::output::table;
use crate::world::Outside;

/// Options of `probe`.
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {}

pub(crate) async fn run(app: &App, _: ProbeArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let outside = Outside::connect(app, &case).await?;
    let probes = inventory::probe_all(app, &case, &outside).await?;
    app.printer.result(&probes, |probes| {
        table(
            ["NAME", "LIVENESS", "CONTROL", "ANSWER"],
            probes.iter().map(|(name, probe)| {
                [
                    name.clone(),
                    format!("{:?}", probe.liveness).to_lowercase(),
                    if probe.control { "holds" } else { "fails" }.to_string(),
                    probe.answer.clone(),
                ]
            }),
        )
    });
    Ok(())
}
