//! Unpacks a gzip file of ordinary size in one piece, which takes half the time of a stream.

use std::cell::RefCell;

use libdeflater::Decompressor;

/// Most bytes unpacked in one piece; what is larger, or says so, is streamed.
const MOST: usize = 32 << 20;

/// How the file begins.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Header and trailer of a gzip member, in bytes (RFC 1952).
const FRAME: usize = 18;

thread_local! {
    /// One buffer a thread: fresh memory for each file would cost as much as unpacking.
    static UNPACKER: RefCell<(Decompressor, Vec<u8>)> =
        RefCell::new((Decompressor::new(), Vec::new()));
}

/// Gives the buffers of all threads back that nobody uses, when no more files are to be read.
pub(crate) fn release() {
    let release = || {
        UNPACKER.with(|unpacker| {
            if let Ok(mut unpacker) = unpacker.try_borrow_mut() {
                unpacker.1 = Vec::new();
            }
        });
    };
    release();
    rayon::broadcast(|_| release());
}

/// Whether a file begins as a gzip file does.
pub(crate) fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC[..2])
}

/// Hands the unpacked text of a file to `read`.
///
/// `None`, without a call of `read`, when the file is not one sound member of less than 32 MiB:
/// then a stream, which also knows what comes before a fault and behind a member, must tell.
pub(crate) fn unpack<T>(file: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let size = size(file)?;
    // A second member could be missed; its mark may also stand there by chance.
    if memchr::memmem::find(&file[MAGIC.len()..], &MAGIC).is_some() {
        return None;
    }
    UNPACKER.with_borrow_mut(|(decompressor, buffer)| {
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
        let unpacked = decompressor.gzip_decompress(file, &mut buffer[..size]);
        unpacked
            .is_ok_and(|unpacked| unpacked == size)
            .then(|| read(&buffer[..size]))
    })
}

/// How long the text is, as the end of the file tells.
fn size(file: &[u8]) -> Option<usize> {
    if file.len() < FRAME || !file.starts_with(&MAGIC) {
        return None;
    }
    let size = u32::from_le_bytes(*file.last_chunk::<4>()?) as usize;
    // No deflate stream is packed more than 1032 times over (zlib's technical notes).
    (size <= MOST && size / 1032 <= file.len()).then_some(size)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn pack(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    fn unpacked(file: &[u8]) -> Option<Vec<u8>> {
        unpack(file, <[u8]>::to_vec)
    }

    #[test]
    fn only_one_sound_member_is_taken() {
        let (one, two) = (pack(b"one"), pack(b"two"));
        assert_eq!(unpacked(&one).as_deref(), Some(&b"one"[..]));
        assert_eq!(unpacked(&two).as_deref(), Some(&b"two"[..]));
        assert_eq!(unpacked(&[one.clone(), two].concat()), None);
        assert_eq!(unpacked(&one[..one.len() - 1]), None);
        assert_eq!(unpacked(&[one.as_slice(), b"tail"].concat()), None);
        let mut wrong = one;
        let checksum = wrong.len() - 8;
        wrong[checksum] ^= 1;
        assert_eq!(unpacked(&wrong), None);
        assert_eq!(unpacked(b""), None);
    }

    #[test]
    fn what_claims_to_be_huge_is_left_to_the_stream() {
        assert_eq!(unpacked(&pack(&vec![0; MOST + 1])), None);
    }
}
