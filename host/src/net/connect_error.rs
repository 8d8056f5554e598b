//! Why a connection could not be made or was lost, and what to do about it. What each server's answers mean is
//! decided by the room that talks to it.

use glassbox_util::Advised;
use glassbox_util::text::printable;
use rustls::{AlertDescription, CertificateError};
use std::io::{self, ErrorKind};

/// Why a server cannot be used now. Displayed as `what`, and where there is advice as `what; advice`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// It may work later: trying again is worth it.
    #[error("{what}{}{}", if advice.is_some() { "; " } else { "" }, advice.as_deref().unwrap_or_default())]
    Away {
        /// Whether the machine answered and the server on it is not running, rather than that nothing answered.
        down: bool,
        /// What happened.
        what: String,
        /// What to do about it, where that is known.
        advice: Option<String>,
    },
    /// It does not work until somebody changes something.
    #[error("{what}; {advice}")]
    Wrong {
        /// What is wrong.
        what: String,
        /// What to change.
        advice: String,
    },
}

impl ConnectError {
    /// The server cannot be reached, and nobody knows more.
    pub fn away(what: impl Into<String>) -> Self {
        Self::Away { down: false, what: what.into(), advice: None }
    }

    /// Something is wrong that waiting does not fix, and what to change.
    pub fn wrong(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Wrong { what: what.into(), advice: advice.into() }
    }

    /// What happened, without the advice.
    pub fn what(&self) -> &str {
        match self {
            Self::Away { what, .. } | Self::Wrong { what, .. } => what,
        }
    }

    /// What to do about it, where that is known.
    pub fn advice(&self) -> Option<&str> {
        match self {
            Self::Away { advice, .. } => advice.as_deref(),
            Self::Wrong { advice, .. } => Some(advice),
        }
    }

    /// Whether the server is known not to be running.
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Away { down: true, .. })
    }

    /// Whether somebody has to change something before it can work.
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong { .. })
    }
}

/// What to do about a certificate that cannot be trusted as it is, as those of home servers mostly cannot.
const OWN: &str = "if the server is yours, run 'glassbox trust URL', which shows its certificate's fingerprint and \
                   trusts just that one; or name its certificate, or that of your CA, as ca_file in glassbox.toml";

/// What to do about a server that does not speak TLS.
const NO_TLS: &str = "check the port; if it has no TLS, begin the URL with http:// (of a broker: mqtt://)";

/// Of a list of names that a certificate has, this many are shown, in characters.
const NAMES: usize = 200;

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return error.into();
        }
        let away = |what: &str| Self::away(what);
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => away("there was no answer in time"),
            ErrorKind::UnexpectedEof => away("it closed the connection"),
            // The machine is there, and the server on it is not.
            ErrorKind::ConnectionRefused => Self::Away { down: true, what: error.to_string(), advice: None },
            _ => away(&error.to_string()),
        }
    }
}

impl ConnectError {
    /// Why a TLS handshake failed.
    pub fn of_handshake(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => Self::Away {
                down: false,
                what: "it closed the connection, and may not speak TLS at this port".into(),
                advice: Some(NO_TLS.into()),
            },
            _ => error.into(),
        }
    }
}

impl From<&rustls::Error> for ConnectError {
    fn from(error: &rustls::Error) -> Self {
        let (what, advice) = match error {
            rustls::Error::InvalidCertificate(error) => certificate(error),
            rustls::Error::InvalidMessage(_) => ("it does not speak TLS at this port".into(), NO_TLS),
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => (
                "it wants a certificate of ours".into(),
                "let the proxy in front of it do without one (a client certificate) for this machine",
            ),
            rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => (
                "it does not go by the name in the URL".into(),
                "use the host name that its proxy is configured for, not its IP address",
            ),
            rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => (
                format!("it and this program have no version of TLS in common ({error})"),
                "update the server, or the proxy in front of it, to one that speaks TLS 1.2 or 1.3",
            ),
            _ => (error.to_string(), "check the server's TLS settings, or those of the proxy in front of it"),
        };
        Self::Away { down: false, what: printable(&what, 2 * NAMES), advice: Some(advice.into()) }
    }
}

