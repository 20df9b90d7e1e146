//! Names as they are read. A large plan says each of them many times: while [`sharing`] runs,
//! equal ones get one text.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserializer;
use serde::de::{Error, Visitor};

thread_local! {
    /// What was read so far on this thread; `None` while nobody shares.
    static KNOWN: RefCell<Option<HashSet<Arc<str>>>> = const { RefCell::new(None) };
}

/// Runs `read`; equal names that it reads on this thread share their text.
pub(crate) fn sharing<T>(read: impl FnOnce() -> T) -> T {
    KNOWN.set(Some(HashSet::new()));
    let read = read();
    KNOWN.set(None);
    read
}

/// Reads a name.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
    from.deserialize_str(Name)
}

struct Name;

impl Visitor<'_> for Name {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Arc<str>, E> {
        Ok(KNOWN.with_borrow_mut(|known| match known {
            Some(known) => shared(known, name),
            None => Arc::from(name),
        }))
    }
}

fn shared(known: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(same) = known.get(name) {
        return Arc::clone(same);
    }
    let new = Arc::from(name);
    known.insert(Arc::clone(&new));
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StepId;

    fn read(text: &str) -> Vec<StepId> {
        serde_json::from_str(text).expect("names")
    }

    #[test]
    fn equal_names_are_one_text_while_they_are_shared() {
        let text = r#"["a", "é\"", "a", "é\""]"#;
        let alone = read(text);
        let shared = sharing(|| read(text));
        assert_eq!(alone, shared);
        let at = |name: &StepId| name.as_str().as_ptr();
        assert_eq!(at(&shared[0]), at(&shared[2]));
        assert_eq!(at(&shared[1]), at(&shared[3]));
        assert_ne!(at(&alone[0]), at(&alone[2]));
        assert_ne!(at(&read(text)[0]), at(&shared[0]), "sharing is over");
    }

    #[test]
    fn what_is_no_text_is_no_name() {
        let error = serde_json::from_str::<StepId>("1").expect_err("a number");
        assert!(error.to_string().contains("expected a string"), "{error}");
    }
}
