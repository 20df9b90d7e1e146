//! From YAML documents to rules.

mod condition;
mod correlation;
mod detection;
mod encode;
mod meta;
mod modifiers;
mod values;

use std::sync::Arc;

pub(crate) use values::Limits;

use crate::ast::Expr;
use crate::rule::{Correlation, Rule};
use crate::yaml::Yaml;

/// Why a rule was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What kind of reason it is.
    pub kind: RefusalKind,
    /// One line for a person.
    pub reason: String,
}

/// Kinds of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalKind {
    /// A sound rule for other logs.
    NotForCloudTrail,
    /// Something of Sigma that is not supported here.
    NotSupported,
    /// The very same rule was read before: nothing is missing.
    Repeated,
    /// Not a Sigma rule, or a faulty one.
    Faulty,
}

impl Refusal {
    pub(crate) fn faulty(reason: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Faulty,
            reason: reason.into(),
        }
    }

    pub(crate) fn unsupported(reason: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::NotSupported,
            reason: reason.into(),
        }
    }

    pub(crate) fn repeated(reason: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Repeated,
            reason: reason.into(),
        }
    }

    pub(crate) fn elsewhere(reason: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::NotForCloudTrail,
            reason: reason.into(),
        }
    }
}

/// A document that was understood.
pub(crate) enum Parsed {
    Rule(Box<Rule>),
    Correlation(Box<Correlation>),
}

/// Understands one document.
pub(crate) fn document(
    yaml: &Yaml,
    path: Arc<str>,
    limits: &mut Limits<'_>,
) -> Result<Parsed, Refusal> {
    if !matches!(yaml, Yaml::Map(_)) {
        return Err(Refusal::faulty(format!(
            "a rule is a map; this is {}",
            yaml.kind()
        )));
    }
    if yaml.get("filter").is_some() {
        return Err(Refusal::unsupported(
            "a Sigma filter, which changes other rules",
        ));
    }
    let mut rule = meta::rule(yaml, path)?;
    if let Some(section) = yaml.get("correlation") {
        meta::logsource(yaml, true)?;
        return Ok(Parsed::Correlation(Box::new(correlation::correlation(
            rule, section,
        )?)));
    }
    meta::logsource(yaml, false)?;
    let section = yaml
        .get("detection")
        .ok_or_else(|| Refusal::faulty("it has neither `detection` nor `correlation`"))?;
    rule.expr = detection::detection(section, limits)?;
    Ok(Parsed::Rule(Box::new(rule)))
}

/// How many tests and connectives an expression has.
pub(crate) fn size(expr: &Expr) -> usize {
    match expr {
        Expr::All(list) | Expr::Any(list) => 1 + list.iter().map(size).sum::<usize>(),
        Expr::Not(inner) => 1 + size(inner),
        Expr::Test(test) => 1 + test.matchers.len(),
        Expr::Word(matchers) => 1 + matchers.len(),
    }
}
