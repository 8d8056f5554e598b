//! SHA-1, the hash that OctoPrint's tracking uses, as text.

use sha1::{Digest, Sha1};

/// SHA-1 of the parts, one after the other, as 40 lower-case hex digits.
pub fn sha1_hex(parts: &[&[u8]]) -> String {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]);
    // Collected as bytes: pushing characters, each of which could be a long one, takes four times
    // as long.
    String::from_utf8(digits.collect()).unwrap_or_default()
}
