//! Which certificate authorities (CAs) are trusted to sign a server's certificate: those that are built in
//! (Mozilla's), and those in the user's `ca_file`. Connections are made elsewhere.

use anyhow::{Result, anyhow, bail};
use glassbox_util::Advised;
use glassbox_util::files::read_bounded;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
// Not stable over minor versions of ureq; the workspace's Cargo.toml holds it to one.
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, Transport};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// The largest file with certificates, in bytes; those of all usual authorities have about 200 KB.
const LARGEST: usize = 4 << 20;

/// The CAs that are trusted. Clones share the TLS configurations made from them: a list of CAs takes about 100 KB,
/// and a farm has hundreds of connections.
#[derive(Clone, Debug)]
pub struct TlsTrust {
    certificates: RootCerts,
    connector: Arc<DefaultConnector>,
    client_config: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Default for TlsTrust {
    /// The CAs that are built in: Mozilla's.
    fn default() -> Self {
        Self::of(RootCerts::WebPki)
    }
}

impl TlsTrust {
    fn of(certificates: RootCerts) -> Self {
        Self { certificates, connector: Arc::default(), client_config: Arc::default() }
    }

    /// For ureq: which CAs to trust, and the connector that connects accordingly. Use the two together, as the
    /// connector keeps the TLS configuration that it made first.
    #[must_use]
    pub fn for_ureq(&self) -> (TlsConfig, SharedConnector) {
        let config = TlsConfig::builder().root_certs(self.certificates.clone()).build();
        (config, SharedConnector(self.connector.clone()))
    }

    /// For connections that we make ourselves: the same CAs and the same TLS library.
    ///
    /// # Errors
    /// When rustls rejects its own defaults.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.client_config.get() {
            return Ok(config.clone());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = Arc::new(config.with_root_certificates(self.store()).with_no_client_auth());
        Ok(self.client_config.get_or_init(|| config).clone())
    }

    /// The same CAs in rustls's own type.
    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        match &self.certificates {
            RootCerts::Specific(all) => store
                .add_parsable_certificates(all.iter().map(|certificate| CertificateDer::from_slice(certificate.der()))),
            _ => store.add_parsable_certificates(TLS_SERVER_ROOT_CERTS.iter().cloned()),
        };
        store
    }

    /// The CAs that are built in, and all in this PEM file, if one is given.
    ///
    /// # Errors
    /// When the file cannot be read, has no certificate in it, or one that is damaged; the message names the file.
    pub fn load(ca_file: Option<&Path>) -> Result<Self> {
        let Some(file) = ca_file else { return Ok(Self::default()) };
        let own = read(file).map_err(|error| {
            let what = format!("{}, the ca_file of glassbox.toml", file.display());
            Advised::new(what, "put your CA's certificate there as PEM").because(error)
        })?;
        let own = own.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
        let built_in = TLS_SERVER_ROOT_CERTS.iter().map(|certificate| Certificate::from_der(certificate));
        Ok(Self::of(built_in.chain(own).collect::<Vec<_>>().into()))
    }
}

/// Connects like ureq's own connector; clones share the TLS configuration that it makes.
#[derive(Clone, Debug)]
pub struct SharedConnector(Arc<DefaultConnector>);

impl Connector for SharedConnector {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained)
    }
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = read_bounded(file, LARGEST)?;
    let mut certificates = Vec::new();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&text)) {
        let certificate = certificate.map_err(|error| anyhow!("certificate {number} is damaged: {error}"))?;
        // ureq would ignore a damaged one without a word.
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
