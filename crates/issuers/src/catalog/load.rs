//! Reading the catalog.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use relatch_case::IssuerId;
use relatch_secret::Secret;

use super::check::{Problem, check};
use super::entry::Entry;

/// The files that come with the binary.
const EMBEDDED: [(&str, &str); 3] = [
    (
        "anthropic.toml",
        include_str!("../../../../catalog/issuers/anthropic.toml"),
    ),
    (
        "openai.toml",
        include_str!("../../../../catalog/issuers/openai.toml"),
    ),
    (
        "openai-compatible.toml",
        include_str!("../../../../catalog/issuers/openai-compatible.toml"),
    ),
];

/// Why a catalog could not be read. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no catalog entry; the source names line and key.
    #[error("{} is not a catalog entry", file.display())]
    Shape {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A file has the shape of an entry but does not hold together.
    #[error("{}: `{key}` {problem}", file.display())]
    Content {
        /// Which.
        file: PathBuf,
        /// The key in it.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// Two files of one folder have the same id.
    #[error("{} has the same id `{id}` as another file beside it", file.display())]
    Twice {
        /// The later one.
        file: PathBuf,
        /// The id.
        id: IssuerId,
    },
}

/// What keys of an issuer look like, for whoever searches for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFormat {
    /// The entry.
    pub issuer: IssuerId,
    /// The kind of key.
    pub kind: String,
    /// What every such key begins with; searching for it first is cheap.
    pub prefix: String,
    /// The regular expression of the whole key, without anchors.
    pub regex: String,
    /// Environment variables that usually hold such a key.
    pub env_vars: Vec<String>,
    /// Whether such keys can make keys.
    pub mints_keys: bool,
}

/// All entries, by id.
#[derive(Debug, Clone)]
pub struct Catalog {
    entries: BTreeMap<IssuerId, Entry>,
}

impl Catalog {
    /// The catalog that comes with the binary.
    pub fn embedded() -> Result<Self, CatalogError> {
        let mut catalog = Self {
            entries: BTreeMap::new(),
        };
        for (name, text) in EMBEDDED {
            let entry = parse(Path::new(name), text)?;
            catalog.entries.insert(entry.id.clone(), entry);
        }
        Ok(catalog)
    }

    /// The same, with the `*.toml` files of a folder: each adds an entry, or takes the place
    /// of the one with its id.
    pub fn with_overrides(folder: &Path) -> Result<Self, CatalogError> {
        let mut catalog = Self::embedded()?;
        let mut own = BTreeMap::new();
        for file in files(folder)? {
            let text = std::fs::read_to_string(&file).map_err(|source| read(&file, source))?;
            let entry = parse(&file, &text)?;
            if own.contains_key(&entry.id) {
                return Err(CatalogError::Twice { file, id: entry.id });
            }
            own.insert(entry.id.clone(), entry);
        }
        catalog.entries.extend(own);
        Ok(catalog)
    }

    /// One entry.
    pub fn get(&self, id: &IssuerId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// All entries, in the order of their ids.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// What the keys of all issuers look like.
    pub fn formats(&self) -> Vec<KeyFormat> {
        self.entries().flat_map(Entry::key_formats).collect()
    }
}

impl Entry {
    /// What the keys of this issuer look like.
    pub fn key_formats(&self) -> Vec<KeyFormat> {
        let format = |format: &super::Format| KeyFormat {
            issuer: self.id.clone(),
            kind: format.kind.clone(),
            prefix: format.prefix.clone(),
            regex: format.pattern.clone(),
            env_vars: if format.mints_keys {
                &self.names.admin
            } else {
                &self.names.key
            }
            .clone(),
            mints_keys: format.mints_keys,
        };
        self.formats.iter().map(format).collect()
    }

    /// Whether a value looks like a key of this issuer. Where keys have no format, every
    /// value that is not empty does.
    pub fn well_formed(&self, value: &Secret) -> bool {
        if self.formats.is_empty() {
            return !value.is_empty();
        }
        let Some(text) = value.expose_str() else {
            return false;
        };
        self.formats
            .iter()
            .any(|format| whole(&format.pattern).is_ok_and(|re| re.is_match(text)))
    }
}

/// The pattern, for a whole text.
pub(super) fn whole(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::Regex::new(&format!("^(?:{pattern})$"))
}

/// Reads one entry.
pub(super) fn parse(file: &Path, text: &str) -> Result<Entry, CatalogError> {
    let entry: Entry = toml::from_str(text).map_err(|source| CatalogError::Shape {
        file: file.to_path_buf(),
        source: Box::new(source),
    })?;
    check(&entry).map_err(|Problem { key, problem }| CatalogError::Content {
        file: file.to_path_buf(),
        key,
        problem,
    })?;
    Ok(entry)
}

fn read(file: &Path, source: std::io::Error) -> CatalogError {
    CatalogError::Read {
        file: file.to_path_buf(),
        source,
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(folder).map_err(|source| read(folder, source))? {
        let path = item.map_err(|source| read(folder, source))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
