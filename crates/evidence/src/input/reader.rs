//! Reads evidence files into the log: several formats, bounded memory, nothing lost in silence.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use relatch_detect::{RuleSet, Sightings};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::found::spot::Spotters;
use crate::input::aws_findings::Noted;
use crate::input::document::{Documents, Note};
use crate::input::files::{Content, Input, Piece, expand, has_log_name, problem, skip_by_name};
use crate::input::frames::is_frame;
use crate::input::stream::{decoded_whole, take};
use crate::input::unpack::{self, is_packed, unpack};
use crate::log::{Events, Log};

/// Largest file that is read in one piece, in bytes as stored.
const WHOLE: usize = 16 << 20;

/// Evidence to read.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file, a folder (with all below it) or a glob pattern.
    Path(PathBuf),
    /// A document that is in memory already, such as an S3 object or a page of LookupEvents.
    Bytes {
        /// What to call it in problems and in the list of files.
        name: String,
        /// Its content, compressed or not.
        bytes: Vec<u8>,
    },
    /// A document that lies in part of an open file, such as a copy of an S3 object.
    Piece {
        /// What to call it in problems and in the list of files.
        name: String,
        /// Where it lies.
        file: Arc<File>,
        /// Its first byte there.
        start: u64,
        /// How many bytes it has.
        bytes: u64,
    },
    /// A document that is known to be there and could not be had; it becomes a problem.
    Unread {
        /// What to call it.
        name: String,
        /// Why it could not be had.
        why: String,
    },
    /// A document that was left out on purpose; it is listed.
    Skipped {
        /// What to call it.
        name: String,
        /// Why it was left out.
        why: String,
    },
}

/// Bounds that keep a hostile file from filling the memory.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most bytes taken from one file after decompression.
    pub file_bytes: u64,
    /// Largest single record, in bytes.
    pub event_bytes: usize,
}

impl Limits {
    /// 4 GiB a file, 64 MiB a record.
    pub const STANDARD: Limits = Limits {
        file_bytes: 4 << 30,
        event_bytes: 64 << 20,
    };
}

/// A file that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTaken {
    /// Its path or name.
    pub path: String,
    /// SHA-256 of its bytes as stored, in hex.
    pub sha256: String,
    /// Its size as stored, in bytes.
    pub bytes: u64,
    /// Events read from it, duplicates included.
    pub events: u64,
}

/// A file that was left out on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSkipped {
    /// Its path or name.
    pub path: String,
    /// Why it was left out.
    pub why: String,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The file's path or name.
    pub file: String,
    /// The line, counted from 1, if known.
    pub line: Option<u64>,
    /// The byte in the decompressed content, if known.
    pub offset: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What reading came to.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) log: Log,
    /// What detections found, by row of the log.
    pub(crate) sightings: Sightings,
    /// What AWS's detectors reported, every state of it.
    pub(crate) findings: Vec<Noted>,
    pub(crate) files: Vec<FileTaken>,
    pub(crate) skipped: Vec<FileSkipped>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) events: u64,
}

impl Taken {
    fn absorb(&mut self, parts: Vec<Part>) {
        for part in parts {
            self.events += part.events.len() as u64;
            let first = self.log.absorb(&part.events);
            self.sightings.absorb(&part.sightings, first);
            self.findings.extend(part.findings);
            self.files.extend(part.file);
            self.skipped.extend(part.skipped);
            self.problems.extend(part.problems);
        }
    }

    fn finish(&mut self) {
        self.problems.sort();
        let places = self.log.finish();
        self.sightings.renumber(|event| places.get(event));
    }
}

/// One file's part.
struct Part {
    events: Events,
    sightings: Sightings,
    findings: Vec<Noted>,
    file: Option<FileTaken>,
    skipped: Option<FileSkipped>,
    problems: Vec<Problem>,
}

/// Reads all sources. The order in which they are given does not change the result. The
/// detections are held against every record on the way.
pub(crate) fn read(sources: &[Source], limits: &Limits, detections: Option<&RuleSet>) -> Taken {
    let spotters = detections.map(Spotters::new);
    let mut taken = Taken::default();
    let mut inputs = Vec::new();
    for source in sources {
        match source {
            Source::Path(path) => expand(path, &mut inputs, &mut taken.problems),
            Source::Bytes { name, bytes } => inputs.push(Input {
                name: name.clone(),
                named: true,
                content: Content::Bytes(bytes),
            }),
            Source::Piece {
                name,
                file,
                start,
                bytes,
            } => inputs.push(Input {
                name: name.clone(),
                named: true,
                content: Content::Piece(Piece {
                    file: file.clone(),
                    start: *start,
                    bytes: *bytes,
                }),
            }),
            Source::Unread { name, why } => taken.problems.push(problem(name, why.clone())),
            Source::Skipped { name, why } => taken.skipped.push(FileSkipped {
                path: name.clone(),
                why: why.clone(),
            }),
        }
    }
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    // The same file given twice is read once; two documents in memory may share a name.
    inputs.dedup_by(|a, b| a.name == b.name && a.content.is_file() && b.content.is_file());
    let mut done: Vec<Part> = Vec::new();
    for group in inputs.chunks(rayon::current_num_threads() * 4) {
        // While one group is read, the one before it is taken in.
        let read = || -> Vec<Part> {
            group
                .par_iter()
                .map(|input| read_one(input, limits, spotters.as_ref()))
                .collect()
        };
        let before = std::mem::take(&mut done);
        (done, ()) = rayon::join(read, || taken.absorb(before));
    }
    taken.absorb(done);
    unpack::release();
    taken.finish();
    taken
}

