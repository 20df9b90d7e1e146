//! Hash tables with a fast hash, seeded afresh in every process against chosen collisions.

/// A hash map.
pub(crate) type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// A hash set.
pub(crate) type Set<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;
