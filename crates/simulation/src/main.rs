//! `relatch-soak`: runs schedules of the simulation by the thousand, and plays one again.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use relatch_simulation::dice::Kind;
use relatch_simulation::shrink::{replay_line, shrink};
use relatch_simulation::soak::{Figures, Order, soak};
use relatch_simulation::{Law, Report, Setup, run};

/// Runs rotations under fire, each a function of its seed.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// How many schedules.
    #[arg(long, default_value_t = 1000)]
    schedules: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed_from: u64,
    /// On how many threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// For how many seconds at most.
    #[arg(long)]
    seconds: Option<u64>,
    /// Only violations of this law count.
    #[arg(long, value_parser = law)]
    only: Option<Law>,
    /// Plays this seed again and tells its story.
    #[arg(long)]
    replay: Option<u64>,
    /// Kinds of faults, or single faults, that do not strike.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// The only faults that strike.
    #[arg(long)]
    keep: Option<String>,
    /// Credentials and consumers that are left out.
    #[arg(long, value_delimiter = ',')]
    leave_out: Vec<String>,
    /// Does not look for the least of a schedule that breaks a law.
    #[arg(long)]
    no_shrink: bool,
}

fn law(name: &str) -> Result<Law, String> {
    Law::parse(name).ok_or_else(|| {
        let all = Law::ALL.map(Law::name);
        format!("no such law; one of {}", all.join(", "))
    })
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    let done = match args.replay {
        Some(seed) => replay(&args, seed, &mut out),
        None => many(&args, &mut out),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn many(args: &Args, out: &mut impl Write) -> io::Result<ExitCode> {
    let order = Order {
        from: args.seed_from,
        schedules: args.schedules,
        threads: args.threads,
        most: args.seconds.map(Duration::from_secs),
        only: args.only,
    };
    let shows = io::stderr().is_terminal();
    let figures = soak(&order, &|done, broken| {
        if shows {
            let _ = write!(io::stderr(), "\r{done} schedules, {broken} violations ");
        }
    });
    tell(&figures, args, out)?;
    if let Some((seed, violation)) = figures.violations.first()
        && !args.no_shrink
    {
        writeln!(out, "\nthe least of seed {seed}:")?;
        let least = shrink(&Setup::of(*seed), violation.law);
        story(&least, out)?;
    }
    let (ran, broken) = (figures.schedules, figures.violations.len());
    writeln!(out, "schedules {ran} violations {broken}")?;
    Ok(ExitCode::from(u8::from(broken > 0)))
}

fn tell(figures: &Figures, args: &Args, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "faults")?;
    for kind in Kind::ALL {
        let count = figures.faults.get(kind).copied().unwrap_or(0);
        writeln!(out, "  {:<22} {count:>10}", kind.name())?;
    }
    writeln!(out, "laws checked")?;
    for law in Law::ALL {
        let count = figures.checks.get(&law).copied().unwrap_or(0);
        writeln!(out, "  {:<22} {count:>10}", law.name())?;
    }
    writeln!(out, "seen")?;
    for (what, count) in &figures.seen {
        writeln!(out, "  {what:<36} {count:>10}")?;
    }
    let hours = figures.ms / 3_600_000;
    let last = args.seed_from + figures.schedules.saturating_sub(1);
    writeln!(out, "virtual hours {hours}")?;
    for (seed, violation) in figures.violations.iter().take(20) {
        writeln!(out, "{}: {}", violation.law.name(), violation.what)?;
        writeln!(out, "  relatch-soak --replay {seed}")?;
    }
    if figures.violations.len() > 20 {
        let seeds = figures.violations.iter().map(|(seed, _)| seed.to_string());
        writeln!(
            out,
            "all that broke one: {}",
            seeds.collect::<Vec<_>>().join(" ")
        )?;
    }
    writeln!(out, "seeds {} to {last}", args.seed_from)
}

fn replay(args: &Args, seed: u64, out: &mut impl Write) -> io::Result<ExitCode> {
    let setup = setup(args, seed).map_err(io::Error::other)?;
    let report = story(&setup, out)?;
    let Some(violation) = report.violation else {
        return Ok(ExitCode::SUCCESS);
    };
    let whole = args.keep.is_none() && args.without.is_empty() && args.leave_out.is_empty();
    if whole && !args.no_shrink {
        writeln!(out, "\nthe least of it:")?;
        story(&shrink(&setup, violation.law), out)?;
    }
    Ok(ExitCode::from(1))
}

/// Plays a schedule and tells it.
fn story(setup: &Setup, out: &mut impl Write) -> io::Result<Report> {
    let report = run(&Setup {
        tells: true,
        ..setup.clone()
    });
    for line in &report.lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "story {:016x}", report.hash)?;
    if let Some(violation) = &report.violation {
        writeln!(out, "broken: {}: {}", violation.law.name(), violation.what)?;
    }
    writeln!(out, "relatch-soak {}", replay_line(setup))?;
    Ok(report)
}

fn setup(args: &Args, seed: u64) -> Result<Setup, String> {
    let mut setup = Setup::of(seed);
    for name in &args.without {
        match Kind::parse(name) {
            Some(kind) => drop(setup.muted.kinds.insert(kind)),
            None => drop(setup.muted.faults.insert(name.parse()?)),
        }
    }
    if let Some(keep) = &args.keep {
        let kept = keep
            .split(',')
            .filter(|fault| !fault.is_empty())
            .map(str::parse);
        setup.muted.only = Some(kept.collect::<Result<_, _>>()?);
    }
    for name in &args.leave_out {
        let number = |text: &str| text.parse().map_err(|_| format!("{name:?} is no number"));
        if let Some(n) = name.strip_prefix("cred-") {
            setup.reduced.credentials.insert(number(n)?);
        } else if let Some(n) = name.strip_prefix("consumer-") {
            setup.reduced.consumers.insert(number(n)?);
        } else {
            return Err(format!("{name:?} is neither cred-N nor consumer-N"));
        }
    }
    Ok(setup)
}
