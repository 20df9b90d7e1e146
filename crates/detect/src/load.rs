//! Reads rules from files and folders.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::parse::{self, Limits, Parsed, Refusal};
use crate::rule::{Correlation, Rule};
use crate::yaml::{self, MOST_BYTES, Yaml};

/// Values for `%name%` in rules with the modifier `expand`.
pub type Placeholders = BTreeMap<String, Vec<String>>;

/// How many files, and how deep a folder, one load takes.
const MOST_FILES: usize = 20_000;
const MOST_DEPTH: usize = 16;

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Rules over one event.
    pub rules: Vec<Rule>,
    /// Rules over the hits of others.
    pub correlations: Vec<Correlation>,
    /// What was not taken, and why.
    pub refused: Vec<Refused>,
}

impl Loaded {
    /// Takes what another load read.
    pub fn add(&mut self, other: Self) {
        self.rules.extend(other.rules);
        self.correlations.extend(other.correlations);
        self.refused.extend(other.refused);
    }
}

/// A file or a rule that was not taken.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The file and, after `#`, the document in it if there are several.
    pub path: String,
    /// The rule's id, or empty.
    pub id: String,
    /// The rule's title, or empty.
    pub title: String,
    /// Why.
    pub reason: Refusal,
}

/// Nothing could be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A path that was asked for cannot be read.
    #[error("cannot read the rules at {path}")]
    Read {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// More files than one load takes.
    #[error("{path} holds more than {MOST_FILES} rule files, or folders nested too deep")]
    TooMany {
        /// The path that was asked for.
        path: PathBuf,
    },
}

/// Reads files, and all `.yml` and `.yaml` files of folders in order of their names. Hidden
/// files and links to folders are passed over.
pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Loaded, LoadError> {
    load_with(paths, &Placeholders::new())
}

/// As [`load`], with values for placeholders.
pub fn load_with<P: AsRef<Path>>(
    paths: &[P],
    placeholders: &Placeholders,
) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    for path in paths {
        let mut files = Vec::new();
        list(path.as_ref(), 0, &mut files)?;
        for file in files {
            match text(&file) {
                Ok(text) => loaded.add(load_text(&file.to_string_lossy(), &text, placeholders)),
                Err(reason) => loaded.refused.push(Refused {
                    path: file.to_string_lossy().into_owned(),
                    id: String::new(),
                    title: String::new(),
                    reason,
                }),
            }
        }
    }
    Ok(loaded)
}

fn list(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let read = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let meta = fs::metadata(path).map_err(read)?;
    if !meta.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<_> = fs::read_dir(path)
        .map_err(read)?
        .collect::<Result<_, _>>()
        .map_err(read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    if depth >= MOST_DEPTH || files.len() + entries.len() > MOST_FILES {
        return Err(LoadError::TooMany {
            path: path.to_owned(),
        });
    }
    for entry in entries {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let inner = entry.path();
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let yaml = inner
            .extension()
            .is_some_and(|ext| ext == "yml" || ext == "yaml");
        if folder && !hidden {
            list(&inner, depth + 1, files)?;
        } else if yaml && !hidden && !inner.is_dir() {
            files.push(inner);
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, Refusal> {
    let unreadable = |error: std::io::Error| Refusal::faulty(format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Refusal::faulty("cannot be read: not a plain file"));
    }
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| Refusal::faulty("not UTF-8 text"))
}

/// Reads the documents of one text; `name` is what its rules are said to come from.
pub fn load_text(name: &str, text: &str, placeholders: &Placeholders) -> Loaded {
    let mut loaded = Loaded::default();
    let documents = if text.len() as u64 > MOST_BYTES {
        Err(Refusal::faulty(format!("larger than {MOST_BYTES} bytes")))
    } else {
        yaml::read(text).map_err(|error| Refusal::faulty(format!("not YAML: {error}")))
    };
    match documents {
        Ok(documents) => take(name, documents, placeholders, &mut loaded),
        Err(reason) => loaded.refused.push(Refused {
            path: name.to_owned(),
            id: String::new(),
            title: String::new(),
            reason,
        }),
    }
    loaded
}

fn take(name: &str, documents: Vec<Yaml>, placeholders: &Placeholders, loaded: &mut Loaded) {
    let mut limits = Limits::new(placeholders);
    let documents = collection(documents);
    let several = documents.len() > 1;
    if documents.is_empty() {
        loaded.refused.push(Refused {
            path: name.to_owned(),
            id: String::new(),
            title: String::new(),
            reason: Refusal::faulty("it holds no rule"),
        });
    }
    for (number, yaml) in documents.iter().enumerate() {
        let path = if several {
            format!("{name}#{}", number + 1)
        } else {
            name.to_owned()
        };
        match parse::document(yaml, path.as_str().into(), &mut limits) {
            Ok(Parsed::Rule(rule)) => loaded.rules.push(*rule),
            Ok(Parsed::Correlation(correlation)) => loaded.correlations.push(*correlation),
            Err(reason) => {
                let text = |key: &str| yaml.get(key).and_then(Yaml::text).unwrap_or_default();
                loaded.refused.push(Refused {
                    path,
                    id: text("id"),
                    title: text("title"),
                    reason,
                });
            }
        }
    }
}

/// Joins what `action: global`, `reset` and `repeat` say into documents that stand for themselves.
fn collection(documents: Vec<Yaml>) -> Vec<Yaml> {
    let mut global = Yaml::Map(Vec::new());
    let mut last = Yaml::Map(Vec::new());
    let mut all = Vec::new();
    for document in documents {
        match document.get("action").and_then(Yaml::text).as_deref() {
            Some("global") => global = join(&global, &document),
            Some("reset") => global = Yaml::Map(Vec::new()),
            Some("repeat") => {
                last = join(&last, &document);
                all.push(last.clone());
            }
            _ if document == Yaml::Null => {}
            _ => {
                last = join(&global, &document);
                all.push(last.clone());
            }
        }
    }
    all
}

/// Maps are joined key by key; anything else is replaced.
fn join(under: &Yaml, over: &Yaml) -> Yaml {
    let (Yaml::Map(under), Yaml::Map(over)) = (under, over) else {
        return over.clone();
    };
    let mut all = under.clone();
    for (key, value) in over.iter().filter(|(key, _)| key != "action") {
        match all.iter_mut().find(|(k, _)| k == key) {
            Some((_, there)) => *there = join(there, value),
            None => all.push((key.clone(), value.clone())),
        }
    }
    Yaml::Map(all)
}
