//! Code for functions: a ZIP archive of one stored file.

/// An archive with `content` as `index.py`.
pub(crate) fn zip(content: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"index.py";
    let size = u32::try_from(content.len()).expect("small").to_le_bytes();
    let crc = crc32(content).to_le_bytes();
    // Version, flags, method "stored", time, date; then checksum, sizes, lengths of names.
    let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    for part in [&crc[..], &size, &size, &[8, 0, 0, 0]] {
        common.extend_from_slice(part);
    }
    let local = [b"PK\x03\x04", &common[..], NAME, content].concat();
    let central = [b"PK\x01\x02\x14\x00", &common[..], &[0; 14], NAME].concat();
    let at = u32::try_from(local.len()).expect("small").to_le_bytes();
    let length = u32::try_from(central.len()).expect("small").to_le_bytes();
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &length[..], &at, &[0, 0]].concat();
    [local, central, end].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| {
        if crc & 1 == 1 {
            (crc >> 1) ^ 0xedb8_8320
        } else {
            crc >> 1
        }
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), step)
    })
}
