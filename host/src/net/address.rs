//! Where an OctoPrint or a broker is: its URL, checked once, and what lies below it.

use anyhow::{Result, bail};
use std::fmt;
use ureq::http::Uri;

/// Who is at an address: which schemes there are, and what the URL may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An OctoPrint, or another web server: `http` or `https`, perhaps with a path.
    OctoPrint,
    /// An MQTT broker: `mqtt` or `mqtts`, host and port and nothing else.
    Broker,
}

impl Peer {
    /// The schemes without and with TLS, and their usual ports.
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

    /// What goes apart from the URL.
    fn apart(self) -> &'static str {
        match self {
            Self::OctoPrint => "the API key",
            Self::Broker => "user and password_file",
        }
    }
}

/// A base URL, without a slash at its end.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    host: String,
    port: u16,
    is_tls: bool,
}

impl Address {
    /// Take a URL as people write it.
    ///
    /// # Errors
    /// When it is not a URL of such a peer; the message says what one looks like.
    pub fn parse(url: &str, peer: Peer) -> Result<Self> {
        let (whose, example) = (peer.whose(), peer.example());
        let base = url.trim().trim_end_matches('/');
        // The URL may hold a password by mistake: no message repeats it before this was looked at.
        if base.contains('@') {
            bail!("{whose} has no name or password in it; {example}, and {} apart from it", peer.apart());
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
            // `Uri` takes a port that cannot be one for no port.
            Some(authority) if authority.ends_with(':') || uri.port_u16().is_none() && has_port(authority) => {
                bail!("'{base}' has a port that cannot be one; {example}")
            }
            _ => uri.port_u16().unwrap_or(schemes[scheme].1),
        };
        Ok(Self { base: base.into(), host, port, is_tls: scheme == 1 })
    }

    /// The URL of something below it.
    #[must_use]
    pub fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The URL of its push API.
    #[must_use]
    pub fn push(&self) -> String {
        // http -> ws, https -> wss.
        format!("ws{}/sockjs/websocket", &self.base["http".len()..])
    }

    /// The host's name or number.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'))
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
    fn what_is_no_url_of_an_octoprint_is_refused_with_an_example() {
        for url in
            ["", "octopi.local", "ftp://h", "http://", "http://h?key=1", "http://h/#x", "http://h:port", "http://h:"]
        {
            let error = Address::parse(url, Peer::OctoPrint).unwrap_err().to_string();
            assert!(error.contains("give one like http://octopi.local"), "{url}: {error}");
        }
        let error = Address::parse("http://me:secret@h", Peer::OctoPrint).unwrap_err().to_string();
        assert!(!error.contains("secret") && error.contains("no name or password"), "{error}");
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
        assert!(!error.contains("secret") && error.contains("no name or password"), "{error}");
    }
}
