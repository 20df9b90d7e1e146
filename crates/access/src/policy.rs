//! Policies, read and checked.

use crate::condition::Condition;
use crate::pattern::Pattern;
use crate::principal::Principals;

/// A policy under the name by which answers cite it.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) name: String,
    /// The statements, or why the policy could not be read: then it may say anything.
    pub(crate) statements: Result<Vec<Statement>, String>,
}

impl Policy {
    pub(crate) fn broken(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            statements: Err(why.into()),
        }
    }
}

/// What a list is for: what is listed, or all but what is listed.
#[derive(Debug, Clone)]
pub(crate) enum Only<T> {
    In(T),
    NotIn(T),
}

#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// The `Sid`, or `#` and the index.
    pub(crate) id: String,
    pub(crate) denies: bool,
    pub(crate) actions: Only<Vec<Pattern>>,
    /// `None`: the resource that the policy hangs on.
    pub(crate) resources: Option<Only<Vec<Pattern>>>,
    /// `None`: the identity that the policy hangs on.
    pub(crate) principals: Option<Only<Principals>>,
    pub(crate) conditions: Vec<Condition>,
}
