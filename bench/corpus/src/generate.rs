//! Puts it all together: ordinary traffic, the breach in it, the files, the truth.

use std::io;
use std::path::Path;

use crate::breach::{Record, Story};
use crate::call::Call;
use crate::files::{Sink, Stream};
use crate::identity::Caller;
use crate::json::Json;
use crate::organisation::Organisation;
use crate::random::Dice;
use crate::spec::{START, Spec};
use crate::truth::Truth;
use crate::workers::Worker;
use crate::workloads;

/// Writes a corpus below `folder`, which is made if need be, and gives the truth about it.
///
/// # Errors
/// When a file cannot be written.
pub fn write(spec: &Spec, folder: &Path) -> io::Result<Truth> {
    generate(spec, &mut |path, bytes| {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)
    })
}

/// A corpus in memory: path and content of every file, and the truth about it.
pub fn documents(spec: &Spec) -> (Vec<(String, Vec<u8>)>, Truth) {
    let mut files = Vec::new();
    let truth = generate(spec, &mut |path, bytes| {
        files.push((path, bytes));
        Ok(())
    });
    (files, truth.expect("memory takes every file"))
}

/// Ordinary traffic on its way into files.
pub(crate) struct Log<'s> {
    stream: Stream<'s>,
    scratch: Json,
    pub(crate) dice: Dice,
    pub(crate) truth: Truth,
}

impl Log<'_> {
    /// Writes one record and gives its id.
    pub(crate) fn emit(&mut self, caller: &Caller, call: &Call) -> io::Result<String> {
        let id = self.dice.uuid();
        self.scratch.0.clear();
        call.write(caller, &id, &mut self.scratch, &mut self.dice);
        self.stream
            .put(call.at, &call.account, call.region, &id, &self.scratch.0)?;
        Ok(id)
    }

    fn take(&mut self, record: &Record) -> io::Result<()> {
        self.stream.put(
            record.at,
            &record.account,
            record.region,
            &record.id,
            &record.json,
        )
    }

    fn so_far(&self) -> u64 {
        self.stream.delivered.events
    }
}

fn generate<'s>(spec: &'s Spec, sink: &'s mut Sink<'s>) -> io::Result<Truth> {
    let organisation = Organisation::new(spec);
    let story = Story::tell(spec, &organisation);
    let mut log = Log {
        stream: Stream::new(spec, &organisation, sink),
        scratch: Json::default(),
        dice: Dice::new(spec.seed, 4),
        truth: story.truth,
    };
    let doubled = 100 + u64::from(spec.trouble.duplicates_percent);
    let events = (spec.events * 100 / doubled).max(1);
    traffic(spec, &organisation, story.records, events, &mut log)?;
    let Log {
        stream, mut truth, ..
    } = log;
    let delivered = stream.finish()?;
    truth.in_damaged_files = delivered.lost();
    truth.damaged_files = delivered.damaged_files;
    truth.events = delivered.events;
    truth.written = delivered.written;
    truth.bytes = delivered.bytes;
    truth.files = delivered.files;
    Ok(truth)
}

/// Ordinary traffic spread over the days, with the records of the breach at their times.
fn traffic(
    spec: &Spec,
    organisation: &Organisation,
    records: Vec<Record>,
    events: u64,
    log: &mut Log<'_>,
) -> io::Result<()> {
    let span = spec.end() - START - 600;
    let mut workers = workloads::all(spec, organisation, &mut log.dice);
    let turns: Vec<usize> = workers
        .iter()
        .enumerate()
        .flat_map(|(number, worker)| std::iter::repeat_n(number, worker.weight))
        .collect();
    let mut records = records.into_iter().peekable();
    while log.so_far() < events {
        let done = i64::try_from(log.so_far()).unwrap_or(0) * span;
        let at = START + done / i64::try_from(events).unwrap_or(1);
        while let Some(record) = records.next_if(|record| record.at <= at) {
            log.take(&record)?;
        }
        let number = *log.dice.pick(&turns);
        let worker: &mut Worker = &mut workers[number];
        if worker.is_at_work(at) {
            worker.act(organisation, at, log)?;
        }
    }
    records.try_for_each(|record| log.take(&record))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use serde_json::Value;

    use super::*;
    use crate::spec::{Breach, Trouble};

    fn events(files: &[(String, Vec<u8>)]) -> Vec<Value> {
        let logs = files
            .iter()
            .filter(|(path, _)| path.contains("/CloudTrail/"));
        let mut events = Vec::new();
        for (path, bytes) in logs {
            let mut text = String::new();
            GzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .expect(path);
            let mut value: Value = serde_json::from_str(&text).expect(path);
            events.append(value["Records"].as_array_mut().expect("a list"));
        }
        events
    }

    fn whole(seed: u64) -> Spec {
        let mut spec = Spec::small(seed);
        spec.trouble = Trouble {
            damaged_percent: 0,
            ..Trouble::all()
        };
        spec.breach = Some(Breach::all());
        spec
    }

    #[test]
    fn equal_seeds_give_equal_bytes() {
        let spec = Spec::small(7);
        assert_eq!(documents(&spec), documents(&spec));
        assert_ne!(documents(&spec).0, documents(&Spec::small(8)).0);
    }

    #[test]
    fn the_truth_is_in_the_files() {
        let (files, truth) = documents(&whole(3));
        let events = events(&files);
        let ids: HashSet<&str> = events
            .iter()
            .filter_map(|e| e["eventID"].as_str())
            .collect();
        assert_eq!(ids.len() as u64, truth.events);
        assert_eq!(events.len() as u64, truth.written);
        assert!(truth.written.abs_diff(3_000) < 60, "{}", truth.written);
        assert!(truth.written > truth.events, "no duplicates");
        let named = truth.tainted_events.iter().chain(&truth.either);
        let named = named
            .chain(truth.linked_by.keys())
            .chain(&truth.legit_same_key_events);
        let named = named.chain(truth.linked_by.values().flatten());
        let named = named.chain(truth.secrets_read.iter().flat_map(|read| &read.event_ids));
        for id in named.chain(truth.addresses.values().flatten()) {
            assert!(ids.contains(id.as_str()), "{id}");
        }
        assert!(truth.legit_same_key_events.len() > 50);
        assert!(truth.findable().len() == truth.tainted_events.len());
    }

    #[test]
    fn events_are_as_large_as_real_ones() {
        for seed in 0..3 {
            let (_, truth) = documents(&Spec {
                events: 20_000,
                ..whole(seed)
            });
            let mean = truth.bytes / truth.written;
            assert!((1_260..=1_450).contains(&mean), "{mean} bytes an event");
        }
    }

    #[test]
    fn damage_is_told() {
        let (files, truth) = documents(&Spec::small(2));
        assert!(!truth.damaged_files.is_empty() && !truth.in_damaged_files.is_empty());
        for (path, bytes) in files {
            let mut text = Vec::new();
            let read = GzDecoder::new(&bytes[..]).read_to_end(&mut text);
            assert_eq!(read.is_err(), truth.damaged_files.contains(&path), "{path}");
        }
    }

    #[test]
    fn a_folder_holds_the_same_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let spec = Spec {
            events: 600,
            ..Spec::small(5)
        };
        let truth = write(&spec, folder.path()).expect("written");
        let (files, same) = documents(&spec);
        assert_eq!(truth, same);
        for (path, bytes) in files {
            assert_eq!(
                std::fs::read(folder.path().join(path)).expect("there"),
                bytes
            );
        }
    }
}
