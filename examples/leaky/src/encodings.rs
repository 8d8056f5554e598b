//! Encodings and hashes of the secret. Short, and good enough for tests.

use md5::Md5;
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// The secret in this encoding; empty if there is no such encoding.
pub fn encode(encoding: &str, secret: &str) -> String {
    let bytes = secret.as_bytes();
    match encoding {
        "percent" => bytes.iter().map(|byte| format!("%{byte:02X}")).collect(),
        "md5" => hex(&Md5::digest(bytes)),
        "sha1" => hex(&Sha1::digest(bytes)),
        "sha256" => hex(&Sha256::digest(bytes)),
        "hex" => hex(bytes),
        "base64" => base64(bytes),
        "base64-1" => base64(&[b"x", bytes].concat()),
        "base64-2" => base64(&[b"xy", bytes].concat()),
        "reversed" => secret.chars().rev().collect(),
        "piece" => secret.chars().skip(9).take(7).collect(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0, |all, i| all << 8 | u32::from(three.get(i).copied().unwrap_or_default()));
        for place in 0..=three.len() {
            out.push(char::from(DIGITS[(number >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

/// FNV-1a, a hash that the audit does not look for.
pub fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
