//! What an event must answer, and two ready answers: parsed JSON and JSON text.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::path::Path;
use crate::walk::{Key, leaves, walk, walk_json};

/// One value of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A JSON null.
    Null,
    /// A JSON boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// A map, or an empty list, as JSON text: text patterns look into it.
    Json(Cow<'a, str>),
}

/// Receives values until it has seen enough.
pub type See<'f> = dyn FnMut(Value<'_>) -> ControlFlow<()> + 'f;

/// An event that rules can look at.
pub trait Event {
    /// Shows every value at a path: none when the field is absent, one for a scalar, and one for
    /// each element where the path meets a list. Stops when `see` breaks.
    fn visit(&self, path: &Path, see: &mut See<'_>);

    /// Shows every scalar of the event, for rules that search words anywhere.
    fn visit_all(&self, see: &mut See<'_>);
}

impl Event for serde_json::Value {
    fn visit(&self, path: &Path, see: &mut See<'_>) {
        // A tree of values cannot fail to be walked.
        let _ = walk(self, path, 0, see);
    }

    fn visit_all(&self, see: &mut See<'_>) {
        let _ = leaves(self, see);
    }
}

/// An event as the JSON text of its record, borrowed. The text is read once to find its fields;
/// what stands in a field is read when a rule looks there.
#[derive(Debug)]
pub struct RawEvent<'a> {
    fields: Vec<(Cow<'a, str>, &'a str)>,
}

/// The text is not a record.
#[derive(Debug, thiserror::Error)]
#[error("the text is not a JSON object")]
pub struct NotARecord(#[source] serde_json::Error);

impl<'a> RawEvent<'a> {
    /// Finds the fields of a record. Fails if the text is not one whole JSON object.
    pub fn new(text: &'a str) -> Result<Self, NotARecord> {
        serde_json::from_str(text).map_err(NotARecord)
    }

    /// The JSON text of a field of the record itself, such as `requestParameters`.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, text)| *text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawEvent<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(ReadFields)
    }
}

struct ReadFields;

impl<'de> Visitor<'de> for ReadFields {
    type Value = RawEvent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // A record has about 20 fields.
        let mut fields = Vec::with_capacity(24);
        while let Some((Key(key), text)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            fields.push((key, text.get()));
        }
        Ok(RawEvent { fields })
    }
}

impl Event for RawEvent<'_> {
    fn visit(&self, path: &Path, see: &mut See<'_>) {
        let mut see = until_done(see);
        for (key, text) in &self.fields {
            let from = match path.depth() {
                _ if key == path.text() => path.depth(),
                depth if depth > 1 && key == path.segment(0) => 1,
                _ => continue,
            };
            match plain(text).filter(|_| from == path.depth()) {
                Some(plain) => drop(see(Value::Text(Cow::Borrowed(plain)))),
                None => walk_json(text, path, from, &mut see),
            }
        }
    }

    fn visit_all(&self, see: &mut See<'_>) {
        let mut see = until_done(see);
        for (_, text) in &self.fields {
            let _ = leaves(&mut serde_json::Deserializer::from_str(text), &mut see);
        }
    }
}

/// Shows nothing more once the other has seen enough.
fn until_done(see: &mut See<'_>) -> impl FnMut(Value<'_>) -> ControlFlow<()> {
    let mut flow = ControlFlow::Continue(());
    move |value| {
        if flow.is_continue() {
            flow = see(value);
        }
        flow
    }
}

/// A string without escapes, without its quotes.
fn plain(json: &str) -> Option<&str> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}