fn read_one(input: &Input<'_>, limits: &Limits, spotters: Option<&Spotters<'_>>) -> Part {
    let mut part = Part {
        events: Events::default(),
        sightings: Sightings::default(),
        findings: Vec::new(),
        file: None,
        skipped: None,
        problems: Vec::new(),
    };
    let skip = |why: &str| {
        Some(FileSkipped {
            path: input.name.clone(),
            why: why.to_owned(),
        })
    };
    if let Some(why) = skip_by_name(input) {
        part.skipped = skip(why);
        return part;
    }
    let mut documents = Documents::new(spotters.map(Spotters::lend), limits);
    let may_skip = !input.named && !has_log_name(&input.name);
    let stored = match stored(&input.content) {
        Ok(Stored::Whole(bytes)) => whole(&bytes, &mut documents, limits, may_skip),
        Ok(Stored::Long(file)) => stream(file, &mut documents, limits, may_skip),
        Err(error) => {
            part.problems
                .push(problem(&input.name, format!("cannot be opened: {error}")));
            return part;
        }
    };
    let Some((sha256, bytes)) = stored else {
        part.skipped = skip("not a log by name or content");
        return part;
    };
    let held = documents.done();
    if let (Some(spotters), Some(mut spotter)) = (spotters, held.spotter) {
        part.sightings = spotter.found();
        spotters.give_back(spotter);
    }
    part.problems = name_problems(&input.name, held.notes, held.more);
    part.file = Some(FileTaken {
        path: input.name.clone(),
        sha256: hex::encode(sha256),
        bytes,
        events: held.events.len() as u64,
    });
    part.events = held.events;
    part.findings = held.findings;
    part
}

fn name_problems(file: &str, noted: Vec<Note>, more: u64) -> Vec<Problem> {
    let name = |(line, offset, what)| Problem {
        file: file.to_owned(),
        line,
        offset,
        what,
    };
    let mut problems: Vec<Problem> = noted.into_iter().map(name).collect();
    if more > 0 {
        problems.push(problem(file, format!("{more} more problems like these")));
    }
    problems
}

/// The bytes of a source as stored.
enum Stored<'a> {
    /// All of them; a file of ordinary size.
    Whole(Cow<'a, [u8]>),
    /// More than is held at once.
    Long(Box<dyn Read>),
}

fn stored<'a>(content: &Content<'a>) -> io::Result<Stored<'a>> {
    match content {
        Content::Bytes(bytes) => Ok(Stored::Whole(Cow::Borrowed(bytes))),
        Content::Piece(piece) => Ok(match usize::try_from(piece.bytes) {
            Ok(length) if length <= WHOLE => {
                let mut bytes = vec![0; length];
                piece.clone().read_exact(&mut bytes)?;
                Stored::Whole(Cow::Owned(bytes))
            }
            _ => Stored::Long(Box::new(piece.clone())),
        }),
        Content::File(path) => {
            let mut file = File::open(path)?;
            // What has no length of its own, such as a pipe, is a stream.
            let length = file
                .metadata()
                .ok()
                .filter(fs::Metadata::is_file)
                .and_then(|data| usize::try_from(data.len()).ok());
            let Some(length) = length.filter(|length| *length <= WHOLE) else {
                return Ok(Stored::Long(Box::new(file)));
            };
            let mut bytes = Vec::with_capacity(length + 1);
            // A file that grows meanwhile is read as far as it was long.
            file.by_ref().take(length as u64).read_to_end(&mut bytes)?;
            Ok(Stored::Whole(Cow::Owned(bytes)))
        }
    }
}

/// SHA-256 and number of the bytes as stored.
type Seal = ([u8; 32], u64);

/// Reads a source that is in memory. `None` when it is none of our business: `may_skip` and
/// neither JSON nor a known table.
fn whole(
    bytes: &[u8],
    documents: &mut Documents<'_>,
    limits: &Limits,
    may_skip: bool,
) -> Option<Seal> {
    let fits = |text: &[u8]| text.len() as u64 <= limits.file_bytes;
    let foreign = if is_packed(bytes) {
        let unpacked = unpack(bytes, |text| {
            fits(text).then(|| decoded_whole(text, documents, limits, may_skip))
        });
        match unpacked.flatten() {
            Some(foreign) => foreign,
            None => take(&mut { bytes }, documents, limits, may_skip),
        }
    } else if fits(bytes) && !is_frame(bytes) {
        decoded_whole(bytes, documents, limits, may_skip)
    } else {
        take(&mut { bytes }, documents, limits, may_skip)
    };
    (!foreign).then(|| (Sha256::digest(bytes).into(), bytes.len() as u64))
}

/// Reads a source chunk by chunk; otherwise as [`whole`].
fn stream(
    file: impl Read,
    documents: &mut Documents<'_>,
    limits: &Limits,
    may_skip: bool,
) -> Option<Seal> {
    let mut reader = Hashing {
        inner: file,
        hash: Sha256::new(),
        bytes: 0,
    };
    let foreign = take(&mut reader, documents, limits, may_skip);
    if let Err(error) = io::copy(&mut reader, &mut io::sink()) {
        documents.note_file(None, format!("cannot be read to its end: {error}"));
    }
    (!foreign).then(|| (reader.hash.finalize().into(), reader.bytes))
}

/// Hashes and counts what passes through.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(&buffer[..got]);
        self.bytes += got as u64;
        Ok(got)
    }
}
