//! Finds the files behind what the user named.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::input::reader::Problem;

/// Something to read, with its name.
pub(crate) struct Input<'a> {
    pub(crate) name: String,
    /// Named by the user, so that whatever it holds is worth a problem.
    pub(crate) named: bool,
    pub(crate) content: Content<'a>,
}

/// Where the bytes are.
pub(crate) enum Content<'a> {
    File(PathBuf),
    Piece(Piece),
    Bytes(&'a [u8]),
}

/// Part of a file that is open; reading goes on where it ended.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) file: Arc<File>,
    /// What is left: the first byte, and how many.
    pub(crate) start: u64,
    pub(crate) bytes: u64,
}

impl Read for Piece {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        let most = buffer.len().min(most);
        let got = self.file.read_at(&mut buffer[..most], self.start)?;
        self.start += got as u64;
        self.bytes -= got as u64;
        Ok(got)
    }
}

impl Content<'_> {
    /// Whether its name is that of one file and no other.
    pub(crate) fn is_file(&self) -> bool {
        !matches!(self, Content::Bytes(_))
    }
}

/// A problem with a file as a whole.
pub(crate) fn problem(file: &str, what: String) -> Problem {
    Problem {
        file: file.to_owned(),
        line: None,
        offset: None,
        what,
    }
}

/// Finds the files behind a path given by the user.
pub(crate) fn expand(path: &Path, inputs: &mut Vec<Input<'_>>, problems: &mut Vec<Problem>) {
    let name = path.to_string_lossy().into_owned();
    if path.is_dir() {
        walk(path, inputs, problems);
    } else if path.exists() || !name.contains(['*', '?', '[']) {
        inputs.push(Input {
            name,
            named: true,
            content: Content::File(path.to_owned()),
        });
    } else {
        let before = inputs.len();
        match glob::glob(&name) {
            Ok(found) => found.for_each(|entry| match entry {
                Ok(path) if path.is_dir() => walk(&path, inputs, problems),
                Ok(path) => inputs.push(Input {
                    name: path.to_string_lossy().into_owned(),
                    named: true,
                    content: Content::File(path),
                }),
                Err(error) => problems.push(problem(
                    &name,
                    format!("cannot be listed: {}", error.error()),
                )),
            }),
            Err(error) => problems.push(problem(&name, format!("is not a pattern: {}", error.msg))),
        }
        if inputs.len() == before {
            problems.push(problem(&name, "matches no file".into()));
        }
    }
}

/// All files below a folder; links to folders are not followed, so that it ends.
fn walk(folder: &Path, inputs: &mut Vec<Input<'_>>, problems: &mut Vec<Problem>) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            return problems.push(problem(
                &folder.to_string_lossy(),
                format!("cannot be listed: {error}"),
            ));
        }
    };
    for entry in entries {
        match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
            Ok((path, kind)) if kind.is_dir() => walk(&path, inputs, problems),
            Ok((path, kind)) if kind.is_symlink() && path.is_dir() => problems.push(problem(
                &path.to_string_lossy(),
                "is a link to a folder and was not followed".into(),
            )),
            Ok((path, _)) => inputs.push(Input {
                name: path.to_string_lossy().into_owned(),
                named: false,
                content: Content::File(path),
            }),
            Err(error) => problems.push(problem(
                &folder.to_string_lossy(),
                format!("cannot be listed: {error}"),
            )),
        }
    }
}

/// Why a file is left out by its name alone.
pub(crate) fn skip_by_name(input: &Input<'_>) -> Option<&'static str> {
    let name = &input.name;
    if name.contains("CloudTrail-Digest") {
        Some("a digest file, which holds hashes of log files and no events")
    } else {
        None
    }
}

/// Whether a file is named like a log.
pub(crate) fn has_log_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["json", "jsonl", "ndjson", "log", "gz", "zst", "csv"]
        .iter()
        .any(|end| name.ends_with(&format!(".{end}")))
}
