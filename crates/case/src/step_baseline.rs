//! What a step found before it acted.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::canonical;

/// What is needed to find out later whether a step happened: JSON that only the step itself
/// understands, `null` where nothing is needed. Held as its canonical text, because a long
/// journal has a million of them and hardly any is ever looked into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepBaseline(Option<Arc<str>>);

impl StepBaseline {
    /// As data. Also `null` for what no data can hold, a number or a nesting beyond all bounds:
    /// nobody records that, and whoever needs more than `null` refuses it.
    pub fn value(&self) -> Value {
        self.read().unwrap_or_default()
    }

    fn read(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_str(self.0.as_deref().unwrap_or("null"))
    }

    /// The text of a fact, which is canonical.
    pub(crate) fn from_raw(raw: &RawValue) -> Self {
        Self::from_text(raw.get())
    }

    fn from_text(text: &str) -> Self {
        Self((text != "null").then(|| Arc::from(text)))
    }
}

impl From<&Value> for StepBaseline {
    fn from(value: &Value) -> Self {
        let text = canonical::to_vec(value).map_or_else(
            |_| value.to_string(),
            |text| String::from_utf8_lossy(&text).into_owned(),
        );
        Self::from_text(&text)
    }
}

impl From<Value> for StepBaseline {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl Serialize for StepBaseline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.read().map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StepBaseline {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_data_that_it_was_made_from() {
        for text in [
            "null",
            "{}",
            "[]",
            "\"null\"",
            r#"{"keys":["b","a"],"n":[1,-2,1.5,1e+21,null,"\u001b é"]}"#,
        ] {
            let value: Value = serde_json::from_str(text).expect("json");
            let baseline = StepBaseline::from(&value);
            assert_eq!(baseline.value(), value);
            let raw: &RawValue = serde_json::from_str(text).expect("json");
            assert_eq!(StepBaseline::from_raw(raw), baseline, "{text}");
            let written = serde_json::to_string(&baseline).expect("text");
            let read: StepBaseline = serde_json::from_str(&written).expect("json");
            assert_eq!(read, baseline);
        }
        assert_eq!(StepBaseline::default().value(), Value::Null);
    }

    #[test]
    fn what_no_data_can_hold_is_not_written_as_something_else() {
        for text in ["1e999".to_string(), "[".repeat(200) + &"]".repeat(200)] {
            let raw: &RawValue = serde_json::from_str(&text).expect("json");
            let baseline = StepBaseline::from_raw(raw);
            assert_eq!(baseline.value(), Value::Null);
            assert!(serde_json::to_string(&baseline).is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_of_names_makes_no_other_baseline() {
        let read = |text: &str| serde_json::from_str::<StepBaseline>(text).expect("json");
        assert_eq!(read(r#"{"b":1,"a":2}"#), read(r#"{ "a": 2, "b": 1 }"#));
    }
}
