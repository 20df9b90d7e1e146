//! From bytes to documents: what a stream holds, chunk by chunk or as a whole.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;

use crate::input::csv::Rows;
use crate::input::document::Documents;
use crate::input::frames::{Frames, is_frame};
use crate::input::reader::Limits;
use crate::input::splitter::Splitter;
use crate::input::unpack::is_packed;

/// Reads a whole stream into `documents`. Returns true when it is none of our business:
/// `may_skip` and neither JSON nor a known table.
pub(crate) fn take(
    reader: &mut dyn Read,
    documents: &mut Documents<'_>,
    limits: &Limits,
    may_skip: bool,
) -> bool {
    let mut magic = [0u8; 4];
    let got = match fill(reader, &mut magic) {
        Ok(got) => got,
        Err(error) => {
            documents.note_file(Some(0), format!("cannot be read: {error}"));
            return false;
        }
    };
    let magic = &magic[..got];
    let whole = io::Cursor::new(magic).chain(reader);
    if is_packed(magic) {
        decoded(
            &mut MultiGzDecoder::new(BufReader::with_capacity(1 << 16, whole)),
            documents,
            limits,
            may_skip,
        )
    } else if is_frame(magic) {
        let whole = BufReader::with_capacity(1 << 16, whole);
        decoded(&mut Frames::new(whole), documents, limits, may_skip)
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
    if first.starts_with(b"PK\x03\x04") || first.starts_with(b"PAR1") {
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

/// Takes a text that is in memory as a whole; otherwise as [`take`].
pub(crate) fn decoded_whole(
    text: &[u8],
    documents: &mut Documents<'_>,
    limits: &Limits,
    may_skip: bool,
) -> bool {
    match form(&text[..text.len().min(1 << 16)]) {
        Form::Foreign(_) if may_skip => return true,
        Form::Foreign(what) => documents.note_file(Some(0), what.into()),
        Form::Empty => documents.note_file(None, "is empty".into()),
        Form::Json => {
            let mut splitter = Splitter::new(limits.event_bytes);
            splitter.push(text, documents);
            splitter.finish(documents);
        }
        Form::Table => {
            let mut rows = Rows::default();
            rows.push(text, &mut |line, row| documents.table_row(line, row));
            rows.finish(&mut |line, row| documents.table_row(line, row));
        }
    }
    false
}

fn decoded(
    reader: &mut dyn Read,
    documents: &mut Documents<'_>,
    limits: &Limits,
    may_skip: bool,
) -> bool {
    let mut buffer = vec![0u8; 1 << 16];
    let first = match fill(reader, &mut buffer) {
        Ok(got) => got,
        Err(error) => {
            documents.note_file(Some(0), format!("cannot be decompressed: {error}"));
            return false;
        }
    };
    match form(&buffer[..first]) {
        Form::Foreign(_) if may_skip => return true,
        Form::Foreign(what) => documents.note_file(Some(0), what.into()),
        Form::Empty => documents.note_file(None, "is empty".into()),
        Form::Json => {
            let mut splitter = Splitter::new(limits.event_bytes);
            pump(
                reader,
                &mut buffer,
                first,
                limits,
                documents,
                &mut |chunk, documents| splitter.push(chunk, documents),
            );
            splitter.finish(documents);
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
    documents: &mut Documents<'_>,
    push: &mut dyn FnMut(&[u8], &mut Documents<'_>),
) {
    let mut total = 0;
    let mut got = first;
    while got > 0 {
        total += got as u64;
        if total > limits.file_bytes {
            documents.note_file(
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
                    documents.note_file(Some(total), format!("cannot be read further: {error}"));
                    return;
                }
            }
        };
    }
}
