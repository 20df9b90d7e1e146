//! YAML, within bounds: a hostile file costs little time and memory and gives a clear refusal.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// The most bytes of one file.
pub(crate) const MOST_BYTES: u64 = 1 << 20;

/// A YAML value. Maps keep their order; keys are text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// The value of a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Yaml> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// A scalar as text; null is no text.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(value.to_string()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The scalars of a list as text, or the one scalar there is.
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            Self::List(items) => items.iter().filter_map(Self::text).collect(),
            one => one.text().into_iter().collect(),
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads all documents of a text. The error is one line.
pub(crate) fn read(text: &str) -> Result<Vec<Yaml>, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 60_000,
            max_nodes: 30_000,
            max_depth: 40,
            flow_nesting_limit: 40,
            max_aliases: 200,
            max_anchors: 200,
            max_documents: 500,
            max_merge_keys: 100,
            max_total_scalar_bytes: 1 << 20,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: 200,
        },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        error
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    })
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Build)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<Yaml, D::Error> {
        input.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
        // Past 63 bits a number is an identifier, not a size.
        Ok(i64::try_from(value).map_or_else(|_| Yaml::Text(value.to_string()), Yaml::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Yaml, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Yaml::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Yaml, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Yaml, Yaml>()? {
            let key = match key {
                Yaml::Null => String::new(),
                key => key.text().ok_or_else(|| {
                    serde::de::Error::custom("a key of a map is itself a list or a map")
                })?,
            };
            entries.push((key, value));
        }
        Ok(Yaml::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn one(text: &str) -> Yaml {
        let yaml = read(text).expect("YAML");
        yaml.first().expect("one").get("a").cloned().expect("key a")
    }

    #[test]
    fn scalars_keep_what_they_were() {
        assert_eq!(one("a: No"), Yaml::Text("No".into()));
        assert_eq!(one("a: true"), Yaml::Bool(true));
        assert_eq!(one("a: 012345678901"), Yaml::Text("012345678901".into()));
        assert_eq!(one("a: 111122223333"), Yaml::Int(111_122_223_333));
        assert_eq!(one("a: '111'"), Yaml::Text("111".into()));
        assert_eq!(one("a:"), Yaml::Null);
        assert_eq!(one("a: null"), Yaml::Null);
        assert_eq!(one("a: 1.5"), Yaml::Float(1.5));
        assert_eq!(one("a: !!str 5"), Yaml::Text("5".into()));
        assert_eq!(one("a: 2026-01-02"), Yaml::Text("2026-01-02".into()));
        assert_eq!(read("a: 1\n---\nb: 2").expect("two").len(), 2);
    }

    #[test]
    fn hostile_text_is_refused_soon() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..12 {
            let refs = vec![format!("*a{}", n - 1); 10].join(",");
            let _ = writeln!(bomb, "a{n}: &a{n} [{refs}]");
        }
        let deep_flow = format!("a: {}", "[".repeat(100_000));
        let mut deep_block = String::new();
        for n in 0..3000 {
            let _ = writeln!(deep_block, "{}a:", " ".repeat(n));
        }
        let wide = format!("a:\n{}", "- x\n".repeat(100_000));
        let same = "a: 1\na: 2";
        let cut = "a: 'x";
        let alias = "a: &a [*a]";
        for text in [
            &bomb,
            &deep_flow,
            &deep_block,
            &wide,
            same,
            cut,
            alias,
            "? [x]\n: y",
        ] {
            let began = std::time::Instant::now();
            let error = read(text).expect_err("refused");
            assert!(!error.contains('\n') && error.len() < 1000, "{error}");
            assert!(began.elapsed().as_secs() < 5, "{error}");
        }
    }
}
