//! The address of an OctoPrint or a broker: its URL, checked once, and the URLs below it. Connecting is done elsewhere.

use super::Login;
use anyhow::{Result, bail};
use glassbox_util::Advised;
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
}

/// The URL of an OctoPrint or a broker, without a slash at its end and without a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    host: String,
    port: u16,
    is_tls: bool,
    /// What a proxy before it asks for.
    login: Option<Login>,
}

impl Address {
    /// Read a URL as people write it; blanks around it and slashes at its end do not matter.
    ///
    /// # Errors
    /// When it cannot be the URL of such a peer; the message gives an example, and never repeats a password.
    pub fn parse(url: &str, peer: Peer) -> Result<Self> {
        let (whose, example) = (peer.whose(), peer.example());
        let given = url.trim().trim_end_matches('/');
        // There may be a password in it, which no message may repeat: so it is taken out first.
        let (base, login) = match (given.contains('@'), peer) {
            (false, _) => (given.to_string(), None),
            (true, Peer::Broker) => bail!(
                "{whose} must not have a user name or password in it; {example}, and user and password_file separately"
            ),
            (true, Peer::OctoPrint) => match take_login(given) {
                Some((base, login)) => (base, Some(login)),
                None => bail!(
                    "the user name and password in {whose} cannot be read; write :, /, ?, #, @ and % in them as %3A, \
                     %2F, %3F, %23, %40 and %25, or give user and password_file in glassbox.toml"
                ),
            },
        };
        let base = base.as_str();
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
        Ok(Self { base: base.into(), host, port, is_tls: scheme == 1, login })
    }

    /// Read the URL of an OctoPrint that was given on the command line.
    ///
    /// # Errors
    /// As for [`Self::parse`]; or when there is a password in it, which everybody on this machine could read there.
    pub fn of_command_line(url: &str) -> Result<Self> {
        let address = Self::parse(url, Peer::OctoPrint)?;
        if address.login.is_none() {
            return Ok(address);
        }
        let what = "a password on the command line can be read by everybody on this machine, in the list of processes";
        let advice = "put the URL with it, or user and password_file, into an [[octoprint]] entry of glassbox.toml";
        Err(Advised::new(what, advice).into())
    }

    /// The URL of a path below this one; `path` does not begin with a slash.
    pub fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Host and port as they are in the URL, and the path of something below it: what a request is made of.
    pub fn host_and_path(&self, path: &str) -> (&str, String) {
        let after = self.base.split_once("://").map_or("", |(_, after)| after);
        let (host, base) = after.split_at(after.find('/').unwrap_or(after.len()));
        (host, format!("{base}/{path}"))
    }

    /// What a proxy before it asks for, if that is known.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The same address, with what a proxy before it asks for.
    pub fn with_login(self, login: Login) -> Self {
        Self { login: Some(login), ..self }
    }

    /// The host's name or IP address; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether connections to it use TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// A URL without the user name and password in it, and those; none if they cannot be read.
fn take_login(url: &str) -> Option<(String, Login)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (login, host) = rest[..end].rsplit_once('@')?;
    // A second @ may be a part of a password that was not written as it must be.
    if login.contains('@') || rest[end..].contains('@') {
        return None;
    }
    Some((format!("{scheme}://{host}{}", &rest[end..]), Login::of_url(login)?))
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'))
}

/// Whether a host, as it is written in a URL, is this machine by its name or its address.
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
            ("http://octopi.local", "octopi.local", 80, false, ("octopi.local", "/x/y")),
            ("http://h:5000/", "h", 5000, false, ("h:5000", "/x/y")),
            ("https://h/octoprint/", "h", 443, true, ("h", "/octoprint/x/y")),
            (" https://[::1]:8443/a/b ", "::1", 8443, true, ("[::1]:8443", "/a/b/x/y")),
        ];
        for (url, host, port, tls, (authority, path)) in cases {
            let address = Address::parse(url, Peer::OctoPrint).unwrap();
            assert_eq!((address.host(), address.port(), address.is_tls()), (host, port, tls), "{url}");
            assert_eq!(address.host_and_path("x/y"), (authority, path.to_string()));
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
    }

    #[test]
    fn a_password_in_a_url_is_taken_out_and_never_shown() {
        let address = Address::parse("https://me:s%2Fecret@h:8443/o/", Peer::OctoPrint).unwrap();
        assert_eq!(address.login(), Login::new("me", "s/ecret").as_ref());
        assert_eq!((address.to_string(), address.port()), ("https://h:8443/o".into(), 8443));
        assert_eq!(format!("{address:?}"), "https://h:8443/o");
        for url in [
            "http://me:secret@h:port",
            "http://me:secret@",
            "ftp://me:secret@h",
            "me:secret@h",
            "http://me:sec/ret@h",
            "http://me:sec@ret@h",
            "http://h/me:secret@x",
            "http://me:secret%@h",
            "http://me:secret@h?x",
        ] {
            let error = Address::parse(url, Peer::OctoPrint).unwrap_err().to_string();
            assert!(!error.contains("sec") && !error.contains("ret@"), "{url}: {error}");
        }
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
