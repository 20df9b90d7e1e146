//! The `detection` section: selections of fields, lists of maps, words.

use super::condition::{self, MOST_SIZE};
use super::modifiers::Modifiers;
use super::values::{Limits, matchers};
use super::{Refusal, size};
use crate::ast::{Expr, Matcher, Path, Test};
use crate::yaml::Yaml;

/// Understands the whole section. Several conditions are alternatives.
pub(super) fn detection(section: &Yaml, limits: &mut Limits<'_>) -> Result<Expr, Refusal> {
    let Yaml::Map(entries) = section else {
        return Err(Refusal::faulty(format!(
            "`detection` is {}, not a map",
            section.kind()
        )));
    };
    let mut selections = Vec::new();
    for (name, body) in entries {
        match name.as_str() {
            "condition" => {}
            "timeframe" => {
                return Err(Refusal::unsupported(
                    "`timeframe` (the form of old; correlations replace it)",
                ));
            }
            _ => {
                let expr = selection(body, limits).map_err(|refusal| Refusal {
                    reason: format!("{name}: {}", refusal.reason),
                    ..refusal
                })?;
                if size(&expr) > MOST_SIZE {
                    return Err(Refusal::faulty(format!("{name}: too many values")));
                }
                selections.push((name.clone(), expr));
            }
        }
    }
    let conditions = section
        .get("condition")
        .map(Yaml::texts)
        .unwrap_or_default();
    match conditions.as_slice() {
        [] => Err(Refusal::faulty("it has no `condition`")),
        [one] => condition::parse(one, &selections),
        many if many.len() > 20 => Err(Refusal::faulty("it has too many conditions")),
        many => many
            .iter()
            .map(|one| condition::parse(one, &selections))
            .collect::<Result<_, _>>()
            .map(Expr::Any),
    }
}

fn selection(body: &Yaml, limits: &mut Limits<'_>) -> Result<Expr, Refusal> {
    match body {
        Yaml::Map(entries) => map(entries, limits),
        Yaml::List(items) if items.is_empty() => Err(Refusal::faulty("the list is empty")),
        Yaml::List(items) => {
            let (nested, words): (Vec<&Yaml>, Vec<&Yaml>) = items
                .iter()
                .partition(|item| matches!(item, Yaml::Map(_) | Yaml::List(_)));
            let mut any = nested
                .into_iter()
                .map(|item| selection(item, limits))
                .collect::<Result<Vec<_>, _>>()?;
            if !words.is_empty() {
                any.push(field(
                    "",
                    &Yaml::List(words.into_iter().cloned().collect()),
                    limits,
                )?);
            }
            Ok(if any.len() == 1 {
                any.swap_remove(0)
            } else {
                Expr::Any(any)
            })
        }
        word => field("", word, limits),
    }
}

fn map(entries: &[(String, Yaml)], limits: &mut Limits<'_>) -> Result<Expr, Refusal> {
    if entries.is_empty() {
        return Err(Refusal::faulty("the map is empty"));
    }
    let mut all = Vec::with_capacity(entries.len());
    for (key, values) in entries {
        let named = |refusal: Refusal| Refusal {
            reason: format!("{key}: {}", refusal.reason),
            ..refusal
        };
        all.push(field(key, values, limits).map_err(named)?);
    }
    Ok(if all.len() == 1 {
        all.swap_remove(0)
    } else {
        Expr::All(all)
    })
}

/// One key with its modifiers, and its values.
fn field(key: &str, values: &Yaml, limits: &mut Limits<'_>) -> Result<Expr, Refusal> {
    let (name, modifiers) = key.split_once('|').unwrap_or((key, ""));
    let modifiers = Modifiers::parse(modifiers)?;
    let values = match values {
        Yaml::List(items) if items.is_empty() => return Err(Refusal::faulty("the list is empty")),
        Yaml::List(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let of = |matchers: Vec<Matcher>| leaf(name, matchers);
    let expr = if modifiers.all {
        let each = values
            .iter()
            .map(|value| matchers(value, &modifiers, limits).map(of));
        Expr::All(each.collect::<Result<_, _>>()?)
    } else {
        let mut any = Vec::with_capacity(values.len());
        for value in values {
            any.extend(matchers(value, &modifiers, limits)?);
        }
        of(any)
    };
    Ok(if modifiers.neq {
        Expr::Not(Box::new(expr))
    } else {
        expr
    })
}

/// Without a name a value is searched anywhere, as a part of any scalar.
fn leaf(name: &str, matchers: Vec<Matcher>) -> Expr {
    if name.is_empty() {
        Expr::Word(matchers.into_iter().map(word).collect())
    } else {
        Expr::Test(Test {
            path: Path::new(name),
            matchers,
        })
    }
}

fn word(matcher: Matcher) -> Matcher {
    use crate::pattern::{Part, Pattern};
    let within = |pattern: &Pattern| {
        let mut parts = vec![Part::Any];
        parts.extend(pattern.parts().iter().cloned());
        parts.push(Part::Any);
        Matcher::Text(Pattern::new(parts, pattern.cased()))
    };
    match matcher {
        Matcher::Text(pattern) => within(&pattern),
        Matcher::Number(number) => {
            let text = match number {
                crate::ast::Number::Int(value) => value.to_string(),
                crate::ast::Number::Float(value) => value.to_string(),
            };
            within(&Pattern::literal(&text, false))
        }
        other => other,
    }
}
