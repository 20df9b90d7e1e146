//! Every text of a log, once, behind a number.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use relatch_shelf::{List, Table};

/// A text by number; 0 is the empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Sym(pub(crate) u32);

impl Sym {
    /// The empty text.
    pub(crate) const NONE: Sym = Sym(0);

    /// Whether there is any text.
    pub(crate) fn some(self) -> bool {
        self != Sym::NONE
    }
}

/// One hash for all tables, so that a text moves from one to another without a second look.
static HASH: LazyLock<foldhash::fast::RandomState> =
    LazyLock::new(foldhash::fast::RandomState::default);

/// The texts lie end to end in one allocation.
#[derive(Debug)]
pub(crate) struct Texts {
    all: List<u8>,
    /// Where each text begins, and the hash of it; the next one's begin is its end.
    known: List<(usize, u64)>,
    numbers: Table<u32>,
}

impl Default for Texts {
    fn default() -> Self {
        let mut texts = Texts {
            all: List::default(),
            known: List::default(),
            numbers: Table::default(),
        };
        texts.put("");
        texts
    }
}

impl Texts {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// The number of a text, new if need be.
    pub(crate) fn put(&mut self, text: &str) -> Sym {
        if text.is_empty() && !self.known.is_empty() {
            return Sym::NONE;
        }
        self.put_hashed(text.as_bytes(), HASH.hash_one(text))
    }

    fn put_hashed(&mut self, text: &[u8], hash: u64) -> Sym {
        if let Some(known) = self.find_hashed(text, hash) {
            return known;
        }
        let number = u32::try_from(self.known.len()).expect("fewer than 4 G texts fit in memory");
        self.known.push((self.all.len(), hash));
        self.all.extend_from_slice(text);
        let known = &self.known;
        self.numbers
            .insert_unique(hash, number, |number| known[*number as usize].1);
        Sym(number)
    }

    /// Takes all texts of another table; its numbers become the numbers returned.
    pub(crate) fn absorb(&mut self, other: &Texts) -> Vec<Sym> {
        let numbers = 0u32..;
        numbers
            .zip(&other.known)
            .map(|(number, (_, hash))| self.put_hashed(other.bytes(Sym(number)), *hash))
            .collect()
    }

    /// The number of a text that is known already.
    pub(crate) fn find(&self, text: &str) -> Option<Sym> {
        self.find_hashed(text.as_bytes(), HASH.hash_one(text))
    }

    fn find_hashed(&self, text: &[u8], hash: u64) -> Option<Sym> {
        let same = |number: &u32| {
            self.known[*number as usize].1 == hash && self.bytes(Sym(*number)) == text
        };
        self.numbers.find(hash, same).copied().map(Sym)
    }

    /// The text behind a number.
    pub(crate) fn get(&self, sym: Sym) -> &str {
        str::from_utf8(self.bytes(sym)).expect("whole texts are put, and begin where they began")
    }

    fn bytes(&self, sym: Sym) -> &[u8] {
        let at = sym.0 as usize;
        let end = self
            .known
            .get(at + 1)
            .map_or(self.all.len(), |(begin, _)| *begin);
        &self.all[self.known[at].0..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_their_numbers() {
        let (mut one, mut two) = (Texts::default(), Texts::default());
        let a = one.put("a");
        assert_eq!((one.put("a"), one.put("")), (a, Sym::NONE));
        two.put("b");
        two.put("a");
        let numbers = one.absorb(&two);
        let moved: Vec<&str> = numbers.iter().map(|sym| one.get(*sym)).collect();
        assert_eq!(moved, ["", "b", "a"]);
        assert_eq!(numbers[2], a);
        assert_eq!(one.find("c"), None);
    }
}
