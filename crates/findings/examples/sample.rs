//! Writes every form of a made-up breach into a folder, to be looked at and to be handed to
//! validators: `cargo run -p relatch-findings --example sample -- FOLDER [EVENTS]`.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{File, create_dir_all, write};
use std::path::PathBuf;

use relatch_findings::{indicators, ocsf, sigma, timeline};

#[path = "../tests/support/mod.rs"]
mod support;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let more = match arguments.next() {
        Some(count) => count.to_str().ok_or("how many events?")?.parse()?,
        None => 40,
    };
    create_dir_all(&folder)?;
    let mut moments = support::moments(more);
    for (moment, client) in moments[1..].iter_mut().zip(HOSTILE) {
        client.clone_into(&mut moment.client);
    }
    let (triage, about) = (support::triage(&moments), support::about());
    let file = |name: &str| File::create(folder.join(name));
    timeline::html(&triage, &moments, &about, &mut file("timeline.html")?)?;
    timeline::csv(&moments, &mut file("timeline.csv")?)?;
    timeline::json_lines(&moments, &mut file("timeline.jsonl")?)?;
    indicators::csv(&triage, &moments, &mut file("indicators.csv")?)?;
    indicators::stix(
        &triage,
        &moments,
        &about,
        &mut file("indicators.stix.json")?,
    )?;
    ocsf::ocsf(&triage, &moments, &about, &mut file("findings.ocsf.jsonl")?)?;
    let retired = BTreeSet::from([support::STOLEN.to_owned()]);
    for rule in sigma::rules(&triage, &moments, &about, &retired) {
        write(folder.join(&rule.file_name), rule.yaml)?;
    }
    Ok(())
}

/// User agents that want to be more than text.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "=HYPERLINK(\"http://x\")",
    "' OR ipv4-addr:value = '10.0.0.1",
    "back\\slash *star* ?",
    "\u{1b}]0;owned\u{7}\u{202e}gnp.exe",
    "{{ 7 * 7 }} {% raw %}",
    "'\nlevel: low",
];
