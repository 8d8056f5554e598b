//! Looks at the certificate of a server, and keeps it as one to trust.

use crate::home::Home;
use crate::net::certificate::{common_name, fingerprint, to_pem};
use crate::net::{Address, ConnectError, Peer, reach};
use crate::system::wall_time;
use anyhow::{Context, Result};
use glassbox_util::Advised;
use glassbox_util::files::{read_bounded, write_own};
use std::io::ErrorKind;
use std::path::PathBuf;

/// The largest file with certificates, in bytes: those of a thousand servers.
const LARGEST: usize = 4 << 20;
const END: &str = "-----END CERTIFICATE-----\n";

/// A server, and the certificate that it shows.
#[derive(Debug)]
pub struct Shown {
    /// The server.
    pub address: Address,
    /// The common name in its certificate, fit to be shown.
    pub name: Option<String>,
    /// The certificate's SHA-256 fingerprint.
    pub fingerprint: String,
    /// Why it is not trusted; none if it is.
    pub problem: Option<ConnectError>,
    certificate: Vec<u8>,
}

impl Shown {
    /// Connect to a server, and look at its certificate. Nothing is said over the connection.
    ///
    /// # Errors
    /// When it is not the URL of a server with TLS, or the server cannot be reached; with advice.
    pub fn look(home: &Home, url: &str) -> Result<Self> {
        let peer = if url.trim().starts_with("mqtt") { Peer::Broker } else { Peer::OctoPrint };
        let address = Address::parse(url, peer)?;
        if !address.is_tls() {
            let what = format!("{address} does not use TLS, and shows no certificate");
            return Err(Advised::new(
                what,
                "there is nothing to trust; a URL with TLS begins with https:// or mqtts://",
            )
            .into());
        }
        let at = |error: ConnectError| anyhow::Error::from(Advised::from(error)).context(address.to_string());
        let certificate = reach::certificate(&address).map_err(at)?;
        let problem = reach::reach(&address, &home.trust(&home.config()?)?).err();
        let (name, fingerprint) = (common_name(&certificate), fingerprint(&certificate));
        Ok(Self { address, name, fingerprint, problem, certificate: certificate.to_vec() })
    }

    /// Whether this is its fingerprint, however it is written: with or without colons, as `openssl` prints it.
    pub fn has_fingerprint(&self, given: &str) -> bool {
        let digits = |text: &str| {
            let text = text.rsplit('=').next().unwrap_or(text);
            text.chars().filter(|c| !matches!(c, ':' | ' ')).collect::<String>().to_ascii_uppercase()
        };
        digits(given) == digits(&self.fingerprint)
    }

    /// Keep the certificate as one to trust, in place of one that was kept for this server before. Returns the file.
    ///
    /// # Errors
    /// When there is no home, or the file cannot be read or written.
    pub fn trust(&self, home: &Home) -> Result<PathBuf> {
        home.must_exist()?;
        let file = home.trusted_file();
        let before = match read_bounded(&file, LARGEST) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            bytes => bytes.with_context(|| format!("reading {}", file.display()))?,
        };
        let before = String::from_utf8(before).with_context(|| format!("reading {}", file.display()))?;
        let mark = format!("# {} ", self.address);
        let others: String = before.split_inclusive(END).filter(|one| !one.starts_with(&mark)).collect();
        let now = wall_time();
        let text = format!("{others}{mark}as of {now:.0}\n{}", to_pem(&self.certificate));
        write_own(&file, text.as_bytes())?;
        Ok(file)
    }
}
