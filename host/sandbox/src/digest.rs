//! What a component is known by.

use crate::hex;
use sha2::{Digest, Sha256};

/// SHA-256 as 64 lower-case hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
