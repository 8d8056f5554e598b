//! Whom delivery trusts to vouch for a server: the authorities that are built in, and those that the
//! user adds for a server of their own.

use anyhow::{Context, Result, anyhow, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
// Not stable over minor versions of ureq; the workspace's Cargo.toml holds it to one.
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, Transport};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Authorities. Clones share what is made of them: a list of them takes some 100 KB, and a farm has
/// hundreds of connections.
#[derive(Clone, Debug)]
pub struct TlsTrust {
    certificates: RootCerts,
    connector: Arc<DefaultConnector>,
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Default for TlsTrust {
    /// Those that are built in: Mozilla's.
    fn default() -> Self {
        Self::of(RootCerts::WebPki)
    }
}

impl TlsTrust {
    fn of(certificates: RootCerts) -> Self {
        Self { certificates, connector: Arc::default(), tls: Arc::default() }
    }

    /// For requests: whom to trust, and what connects by that. It is to be used with that only, as it
    /// keeps what it made of it.
    #[must_use]
    pub fn for_requests(&self) -> (TlsConfig, SharedConnector) {
        let config = TlsConfig::builder().root_certs(self.certificates.clone()).build();
        (config, SharedConnector(self.connector.clone()))
    }

    /// For other connections: the same code, the same authorities.
    ///
    /// # Errors
    /// When rustls does not take its own defaults.
    pub fn for_others(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = Arc::new(config.with_root_certificates(self.store()).with_no_client_auth());
        Ok(self.tls.get_or_init(|| config).clone())
    }

    /// As rustls wants them.
    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        match &self.certificates {
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
        Ok(Self::of(built_in.chain(own).collect::<Vec<_>>().into()))
    }
}

/// Connects like ureq's own, and shares with its clones what it made of the authorities.
#[derive(Clone, Debug)]
pub struct SharedConnector(Arc<DefaultConnector>);

impl Connector for SharedConnector {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained)
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
        let RootCerts::Specific(all) = TlsTrust::load(Some(&file)).unwrap().certificates else { panic!("not added") };
        let own = CertificateDer::from_pem_file(file).unwrap();
        let expected: Vec<&[u8]> = TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref).chain([own.as_ref()]).collect();
        assert!(expected.len() > 100, "{}", expected.len());
        assert_eq!(all.iter().map(Certificate::der).collect::<Vec<_>>(), expected);
    }
}
