//! Small tables that remember answers for texts, with bounded memory.

/// How many neighbouring places a key may stand in.
const WAYS: usize = 4;
/// Longer texts are not remembered.
pub(crate) const MOST_LENGTH: usize = 512;

/// Remembers a value for a pair of texts. Full places are written over, so that a flood of
/// different texts costs time, as if nothing were remembered, and no memory.
#[derive(Debug)]
pub(crate) struct Table<V> {
    slots: Vec<Option<Slot<V>>>,
    turn: usize,
}

#[derive(Debug)]
struct Slot<V> {
    hash: u64,
    first: Box<str>,
    second: Box<str>,
    value: V,
}

impl<V> Table<V> {
    /// A table with room for `slots` texts, a power of two.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots: (0..slots.next_power_of_two().max(WAYS))
                .map(|_| None)
                .collect(),
            turn: 0,
        }
    }

    /// The place of a pair's value, made if it is not there. Places are good until the next call.
    pub(crate) fn place(&mut self, first: &str, second: &str, make: impl FnOnce() -> V) -> usize {
        let hash = mix(mix(0, first.as_bytes()), second.as_bytes());
        let home = self.home(hash);
        let ways = (0..WAYS).map(|way| (home + way) & (self.slots.len() - 1));
        let mut free = None;
        for at in ways {
            match &self.slots[at] {
                Some(slot) if slot.hash == hash && slot.is(first, second) => return at,
                Some(_) => {}
                None => free = free.or(Some(at)),
            }
        }
        let at = free.unwrap_or_else(|| {
            self.turn = self.turn.wrapping_add(1);
            (home + self.turn % WAYS) & (self.slots.len() - 1)
        });
        self.slots[at] = Some(Slot {
            hash,
            first: first.into(),
            second: second.into(),
            value: make(),
        });
        at
    }

    /// The value at a place that [`Self::place`] gave.
    pub(crate) fn get(&self, place: usize) -> Option<&V> {
        self.slots[place].as_ref().map(|slot| &slot.value)
    }

    fn home(&self, hash: u64) -> usize {
        let home = (hash >> 32) as usize;
        home & (self.slots.len() - 1)
    }
}

impl<V> Slot<V> {
    fn is(&self, first: &str, second: &str) -> bool {
        *self.first == *first && *self.second == *second
    }
}

/// A fast hash. Texts made to collide only take each other's places.
fn mix(mut hash: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut step = |word: u64| hash = (hash.rotate_left(5) ^ word).wrapping_mul(ODD);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        step(u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    step(u64::from_le_bytes(last));
    step(bytes.len() as u64);
    hash
}

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    pub(crate) fn collect(answers: impl ExactSizeIterator<Item = bool>) -> Self {
        let mut words = vec![0; answers.len().div_ceil(64)];
        for (bit, answer) in answers.enumerate() {
            words[bit / 64] |= u64::from(answer) << (bit % 64);
        }
        Self(words.into())
    }

    pub(crate) fn has(&self, bit: usize) -> bool {
        self.0
            .get(bit / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_and_forgets() {
        let mut table: Table<String> = Table::new(64);
        for round in 0..3 {
            for n in 0..500 {
                let key = format!("key {n}");
                let place = table.place(&key, "x", || key.clone());
                assert_eq!(table.get(place), Some(&key), "{round}");
            }
        }
        let place = table.place("a", "b", || "1".to_owned());
        assert_eq!(table.place("a", "b", || "2".to_owned()), place);
        assert_ne!(table.place("b", "a", || "3".to_owned()), place);
        assert_eq!(table.slots.len(), 64);
    }

    #[test]
    fn bits() {
        let bits = Bits::collect((0..130).map(|n| n % 3 == 0));
        assert!((0..130).all(|n| bits.has(n) == (n % 3 == 0)));
        assert!(!bits.has(1000));
    }
}
