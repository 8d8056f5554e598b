//! Why a connection could not be made or was lost, and what to do about it. What each server's answers mean is
//! decided by the room that talks to it.

use glassbox_util::Advised;
use rustls::CertificateError;
use std::io::{self, ErrorKind};

/// Why a server cannot be used now. Displayed as `what`, and where there is advice as `what; advice`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// It may work later: trying again is worth it.
    #[error("{what}{}{}", if advice.is_some() { "; " } else { "" }, advice.unwrap_or_default())]
    Away {
        /// Whether the machine answered and the server on it is not running, rather than that nothing answered.
        down: bool,
        /// What happened.
        what: String,
        /// What to do about it, where that is known.
        advice: Option<&'static str>,
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
    #[must_use]
    pub fn what(&self) -> &str {
        match self {
            Self::Away { what, .. } | Self::Wrong { what, .. } => what,
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        match self {
            Self::Away { advice, .. } => *advice,
            Self::Wrong { advice, .. } => Some(advice),
        }
    }

    /// Whether the server is known not to be running.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Away { down: true, .. })
    }

    /// Whether somebody has to change something before it can work.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong { .. })
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        let away = |what: &str| Self::away(what);
        match certificate_error(&error) {
            Some(CertificateError::UnknownIssuer) => {
                return Self::Away {
                    down: false,
                    what: "its certificate is not signed by a trusted CA".into(),
                    advice: Some("name your CA's certificate as ca_file in glassbox.toml"),
                };
            }
            Some(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                return away("its certificate has expired, if this machine's clock is right");
            }
            Some(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
                return away("its certificate is not valid yet, if this machine's clock is right");
            }
            _ => {}
        }
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => away("there was no answer in time"),
            ErrorKind::UnexpectedEof => away("it closed the connection"),
            // The machine is there, and the server on it is not.
            ErrorKind::ConnectionRefused => Self::Away { down: true, what: error.to_string(), advice: None },
            _ => away(&error.to_string()),
        }
    }
}

impl From<ConnectError> for Advised {
    fn from(error: ConnectError) -> Self {
        let mut advised = Self::new(error.what(), "");
        advised.advice = error.advice().map(Into::into);
        advised
    }
}

fn certificate_error(error: &io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(error) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_kept_apart_and_shown_after_a_semicolon() {
        let untrusted = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let untrusted = ConnectError::from(io::Error::new(ErrorKind::InvalidData, untrusted));
        let (what, advice) = ("not signed by a trusted CA", "name your CA's certificate as ca_file in glassbox.toml");
        assert!(untrusted.what().ends_with(what) && untrusted.advice() == Some(advice), "{untrusted:?}");
        assert_eq!(untrusted.to_string(), format!("its certificate is {what}; {advice}"));
        assert!(!untrusted.is_down() && !untrusted.is_wrong());
        let refused = ConnectError::from(io::Error::from(ErrorKind::ConnectionRefused));
        assert_eq!((refused.is_down(), refused.to_string().as_str()), (true, refused.what()));
        let wrong = Advised::from(ConnectError::wrong("the key is not known", "make one"));
        assert_eq!(wrong.to_string(), "the key is not known; make one");
        assert_eq!(Advised::from(ConnectError::away("gone")).to_string(), "gone");
    }
}
