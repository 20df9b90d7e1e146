//! Title, level, log source and so on.

use std::sync::Arc;

use super::Refusal;
use crate::ast::Expr;
use crate::rule::{Level, Rule};
use crate::yaml::Yaml;

/// Everything but the expression.
pub(super) fn rule(yaml: &Yaml, path: Arc<str>) -> Result<Rule, Refusal> {
    let text = |key: &str| yaml.get(key).and_then(Yaml::text).unwrap_or_default();
    let texts = |key: &str| yaml.get(key).map(Yaml::texts).unwrap_or_default();
    let title = text("title");
    if title.trim().is_empty() {
        return Err(Refusal::faulty("it has no title"));
    }
    match text("taxonomy").as_str() {
        "" | "sigma" => {}
        other => {
            return Err(Refusal::unsupported(format!(
                "field names of taxonomy `{other}`"
            )));
        }
    }
    Ok(Rule {
        id: text("id"),
        name: text("name"),
        title,
        level: level(&text("level"))?,
        status: text("status"),
        description: text("description"),
        author: text("author"),
        false_positives: texts("falsepositives"),
        tags: texts("tags"),
        path,
        alone: true,
        expr: Expr::All(Vec::new()),
    })
}

fn level(text: &str) -> Result<Option<Level>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let found = Level::ALL.into_iter().find(|level| level.as_str() == text);
    found
        .map(Some)
        .ok_or_else(|| Refusal::faulty(format!("`{text}` is not a level")))
}

/// Whether the log source is CloudTrail; a correlation need not name one.
pub(super) fn logsource(yaml: &Yaml, optional: bool) -> Result<(), Refusal> {
    let Some(source) = yaml.get("logsource") else {
        let refusal = Refusal::faulty("it has no `logsource`");
        return if optional { Ok(()) } else { Err(refusal) };
    };
    let part = |key: &str| {
        source
            .get(key)
            .and_then(Yaml::text)
            .unwrap_or_default()
            .to_lowercase()
    };
    let (product, service, category) = (part("product"), part("service"), part("category"));
    let ours = match service.as_str() {
        "cloudtrail" => product.is_empty() || product == "aws",
        "" => product == "aws",
        _ => false,
    };
    if ours && matches!(category.as_str(), "" | "cloudtrail") {
        return Ok(());
    }
    let named: Vec<String> = [
        ("product", product),
        ("service", service),
        ("category", category),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(key, value)| format!("{key} {value}"))
    .collect();
    let named = if named.is_empty() {
        "nothing named".to_owned()
    } else {
        named.join(", ")
    };
    Err(Refusal::elsewhere(format!("not for CloudTrail: {named}")))
}
