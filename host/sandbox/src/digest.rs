//! The digest that identifies a component in grants, journal, cache and attestations.

use crate::hex;
use sha2::{Digest, Sha256};

/// The SHA-256 of the bytes, as 64 lower-case hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
