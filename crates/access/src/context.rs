//! What is known of the request beside who asks for what.

use std::collections::BTreeMap;

/// What is known of one key of the request's context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// The request has the key, with these values.
    Known(Vec<String>),
    /// The request does not have the key.
    Absent,
    /// Not known: conditions on it are not decided.
    Unknown,
}

/// Keys of the request's context (`aws:SourceIp`, `aws:MultiFactorAuthPresent`,
/// `aws:ResourceTag/team` …) that the asker knows. Names are not case-sensitive. Every key that is
/// neither given nor follows from the principal and the resource is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    values: BTreeMap<String, Value>,
}

impl Context {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// The request has the key, with these values. No values: the request does not have it.
    pub fn with<T: Into<String>>(mut self, key: &str, values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        let value = if values.is_empty() {
            Value::Absent
        } else {
            Value::Known(values)
        };
        self.values.insert(key.to_ascii_lowercase(), value);
        self
    }

    /// The request does not have the key.
    pub fn without(mut self, key: &str) -> Self {
        self.values.insert(key.to_ascii_lowercase(), Value::Absent);
        self
    }

    /// The key is not known, also where it would follow from the principal or the resource.
    pub fn forget(mut self, key: &str) -> Self {
        self.values.insert(key.to_ascii_lowercase(), Value::Unknown);
        self
    }

    /// What is left of it for a session of a role that was assumed on the way: where requests
    /// come from stays, who makes them does not.
    pub(crate) fn of_session(&self) -> Self {
        let personal = |key: &str| {
            key.starts_with("aws:principal")
                || key.starts_with("sts:")
                || matches!(key, "aws:userid" | "aws:username" | "aws:federatedprovider")
        };
        let mut values = self.values.clone();
        values.retain(|key, _| !personal(key));
        Self { values }
            .forget("aws:MultiFactorAuthPresent")
            .forget("aws:MultiFactorAuthAge")
            .forget("aws:TokenIssueTime")
            .forget("aws:SourceIdentity")
    }

    /// `key` in lower case; `None`: nothing was said about it.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }
}
