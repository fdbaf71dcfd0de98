//! The per-job secret by which a worker proves that it was given the job's ticket.
use std::fmt;

use rustls::crypto::ring::default_provider;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::Error;

/// 32 random bytes; compared in constant time and never shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The secret on a connection that needs none, since possession of the socket is the proof.
    pub(super) const NONE: Self = Self([0; 32]);

    /// A new secret from the operating system's random source.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        default_provider()
            .secure_random
            .fill(&mut bytes)
            .map_err(|_| Error::Certificate("the system's random source failed".into()))?;
        Ok(Self(bytes))
    }

    /// Whether both are the same; the time taken tells nothing of where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The ticket's form of a secret: 64 hexadecimal digits.
pub(super) mod as_hex {
    use serde::{Deserializer, Serializer};

    use super::Secret;

    pub fn serialize<S: Serializer>(secret: &Secret, s: S) -> Result<S::Ok, S::Error> {
        hex::serde::serialize(secret.0, s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Secret, D::Error> {
        hex::serde::deserialize(d).map(Secret)
    }
}

#[cfg(test)]
impl Secret {
    /// A known secret for golden bytes.
    pub(super) fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_match_only_themselves() {
        let a = Secret::generate().unwrap();
        assert!(a.matches(&a.clone()));
        assert!(!a.matches(&Secret::generate().unwrap()));
        let mut last_bit = a.0;
        last_bit[31] ^= 1;
        assert!(!a.matches(&Secret(last_bit)));
    }

    #[test]
    fn debug_output_has_no_byte_of_it() {
        assert_eq!(format!("{:?}", Secret([0xab; 32])), "Secret(hidden)");
    }
}
