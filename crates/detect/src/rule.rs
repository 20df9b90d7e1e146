//! What is known of a rule beside its expression.

use std::fmt;
use std::sync::Arc;

use crate::ast::Expr;
use crate::path::Path;

/// The number of a rule in its [`crate::RuleSet`]: rules first, then correlations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleIndex(pub u32);

/// How grave a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Informational,
    /// Rarely matters alone.
    Low,
    /// Look at it some time.
    Medium,
    /// Look at it soon.
    High,
    /// Look at it now.
    Critical,
}

impl Level {
    /// All of them, mildest first.
    pub const ALL: [Self; 5] = [
        Self::Informational,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The word rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule. All texts are as its author wrote them: make them safe before they are shown.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The author's id, a UUID as a rule, or empty.
    pub id: String,
    /// The name that correlations may refer to, or empty.
    pub name: String,
    /// One line.
    pub title: String,
    /// How grave; not every rule says.
    pub level: Option<Level>,
    /// `stable`, `test`, `experimental` ..., or empty.
    pub status: String,
    /// What it is about.
    pub description: String,
    /// Who wrote it.
    pub author: String,
    /// When it is wrong.
    pub false_positives: Vec<String>,
    /// Tags as written.
    pub tags: Vec<String>,
    /// The file and, after `#`, the document in it if there are several.
    pub path: Arc<str>,
    /// False for a rule that only feeds correlations which did not ask for it to be told alone.
    pub alone: bool,
    /// What it looks for; empty for a correlation.
    pub expr: Expr,
}

impl Rule {
    /// MITRE ATT&CK techniques, such as `T1078.004`.
    pub fn techniques(&self) -> Vec<String> {
        let technique = |tag: &String| {
            let tag = tag.strip_prefix("attack.t")?;
            tag.starts_with(|c: char| c.is_ascii_digit())
                .then(|| format!("T{tag}"))
        };
        self.tags.iter().filter_map(technique).collect()
    }

    /// MITRE ATT&CK tactics, such as `initial-access`.
    pub fn tactics(&self) -> Vec<String> {
        let tactic = |tag: &String| {
            let tag = tag.strip_prefix("attack.")?.replace('_', "-");
            let plain = tag.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            plain.then_some(tag)
        };
        self.tags.iter().filter_map(tactic).collect()
    }
}

/// What a correlation counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorrelationKind {
    /// Hits.
    EventCount,
    /// Different values of fields, taken together.
    ValueCount(Vec<Path>),
    /// Different rules that hit, in any order.
    Temporal,
    /// Rules that hit in the order in which they are listed.
    TemporalOrdered,
}

/// A bound on a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The least that fits.
    pub least: u64,
    /// The most that fits, if there is one.
    pub most: Option<u64>,
}

/// A rule over the hits of other rules.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// Title, level and so on.
    pub rule: Rule,
    /// What is counted.
    pub kind: CorrelationKind,
    /// Rules or correlations by id, name or title.
    pub rules: Vec<String>,
    /// Fields that must be alike, by name or alias.
    pub group_by: Vec<String>,
    /// Alias, then the rule's name, then the field in that rule's events.
    pub aliases: Vec<(String, String, Path)>,
    /// How far hits may lie apart, in milliseconds.
    pub timespan_ms: i64,
    /// How many make a match.
    pub bound: Bound,
    /// Whether the rules are told on their own as well.
    pub generate: bool,
}
