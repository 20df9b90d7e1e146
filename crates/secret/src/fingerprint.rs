//! How a value is known without being kept: a keyed hash.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Secret, write_private};

/// Separates these hashes from any other use of the same key.
const DOMAIN: &[u8] = b"relatch fingerprint v1\0";

/// The keyed hash of a value: `fp_` and 128 bits in hex. Equal values under one key have
/// equal fingerprints; without the key nothing can be tried against it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The text form, `fp_…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight hex digits, enough for a person to tell two apart.
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(11)]
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A fingerprint key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file could not be read or written.
    #[error("cannot use the fingerprint key {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not 64 hex digits.
    #[error("the fingerprint key {} is damaged: restore it from a copy, a new key would orphan every known fingerprint", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The key of the workspace under which values are fingerprinted.
pub struct FingerprintKey(Zeroizing<[u8; 32]>);

impl FingerprintKey {
    /// Uses these bytes as the key.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the key at `path`, or makes one there (mode 0600) if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        let io_error = |source| KeyFileError::Io {
            path: path.to_path_buf(),
            source,
        };
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let mut key = Zeroizing::new([0u8; 32]);
                hex::decode_to_slice(text.trim(), key.as_mut_slice()).map_err(|_| {
                    KeyFileError::Damaged {
                        path: path.to_path_buf(),
                    }
                })?;
                Ok(Self(key))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = Zeroizing::new([0u8; 32]);
                OsRng
                    .try_fill_bytes(key.as_mut_slice())
                    .map_err(|error| io_error(io::Error::other(error)))?;
                let text = Zeroizing::new(hex::encode(key.as_slice()));
                write_private(path, text.as_bytes()).map_err(io_error)?;
                Ok(Self(key))
            }
            Err(error) => Err(io_error(error)),
        }
    }

    /// The fingerprint of `secret` under this key.
    pub fn fingerprint(&self, secret: &Secret) -> Fingerprint {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes a key of any length");
        mac.update(DOMAIN);
        mac.update(secret.expose());
        let digest = mac.finalize().into_bytes();
        Fingerprint(format!("fp_{}", hex::encode(&digest[..16])))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_value_and_key() {
        let (a, b) = (
            FingerprintKey::from_bytes([1; 32]),
            FingerprintKey::from_bytes([2; 32]),
        );
        let (x, y) = (Secret::from("x"), Secret::from("y"));
        assert_eq!(a.fingerprint(&x), a.fingerprint(&x));
        assert_ne!(a.fingerprint(&x), a.fingerprint(&y));
        assert_ne!(a.fingerprint(&x), b.fingerprint(&x));
        assert_eq!(a.fingerprint(&x).as_str().len(), 35);
    }

    #[test]
    fn the_key_file_is_made_once_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("temp dir");
        let path = folder.path().join("fingerprint.key");
        let first = FingerprintKey::load_or_create(&path).expect("create");
        let second = FingerprintKey::load_or_create(&path).expect("load");
        let value = Secret::from("v");
        assert_eq!(first.fingerprint(&value), second.fingerprint(&value));
        std::fs::write(&path, "zz").expect("damage");
        assert!(matches!(
            FingerprintKey::load_or_create(&path),
            Err(KeyFileError::Damaged { .. })
        ));
    }
}
