//! Prints the triage of the given paths as JSON. `--key ID` and `--arn ARN` give seeds,
//! `--summary` prints words instead.

use std::io::Write;
use std::path::PathBuf;

use relatch_evidence::{Options, Seeds, summary, triage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut seeds = Seeds::default();
    let mut paths = Vec::new();
    let mut words = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--key" => seeds.access_keys.extend(arguments.next()),
            "--arn" => seeds.arns.extend(arguments.next()),
            "--address" => seeds.addresses.extend(arguments.next()),
            "--summary" => words = true,
            _ => paths.push(PathBuf::from(argument)),
        }
    }
    let result = triage(&paths, &Options::with_seeds(seeds))?;
    let mut out = std::io::stdout().lock();
    if words {
        out.write_all(summary(&result).as_bytes())?;
    } else {
        serde_json::to_writer_pretty(&mut out, &result)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
