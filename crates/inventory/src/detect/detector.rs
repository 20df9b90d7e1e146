//! What a credential of an issuer looks like.

use regex::Regex;
use relatch_case::IssuerId;
use serde::{Deserialize, Serialize};

use super::value::{Likeness, likeness};

/// A detector as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorSpec {
    /// Whose credentials it finds.
    pub issuer: IssuerId,
    /// The kind of key: `api_key`, `admin_key`.
    #[serde(default)]
    pub kind: String,
    /// A regular expression that the whole value matches.
    #[serde(default)]
    pub format: Option<String>,
    /// Names that usually hold such a value, compared without regard to case. With a format,
    /// a value of such a name that does not have the format is a blind spot; without one, it
    /// is a credential.
    #[serde(default)]
    pub names: Vec<String>,
    /// A regular expression that the name must match as a whole.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether such a key can make other keys.
    #[serde(default)]
    pub mints_keys: bool,
}

/// A detector that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DetectorError {
    /// A pattern is no regular expression.
    #[error("the detector of {issuer} has a {field} that is no regular expression")]
    Pattern {
        /// Whose.
        issuer: IssuerId,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        source: regex::Error,
    },
    /// It would match everything or nothing.
    #[error(
        "the detector of {issuer} needs a format, names or a name, and none may match an empty text"
    )]
    Empty {
        /// Whose.
        issuer: IssuerId,
    },
}

/// Finds credentials of one issuer and kind.
#[derive(Debug, Clone)]
pub struct Detector {
    pub(super) issuer: IssuerId,
    pub(super) kind: String,
    pub(super) format: Option<Format>,
    names: Vec<String>,
    name: Option<Regex>,
    pub(super) mints_keys: bool,
}

/// A format as a whole and as a part.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) whole: Regex,
    part: Regex,
}

/// What a detector says of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The value has the format, and the name fits it if names are known.
    Format {
        /// Whether the name is one of those known.
        named: bool,
    },
    /// There is no format to have; the name fits and the value can be one.
    Name,
    /// A part of the value has the format.
    Embedded,
    /// The name fits and the value does not have the format.
    Suspect,
    /// Nothing.
    Nothing,
}

impl TryFrom<DetectorSpec> for Detector {
    type Error = DetectorError;

    fn try_from(spec: DetectorSpec) -> Result<Self, DetectorError> {
        let issuer = &spec.issuer;
        let compile = |field, pattern: &str| {
            Regex::new(pattern).map_err(|source| DetectorError::Pattern {
                issuer: issuer.clone(),
                field,
                source,
            })
        };
        let whole = |field, pattern: &str| compile(field, &format!("^(?:{pattern})$"));
        let format = spec.format.as_deref().map(|pattern| {
            // Compiled alone first: `a)(b` is no pattern though it is one within a group.
            let part = compile("format", pattern)?;
            Ok(Format {
                whole: whole("format", pattern)?,
                part,
            })
        });
        let name = spec.name.as_deref().map(|pattern| {
            compile("name", pattern)?;
            whole("name", &format!("(?i:{pattern})"))
        });
        let detector = Self {
            format: format.transpose()?,
            name: name.transpose()?,
            names: spec
                .names
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            kind: spec.kind,
            mints_keys: spec.mints_keys,
            issuer: spec.issuer.clone(),
        };
        if detector.is_usable() {
            Ok(detector)
        } else {
            Err(DetectorError::Empty {
                issuer: spec.issuer,
            })
        }
    }
}

impl Detector {
    fn is_usable(&self) -> bool {
        let says = self.format.is_some() || self.name.is_some() || !self.names.is_empty();
        let empty = |regex: &Regex| regex.is_match("");
        says && !self
            .format
            .as_ref()
            .is_some_and(|format| empty(&format.whole))
            && !self.name.as_ref().is_some_and(empty)
    }

    /// What it says of a value under a name.
    pub(super) fn judge(&self, name: &str, value: &str) -> Verdict {
        let listed = self.names.contains(&name.to_ascii_lowercase());
        let named = match &self.name {
            Some(pattern) if !pattern.is_match(name) => return Verdict::Nothing,
            Some(_) => true,
            None => listed,
        };
        let likeness = if named {
            likeness(value)
        } else {
            Likeness::Ordinary
        };
        match &self.format {
            Some(format) if format.whole.is_match(value) => Verdict::Format { named },
            Some(format) if format.is_within(value) => Verdict::Embedded,
            None if likeness == Likeness::Secret => Verdict::Name,
            _ if likeness == Likeness::Ordinary => Verdict::Nothing,
            _ => Verdict::Suspect,
        }
    }
}

impl Format {
    /// Whether it stands within a longer text, apart from the letters around it.
    fn is_within(&self, text: &str) -> bool {
        let apart = |c: Option<char>| {
            c.is_none_or(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
        };
        self.part.find_iter(text).any(|found| {
            !found.is_empty()
                && apart(text[..found.start()].chars().next_back())
                && apart(text[found.end()..].chars().next())
        })
    }
}

/// Everything that is looked for.
#[derive(Debug, Clone, Default)]
pub struct Detectors {
    /// Credentials of one value, in order of preference.
    pub values: Vec<Detector>,
    /// The issuer of AWS access keys, if pairs of key id and secret are looked for.
    pub aws: Option<IssuerId>,
}
