//! Tables. Those that hash have a fast hash, seeded afresh in every process against chosen
//! collisions.

use relatch_shelf::List;

/// A hash map.
pub(crate) type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// A hash set.
pub(crate) type Set<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;

/// Numbers by key, in one sorted list: less to hold and to make than a map of lists, of which
/// most have one number alone.
pub(crate) struct Numbers<K>(List<(K, u32)>);

impl<K: Ord + Copy> Numbers<K> {
    /// All there will be.
    pub(crate) fn new(pairs: impl IntoIterator<Item = (K, u32)>) -> Self {
        let mut pairs: List<(K, u32)> = pairs.into_iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        Numbers(pairs)
    }

    /// The numbers of a key, in order.
    pub(crate) fn get(&self, key: K) -> impl ExactSizeIterator<Item = u32> {
        let from = self.0.partition_point(|(other, _)| *other < key);
        let count = self.0[from..].partition_point(|(other, _)| *other == key);
        self.0[from..from + count].iter().map(|(_, number)| *number)
    }

    /// All keys, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = K> {
        self.0
            .chunk_by(|(a, _), (b, _)| a == b)
            .map(|same| same[0].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_by_key_and_in_order() {
        let numbers = Numbers::new([('b', 3), ('a', 7), ('b', 1), ('b', 3)]);
        let of = |key| numbers.get(key).collect::<Vec<u32>>();
        assert_eq!((of('a'), of('b'), of('c')), (vec![7], vec![1, 3], vec![]));
        assert_eq!(numbers.keys().collect::<String>(), "ab");
        assert_eq!(Numbers::<char>::new([]).get('a').len(), 0);
    }
}