/// What is wrong with a certificate, and what to do about it.
fn certificate(error: &CertificateError) -> (String, &'static str) {
    let what = match error {
        CertificateError::UnknownIssuer => "its certificate is not signed by a trusted CA".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, if this machine's clock is right".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, if this machine's clock is right".into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = presented.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", ");
            let names = printable(&names, NAMES);
            let names = if names.is_empty() { "no name at all".into() } else { names };
            format!("its certificate is for {names}, and not for {}", expected.to_str())
        }
        CertificateError::NotValidForName => "its certificate is for another name".into(),
        // As those are that people make with one command. webpki has no variant of rustls's for it.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is not signed by a trusted CA (it is a CA's own, as self-made ones are)".into()
        }
        other => format!("its certificate cannot be checked: {other}"),
    };
    (what, OWN)
}

impl From<ConnectError> for Advised {
    fn from(error: ConnectError) -> Self {
        let mut advised = Self::new(error.what(), "");
        advised.advice = error.advice().map(Into::into);
        advised
    }
}

/// The name in what rustls shows of one, as in `DnsName("octopi")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn tls(error: rustls::Error) -> ConnectError {
        io::Error::new(ErrorKind::InvalidData, error).into()
    }

    #[test]
    fn advice_is_kept_apart_and_shown_after_a_semicolon() {
        let untrusted = tls(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        let what = "its certificate is not signed by a trusted CA";
        assert_eq!((untrusted.what(), untrusted.advice()), (what, Some(OWN)));
        assert_eq!(untrusted.to_string(), format!("{what}; {OWN}"));
        assert!(!untrusted.is_down() && !untrusted.is_wrong());
        let refused = ConnectError::from(io::Error::from(ErrorKind::ConnectionRefused));
        assert_eq!((refused.is_down(), refused.to_string().as_str()), (true, refused.what()));
        let wrong = Advised::from(ConnectError::wrong("the key is not known", "make one"));
        assert_eq!(wrong.to_string(), "the key is not known; make one");
        assert_eq!(Advised::from(ConnectError::away("gone")).to_string(), "gone");
    }

    #[test]
    fn every_error_of_tls_says_what_to_do_and_none_steers_a_terminal() {
        use rustls::pki_types::ServerName;
        let presented = vec!["DNS:\u{1b}[31m".to_string(), "x".repeat(1 << 20)];
        let expected = ServerName::try_from("octopi").unwrap();
        let certificates = [
            CertificateError::UnknownIssuer,
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::NotValidForName,
            CertificateError::NotValidForNameContext { expected: expected.clone(), presented },
            CertificateError::NotValidForNameContext { expected, presented: Vec::new() },
            CertificateError::BadEncoding,
            CertificateError::BadSignature,
            CertificateError::Other(rustls::OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity")))),
        ];
        for error in certificates {
            let shown = tls(rustls::Error::InvalidCertificate(error));
            assert_eq!(shown.advice(), Some(OWN));
            assert!(shown.what().starts_with("its certificate ") && shown.what().len() < 1000, "{shown}");
            assert!(!shown.to_string().contains('\u{1b}'));
        }
        for (error, what) in [
            (rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "does not speak TLS"),
            (rustls::Error::AlertReceived(AlertDescription::HandshakeFailure), "no version of TLS in common"),
            (rustls::Error::AlertReceived(AlertDescription::CertificateRequired), "wants a certificate of ours"),
            (rustls::Error::AlertReceived(AlertDescription::UnrecognisedName), "does not go by the name"),
            (rustls::Error::DecryptError, "cannot decrypt"),
        ] {
            let shown = tls(error);
            assert!(shown.what().contains(what) && shown.advice().is_some(), "{shown}");
        }
    }
}
