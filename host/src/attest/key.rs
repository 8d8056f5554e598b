//! Auditors' keys: Ed25519, in PEM files as written by `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout`.
//! Which public keys are trusted is in [`super::trusted_keys`].

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use glassbox_util::files::{must_be_private, read_bounded};
use glassbox_util::{Advised, encoding};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use std::fmt;
use std::path::Path;

/// What precedes the 32 bytes of every Ed25519 public key in DER, by RFC 8410: the algorithm's identifier.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The largest key file, in bytes.
const LARGEST: usize = 16 << 10;

/// A key to check signatures with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// A key to sign with. It is never printed.
pub struct SecretKey(Ed25519KeyPair);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a secret key)")
    }
}

impl PublicKey {
    /// Parse a PEM text, or just the line of base64 in one.
    ///
    /// # Errors
    /// When it is not an Ed25519 public key; with advice where it holds another kind of PEM.
    pub fn parse(text: &str) -> Result<Self> {
        let der = if text.contains("-----BEGIN ") {
            let advised = |_| Advised::new("there is no PUBLIC KEY in it", "'openssl pkey -in KEY -pubout' writes one");
            SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).map_err(advised)?.to_vec()
        } else {
            STANDARD.decode(text.trim()).context("it is neither PEM nor base64")?
        };
        match der.strip_prefix(&SPKI).map(<[u8; 32]>::try_from) {
            Some(Ok(key)) => Ok(Self(key)),
            _ => bail!("it is not an Ed25519 key"),
        }
    }

    /// Read a file.
    ///
    /// # Errors
    /// When it cannot be read, or holds no such key; the message names it.
    pub fn read(file: &Path) -> Result<Self> {
        read(file).and_then(|text| Self::parse(&text)).with_context(|| format!("{}", file.display()))
    }

    /// Whether a text looks like a key, and not like the name of a file with one.
    pub fn is_text(text: &str) -> bool {
        let text = text.trim();
        text.contains("-----BEGIN ") || text.len() == 60 && text.starts_with("MCowBQYDK2VwAyEA")
    }

    /// Its id in envelopes: the SHA-256 of the key in DER, as OpenSSL writes it; 64 hexadecimal digits.
    pub fn id(&self) -> String {
        glassbox_sandbox::digest(&[&SPKI[..], &self.0].concat())
    }

    /// Whether this is a signature of the message with the secret key that belongs to it.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

/// The text in a file.
fn read(file: &Path) -> Result<String> {
    Ok(encoding::text(&read_bounded(file, LARGEST)?).map_err(anyhow::Error::msg)?.into())
}

impl SecretKey {
    /// Parse a PEM text.
    ///
    /// # Errors
    /// When it holds no key that can be used, with advice; the message does not repeat the text.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            let advice = "'openssl pkey -in KEY -out PLAIN' writes one that is not";
            return Err(Advised::new("it is encrypted", advice).into());
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
            let advice = "'openssl genpkey -algorithm ed25519 -out KEY' makes one";
            Advised::new("there is no PRIVATE KEY in it", advice)
        })?;
        // OpenSSL leaves out the public key, so that there is nothing to check it against.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        Ok(Self(pair.map_err(|error| anyhow!("it is not an Ed25519 key: {error}"))?))
    }

    /// Read a file, which nobody else may be able to read.
    ///
    /// # Errors
    /// When it cannot be read, others can read it too, or it holds no such key; with advice.
    pub fn read(file: &Path) -> Result<Self> {
        const WHAT: &str = "the signing key";
        if let Some(warning) = must_be_private(file, WHAT)? {
            tracing::warn!("{warning}");
        }
        read(file).and_then(|text| Self::parse(&text)).with_context(|| format!("{WHAT} in {}", file.display()))
    }

    /// The public key that belongs to it.
    ///
    /// # Panics
    /// Never: a public key has 32 bytes.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().try_into().expect("32 bytes"))
    }

    /// The signature of a message, in 64 bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What OpenSSL 3.0 wrote.
    const SECRET: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIE8sFCnTYAqYuBvgVAVhbEV4B8AzgEDdYYk4uCdLuNX2
-----END PRIVATE KEY-----
";

    #[test]
    fn a_public_key_is_pem_or_its_line() {
        let secret = SecretKey::parse(SECRET).unwrap();
        let line = STANDARD.encode([&SPKI[..], &secret.public().0].concat());
        assert!(PublicKey::is_text(&line) && !PublicKey::is_text("keys/alice.pub"));
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----\n");
        assert!(PublicKey::is_text(&pem));
        assert_eq!(PublicKey::parse(&line).unwrap(), secret.public());
        assert_eq!(PublicKey::parse(&pem).unwrap(), secret.public());
        assert!(
            secret.public().verifies(b"m", &secret.sign(b"m")) && !secret.public().verifies(b"n", &secret.sign(b"m"))
        );
    }

    #[test]
    fn messages_say_what_is_wrong_with_a_key_and_do_not_repeat_it() {
        let rsa = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIE8sFCnTYAqYuBvgVAVhbEV4B8AzgEDdYYk4uCdLuNX2\n-----END PRIVATE KEY-----\n";
        for (text, words) in [
            ("", "there is no PRIVATE KEY in it"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "there is no PRIVATE KEY"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "it is encrypted"),
            (rsa, "it is not an Ed25519 key"),
        ] {
            let error = format!("{:#}", SecretKey::parse(text).unwrap_err());
            assert!(error.starts_with(words) && !error.contains("E8sFCn"), "{error}");
        }
        for (text, words) in [
            ("MCowBQYDK2VuAyEA4NDtdGmLVr1d3jcIvRvIX1nVSTRfJpMhWlFVPVdNYw4=", "it is not an Ed25519 key"),
            ("%", "it is neither PEM nor base64"),
            (SECRET, "there is no PUBLIC KEY in it"),
            ("", "it is not an Ed25519 key"),
        ] {
            let error = format!("{:#}", PublicKey::parse(text).unwrap_err());
            assert!(error.starts_with(words), "{error}");
        }
    }
}
