//! Prints the triage of the given paths as JSON. `--key ID` and `--arn ARN` give seeds,
//! `--detections` holds the curated rules against the log, `--summary` prints words instead.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use relatch_detect::{RuleSet, builtin};
use relatch_evidence::{Options, Seeds, summary, triage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut seeds = Seeds::default();
    let mut paths = Vec::new();
    let mut words = false;
    let mut detections = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--key" => seeds.access_keys.extend(arguments.next()),
            "--arn" => seeds.arns.extend(arguments.next()),
            "--address" => seeds.addresses.extend(arguments.next()),
            "--detections" => detections = Some(Arc::new(RuleSet::compile(builtin()))),
            "--summary" => words = true,
            _ => paths.push(PathBuf::from(argument)),
        }
    }
    let options = Options {
        detections,
        ..Options::with_seeds(seeds)
    };
    let result = triage(&paths, &options)?;
    let mut out = std::io::stdout().lock();
    if words {
        out.write_all(summary(&result).as_bytes())?;
    } else {
        serde_json::to_writer_pretty(&mut out, &result)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
