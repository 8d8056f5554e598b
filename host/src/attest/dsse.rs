//! The envelope of a signed statement: DSSE, <https://github.com/secure-systems-lab/dsse>, v1. It says which bytes were
//! signed; what they mean is in [`super::statement`].

use super::key::{PublicKey, SecretKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT};
use serde::{Deserialize, Serialize};

/// The type of the payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The most signatures in an envelope; checking each takes time.
const SIGNATURES: usize = 4;

/// An envelope. Unknown JSON keys are ignored, as the format demands.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Signature {
    /// A hint which key it is. It is not signed, and not trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

impl Envelope {
    /// Sign these bytes, and put them into an envelope.
    pub fn seal(body: &[u8], key: &SecretKey) -> Self {
        let sig = STANDARD.encode(key.sign(&pae(PAYLOAD_TYPE, body)));
        Self {
            payload: STANDARD.encode(body),
            payload_type: PAYLOAD_TYPE.into(),
            signatures: vec![Signature { keyid: Some(key.public().id()), sig }],
        }
    }

    /// Parse one line of a file with attestations.
    ///
    /// # Errors
    /// When it is not such an envelope. The text says why, for people; the caller adds the line's number.
    pub fn parse(line: &str) -> Result<Self, String> {
        let envelope: Self =
            serde_json::from_str(line).map_err(|error| format!("it is not a DSSE envelope: {error}"))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(format!("its payload is not an {PAYLOAD_TYPE}"));
        }
        if envelope.signatures.len() > SIGNATURES {
            return Err(format!("it has more than {SIGNATURES} signatures"));
        }
        Ok(envelope)
    }

    /// The bytes that were signed, and the indices of those keys that signed them.
    ///
    /// # Errors
    /// When the payload is not base64. The text is for people.
    pub fn open<'a>(&self, keys: impl Iterator<Item = &'a PublicKey>) -> Result<(Vec<u8>, Vec<usize>), String> {
        let body = decode(&self.payload).ok_or("its payload is not base64")?;
        let message = pae(&self.payload_type, &body);
        let signatures: Vec<_> = self.signatures.iter().filter_map(|signature| decode(&signature.sig)).collect();
        let signed = |key: &PublicKey| signatures.iter().any(|signature| key.verifies(&message, signature));
        let by = keys.enumerate().filter(|(_, key)| signed(key)).map(|(number, _)| number).collect();
        Ok((body, by))
    }
}

/// The pre-authentication encoding, which is what is really signed: the type and the body, with their lengths, so that
/// no part of one can be taken for the other.
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len());
    [head.as_bytes(), body].concat()
}

/// Decode base64 in either alphabet, as the format allows both.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_PAD_INDIFFERENT.decode(text).or_else(|_| URL_SAFE_PAD_INDIFFERENT.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let expected = "DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), expected.as_bytes());
        // Bytes are counted, not characters.
        assert_eq!(pae("", "\u{e9}".as_bytes()), "DSSEv1 0  2 \u{e9}".as_bytes());
    }
}
