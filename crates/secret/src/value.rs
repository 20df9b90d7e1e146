//! The one type that holds a value.

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice};

/// A secret value: zeroized when dropped, never printed, never serialised.
///
/// Every place where the bytes leave this type reads `.expose()`, so that a reviewer finds
/// them all with one search.
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Takes the bytes over; the caller's copy is gone.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(SecretSlice::from(bytes))
    }

    /// The bytes. Copy them nowhere that outlives the call.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The value as text, or `None` when it is not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(self.expose()).ok()
    }

    /// Length in bytes, for format checks.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(format!("{:?}", Secret::from("canary")), "Secret(…)");
    }

    #[test]
    fn bytes_that_are_not_text_are_kept() {
        let secret = Secret::new(vec![0xff, 0x00]);
        assert_eq!(secret.expose(), [0xff, 0x00]);
        assert!(secret.expose_str().is_none());
    }
}
