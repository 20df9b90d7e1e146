//! The `correlation` section.

use super::Refusal;
use crate::path::Path;
use crate::rule::{Bound, Correlation, CorrelationKind, Rule};
use crate::yaml::Yaml;

/// The most rules, fields or aliases of one correlation.
const MOST: usize = 200;

/// Understands the section; whether the rules it names exist is seen when all are loaded.
pub(super) fn correlation(rule: Rule, section: &Yaml) -> Result<Correlation, Refusal> {
    let list = |key: &str| section.get(key).map(Yaml::texts).unwrap_or_default();
    let (rules, group_by) = (list("rules"), list("group-by"));
    if rules.is_empty() {
        return Err(Refusal::faulty("the correlation names no rules"));
    }
    let aliases = aliases(section.get("aliases"))?;
    if rules.len() > MOST || group_by.len() > MOST || aliases.len() > MOST {
        return Err(Refusal::faulty(
            "the correlation names too many rules, fields or aliases",
        ));
    }
    let condition = section.get("condition");
    let kind = kind(section, condition)?;
    let bound = match (&kind, condition) {
        (CorrelationKind::Temporal | CorrelationKind::TemporalOrdered, None) => Bound {
            least: rules.len() as u64,
            most: None,
        },
        (CorrelationKind::TemporalOrdered, Some(_)) => {
            return Err(Refusal::unsupported("a condition on `temporal_ordered`"));
        }
        (_, None) => return Err(Refusal::faulty("the correlation has no condition")),
        (_, Some(condition)) => bound(condition)?,
    };
    let timespan = section
        .get("timespan")
        .or_else(|| section.get("timeframe"))
        .and_then(Yaml::text);
    let timespan = timespan.ok_or_else(|| Refusal::faulty("the correlation has no timespan"))?;
    Ok(Correlation {
        rule,
        kind,
        rules,
        group_by,
        aliases,
        timespan_ms: milliseconds(&timespan)?,
        bound,
        generate: section.get("generate") == Some(&Yaml::Bool(true)),
    })
}

fn kind(section: &Yaml, condition: Option<&Yaml>) -> Result<CorrelationKind, Refusal> {
    match section.get("type").and_then(Yaml::text).as_deref() {
        Some("event_count") => Ok(CorrelationKind::EventCount),
        Some("value_count") => {
            let fields = condition.and_then(|condition| condition.get("field"));
            let fields: Vec<Path> = fields
                .map(Yaml::texts)
                .unwrap_or_default()
                .iter()
                .map(|name| Path::new(name))
                .collect();
            if fields.is_empty() || fields.len() > MOST {
                return Err(Refusal::faulty(
                    "`value_count` needs the field to count in its condition",
                ));
            }
            Ok(CorrelationKind::ValueCount(fields))
        }
        Some("temporal") => Ok(CorrelationKind::Temporal),
        Some("temporal_ordered") => Ok(CorrelationKind::TemporalOrdered),
        Some(other) => Err(Refusal::unsupported(format!(
            "correlations of type `{other}`"
        ))),
        None => Err(Refusal::faulty("the correlation has no type")),
    }
}

fn bound(condition: &Yaml) -> Result<Bound, Refusal> {
    let Yaml::Map(entries) = condition else {
        return Err(Refusal::unsupported(
            "a correlation condition that is not a map of bounds",
        ));
    };
    let (mut least, mut most): (Option<u64>, Option<u64>) = (None, None);
    for (key, value) in entries.iter().filter(|(key, _)| key != "field") {
        let Yaml::Int(number) = value else {
            return Err(Refusal::faulty(format!(
                "`{key}` is {}, not a whole number",
                value.kind()
            )));
        };
        let number = u64::try_from(*number)
            .map_err(|_| Refusal::faulty(format!("`{key}` is less than nothing")))?;
        match key.as_str() {
            "gt" => least = Some(number.saturating_add(1)),
            "gte" => least = Some(number),
            "lt" => most = Some(number.saturating_sub(1)),
            "lte" => most = Some(number),
            "eq" => (least, most) = (Some(number), Some(number)),
            other => {
                return Err(Refusal::unsupported(format!(
                    "`{other}` in a correlation's condition"
                )));
            }
        }
    }
    match least.filter(|least| *least > 0) {
        Some(least) if most.is_none_or(|most| most >= least) => Ok(Bound { least, most }),
        Some(_) => Err(Refusal::faulty("no count fits the correlation's condition")),
        None => Err(Refusal::unsupported(
            "a correlation that looks for few hits only: its windows begin at a hit, so every hit would match",
        )),
    }
}

fn milliseconds(text: &str) -> Result<i64, Refusal> {
    let faulty = || {
        Refusal::faulty(format!(
            "timespan `{text}` is not a number with s, m, h or d"
        ))
    };
    let unit = text.chars().last().ok_or_else(faulty)?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(faulty()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| faulty())?;
    let whole = number
        .checked_mul(seconds * 1000)
        .filter(|whole| *whole > 0);
    whole.ok_or_else(faulty)
}

fn aliases(section: Option<&Yaml>) -> Result<Vec<(String, String, Path)>, Refusal> {
    let Some(section) = section else {
        return Ok(Vec::new());
    };
    let faulty = || Refusal::faulty("`aliases` is a map of aliases, rules and fields");
    let Yaml::Map(aliases) = section else {
        return Err(faulty());
    };
    let mut all = Vec::new();
    for (alias, fields) in aliases {
        let Yaml::Map(fields) = fields else {
            return Err(faulty());
        };
        for (rule, field) in fields {
            let field = field.text().ok_or_else(faulty)?;
            all.push((alias.clone(), rule.clone(), Path::new(&field)));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timespans() {
        assert_eq!(milliseconds("90m"), Ok(5_400_000));
        assert_eq!(milliseconds("1d"), Ok(86_400_000));
        for bad in [
            "",
            "m",
            "5",
            "0s",
            "-1m",
            "5 m",
            "99999999999999999d",
            "1h30m",
            "5é",
        ] {
            milliseconds(bad).expect_err(bad);
        }
    }
}
