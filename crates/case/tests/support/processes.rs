//! This test binary run again, as another process that uses the journal.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use relatch_case::{Journal, JournalError};

use super::draft;

const ADDRESS: &str = "RELATCH_TEST_JOURNAL";

fn run(test: &str, address: &str) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", test, "--nocapture"])
        .env(ADDRESS, address)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("spawn")
}

/// Starts a writer, kills it after it acknowledged some facts; the last one's number.
pub(crate) fn write_until_killed(address: &str, stop_after: u64) -> u64 {
    let mut writer = run("writer_process", address);
    let output = BufReader::new(writer.stdout.take().expect("piped"));
    let (mut acknowledged, mut lines) = (0, 0);
    for line in output.lines() {
        let line = line.expect("line");
        let seq = line.strip_prefix("wrote ").and_then(|n| n.parse().ok());
        if let Some(seq) = seq {
            (acknowledged, lines) = (seq, lines + 1);
            if lines >= stop_after {
                break;
            }
        }
    }
    writer.kill().expect("kill -9");
    writer.wait().expect("wait");
    acknowledged
}

/// Processes that all open the journal at once and append one fact each.
pub(crate) fn open_at_once(address: &str, count: usize) {
    let started: Vec<_> = (0..count).map(|_| run("opener_process", address)).collect();
    for mut process in started {
        assert!(process.wait().expect("wait").success(), "one failed");
    }
}

/// What a writer does; nothing where this binary was not started as one.
pub(crate) fn writer(open: impl Fn(&str) -> Box<dyn Journal>) {
    let Ok(address) = std::env::var(ADDRESS) else {
        return;
    };
    let mut journal = open(&address);
    let mut out = std::io::stdout();
    for _ in 0..2000 {
        let seq = journal.head().expect("head").seq;
        let mut drafts: Vec<_> = (0..seq % 3).map(|n| draft(&format!("{seq}-{n}"))).collect();
        drafts.push(draft(&format!("{seq}-last")));
        match journal.append(seq, None, drafts) {
            Ok(written) => {
                let last = written.last().expect("written").seq;
                writeln!(out, "wrote {last}").expect("stdout");
                out.flush().expect("flush");
            }
            // One that was killed before may still be ending on the server.
            Err(JournalError::Moved { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What an opener does; nothing where this binary was not started as one.
pub(crate) fn opener(open: impl Fn(&str) -> Box<dyn Journal>) {
    let Ok(address) = std::env::var(ADDRESS) else {
        return;
    };
    let mut journal = open(&address);
    let mut expected = 0;
    while let Err(error) = journal.append(expected, None, vec![draft("opened")]) {
        match error {
            JournalError::Moved { found, .. } => expected = found,
            other => panic!("{other:?}"),
        }
    }
}
