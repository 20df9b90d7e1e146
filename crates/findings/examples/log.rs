//! Triages logs and writes the page of what was found:
//! `cargo run -p relatch-findings --example log -- FOLDER LOG…`.

use std::error::Error;
use std::fs::{File, create_dir_all};
use std::path::PathBuf;

use relatch_evidence::{Options, Seeds, triage};
use relatch_findings::{About, moments, timeline};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("which folder?")?;
    let logs: Vec<PathBuf> = arguments.collect();
    let triage = triage(&logs, &Options::with_seeds(Seeds::default()))?;
    create_dir_all(&folder)?;
    let last = triage.last.as_deref().ok_or("nobody was found")?.parse()?;
    let about = About {
        case: "sample".into(),
        title: "Triage of a log outside a case".into(),
        opened_at: last,
        made_at: last,
    };
    let mut page = File::create(folder.join("timeline.html"))?;
    timeline::html(&triage, &moments(&triage), &about, &mut page)?;
    Ok(())
}
