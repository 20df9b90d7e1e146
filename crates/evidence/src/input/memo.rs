//! Remembers what follows from texts that records repeat.

use crate::log::tables::Map;

/// Most keys remembered; then all are forgotten.
const KEPT: usize = 8192;

/// Longest key remembered, in bytes.
const LONGEST: usize = 4096;

/// Values by the texts they follow from.
#[derive(Debug)]
pub(crate) struct Memo<T> {
    known: Map<Box<[u8]>, T>,
    key: Vec<u8>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Memo {
            known: Map::default(),
            key: Vec::new(),
        }
    }
}

impl<T: Clone> Memo<T> {
    /// What was kept for these texts.
    pub(crate) fn find<const N: usize>(&mut self, texts: [&str; N]) -> Option<T> {
        self.key.clear();
        for text in texts {
            // With the lengths, no two lists of texts have one key.
            self.key.extend_from_slice(&text.len().to_le_bytes());
            self.key.extend_from_slice(text.as_bytes());
        }
        self.known.get(self.key.as_slice()).cloned()
    }

    /// Keeps a value for the texts that were last looked for.
    pub(crate) fn keep(&mut self, value: T) {
        if self.key.len() > LONGEST {
            return;
        }
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(self.key.as_slice().into(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_join_to_the_same_are_told_apart() {
        let mut memo = Memo::default();
        assert_eq!(memo.find(["ab", "c"]), None);
        memo.keep(1);
        assert_eq!(memo.find(["a", "bc"]), None);
        memo.keep(2);
        assert_eq!(memo.find(["ab", "c"]), Some(1));
        assert_eq!(memo.find(["a", "bc"]), Some(2));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut memo = Memo::default();
        let long = "x".repeat(LONGEST + 1);
        for number in 0..KEPT * 2 {
            assert_eq!(memo.find([long.as_str()]), None);
            memo.keep(number);
            assert_eq!(memo.find([number.to_string().as_str()]), None);
            memo.keep(number);
        }
        assert!(memo.known.len() <= KEPT);
    }
}
