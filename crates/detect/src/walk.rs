//! Walks JSON along a path without building a tree: only what stands at the path is read.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::event::{See, Value};
use crate::path::Path;

/// Shows the values at `path`, from segment `from` on, in JSON text: what an [`crate::Event`]
/// calls whose request is still text, with `from` 1 for `requestParameters.name`. Text that is
/// not JSON shows nothing.
pub fn walk_json(json: &str, path: &Path, from: usize, see: &mut See<'_>) {
    let _ = walk(
        &mut serde_json::Deserializer::from_str(json),
        path,
        from,
        see,
    );
}

pub(crate) fn walk<'de, D: Deserializer<'de>>(
    input: D,
    path: &Path,
    from: usize,
    see: &mut See<'_>,
) -> Result<(), D::Error> {
    let mut done = false;
    let mut show = |value: Value<'_>| {
        if !done {
            done = see(value) == ControlFlow::Break(());
        }
    };
    Step {
        path,
        at: from,
        all: false,
        show: &mut show,
    }
    .deserialize(input)
}

pub(crate) fn leaves<'de, D: Deserializer<'de>>(
    input: D,
    see: &mut See<'_>,
) -> Result<(), D::Error> {
    let mut done = false;
    let mut show = |value: Value<'_>| {
        if !done {
            done = see(value) == ControlFlow::Break(());
        }
    };
    Step {
        path: &Path::new(""),
        at: 1,
        all: true,
        show: &mut show,
    }
    .deserialize(input)
}

/// One place on the way. `at` is the next segment; past the last one the place is the goal.
struct Step<'w> {
    path: &'w Path,
    at: usize,
    all: bool,
    show: &'w mut (dyn FnMut(Value<'_>) + 'w),
}

impl Step<'_> {
    fn there(&self) -> bool {
        self.at >= self.path.depth()
    }

    fn leaf(&mut self, value: Value<'_>) {
        if self.there() {
            (self.show)(value);
        }
    }

    fn next(&mut self, at: usize) -> Step<'_> {
        Step {
            path: self.path,
            at,
            all: self.all,
            show: &mut *self.show,
        }
    }

    /// Where a key of a map leads; a key may hold the dots of the rest of the path itself.
    fn step_into(&self, key: &str) -> Option<usize> {
        if self.all {
            Some(self.at)
        } else if key == self.path.rest(self.at) {
            Some(self.path.depth())
        } else if key == self.path.segment(self.at) {
            Some(self.at + 1)
        } else {
            None
        }
    }

    /// An element of a list is looked at in its own right, unless the path names its number.
    fn element(&self, number: usize) -> usize {
        let named = !self.there() && self.path.segment(self.at) == number.to_string();
        self.at + usize::from(named)
    }
}

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.leaf(Value::Null);
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.leaf(Value::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.leaf(Value::Int(value));
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "past 64 bits only the size is compared"
        )]
        let value = i64::try_from(value).map_or(Value::Float(value as f64), Value::Int);
        self.leaf(value);
        Ok(())
    }

    fn visit_f64<E>(mut self, value: f64) -> Result<(), E> {
        self.leaf(Value::Float(value));
        Ok(())
    }

    fn visit_str<E>(mut self, value: &str) -> Result<(), E> {
        self.leaf(Value::Text(Cow::Borrowed(value)));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut number = 0;
        loop {
            let at = if self.all {
                self.at
            } else {
                self.element(number)
            };
            if list.next_element_seed(self.next(at))?.is_none() {
                break;
            }
            number += 1;
        }
        if number == 0 && !self.all {
            self.leaf(Value::Json(Cow::Borrowed("[]")));
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if self.there() && !self.all {
            let tree = serde_json::Value::deserialize(MapAccessDeserializer::new(map))?;
            self.leaf(Value::Json(Cow::Owned(tree.to_string())));
            return Ok(());
        }
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            match self.step_into(&key) {
                Some(at) => map.next_value_seed(self.next(at))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A key of a map, copied only if it holds escapes.
pub(crate) struct Key<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(ReadKey)
    }
}

struct ReadKey;

impl<'de> Visitor<'de> for ReadKey {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, RawEvent};

    const RECORD: &str = r#"{"a":{"b":[{"c":1},{"c":"x"},{"d":null}]},"p.q":{"r":true},"e":[],
        "m":{"k":"v"},"n":null,"big":18446744073709551615}"#;

    fn seen(path: &str) -> Vec<String> {
        let tree: serde_json::Value = serde_json::from_str(RECORD).expect("JSON");
        let all = |event: &dyn Event| {
            let mut out = Vec::new();
            event.visit(&Path::new(path), &mut |value| {
                out.push(format!("{value:?}"));
                ControlFlow::Continue(())
            });
            out
        };
        let (raw, parsed) = (all(&RawEvent::new(RECORD).expect("a record")), all(&tree));
        assert_eq!(raw, parsed, "{path}");
        raw
    }

    #[test]
    fn finds_what_stands_at_a_path() {
        assert_eq!(seen("a.b.c"), ["Int(1)", "Text(\"x\")"]);
        assert_eq!(seen("a.b.1.c"), ["Text(\"x\")"]);
        assert_eq!(seen("a.b.d"), ["Null"]);
        assert_eq!(
            seen("p.q.r"),
            Vec::<String>::new(),
            "a key with a dot stands for itself only"
        );
        assert_eq!(seen("n"), ["Null"]);
        assert_eq!(seen("e"), ["Json(\"[]\")"]);
        assert_eq!(seen("m"), ["Json(\"{\\\"k\\\":\\\"v\\\"}\")"]);
        assert_eq!(seen("a.x"), Vec::<String>::new());
        assert_eq!(seen("big").len(), 1);
        assert_eq!(seen("p.q").len(), 1);
    }

    #[test]
    fn stops_when_told() {
        let mut count = 0;
        RawEvent::new(RECORD)
            .expect("a record")
            .visit(&Path::new("a.b.c"), &mut |_| {
                count += 1;
                ControlFlow::Break(())
            });
        assert_eq!(count, 1);
    }

    #[test]
    fn damaged_text_has_no_fields() {
        let mut count = 0;
        walk_json("{\"a\":", &Path::new("a"), 0, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(count, 0);
    }
}
