//! Policy documents and what they say about one request. Pure.

use serde_json::Value;

use super::condition::{Context, PolicyError, holds, like, strings, substitute};

/// What a document says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A statement denies.
    Deny,
    /// A statement allows, none denies.
    Allow,
    /// No statement applies.
    Silent,
}

/// One request, as policies see it.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) context: &'a Context,
}

/// What the document says.
pub(crate) fn evaluate(document: &str, asked: &Asked<'_>) -> Result<Verdict, PolicyError> {
    let mut verdict = Verdict::Silent;
    for statement in statements(document)? {
        if !applies(&statement, asked)? {
            continue;
        }
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Deny") => return Ok(Verdict::Deny),
            Some("Allow") => verdict = Verdict::Allow,
            _ => return Err(PolicyError::Syntax("Effect must be Allow or Deny")),
        }
    }
    Ok(verdict)
}

/// Whether the document holds only what this evaluator knows.
pub(crate) fn check(document: &str) -> Result<(), PolicyError> {
    let context = Context::new();
    for statement in statements(document)? {
        if !matches!(
            statement.get("Effect").and_then(Value::as_str),
            Some("Allow" | "Deny")
        ) {
            return Err(PolicyError::Syntax("Effect must be Allow or Deny"));
        }
        if statement.get("Action").is_none() && statement.get("NotAction").is_none() {
            return Err(PolicyError::Syntax("a statement needs Action or NotAction"));
        }
        // One operator at a time, because evaluation stops at the first that fails.
        for (operator, keys) in statement
            .get("Condition")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            holds(Some(&serde_json::json!({ operator: keys })), &context)?;
        }
    }
    Ok(())
}

/// Whether a trust policy lets the principal assume the role, and by name rather than by
/// the account, in which case the caller needs no permission of its own.
pub(crate) fn trusts(
    document: &str,
    principal_arn: &str,
    account: &str,
    context: &Context,
) -> Result<Trust, PolicyError> {
    let root = format!("arn:aws:iam::{account}:root");
    let mut trust = Trust::No;
    for statement in statements(document)? {
        let names = statement
            .get("Principal")
            .map(principals)
            .unwrap_or_default();
        let by_name = names
            .iter()
            .any(|name| name == principal_arn || name == "*");
        let by_account = names.iter().any(|name| *name == root || name == account);
        if !(by_name || by_account) || !holds(statement.get("Condition"), context)? {
            continue;
        }
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Deny") => return Ok(Trust::No),
            _ if by_name => trust = Trust::ByName,
            _ if trust == Trust::No => trust = Trust::ByAccount,
            _ => {}
        }
    }
    Ok(trust)
}

/// How far a role trusts a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    No,
    ByAccount,
    ByName,
}

fn principals(value: &Value) -> Vec<String> {
    match value {
        Value::Object(kinds) => kinds.get("AWS").map(strings).unwrap_or_default(),
        other => strings(other),
    }
}

fn statements(document: &str) -> Result<Vec<Value>, PolicyError> {
    let document: Value = serde_json::from_str(document).map_err(|_| PolicyError::NotJson)?;
    match document.get("Statement") {
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(item @ Value::Object(_)) => Ok(vec![item.clone()]),
        _ => Err(PolicyError::Syntax("Statement is missing")),
    }
}

fn applies(statement: &Value, asked: &Asked<'_>) -> Result<bool, PolicyError> {
    let action = asked.action.to_lowercase();
    let actions = listed(statement, "Action", "NotAction", |pattern| {
        like(&pattern.to_lowercase(), &action)
    });
    let resources = listed(statement, "Resource", "NotResource", |pattern| {
        like(&substitute(pattern, asked.context), asked.resource)
    });
    Ok(actions.unwrap_or(false)
        && resources.unwrap_or(true)
        && holds(statement.get("Condition"), asked.context)?)
}

fn listed(
    statement: &Value,
    positive: &str,
    negative: &str,
    matches: impl Fn(&str) -> bool,
) -> Option<bool> {
    let any = |value: &Value| strings(value).iter().any(|pattern| matches(pattern));
    statement
        .get(positive)
        .map(&any)
        .or_else(|| statement.get(negative).map(|value| !any(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn verdict(document: &str, action: &str, resource: &str) -> Verdict {
        let context = Context::new();
        let asked = Asked {
            action,
            resource,
            context: &context,
        };
        evaluate(document, &asked).expect("a good document")
    }

    const BROAD: &str = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["secretsmanager:*","sts:AssumeRole"],"Resource":"*"},
        {"Effect":"Deny","NotAction":"iam:*","Resource":"arn:aws:secretsmanager:*:*:secret:vault/*"}]}"#;

    #[test]
    fn allow_deny_and_silence() {
        let secret = "arn:aws:secretsmanager:us-east-1:1:secret:a";
        let vault = "arn:aws:secretsmanager:us-east-1:1:secret:vault/a";
        assert_eq!(
            verdict(BROAD, "secretsmanager:GetSecretValue", secret),
            Verdict::Allow
        );
        assert_eq!(
            verdict(BROAD, "secretsmanager:GetSecretValue", vault),
            Verdict::Deny
        );
        assert_eq!(verdict(BROAD, "ssm:GetParameter", secret), Verdict::Silent);
        assert_eq!(
            verdict(BROAD, "SecretsManager:getsecretvalue", secret),
            Verdict::Allow
        );
    }

    #[test]
    fn a_document_with_unknown_parts_is_refused() {
        assert!(check("{").is_err());
        assert!(check(r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:username":"x"},"Odd":{"a":"b"}}}}"#).is_err());
        assert!(check(BROAD).is_ok());
    }

    #[test]
    fn trust_by_account_and_by_name() {
        let policy = |who: &str| {
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{who}"}},"Action":"sts:AssumeRole"}}]}}"#
            )
        };
        let caller = "arn:aws:iam::111122223333:user/ada";
        let trust = |who: &str| trusts(&policy(who), caller, "111122223333", &Context::new());
        assert_eq!(trust(caller), Ok(Trust::ByName));
        assert_eq!(
            trust("arn:aws:iam::111122223333:root"),
            Ok(Trust::ByAccount)
        );
        assert_eq!(trust("arn:aws:iam::111122223333:user/bob"), Ok(Trust::No));
    }
}
