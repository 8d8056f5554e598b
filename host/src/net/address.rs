//! The address of an OctoPrint or a broker: its URL, checked once, and the URLs below it. Connecting is done elsewhere.

use anyhow::{Result, bail};
use std::fmt;
use std::net::IpAddr;
use ureq::http::Uri;

/// What kind of server is at an address, which decides what its URL may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An OctoPrint, or another web server: `http` or `https`, perhaps with a path.
    OctoPrint,
    /// An MQTT broker: `mqtt` or `mqtts`, host and port and nothing else.
    Broker,
}

impl Peer {
    /// The schemes without and with TLS, and their default ports.
    fn schemes(self) -> [(&'static str, u16); 2] {
        match self {
            Self::OctoPrint => [("http", 80), ("https", 443)],
            Self::Broker => [("mqtt", 1883), ("mqtts", 8883)],
        }
    }

    fn whose(self) -> &'static str {
        match self {
            Self::OctoPrint => "an OctoPrint's URL",
            Self::Broker => "a broker's URL",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::OctoPrint => "give one like http://octopi.local or https://host/octoprint/",
            Self::Broker => "give one like mqtt://broker.local or mqtts://broker.local:8883",
        }
    }

    /// What is configured separately from the URL.
    fn credentials(self) -> &'static str {
        match self {
            Self::OctoPrint => "the API key",
            Self::Broker => "user and password_file",
        }
    }
}

/// The URL of an OctoPrint or a broker, without a slash at its end and without a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    host: String,
    port: u16,
    is_tls: bool,
}

impl Address {
    /// Read a URL as people write it; blanks around it and slashes at its end do not matter.
    ///
    /// # Errors
    /// When it cannot be the URL of such a peer; the message gives an example, and never repeats a password.
    pub fn parse(url: &str, peer: Peer) -> Result<Self> {
        let (whose, example) = (peer.whose(), peer.example());
        let base = url.trim().trim_end_matches('/');
        // There may be a password in it by mistake, which no message may repeat: so this is checked first.
        if base.contains('@') {
            bail!(
                "{whose} must not have a user name or password in it; {example}, and {} separately",
                peer.credentials()
            );
        }
        let Ok(uri) = base.parse::<Uri>() else { bail!("'{base}' is not a URL; {example}") };
        let schemes = peer.schemes();
        let scheme = uri.scheme_str().and_then(|scheme| schemes.iter().position(|(known, _)| *known == scheme));
        let Some(scheme) = scheme else {
            bail!("'{base}' does not begin with {}:// or {}://; {example}", schemes[0].0, schemes[1].0)
        };
        if uri.query().is_some() || base.contains('#') {
            bail!("{whose} ends with its {}; {example}", if peer == Peer::Broker { "port" } else { "path" });
        }
        if peer == Peer::Broker && !uri.path().trim_matches('/').is_empty() {
            bail!("'{base}' has more than a host and a port; {example}");
        }
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else { bail!("'{base}' names no host; {example}") };
        let host = host.trim_matches(['[', ']']).to_string();
        let port = match uri.authority().map(|authority| authority.as_str()) {
            // `Uri` treats an invalid port as none.
            Some(authority) if authority.ends_with(':') || uri.port_u16().is_none() && has_port(authority) => {
                bail!("'{base}' has an invalid port; {example}")
            }
            _ => uri.port_u16().unwrap_or(schemes[scheme].1),
        };
        Ok(Self { base: base.into(), host, port, is_tls: scheme == 1 })
    }

    /// The URL of a path below this one; `path` does not begin with a slash.
    #[must_use]
    pub fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The URL of an OctoPrint's push API: its raw WebSocket, as OctoPrint's documentation has it (`sockjs/websocket`).
    #[must_use]
    pub fn push(&self) -> String {
        // http -> ws, https -> wss.
        format!("ws{}/sockjs/websocket", &self.base["http".len()..])
    }

    /// The host's name or IP address; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether connections to it use TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'))
}

/// Whether a host, as it is written in a URL, is this machine by its name or its address.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_kept() {
        let cases = [
            ("http://octopi.local", "octopi.local", 80, false, "ws://octopi.local/sockjs/websocket"),
            ("http://h:5000/", "h", 5000, false, "ws://h:5000/sockjs/websocket"),
            ("https://h/octoprint/", "h", 443, true, "wss://h/octoprint/sockjs/websocket"),
            (" https://[::1]:8443/a/b ", "::1", 8443, true, "wss://[::1]:8443/a/b/sockjs/websocket"),
        ];
        for (url, host, port, tls, push) in cases {
            let address = Address::parse(url, Peer::OctoPrint).unwrap();
            assert_eq!((address.host(), address.port(), address.is_tls()), (host, port, tls), "{url}");
            assert_eq!(address.push(), push);
        }
        assert_eq!(Address::parse("http://h/o//", Peer::OctoPrint).unwrap().below("api/login"), "http://h/o/api/login");
    }

    #[test]
    fn an_invalid_url_is_refused_with_an_example() {
        for url in
            ["", "octopi.local", "ftp://h", "http://", "http://h?key=1", "http://h/#x", "http://h:port", "http://h:"]
        {
            let error = Address::parse(url, Peer::OctoPrint).unwrap_err().to_string();
            assert!(error.contains("give one like http://octopi.local"), "{url}: {error}");
        }
        let error = Address::parse("http://me:secret@h", Peer::OctoPrint).unwrap_err().to_string();
        assert!(!error.contains("secret") && error.contains("must not have a user name or password"), "{error}");
    }

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        for (url, host, port, is_tls) in [
            ("mqtt://broker.local", "broker.local", 1883, false),
            ("mqtts://broker.local/", "broker.local", 8883, true),
            (" mqtt://[::1]:2883 ", "::1", 2883, false),
        ] {
            let address = Address::parse(url, Peer::Broker).unwrap();
            assert_eq!((address.host(), address.port(), address.is_tls()), (host, port, is_tls), "{url}");
        }
        for url in ["", "broker", "http://b", "mqtt://", "mqtt://b/topic", "mqtt://b?x", "mqtt://b:port", "mqtt://b:"] {
            let error = Address::parse(url, Peer::Broker).unwrap_err().to_string();
            assert!(error.contains("give one like mqtt://broker.local"), "{url}: {error}");
        }
        let error = Address::parse("mqtt://me:secret@b", Peer::Broker).unwrap_err().to_string();
        assert!(!error.contains("secret") && error.contains("must not have a user name or password"), "{error}");
    }

    #[test]
    fn this_machine_is_known_by_its_names_and_addresses() {
        for host in [
            "127.0.0.1",
            "127.9.8.7",
            "[::1]",
            "::1",
            "[::ffff:127.0.0.1]",
            "localhost",
            "LocalHost.",
            "stats.localhost",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["10.0.0.1", "128.0.0.1", "[::2]", "[::ffff:10.0.0.1]", "localhost.example", "notlocalhost", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
