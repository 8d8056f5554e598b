//! The envelope that a statement travels in: DSSE, <https://github.com/secure-systems-lab/dsse>, v1. It
//! says which bytes were signed, and nothing of what they mean.

use super::key::{PublicKey, SecretKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT};
use serde::{Deserialize, Serialize};

/// What the payload is.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// More signatures than this are under no statement of ours; each takes time.
const SIGNATURES: usize = 4;

/// An envelope. Keys that are not known are ignored, as the format demands.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Signature {
    /// A hint that nobody has signed; it is not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

impl Envelope {
    /// Sign these bytes.
    #[must_use]
    pub fn seal(body: &[u8], key: &SecretKey) -> Self {
        let sig = STANDARD.encode(key.sign(&pae(PAYLOAD_TYPE, body)));
        Self {
            payload: STANDARD.encode(body),
            payload_type: PAYLOAD_TYPE.into(),
            signatures: vec![Signature { keyid: Some(key.public().id()), sig }],
        }
    }

    /// Read one line.
    ///
    /// # Errors
    /// When it is not an envelope of ours; the message says why.
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

    /// The bytes that were signed, and which of these keys signed them, by number.
    ///
    /// # Errors
    /// When the payload is no base64.
    pub fn open<'a>(&self, keys: impl Iterator<Item = &'a PublicKey>) -> Result<(Vec<u8>, Vec<usize>), String> {
        let body = decode(&self.payload).ok_or("its payload is no base64")?;
        let message = pae(&self.payload_type, &body);
        let signatures: Vec<_> = self.signatures.iter().filter_map(|signature| decode(&signature.sig)).collect();
        let signed = |key: &PublicKey| signatures.iter().any(|signature| key.verifies(&message, signature));
        let by = keys.enumerate().filter(|(_, key)| signed(key)).map(|(number, _)| number).collect();
        Ok((body, by))
    }
}

/// What is really signed: the type and the body, with their lengths, so that neither can pass for the other.
#[must_use]
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len());
    [head.as_bytes(), body].concat()
}

/// Both alphabets are allowed.
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
