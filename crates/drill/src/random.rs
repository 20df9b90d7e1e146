//! Random values in the formats that issuers use, so that detectors recognise them.

use rand::Rng;
use rand::seq::IndexedRandom;

const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LOWER_HEX: &[u8] = b"0123456789abcdef";

fn pick(alphabet: &[u8], length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .map(|_| char::from(*alphabet.choose(&mut rng).unwrap_or(&b'A')))
        .collect()
}

/// Letters and digits.
pub(crate) fn alphanumeric(length: usize) -> String {
    pick(ALNUM, length)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(length: usize) -> String {
    pick(LOWER_HEX, length)
}

/// An OpenAI service-account key: 74 characters, the marker, 74 characters.
pub(crate) fn openai_key() -> String {
    format!(
        "sk-svcacct-{}T3BlbkFJ{}",
        alphanumeric(74),
        alphanumeric(74)
    )
}

/// An OpenAI admin key: 58 characters, the marker, 58 characters.
pub(crate) fn openai_admin_key() -> String {
    format!("sk-admin-{}T3BlbkFJ{}", alphanumeric(58), alphanumeric(58))
}

/// An Anthropic workspace key: 93 characters and `AA`.
pub(crate) fn anthropic_key() -> String {
    format!("sk-ant-api03-{}AA", alphanumeric(93))
}

/// An Anthropic admin key: 93 characters and `AA`.
pub(crate) fn anthropic_admin_key() -> String {
    format!("sk-ant-admin01-{}AA", alphanumeric(93))
}

/// A key of the self-hosted endpoint.
pub(crate) fn custom_key() -> String {
    format!("btk-live-{}", alphanumeric(40))
}

/// An id of AWS form: a four-letter prefix and 16 or 17 characters.
pub(crate) fn aws_id(prefix: &str, length: usize) -> String {
    format!("{prefix}{}", pick(UPPER, length))
}

/// A random UUID, version 4.
pub(crate) fn uuid() -> String {
    let variant = *b"89ab".choose(&mut rand::rng()).unwrap_or(&b'8');
    format!(
        "{}-{}-4{}-{}{}-{}",
        hex(8),
        hex(4),
        hex(3),
        char::from(variant),
        hex(3),
        hex(12)
    )
}

/// A duration between the two, evenly spread.
pub(crate) fn between(low: std::time::Duration, high: std::time::Duration) -> std::time::Duration {
    let span = high.saturating_sub(low);
    low + span.mul_f64(rand::rng().random::<f64>())
}
