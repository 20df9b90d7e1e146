//! Names as they are read. A large plan says each of them many times: while [`sharing`] runs,
//! equal ones get one text.

use std::cell::RefCell;
use std::sync::Arc;

use foldhash::HashSet;
use serde::Deserializer;
use serde::de::{Error, Visitor};

thread_local! {
    /// What was read so far on this thread; `None` while nobody shares.
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// How many of the last names are compared before all are searched: a step's credential and what
/// it needs were nearly always said just before.
const LAST: usize = 4;

#[derive(Default)]
struct Known {
    all: HashSet<Arc<str>>,
    last: [Option<Arc<str>>; LAST],
    next: usize,
}

/// Runs `read`; equal names that it reads on this thread share their text.
pub(crate) fn sharing<T>(read: impl FnOnce() -> T) -> T {
    KNOWN.set(Some(Known::default()));
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
            Some(known) => known.shared(name),
            None => Arc::from(name),
        }))
    }
}

impl Known {
    fn shared(&mut self, name: &str) -> Arc<str> {
        let last = self.last.iter().flatten();
        if let Some(same) = last.into_iter().find(|last| &***last == name) {
            return Arc::clone(same);
        }
        let shared = if let Some(same) = self.all.get(name) {
            Arc::clone(same)
        } else {
            let new = Arc::from(name);
            self.all.insert(Arc::clone(&new));
            new
        };
        self.last[self.next] = Some(Arc::clone(&shared));
        self.next = (self.next + 1) % LAST;
        shared
    }
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
