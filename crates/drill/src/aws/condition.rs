//! The conditions of policy statements: the operators and keys that containment uses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;

/// What is known about a request, by lower-case condition key.
pub(crate) type Context = BTreeMap<String, String>;

/// A part of a policy that this evaluator does not know. Policies that hold one are refused
/// when they are written, so that none is ever silently skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PolicyError {
    #[error("The policy is not valid JSON.")]
    NotJson,
    #[error("Syntax error in policy: {0}.")]
    Syntax(&'static str),
    #[error("The range does not know the condition operator {0}.")]
    Operator(String),
}

/// Whether every condition of the block holds.
pub(crate) fn holds(block: Option<&Value>, context: &Context) -> Result<bool, PolicyError> {
    let Some(block) = block else { return Ok(true) };
    let operators = block
        .as_object()
        .ok_or(PolicyError::Syntax("Condition must be an object"))?;
    for (name, keys) in operators {
        let operator = Operator::parse(name)?;
        let keys = keys
            .as_object()
            .ok_or(PolicyError::Syntax("a condition must name keys"))?;
        for (key, values) in keys {
            let actual = context.get(&key.to_lowercase()).map(String::as_str);
            if !operator.matches(actual, &strings(values), context) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A string or a list of strings, numbers and booleans, as strings.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

/// Replaces policy variables such as `${aws:username}`.
pub(crate) fn substitute(pattern: &str, context: &Context) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        out.push_str(&rest[..start]);
        let name = rest[start + 2..start + length].to_lowercase();
        match context.get(&name) {
            Some(value) => out.push_str(value),
            None => out.push_str(&rest[start..=start + length]),
        }
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    out
}

/// Wildcard match: `*` is any run of characters, `?` is one.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star, mut mark) = (0, 0, None, 0);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some(p);
            mark = t;
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some(at) = star {
            p = at + 1;
            mark += 1;
            t = mark;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Before,
    NotAfter,
    After,
    NotBefore,
    Address,
    Null,
}

#[derive(Debug, Clone, Copy)]
struct Operator {
    test: Test,
    negated: bool,
    if_exists: bool,
}

impl Operator {
    fn parse(name: &str) -> Result<Self, PolicyError> {
        let unknown = || PolicyError::Operator(name.to_owned());
        let base = name
            .strip_prefix("ForAnyValue:")
            .or_else(|| name.strip_prefix("ForAllValues:"))
            .unwrap_or(name);
        let (base, if_exists) = base
            .strip_suffix("IfExists")
            .map_or((base, false), |base| (base, true));
        let (test, negated) = match base {
            "StringEquals" | "Bool" | "DateEquals" => (Test::Equals, false),
            "StringNotEquals" => (Test::Equals, true),
            "StringEqualsIgnoreCase" => (Test::EqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoreCase, true),
            "StringLike" | "ArnLike" | "ArnEquals" => (Test::Like, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Test::Like, true),
            "DateLessThan" => (Test::Before, false),
            "DateLessThanEquals" => (Test::NotAfter, false),
            "DateGreaterThan" => (Test::After, false),
            "DateGreaterThanEquals" => (Test::NotBefore, false),
            "IpAddress" => (Test::Address, false),
            "NotIpAddress" => (Test::Address, true),
            "Null" if !if_exists => (Test::Null, false),
            _ => return Err(unknown()),
        };
        Ok(Self {
            test,
            negated,
            if_exists,
        })
    }

    fn matches(self, actual: Option<&str>, wanted: &[String], context: &Context) -> bool {
        if self.test == Test::Null {
            let absent = actual.is_none().to_string();
            return wanted
                .iter()
                .any(|value| value.eq_ignore_ascii_case(&absent));
        }
        let Some(actual) = actual else {
            return self.negated || self.if_exists;
        };
        let found = wanted
            .iter()
            .any(|value| self.test.matches(actual, &substitute(value, context)));
        found != self.negated
    }
}

impl Test {
    fn matches(self, actual: &str, wanted: &str) -> bool {
        match self {
            Self::Equals => actual == wanted,
            Self::EqualsIgnoreCase => actual.eq_ignore_ascii_case(wanted),
            Self::Like => like(wanted, actual),
            Self::Before => times(actual, wanted).is_some_and(|(a, w)| a < w),
            Self::NotAfter => times(actual, wanted).is_some_and(|(a, w)| a <= w),
            Self::After => times(actual, wanted).is_some_and(|(a, w)| a > w),
            Self::NotBefore => times(actual, wanted).is_some_and(|(a, w)| a >= w),
            Self::Address => in_network(actual, wanted),
            Self::Null => false,
        }
    }
}

fn times(actual: &str, wanted: &str) -> Option<(Timestamp, Timestamp)> {
    Some((actual.parse().ok()?, wanted.parse().ok()?))
}

fn in_network(address: &str, network: &str) -> bool {
    let (base, bits) = network.split_once('/').unwrap_or((network, "32"));
    match (address.parse(), base.parse(), bits.parse::<u32>()) {
        (Ok(IpAddr::V4(address)), Ok(IpAddr::V4(base)), Ok(bits)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            (u32::from(address) & mask) == (u32::from(base) & mask)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn context(pairs: &[(&str, &str)]) -> Context {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[track_caller]
    fn check(block: Value, pairs: &[(&str, &str)], expect: bool) {
        assert_eq!(holds(Some(&block), &context(pairs)), Ok(expect));
    }

    #[test]
    fn wildcards() {
        assert!(like("arn:aws:iam::1:user/*", "arn:aws:iam::1:user/a/b"));
        assert!(like("a?c*", "abcdef"));
        assert!(!like("a?c", "ac"));
        assert!(like("*", ""));
        assert!(!like("", "a"));
    }

    #[test]
    fn an_allow_list_of_principals() {
        let block = json!({"ArnNotLike": {"aws:PrincipalArn": ["arn:aws:iam::1:user/responder"]}});
        let key = "aws:principalarn";
        check(
            block.clone(),
            &[(key, "arn:aws:iam::1:user/responder")],
            false,
        );
        check(block, &[(key, "arn:aws:iam::1:user/thief")], true);
    }

    #[test]
    fn sessions_issued_before() {
        let block = json!({"DateLessThan": {"aws:TokenIssueTime": "2026-11-21T05:00:00Z"}});
        let key = "aws:tokenissuetime";
        check(block.clone(), &[(key, "2026-11-21T04:59:59Z")], true);
        check(block.clone(), &[(key, "2026-11-21T05:00:01Z")], false);
        check(block, &[], false);
    }

    #[test]
    fn addresses() {
        let block = json!({"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}});
        check(block.clone(), &[("aws:sourceip", "203.0.113.9")], false);
        check(block, &[("aws:sourceip", "198.51.100.1")], true);
    }

    #[test]
    fn an_absent_key_meets_only_negated_and_null_operators() {
        check(json!({"StringEquals": {"aws:username": "a"}}), &[], false);
        check(json!({"StringNotEquals": {"aws:username": "a"}}), &[], true);
        check(
            json!({"StringEqualsIfExists": {"aws:username": "a"}}),
            &[],
            true,
        );
        check(json!({"Null": {"aws:TokenIssueTime": "true"}}), &[], true);
        check(json!({"Null": {"aws:TokenIssueTime": "false"}}), &[], false);
    }

    #[test]
    fn an_unknown_operator_is_an_error() {
        let block = json!({"NumericLessThan": {"s3:max-keys": "10"}});
        assert!(holds(Some(&block), &Context::new()).is_err());
    }

    #[test]
    fn variables_are_replaced() {
        let context = context(&[("aws:username", "ada")]);
        assert_eq!(substitute("user/${aws:username}/x", &context), "user/ada/x");
        assert_eq!(substitute("${unknown}", &context), "${unknown}");
    }
}
