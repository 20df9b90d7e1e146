//! Remembers what follows from texts that records repeat.

use std::hash::BuildHasher;

use hashbrown::HashTable;

/// Most keys remembered, and most bytes of keys; then all are forgotten.
const MOST: usize = 8192;
const MOST_BYTES: usize = 4 << 20;

/// Longest key remembered, in bytes.
const LONGEST: usize = 4096;

/// Values by the texts they follow from. The keys lie end to end in one allocation.
#[derive(Debug)]
pub(crate) struct Memo<T> {
    known: HashTable<Entry<T>>,
    keys: Vec<u8>,
    /// The key that was last looked for, and its hash.
    key: Vec<u8>,
    hashed: u64,
    hash: foldhash::fast::RandomState,
}

#[derive(Debug)]
struct Entry<T> {
    hash: u64,
    start: usize,
    end: usize,
    value: T,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Memo {
            known: HashTable::new(),
            keys: Vec::new(),
            key: Vec::new(),
            hashed: 0,
            hash: foldhash::fast::RandomState::default(),
        }
    }
}

impl<T> Memo<T> {
    /// What was kept for these texts.
    pub(crate) fn find<const N: usize>(&mut self, texts: [impl AsRef<[u8]>; N]) -> Option<&T> {
        self.key.clear();
        for text in texts {
            let text = text.as_ref();
            // With the lengths, no two lists of texts have one key.
            self.key.extend_from_slice(&text.len().to_le_bytes());
            self.key.extend_from_slice(text);
        }
        self.hashed = self.hash.hash_one(self.key.as_slice());
        let (keys, key, hash) = (&self.keys, &self.key, self.hashed);
        let is_it = |entry: &Entry<T>| entry.hash == hash && keys[entry.start..entry.end] == **key;
        self.known.find(hash, is_it).map(|entry| &entry.value)
    }

    /// Keeps a value for the texts that were last looked for, and not found.
    pub(crate) fn keep(&mut self, value: T) {
        if self.key.len() > LONGEST {
            return;
        }
        if self.known.len() >= MOST || self.keys.len() >= MOST_BYTES {
            self.clear();
        }
        let start = self.keys.len();
        self.keys.extend_from_slice(&self.key);
        let entry = Entry {
            hash: self.hashed,
            start,
            end: self.keys.len(),
            value,
        };
        self.known
            .insert_unique(self.hashed, entry, |entry| entry.hash);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.keys.clear();
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
        assert_eq!(memo.find(["ab", "c"]), Some(&1));
        assert_eq!(memo.find(["a", "bc"]), Some(&2));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut memo = Memo::default();
        let long = "x".repeat(LONGEST + 1);
        let half = "x".repeat(LONGEST / 2);
        for number in 0..MOST * 2 {
            assert_eq!(memo.find([&long]), None);
            memo.keep(number);
            assert_eq!(memo.find([&number.to_string()]), None);
            memo.keep(number);
            assert_eq!(memo.find([&half, &number.to_string()]), None);
            memo.keep(number);
        }
        assert!(memo.known.len() <= MOST && memo.keys.len() <= MOST_BYTES + LONGEST);
    }
}
