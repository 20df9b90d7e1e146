//! Reads evidence files into the log: several formats, bounded memory, nothing lost in silence.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::csv::Rows;
use crate::document::Documents;
use crate::files::{Content, Input, expand, has_log_name, problem, skip_by_name};
use crate::log::{Log, Row, Texts};
use crate::splitter::Splitter;

/// Problems named singly per file; further ones are counted.
const PROBLEMS: usize = 20;

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
    pub(crate) files: Vec<FileTaken>,
    pub(crate) skipped: Vec<FileSkipped>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) events: u64,
}

/// One file's part.
struct Part {
    texts: Texts,
    rows: Vec<Row>,
    file: Option<FileTaken>,
    skipped: Option<FileSkipped>,
    problems: Vec<Problem>,
}

/// Reads all sources. The order in which they are given does not change the result.
pub(crate) fn read(sources: &[Source], limits: &Limits) -> Taken {
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
        }
    }
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    // The same file given twice is read once; two documents in memory may share a name.
    inputs.dedup_by(|a, b| a.name == b.name && a.content.is_file() && b.content.is_file());
    for group in inputs.chunks(rayon::current_num_threads() * 4) {
        let parts: Vec<Part> = group
            .par_iter()
            .map(|input| read_one(input, limits))
            .collect();
        for part in parts {
            taken.events += part.rows.len() as u64;
            taken.log.absorb(&part.texts, part.rows);
            taken.files.extend(part.file);
            taken.skipped.extend(part.skipped);
            taken.problems.extend(part.problems);
        }
    }
    taken.problems.sort();
    taken.log.finish();
    taken
}

fn read_one(input: &Input<'_>, limits: &Limits) -> Part {
    let mut part = Part {
        texts: Texts::default(),
        rows: Vec::new(),
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
    let opened: io::Result<Box<dyn Read>> = match &input.content {
        Content::File(path) => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
        Content::Bytes(bytes) => Ok(Box::new(*bytes)),
    };
    let mut reader = match opened {
        Ok(reader) => Hashing {
            inner: reader,
            hash: Sha256::new(),
            bytes: 0,
        },
        Err(error) => {
            part.problems
                .push(problem(&input.name, format!("cannot be opened: {error}")));
            return part;
        }
    };
    let mut documents = Documents::new();
    let foreign = take(
        &mut reader,
        &mut documents,
        limits,
        !input.named && !has_log_name(&input.name),
    );
    if let Err(error) = io::copy(&mut reader, &mut io::sink()) {
        documents.note(None, None, format!("cannot be read to its end: {error}"));
    }
    if foreign {
        part.skipped = skip("not a log by name or content");
        return part;
    }
    let (texts, rows, noted) = documents.done();
    part.problems = name_problems(&input.name, noted);
    part.file = Some(FileTaken {
        path: input.name.clone(),
        sha256: hex::encode(reader.hash.finalize()),
        bytes: reader.bytes,
        events: rows.len() as u64,
    });
    (part.texts, part.rows) = (texts, rows);
    part
}

fn name_problems(file: &str, noted: Vec<(Option<u64>, Option<u64>, String)>) -> Vec<Problem> {
    let more = noted.len().saturating_sub(PROBLEMS);
    let mut problems: Vec<Problem> = noted
        .into_iter()
        .take(PROBLEMS)
        .map(|(line, offset, what)| Problem {
            file: file.to_owned(),
            line,
            offset,
            what,
        })
        .collect();
    if more > 0 {
        problems.push(problem(file, format!("{more} more problems like these")));
    }
    problems
}

/// Reads a whole stream into `documents`. Returns true when it is none of our business:
/// `may_skip` and neither JSON nor a known table.
fn take(
    reader: &mut Hashing<Box<dyn Read + '_>>,
    documents: &mut Documents,
    limits: &Limits,
    may_skip: bool,
) -> bool {
    let mut magic = [0u8; 2];
    let got = match fill(reader, &mut magic) {
        Ok(got) => got,
        Err(error) => {
            documents.note(None, Some(0), format!("cannot be read: {error}"));
            return false;
        }
    };
    let whole = io::Cursor::new(&magic[..got]).chain(reader);
    if magic == [0x1f, 0x8b] {
        decoded(
            &mut MultiGzDecoder::new(BufReader::with_capacity(1 << 16, whole)),
            documents,
            limits,
            may_skip,
        )
    } else {
        decoded(&mut { whole }, documents, limits, may_skip)
    }
}

/// Reads until the buffer is full or the stream ends.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match reader.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if got == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(got)
}

