//! Why a connection did not come about, or was lost: whether waiting helps, or somebody has to do something.

use rustls::CertificateError;
use std::io::{self, ErrorKind};

/// Why it cannot be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// Perhaps later. `down`: something answers in its place that it does not run.
    Away {
        /// Whether the server is known not to run, rather than not to be reached.
        down: bool,
        /// In words.
        reason: String,
    },
    /// Not before somebody does something about it.
    Wrong(String),
}

impl ConnectError {
    /// It cannot be reached, and nobody knows why.
    pub fn away(reason: impl Into<String>) -> Self {
        Self::Away { down: false, reason: reason.into() }
    }

    /// In words.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Away { reason, .. } | Self::Wrong(reason) => reason,
        }
    }

    /// Whether the server is known not to run.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Away { down: true, .. })
    }
}

/// Where a connection is refused, the machine is there and OctoPrint is not.
pub fn unreachable(error: &io::Error) -> ConnectError {
    let reason = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "there was no answer in time".into(),
        _ => error.to_string(),
    };
    ConnectError::Away { down: error.kind() == ErrorKind::ConnectionRefused, reason }
}

/// Why a connection, or the handshake on it, failed.
#[must_use]
pub fn why(error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::UnexpectedEof {
        return "it closed the connection at once".into();
    }
    match certificate_error(error) {
        Some(CertificateError::UnknownIssuer) => {
            "nobody whom we trust has signed its certificate; an authority of your own can be named as ca_file in \
             glassbox.toml"
                .into()
        }
        Some(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired, if this machine's clock is right".into()
        }
        Some(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "its certificate is not valid yet, if this machine's clock is right".into()
        }
        _ => error.to_string(),
    }
}

fn certificate_error(error: &std::io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(error) => Some(error),
        _ => None,
    }
}
