//! Whom delivery trusts to vouch for a server: the authorities that are built in, and those that the
//! user adds for a server of their own.

use anyhow::{Context, Result, anyhow, bail};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use ureq::tls::{Certificate, RootCerts};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Authorities.
#[derive(Clone, Debug)]
pub struct Roots(pub(crate) RootCerts);

impl Default for Roots {
    /// Those that are built in: Mozilla's.
    fn default() -> Self {
        Self(RootCerts::WebPki)
    }
}

impl Roots {
    /// As rustls wants them.
    #[must_use]
    pub fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        match &self.0 {
            RootCerts::Specific(all) => store
                .add_parsable_certificates(all.iter().map(|certificate| CertificateDer::from_slice(certificate.der()))),
            _ => store.add_parsable_certificates(TLS_SERVER_ROOT_CERTS.iter().cloned()),
        };
        store
    }

    /// Those that are built in, and all in this PEM file, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read, holds no certificate, or one that is damaged; the message names it.
    pub fn load(ca_file: Option<&Path>) -> Result<Self> {
        let Some(file) = ca_file else { return Ok(Self::default()) };
        let own = read(file).with_context(|| {
            format!("{}, the ca_file of glassbox.toml; put an authority's certificate there as PEM", file.display())
        })?;
        let own = own.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
        let built_in = TLS_SERVER_ROOT_CERTS.iter().map(|certificate| Certificate::from_der(certificate));
        Ok(Self(built_in.chain(own).collect::<Vec<_>>().into()))
    }
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = std::fs::read(file)?;
    let mut certificates = Vec::new();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&text)) {
        let certificate = certificate.map_err(|error| anyhow!("certificate {number} is damaged: {error}"))?;
        // Delivery itself would pass over a damaged one without a word.
        let mut usable = RootCertStore::empty();
        usable.add(certificate.clone()).map_err(|error| anyhow!("certificate {number} is damaged: {error}"))?;
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        bail!("there is no certificate in it");
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_a_file_are_added_to_those_built_in() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/end_to_end/certificates/authority.pem");
        let Roots(RootCerts::Specific(all)) = Roots::load(Some(&file)).unwrap() else { panic!("not added") };
        let own = CertificateDer::from_pem_file(file).unwrap();
        let expected: Vec<&[u8]> = TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref).chain([own.as_ref()]).collect();
        assert!(expected.len() > 100, "{}", expected.len());
        assert_eq!(all.iter().map(Certificate::der).collect::<Vec<_>>(), expected);
    }
}
