//! Bodies that SDKs send to S3 in `aws-chunked` form.

use axum::body::Bytes;

/// The payload without chunk sizes, signatures and trailers; nothing if the form is broken.
pub(crate) fn unchunk(body: &[u8]) -> Option<Bytes> {
    let mut payload = Vec::with_capacity(body.len());
    let mut rest = body;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let header = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(header.split(';').next()?.trim(), 16).ok()?;
        rest = rest.get(end + 2..)?;
        if size == 0 {
            return Some(payload.into());
        }
        payload.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_payload_out() {
        let body = b"5\r\nhello\r\n6;chunk-signature=ab\r\n world\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n";
        assert_eq!(unchunk(body).as_deref(), Some(b"hello world".as_slice()));
        assert_eq!(unchunk(b"5\r\nhel"), None);
    }
}
