//! What is printed: tables for people, one line of JSON for programs.

use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;

/// Prints a line.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints rows of two columns.
pub(crate) fn table(title: &str, rows: &[(&str, String)]) {
    line(title);
    let width = rows.iter().map(|(name, _)| name.chars().count()).max();
    for (name, value) in rows {
        line(&format!(
            "  {name:<width$}  {value}",
            width = width.unwrap_or(0)
        ));
    }
}

/// Prints the line of JSON that ends a measurement.
pub(crate) fn json(value: &Value) {
    line(&value.to_string());
}

/// A duration in milliseconds, for JSON.
pub(crate) fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A ratio with three digits.
pub(crate) fn ratio(of: f64, to: f64) -> f64 {
    (of / to * 1e3).round() / 1e3
}

/// The smallest and the middle one.
pub(crate) fn spread(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2])
}

/// The most memory that this process ever had, in MB, as Linux counts it.
pub(crate) fn peak_mb() -> u64 {
    status("VmHWM:") / 1024
}

/// The memory that this process has now, in MB.
pub(crate) fn now_mb() -> u64 {
    status("VmRSS:") / 1024
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kb.unwrap_or(0)
}

/// Processor time that this process has used.
pub(crate) fn cpu() -> Duration {
    cpu_of("self")
}

/// Processor time that a process has used; none when it is gone.
pub(crate) fn cpu_of(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // Linux counts 100 ticks to the second in this file.
    Duration::from_millis(ticks * 10)
}
