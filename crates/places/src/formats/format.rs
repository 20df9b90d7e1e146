//! Which format a file is in.

use std::collections::BTreeMap;
use std::path::Path;

use relatch_case::model::Slot;
use relatch_secret::Secret;
use zeroize::Zeroizing;

use super::{FormatError, dotenv, json, plain, toml, yaml};

/// A format that values stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `KEY=value` lines.
    Dotenv,
    /// JSON.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
    /// The whole text is one value.
    Plain,
}

impl Format {
    /// The format of the file at `path` with this content: by its name where that tells, else
    /// `.env` if every line is one of an `.env` file, else plain.
    pub fn of(path: &Path, text: &str) -> Self {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let extension = path
            .extension()
            .and_then(|end| end.to_str())
            .unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            _ if name == ".env" || name.starts_with(".env.") => Self::Dotenv,
            "env" => Self::Dotenv,
            "json" => Self::Json,
            "toml" => Self::Toml,
            "yaml" | "yml" => Self::Yaml,
            _ if dotenv::looks_like(text) => Self::Dotenv,
            _ => Self::Plain,
        }
    }

    /// Every value that can be replaced.
    pub fn slots(self, text: &str) -> Result<BTreeMap<Slot, Secret>, FormatError> {
        match self {
            Self::Dotenv => dotenv::slots(text),
            Self::Json => json::slots(text),
            Self::Toml => toml::slots(text),
            Self::Yaml => yaml::slots(text),
            Self::Plain => plain::slots(text),
        }
    }

    /// The text with the named values replaced and every other byte as it was.
    pub fn replace(
        self,
        text: &str,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Zeroizing<String>, FormatError> {
        match self {
            Self::Dotenv => dotenv::replace(text, changes),
            Self::Json => json::replace(text, changes),
            Self::Toml => toml::replace(text, changes),
            Self::Yaml => yaml::replace(text, changes),
            Self::Plain => plain::replace(text, changes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_and_else_the_content() {
        for (name, text, format) in [
            ("/a/.env", "", Format::Dotenv),
            ("/a/.env.production", "", Format::Dotenv),
            ("/a/prod.env", "", Format::Dotenv),
            ("/a/x.JSON", "", Format::Json),
            ("/a/x.toml", "", Format::Toml),
            ("/a/x.yml", "", Format::Yaml),
            ("/a/credentials", "A=1\n# c\n", Format::Dotenv),
            ("/a/token", "sk-abc\n", Format::Plain),
            ("/a/base64", "YWJj+ZGVm/==\n", Format::Plain),
        ] {
            assert_eq!(Format::of(Path::new(name), text), format, "{name}");
        }
    }
}