/// What a stream holds, by its first bytes.
enum Form {
    Json,
    Table,
    Foreign(&'static str),
    Empty,
}

fn form(first: &[u8]) -> Form {
    if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
        return Form::Foreign("is UTF-16 text; convert it to UTF-8 first");
    }
    if first.starts_with(b"PK\x03\x04")
        || first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        || first.starts_with(b"PAR1")
    {
        return Form::Foreign(
            "is an archive or a column file of a kind that is not read; unpack it first",
        );
    }
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    let Some(start) = text.iter().position(|byte| !byte.is_ascii_whitespace()) else {
        return if text.len() < 1 << 16 {
            Form::Empty
        } else {
            Form::Json
        };
    };
    let line = text[start..]
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    match text[start] {
        b'{' | b'[' => Form::Json,
        _ if Rows::recognises(&String::from_utf8_lossy(line)) => Form::Table,
        _ if memchr::memmem::find(text, b"eventName").is_some() => Form::Json,
        _ => Form::Foreign("is not a CloudTrail log"),
    }
}

fn decoded(
    reader: &mut dyn Read,
    documents: &mut Documents,
    limits: &Limits,
    may_skip: bool,
) -> bool {
    let mut buffer = vec![0u8; 1 << 16];
    let first = match fill(reader, &mut buffer) {
        Ok(got) => got,
        Err(error) => {
            documents.note(None, Some(0), format!("cannot be decompressed: {error}"));
            return false;
        }
    };
    match form(&buffer[..first]) {
        Form::Foreign(_) if may_skip => return true,
        Form::Foreign(what) => documents.note(None, Some(0), what.into()),
        Form::Empty => documents.note(None, None, "is empty".into()),
        Form::Json => {
            let mut splitter = Splitter::new(limits.event_bytes);
            pump(
                reader,
                &mut buffer,
                first,
                limits,
                documents,
                &mut |chunk, documents| splitter.push(chunk, &mut |piece| documents.piece(piece)),
            );
            splitter.finish(&mut |piece| documents.piece(piece));
        }
        Form::Table => {
            let mut rows = Rows::default();
            pump(
                reader,
                &mut buffer,
                first,
                limits,
                documents,
                &mut |chunk, documents| {
                    rows.push(chunk, &mut |line, row| documents.table_row(line, row));
                },
            );
            rows.finish(&mut |line, row| documents.table_row(line, row));
        }
    }
    false
}

/// Hands a stream on chunk by chunk, up to the limit.
fn pump(
    reader: &mut dyn Read,
    buffer: &mut [u8],
    first: usize,
    limits: &Limits,
    documents: &mut Documents,
    push: &mut dyn FnMut(&[u8], &mut Documents),
) {
    let mut total = 0;
    let mut got = first;
    while got > 0 {
        total += got as u64;
        if total > limits.file_bytes {
            documents.note(
                None,
                Some(total),
                format!(
                    "holds more than the limit of {} bytes; the rest was not read",
                    limits.file_bytes
                ),
            );
            return;
        }
        push(&buffer[..got], documents);
        got = loop {
            match reader.read(buffer) {
                Ok(got) => break got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    documents.note(
                        None,
                        Some(total),
                        format!("cannot be read further: {error}"),
                    );
                    return;
                }
            }
        };
    }
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
