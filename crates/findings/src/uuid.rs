//! Ids that follow from names: UUID version 5 (RFC 9562, section 5.5), and SHA-1 for it.
//!
//! SHA-1 is no protection here and is not meant as one; the format names it.

/// The namespace that STIX 2.1 (section 2.9) gives for the ids of observables.
pub(crate) const STIX_OBSERVABLES: [u8; 16] = [
    0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7,
];

/// The namespace of all other ids that this crate derives.
pub(crate) const OWN: [u8; 16] = [
    0x3f, 0x8e, 0x52, 0x1c, 0x6b, 0x0d, 0x4e, 0x7a, 0x8d, 0x21, 0x9a, 0x44, 0xc7, 0x5e, 0x10, 0xb6,
];

/// The version 5 UUID of a name.
pub(crate) fn v5(namespace: [u8; 16], name: &str) -> String {
    let mut bytes = namespace.to_vec();
    bytes.extend_from_slice(name.as_bytes());
    let digest = sha1(&bytes);
    let mut id = [0u8; 16];
    id.copy_from_slice(&digest[..16]);
    id[6] = (id[6] & 0x0f) | 0x50;
    id[8] = (id[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(id));
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// An id of this crate's from the parts of a name; no part can run into the next.
pub(crate) fn own(parts: &[&str]) -> String {
    let with_length = |part: &&str| format!("{}:{part}", part.len());
    let name: Vec<String> = parts.iter().map(with_length).collect();
    v5(OWN, &name.concat())
}

/// SHA-1 (FIPS 180-4, section 6.1).
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state = [
        0x6745_2301_u32,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        mix(&mut state, block);
    }
    let mut digest = [0u8; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

#[expect(clippy::many_single_char_names, reason = "the standard's names")]
fn mix(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for at in 16..80 {
        words[at] =
            (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
    }
    let mut now = *state;
    for (round, word) in words.iter().enumerate() {
        let [a, b, c, d, e] = now;
        let (chosen, constant) = match round {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let next = [a.rotate_left(5), chosen, e, constant, *word]
            .into_iter()
            .fold(0, u32::wrapping_add);
        now = [next, a, b.rotate_left(30), c, d];
    }
    for (word, add) in state.iter_mut().zip(now) {
        *word = word.wrapping_add(add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DNS: [u8; 16] = [
        0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30,
        0xc8,
    ];

    /// The example of RFC 9562, appendix A.4.
    #[test]
    fn the_example_of_the_standard() {
        assert_eq!(
            v5(DNS, "www.example.com"),
            "2ed6657d-e927-568b-95e1-2665a8aea6a2"
        );
    }

    /// Lengths on both sides of a block, against digests of Python's `uuid.uuid5`.
    #[test]
    fn long_names() {
        assert_eq!(
            v5(DNS, &"a".repeat(39)),
            "5824f981-4282-59d4-9716-acb6d741350e"
        );
        assert_eq!(
            v5(DNS, &"a".repeat(40)),
            "39f39c20-db47-5131-8879-62f8f67f9014"
        );
        assert_eq!(
            v5(DNS, &"a".repeat(1000)),
            "062a6b1a-ddc3-5fcc-b238-790846e533d6"
        );
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(own(&["ab", "c"]), own(&["a", "bc"]));
    }
}
