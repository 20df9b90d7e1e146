//! Files as a source of containers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use relatch_case::model::Container;
use relatch_places::{FileStore, Store};

use crate::{BlindSpot, Findings, Source};

/// Largest file that is read, as for the store of files.
const LIMIT: u64 = 1024 * 1024;

/// How many bytes tell whether a file is text.
const SNIFF: u64 = 8 * 1024;

/// How many files one blind spot names.
const NAMED: usize = 20;

/// Folders that hold no configuration of their own: a repository's inner files.
const SKIPPED: [&str; 1] = [".git"];

/// Reads the files, folders (with everything below them) and glob patterns it is given.
/// Links to folders below a folder are not followed.
#[derive(Debug, Clone)]
pub struct FileSource {
    patterns: Vec<String>,
}

impl FileSource {
    /// A source of these files, folders and patterns. Relative ones begin in the working folder.
    pub fn new(patterns: Vec<String>) -> Self {
        Self { patterns }
    }
}

#[async_trait]
impl Source for FileSource {
    fn name(&self) -> String {
        format!("files in {}", self.patterns.join(", "))
    }

    async fn find(&self) -> Findings {
        let patterns = self.patterns.clone();
        let listed = tokio::task::spawn_blocking(move || Listing::of(&patterns)).await;
        let mut findings = Findings::default();
        let Ok(listing) = listed else {
            findings
                .blind_spots
                .push(blind(&self.name(), "listing them ended unexpectedly"));
            return findings;
        };
        findings.blind_spots = listing.blind_spots;
        for path in listing.files {
            read(path, &mut findings).await;
        }
        findings
    }
}

async fn read(path: PathBuf, findings: &mut Findings) {
    let Some(name) = path.to_str() else {
        let shown = format!("file:{}", path.display());
        findings
            .blind_spots
            .push(blind(&shown, "its name is not UTF-8"));
        return;
    };
    let container = Container {
        kind: "file".into(),
        region: String::new(),
        name: name.into(),
    };
    match FileStore.read(&container).await {
        Ok(document) => findings.containers.push((container, document)),
        Err(fault) => findings
            .blind_spots
            .push(blind(&container.to_string(), &fault.detail)),
    }
}

fn blind(what: &str, why: &str) -> BlindSpot {
    let hides = "credentials in files".to_string();
    BlindSpot {
        what: what.to_string(),
        why: why.to_string(),
        hides,
    }
}

/// The files to read, and what cannot be.
#[derive(Default)]
struct Listing {
    files: BTreeSet<PathBuf>,
    blind_spots: Vec<BlindSpot>,
    /// Names of files by what makes them no place.
    odd: BTreeMap<&'static str, Vec<String>>,
}

impl Listing {
    fn of(patterns: &[String]) -> Self {
        let mut listing = Self::default();
        for pattern in patterns {
            listing.pattern(pattern);
        }
        for (why, names) in std::mem::take(&mut listing.odd) {
            let more = names.len().saturating_sub(NAMED);
            let named = names[..names.len() - more].join(", ");
            let what = if more == 0 {
                named
            } else {
                format!("{named} and {more} more")
            };
            listing
                .blind_spots
                .push(blind(&what, &format!("{} files {why}", names.len())));
        }
        listing.drop_other_names();
        listing
    }

    fn pattern(&mut self, pattern: &str) {
        let shown = format!("file:{pattern}");
        if fs::symlink_metadata(pattern).is_ok() || !pattern.contains(['*', '?', '[']) {
            return self.named(Path::new(pattern));
        }
        let paths = match glob::glob(pattern) {
            Ok(paths) => paths,
            Err(error) => {
                return self
                    .blind_spots
                    .push(blind(&shown, &format!("no pattern: {error}")));
            }
        };
        let mut matched = false;
        for path in paths {
            matched = true;
            match path {
                Ok(path) => self.named(&path),
                Err(error) => {
                    let what = format!("file:{}", error.path().display());
                    self.blind_spots.push(blind(
                        &what,
                        &format!("cannot be listed: {}", error.error()),
                    ));
                }
            }
        }
        if !matched {
            self.blind_spots
                .push(blind(&shown, "nothing matches this pattern"));
        }
    }

    /// What a person or a pattern named: links are followed.
    fn named(&mut self, path: &Path) {
        let looked_up = std::path::absolute(path).and_then(|path| Ok((fs::metadata(&path)?, path)));
        match looked_up {
            Ok((meta, path)) if meta.is_dir() => self.folder(&path),
            Ok((meta, path)) => self.file(path, &meta),
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        let what = format!("file:{}", path.display());
        self.blind_spots
            .push(blind(&what, &format!("cannot be read: {error}")));
    }

    fn folder(&mut self, folder: &Path) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(folder, &error),
        };
        for entry in entries {
            match entry {
                Ok(entry) if SKIPPED.iter().any(|name| entry.file_name() == *name) => {
                    let why =
                        "inner files of a repository are not looked through: scan its history";
                    let what = format!("file:{}", entry.path().display());
                    self.blind_spots.push(blind(&what, why));
                }
                Ok(entry) => self.entry(&entry.path()),
                Err(error) => self.unreadable(folder, &error),
            }
        }
    }

    fn entry(&mut self, path: &Path) {
        let meta = fs::symlink_metadata(path).and_then(|own| {
            let target = if own.is_symlink() {
                fs::metadata(path)?
            } else {
                own.clone()
            };
            Ok((own, target))
        });
        match meta {
            Ok((own, target)) if own.is_symlink() && target.is_dir() => {
                let what = format!("file:{}", path.display());
                self.blind_spots
                    .push(blind(&what, "a link to a folder is not followed"));
            }
            Ok((own, _)) if own.is_dir() => self.folder(path),
            Ok((_, target)) => self.file(path.to_path_buf(), &target),
            Err(error) => self.unreadable(path, &error),
        }
    }

    /// Takes a file in, if it can be text.
    fn file(&mut self, path: PathBuf, meta: &fs::Metadata) {
        let why = if !meta.is_file() {
            Some("are no regular files")
        } else if meta.len() > LIMIT {
            Some("are larger than 1 MiB")
        } else {
            match is_binary(&path) {
                Ok(binary) => binary.then_some("are no text"),
                Err(error) => return self.unreadable(&path, &error),
            }
        };
        match why {
            Some(why) => self
                .odd
                .entry(why)
                .or_default()
                .push(format!("file:{}", path.display())),
            None => {
                self.files.insert(path);
            }
        }
    }

    /// Keeps one name of each file, so that it is one container. The others are told.
    fn drop_other_names(&mut self) {
        let mut real: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
        // A file's own name goes before names of links to it.
        let (own, links): (Vec<_>, Vec<_>) = std::mem::take(&mut self.files)
            .into_iter()
            .partition(|path| fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_symlink()));
        for path in own.into_iter().chain(links) {
            let target = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            match real.get(&target) {
                None => {
                    real.insert(target, path.clone());
                    self.files.insert(path);
                }
                Some(first) => {
                    let what = format!("file:{}", path.display());
                    let why = format!(
                        "it is another name of {}, which stands for both",
                        first.display()
                    );
                    let hides = "consumers that were declared with this name".to_string();
                    self.blind_spots.push(BlindSpot { what, why, hides });
                }
            }
        }
    }
}

fn is_binary(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::new();
    fs::File::open(path)?.take(SNIFF).read_to_end(&mut start)?;
    Ok(start.contains(&0))
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
