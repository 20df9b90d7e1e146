//! `relatch init`: a workspace and a configuration to start from.

use clap::Args;

use crate::app::App;
use crate::error::{CommandError, Kind};

/// Options of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {}

const SAMPLE: &str = include_str!("../sample.toml");

pub(crate) fn run(app: &App, _: InitArgs) -> Result<(), CommandError> {
    app.workspace.create()?;
    let folder = app.workspace.folder();
    let path = folder.parent().unwrap_or(folder).join("relatch.toml");
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path);
    match made {
        Ok(mut file) => {
            std::io::Write::write_all(&mut file, SAMPLE.as_bytes())?;
            app.printer
                .note(&format!("wrote {}: look it through", path.display()));
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            app.printer.note(&format!(
                "{} is there already and was left alone",
                path.display()
            ));
        }
        Err(error) => {
            let words = format!("cannot write {}: {error}", path.display());
            return Err(CommandError::new(Kind::Failed, words));
        }
    }
    app.printer
        .note(&format!("workspace: {}", folder.display()));
    app.printer
        .note("next: relatch case open --title \"what happened\" --account 123456789012");
    Ok(())
}
