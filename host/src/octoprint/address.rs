//! Where an OctoPrint is: its URL, checked once, and what lies below it.

use anyhow::{Result, bail};
use std::fmt;
use ureq::http::Uri;

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
    /// When it is no URL of an OctoPrint; the message says how one looks.
    pub fn parse(url: &str) -> Result<Self> {
        const LIKE: &str = "give one like http://octopi.local or https://host/octoprint/";
        let base = url.trim().trim_end_matches('/');
        // The URL may hold a password by mistake: no message repeats it before this was looked at.
        if base.contains('@') {
            bail!("an OctoPrint's URL has no name or password in it; {LIKE}, and the API key apart from it");
        }
        let Ok(uri) = base.parse::<Uri>() else { bail!("'{base}' is no URL; {LIKE}") };
        let (is_tls, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => bail!("'{base}' does not begin with http:// or https://; {LIKE}"),
        };
        if uri.query().is_some() || base.contains('#') {
            bail!("an OctoPrint's URL ends with its path; {LIKE}");
        }
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else { bail!("'{base}' names no host; {LIKE}") };
        let host = host.trim_matches(['[', ']']).to_string();
        let port = match uri.authority().map(|authority| authority.as_str()) {
            // `Uri` takes a port that is none for no port.
            Some(authority) if authority.ends_with(':') || uri.port_u16().is_none() && has_port(authority) => {
                bail!("'{base}' has a port that is none; {LIKE}")
            }
            _ => uri.port_u16().unwrap_or(usual),
        };
        Ok(Self { base: base.into(), host, port, is_tls })
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
            let address = Address::parse(url).unwrap();
            assert_eq!((address.host(), address.port(), address.is_tls()), (host, port, tls), "{url}");
            assert_eq!(address.push(), push);
        }
        assert_eq!(Address::parse("http://h/o//").unwrap().below("api/login"), "http://h/o/api/login");
    }

    #[test]
    fn what_is_no_url_of_an_octoprint_is_refused_with_an_example() {
        for url in
            ["", "octopi.local", "ftp://h", "http://", "http://h?key=1", "http://h/#x", "http://h:port", "http://h:"]
        {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains("give one like http://octopi.local"), "{url}: {error}");
        }
        let error = Address::parse("http://me:secret@h").unwrap_err().to_string();
        assert!(!error.contains("secret") && error.contains("no name or password"), "{error}");
    }
}
