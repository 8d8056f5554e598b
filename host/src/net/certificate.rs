//! What is read of a certificate itself: its key, whom it names, its fingerprint. No more is needed to recognise one
//! that somebody has named. Whether an authority vouches for it is checked by rustls.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use glassbox_util::text::printable;
use ring::digest::{SHA256, digest};

/// The key that a certificate is for.
#[derive(Debug, PartialEq, Eq)]
pub struct PublicKey<'a> {
    /// The algorithm's identifier, without its outermost tag, as rustls names algorithms.
    pub algorithm: &'a [u8],
    /// The key itself.
    pub key: &'a [u8],
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// The longest name that is shown, in characters.
const NAME: usize = 80;

/// The key of a certificate, whatever its version and its extensions are; none if it is no certificate.
pub fn public_key(certificate: &[u8]) -> Option<PublicKey<'_>> {
    let (_, mut info) = after_validity(certificate)?;
    let mut info = expect(&mut info, SEQUENCE)?;
    let algorithm = expect(&mut info, SEQUENCE)?;
    // Its first byte says how many bits of the last are none, which are none in a key.
    let key = expect(&mut info, BIT_STRING)?.strip_prefix(&[0])?;
    Some(PublicKey { algorithm, key })
}

/// The common name of a certificate's subject, fit to be shown; none if it has none.
pub fn common_name(certificate: &[u8]) -> Option<String> {
    let (mut subject, _) = after_validity(certificate)?;
    while let Some(mut set) = expect(&mut subject, SET) {
        let mut pair = expect(&mut set, SEQUENCE)?;
        if expect(&mut pair, OBJECT)? == COMMON_NAME {
            return Some(printable(&String::from_utf8_lossy(element(&mut pair)?.1), NAME));
        }
    }
    None
}

/// Its SHA-256 digest, as browsers and `openssl x509 -fingerprint -sha256` show it.
pub fn fingerprint(certificate: &[u8]) -> String {
    let bytes = digest(&SHA256, certificate);
    bytes.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// As PEM.
pub fn to_pem(certificate: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_string();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.extend([line, "\n"]);
        rest = more;
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// What is in a certificate's subject, and what comes after it, of which the key is the first (RFC 5280, section 4.1).
fn after_validity(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = certificate;
    let mut certificate = expect(&mut rest, SEQUENCE).filter(|_| rest.is_empty())?;
    let mut rest = expect(&mut certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        expect(&mut rest, VERSION)?;
    }
    expect(&mut rest, INTEGER)?;
    // The signature's algorithm, the issuer, the validity.
    for _ in 0..3 {
        expect(&mut rest, SEQUENCE)?;
    }
    let subject = expect(&mut rest, SEQUENCE)?;
    Some((subject, rest))
}

/// The content of the next element, which must have this tag.
fn expect<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    element(rest).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// The tag and the content of the next element of DER.
fn element<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, first], mut after) = rest.split_first_chunk()?;
    let length = match first {
        ..=0x7f => usize::from(first),
        0x81..=0x84 => {
            let (bytes, more) = after.split_at_checked(usize::from(first - 0x80))?;
            after = more;
            bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
        // More than four bytes of length, or an unknown one, are in no certificate.
        _ => return None,
    };
    let (content, after) = after.split_at_checked(length)?;
    *rest = after;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, alg_id};
    use std::path::Path;

    fn certificate(name: &str) -> CertificateDer<'static> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/end_to_end/certificates");
        CertificateDer::from_pem_file(folder.join(name)).unwrap()
    }

    #[test]
    fn key_and_name_are_found_and_damage_is_noticed() {
        let one = certificate("self-signed.pem");
        let key = public_key(&one).unwrap();
        assert_eq!(key.algorithm, alg_id::ECDSA_P256.as_ref());
        assert_eq!(key, public_key(&certificate("good.pem")).unwrap(), "both are for server.key");
        assert_eq!(common_name(&one).as_deref(), Some("Glassbox test server"));
        for length in 0..one.len() {
            assert_eq!(public_key(&one[..length]), None);
        }
        let longer = [&one[..], &[0]].concat();
        assert_eq!(
            (public_key(&longer), public_key(b"\x30\x85\x01\x01\x01\x01\x01"), public_key(b"x")),
            (None, None, None)
        );
        // Whatever is changed in it, reading it ends.
        for at in 0..one.len() {
            let mut bent = one.to_vec();
            bent[at] ^= 0x81;
            let _ = (public_key(&bent), common_name(&bent));
        }
    }

    #[test]
    fn pem_is_what_it_was_made_of() {
        let one = certificate("authority.pem");
        let pem = to_pem(&one);
        assert_eq!(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(), one);
        assert!(pem.lines().all(|line| line.len() <= 64));
        let fingerprint = fingerprint(&one);
        assert_eq!((fingerprint.len(), fingerprint.matches(':').count()), (95, 31));
    }
}
