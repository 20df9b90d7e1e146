//! Finding credentials in what was read, as a thief does: by their looks.

use serde_json::Value;

use crate::aws::KeyPair;
use crate::consumers::Secret;
use crate::scenario::IssuerKind;

/// A credential that was found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Loot {
    pub(crate) issuer: IssuerKind,
    pub(crate) secret: Secret,
}

const PREFIXES: [(&str, IssuerKind); 3] = [
    ("sk-svcacct-", IssuerKind::OpenAi),
    ("sk-ant-api03-", IssuerKind::Anthropic),
    ("btk-live-", IssuerKind::Custom),
];

/// Every credential in a text: a bare value, or an object of values.
pub(crate) fn find(text: &str) -> Vec<Loot> {
    let mut found: Vec<Loot> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
        .filter_map(|word| {
            let (_, issuer) = PREFIXES
                .iter()
                .find(|(prefix, _)| word.starts_with(prefix))?;
            Some(Loot {
                issuer: *issuer,
                secret: Secret::Key(word.to_owned()),
            })
        })
        .collect();
    found.extend(pairs(text));
    found
}

fn pairs(text: &str) -> Vec<Loot> {
    let Ok(Value::Object(members)) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    members
        .iter()
        .filter_map(|(name, value)| {
            let prefix = name.strip_suffix("AWS_ACCESS_KEY_ID")?;
            let secret = members.get(&format!("{prefix}AWS_SECRET_ACCESS_KEY"))?;
            Some(Loot {
                issuer: IssuerKind::AwsIam,
                secret: Secret::Pair(KeyPair {
                    id: value.as_str()?.to_owned(),
                    secret: secret.as_str()?.to_owned(),
                    token: None,
                }),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn finds_by_looks() {
        let (openai, custom) = (random::openai_key(), random::custom_key());
        let text = serde_json::json!({
            "a": openai, "note": format!("use {custom}, please"),
            "X_AWS_ACCESS_KEY_ID": "AKIA1", "X_AWS_SECRET_ACCESS_KEY": "s",
        });
        let found = find(&text.to_string());
        let names: Vec<&str> = found.iter().map(|loot| loot.secret.identity()).collect();
        assert!(names.contains(&openai.as_str()));
        assert!(names.contains(&custom.as_str()));
        assert!(names.contains(&"AKIA1"));
        assert_eq!(find(&random::anthropic_key()).len(), 1);
    }
}
