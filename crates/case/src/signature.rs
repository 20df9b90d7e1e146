//! The case key: signs certificates, so that an auditor needs nothing but the file.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// A key or signature that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not hex of the right length, or not a point of the curve.
    #[error("the {0} is not a well-formed Ed25519 {0}")]
    Malformed(&'static str),
    /// The signature is not by this key over these bytes.
    #[error("the signature does not match: the file was altered, or signed by another case")]
    Mismatch,
}

/// The private half of a case key, in memory only.
pub struct CaseKey(SigningKey);

impl CaseKey {
    /// The key with this seed; seeds come from the operating system's randomness.
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public half, hex.
    pub fn public(&self) -> String {
        hex::encode(self.0.verifying_key().to_bytes())
    }

    /// Signs bytes; the signature in hex.
    pub fn sign(&self, bytes: &[u8]) -> String {
        hex::encode(self.0.sign(bytes).to_bytes())
    }
}

impl std::fmt::Debug for CaseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CaseKey({})", self.public())
    }
}

/// Checks a signature (hex) by a public key (hex) over bytes, strictly (RFC 8032; weak keys
/// are refused).
pub fn verify(public: &str, bytes: &[u8], signature: &str) -> Result<(), SignatureError> {
    let mut key = [0u8; 32];
    hex::decode_to_slice(public, &mut key).map_err(|_| SignatureError::Malformed("public key"))?;
    let key =
        VerifyingKey::from_bytes(&key).map_err(|_| SignatureError::Malformed("public key"))?;
    let mut raw = [0u8; 64];
    hex::decode_to_slice(signature, &mut raw)
        .map_err(|_| SignatureError::Malformed("signature"))?;
    key.verify_strict(bytes, &Signature::from_bytes(&raw))
        .map_err(|_| SignatureError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_fails() {
        let key = CaseKey::from_seed(&Zeroizing::new([7; 32]));
        let signature = key.sign(b"proof");
        assert_eq!(verify(&key.public(), b"proof", &signature), Ok(()));
        assert_eq!(
            verify(&key.public(), b"proog", &signature),
            Err(SignatureError::Mismatch)
        );
        assert!(matches!(
            verify("00", b"proof", &signature),
            Err(SignatureError::Malformed("public key"))
        ));
    }
}
