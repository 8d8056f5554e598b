//! Whose certificates are trusted: those for which one of the built-in authorities (Mozilla's CAs) or one in the
//! user's files vouches, and those that are in these files themselves. Connections are made elsewhere.

use super::certificate::public_key;
use super::pinned::{Looker, PinnedOrKnown};
use anyhow::{Result, anyhow, bail};
use glassbox_util::Advised;
use glassbox_util::files::read_bounded;
use glassbox_util::machine;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, Error, RootCertStore};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// The largest file with certificates, in bytes; those of all usual authorities have about 200 KB.
const LARGEST: usize = 4 << 20;

/// Whom to trust. Clones share the TLS configuration made from it: a list of CAs takes about 100 KB, and a farm has
/// hundreds of connections.
#[derive(Clone, Debug, Default)]
pub struct TlsTrust(Arc<Trust>);

#[derive(Debug, Default)]
struct Trust {
    /// The certificates in the user's files.
    own: Vec<CertificateDer<'static>>,
    client_config: OnceLock<Arc<ClientConfig>>,
}

impl PartialEq for TlsTrust {
    fn eq(&self, other: &Self) -> bool {
        self.0.own == other.0.own
    }
}

impl TlsTrust {
    /// The built-in authorities, and the certificates in two files: the `ca_file` of the configuration, if it names one,
    /// and the one that `glassbox trust` writes, if there is one.
    ///
    /// # Errors
    /// When a file cannot be read, has no certificate in it, or one that is damaged; the message names the file.
    pub fn load(ca_file: Option<&Path>, trusted: &Path) -> Result<Self> {
        let mut own = Vec::new();
        if let Some(file) = ca_file {
            own.extend(read(file).map_err(|error| {
                let what = format!("{}, the ca_file of glassbox.toml", file.display());
                Advised::new(what, "put your server's or your CA's certificate there as PEM").because(error)
            })?);
        }
        match read(trusted) {
            Ok(more) => own.extend(more),
            Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::NotFound) => {}
            Err(error) => {
                let advice = machine::advice(&*error).unwrap_or("remove it, and run 'glassbox trust URL' again");
                return Err(Advised::new(trusted.display().to_string(), advice).because(error).into());
            }
        }
        Ok(Self(Arc::new(Trust { own, client_config: OnceLock::new() })))
    }

    /// How the client's side of TLS is set up.
    ///
    /// # Errors
    /// When rustls rejects its own defaults.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.0.client_config.get() {
            return Ok(config.clone());
        }
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let config = if self.0.own.is_empty() {
            builder.with_root_certificates(self.authorities()).with_no_client_auth()
        } else {
            let known = WebPkiServerVerifier::builder_with_provider(Arc::new(self.authorities()), provider.clone());
            let known = known.build().map_err(|error| Error::General(error.to_string()))?;
            let algorithms = provider.signature_verification_algorithms;
            let verifier = PinnedOrKnown { pinned: self.0.own.clone(), known, algorithms };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        };
        Ok(self.0.client_config.get_or_init(|| Arc::new(config)).clone())
    }

    fn authorities(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(TLS_SERVER_ROOT_CERTS.iter().chain(&self.0.own).cloned());
        store
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A configuration with which no handshake succeeds, and a function that says which certificate the server showed.
///
/// # Errors
/// When rustls rejects its own defaults.
pub(super) fn looker() -> Result<(Arc<ClientConfig>, impl Fn() -> Option<CertificateDer<'static>>), Error> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let looker = Arc::new(Looker { seen: Mutex::new(None), algorithms });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = builder.dangerous().with_custom_certificate_verifier(looker.clone()).with_no_client_auth();
    Ok((Arc::new(config), move || looker.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()))
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read_bounded(file, LARGEST)?;
    // As some editors begin a file.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    // A certificate as it is, without PEM around it, as browsers export it.
    if public_key(text).is_some() {
        return Ok(vec![text.to_vec().into()]);
    }
    let mut certificates = Vec::new();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(text)) {
        let certificate = certificate.map_err(|error| anyhow!("certificate {number} is damaged: {error}"))?;
        if public_key(&certificate).is_none() {
            bail!("certificate {number} is damaged: there is no public key in it");
        }
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
    use std::path::PathBuf;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/end_to_end/certificates").join(name)
    }

    #[test]
    fn those_of_files_are_added_to_those_built_in() {
        let trust = TlsTrust::load(Some(&file("authority.pem")), &file("self-signed.pem")).unwrap();
        let (built_in, all) = (TlsTrust::default().authorities().len(), trust.authorities().len());
        assert!(built_in > 100, "{built_in}");
        // One that vouches for nobody counts as one that vouches for itself.
        assert_eq!((all, trust.0.own.len()), (built_in + 2, 2));
        assert_eq!(TlsTrust::load(None, &file("none.pem")).unwrap(), TlsTrust::default());
        assert_ne!(trust, TlsTrust::default());
    }

    #[test]
    fn a_certificate_is_read_with_and_without_pem() {
        let pem = std::fs::read(file("good.pem")).unwrap();
        let der = CertificateDer::from_pem_slice(&pem).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let crlf = String::from_utf8(pem).unwrap().replace('\n', "\r\n");
        for content in [der.to_vec(), crlf.clone().into_bytes(), ["\u{feff}", &crlf].concat().into_bytes()] {
            let path = folder.path().join("it");
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(&path).unwrap(), std::slice::from_ref(&der));
        }
    }
}
