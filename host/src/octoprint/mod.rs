//! Hears a running OctoPrint: logs in, subscribes to what the plugins see, and makes up for what
//! its push API does not bring. What becomes of the events is not decided here.

pub mod address;
pub mod config;
pub mod connection;
pub mod facts;
pub mod follow;
pub mod key;
pub mod own_tracker;
pub mod permissions;
pub mod poll;
pub mod push;
pub mod rest;
pub mod server_run;
pub mod visit;
pub(crate) mod wire;

pub use address::Address;
pub use config::Entry;
pub use key::Key;

/// The oldest OctoPrint of which one can hear just the events that one wants.
pub const OLDEST: (u64, u64) = (1, 8);

/// What an OctoPrint without a name is called.
pub const UNNAMED: &str = "octoprint";

/// An OctoPrint to be followed.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it is called, where it has a name.
    pub name: Option<String>,
    /// Where it is.
    pub address: Address,
    /// What lets us in.
    pub key: Key,
}

impl Target {
    /// For the log, and for what is remembered of it.
    #[must_use]
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(UNNAMED)
    }
}

/// Why it cannot be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
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

/// Whether this version of OctoPrint can be heard.
///
/// # Errors
/// When it is too old.
pub fn must_be_new_enough(address: &Address, version: &str) -> Result<(), Trouble> {
    if facts::release(version) >= OLDEST {
        return Ok(());
    }
    let (major, minor) = OLDEST;
    let version = crate::journal::visible(version);
    Err(Trouble::Wrong(format!(
        "{address} is OctoPrint {version}, which is too old; update it to {major}.{minor} or later"
    )))
}

impl Trouble {
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
