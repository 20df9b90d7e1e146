//! Checking Signature Version 4, header form.
//!
//! Sources: the AWS reference on signing (canonical request, string to sign, key derivation).

use std::fmt::Write as _;

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// The largest accepted difference between the caller's clock and ours, in seconds.
const SKEW_SECONDS: i64 = 15 * 60;

/// What an `Authorization` header claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) key_id: String,
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) signed_headers: Vec<String>,
    pub(crate) signature: String,
}

/// The parts of a request that are signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// The path as it came over the wire.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Reads the claim from the header, if it has the right form.
pub(crate) fn claim(headers: &HeaderMap) -> Option<Claim> {
    let header = headers.get("authorization")?.to_str().ok()?;
    let rest = header.strip_prefix("AWS4-HMAC-SHA256")?;
    let field = |name: &str| {
        rest.split(',')
            .map(str::trim)
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let mut scope = field("Credential")?.split('/');
    let mut next = || scope.next().map(str::to_owned);
    let (key_id, date, region, service) = (next()?, next()?, next()?, next()?);
    Some(Claim {
        key_id,
        date,
        region,
        service,
        signed_headers: field("SignedHeaders")?
            .split(';')
            .map(str::to_owned)
            .collect(),
        signature: field("Signature")?.to_owned(),
    })
}

/// Whether the signature was made with `secret`.
pub(crate) fn verifies(claim: &Claim, request: &Signed<'_>, secret: &str) -> bool {
    let Some(date) = header(request.headers, "x-amz-date") else {
        return false;
    };
    let scope = format!(
        "{}/{}/{}/aws4_request",
        claim.date, claim.region, claim.service
    );
    let canonical = hex::encode(Sha256::digest(canonical_request(claim, request)));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [&claim.date, &claim.region, &claim.service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    hex::encode(mac(&key, to_sign.as_bytes())) == claim.signature
}

/// Whether the request's own time is near `now`.
pub(crate) fn is_fresh(headers: &HeaderMap, now: Timestamp) -> bool {
    header(headers, "x-amz-date")
        .and_then(|text| DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok())
        .and_then(|time| time.to_zoned(TimeZone::UTC).ok())
        .is_some_and(|time| (time.timestamp().as_second() - now.as_second()).abs() <= SKEW_SECONDS)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn canonical_request(claim: &Claim, request: &Signed<'_>) -> String {
    let path = match (request.path, claim.service.as_str()) {
        ("", _) => "/".to_owned(),
        (path, "s3") => path.to_owned(),
        (path, _) => encode(path, false),
    };
    let mut text = format!(
        "{}\n{path}\n{}\n",
        request.method,
        canonical_query(request.query)
    );
    for name in &claim.signed_headers {
        let values: Vec<String> = request
            .headers
            .get_all(name.as_str())
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let _ = writeln!(text, "{name}:{}", values.join(","));
    }
    let payload = header(request.headers, "x-amz-content-sha256")
        .map_or_else(|| hex::encode(Sha256::digest(request.body)), str::to_owned);
    let _ = write!(text, "\n{}\n{payload}", claim.signed_headers.join(";"));
    text
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (recode(name), recode(value))
        })
        .collect();
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

fn recode(text: &str) -> String {
    encode(&decode(text), true)
}

/// Undoes percent-encoding; a plus sign stays a plus sign.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| first == b'%');
        if let Some(decoded) = hex.and_then(|pair| hex::decode(pair).ok()) {
            bytes.extend(decoded);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes everything but the unreserved characters.
pub(crate) fn encode(text: &str, encode_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if !encode_slash => out.push('/'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_claim() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIA1/20261121/us-east-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab"
                .parse()
                .expect("a header"),
        );
        let claim = claim(&headers).expect("a claim");
        assert_eq!(claim.key_id, "AKIA1");
        assert_eq!(claim.service, "sts");
        assert_eq!(claim.signed_headers, ["host", "x-amz-date"]);
    }

    #[test]
    fn query_is_sorted_and_encoded() {
        assert_eq!(canonical_query("b=2&a=x%2Fy&a=1"), "a=1&a=x%2Fy&b=2");
    }

    #[test]
    fn encodes_twice_for_ordinary_services() {
        assert_eq!(encode("/a%3Ab", false), "/a%253Ab");
    }
}
