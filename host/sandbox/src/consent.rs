//! Whether anything may be sent at all, and which rule decided. What may be sent is decided in `gate.rs`.

use crate::Settings;
use std::fmt;

/// Environment variables that forbid tracking: if any is set and not empty, nothing is sent, whatever the settings
/// say. OctoPrint reads the first two, its documentation names the third, and many programs respect the fourth.
pub const VARIABLES: [&str; 4] = ["CI", "OCTOPRINT_DISABLE_TRACKING", "OCTOPRINT_TRACKING_DISABLED", "DO_NOT_TRACK"];

/// Whether reports may be sent, and why.
///
/// ```
/// use glassbox_sandbox::{Consent, Settings, consent};
///
/// let settings = Settings::parse(r#"{"enabled": true}"#)?;
/// assert!(Consent::decide(&settings, None).given());
///
/// // A variable of the environment overrides the settings. Real programs use `consent::process_veto()`.
/// let veto = consent::veto(|name| (name == "DO_NOT_TRACK").then(|| "1".to_string()));
/// let consent = Consent::decide(&settings, veto);
/// assert!(!consent.given());
/// assert_eq!(consent.to_string(), "the environment variable DO_NOT_TRACK is set");
///
/// // No answer is not a yes.
/// assert_eq!(Consent::decide(&Settings::default(), None), Consent::Undecided);
/// # Ok::<(), glassbox_sandbox::SettingsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The user said yes, and no variable forbids it.
    Given,
    /// This environment variable forbids it.
    Variable(&'static str),
    /// The user said no: `enabled` is there, and it is not `true`.
    Refused,
    /// The user has not decided: `enabled` is missing or null.
    Undecided,
}

impl Consent {
    /// Decide. `veto` is the environment variable that forbids tracking, if there is one.
    pub fn decide(settings: &Settings, veto: Option<&'static str>) -> Self {
        match veto {
            Some(name) => Self::Variable(name),
            None if settings.enabled() => Self::Given,
            None if settings.get("enabled").is_none_or(serde_json::Value::is_null) => Self::Undecided,
            None => Self::Refused,
        }
    }

    /// Whether requests may be sent.
    pub fn given(self) -> bool {
        self == Self::Given
    }
}

/// The first of [`VARIABLES`] that forbids tracking; `lookup` gives the value of a variable.
pub fn veto(lookup: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    VARIABLES.into_iter().find(|name| lookup(name).is_some_and(|value| !value.is_empty()))
}

/// [`veto`] for the environment of this process.
pub fn process_veto() -> Option<&'static str> {
    veto(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => write!(f, "the setting 'enabled' is true"),
            Self::Variable(name) => write!(f, "the environment variable {name} is set"),
            Self::Refused => write!(f, "the setting 'enabled' is not true"),
            Self::Undecided => write!(f, "nobody has opted in yet"),
        }
    }
}
