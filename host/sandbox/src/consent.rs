//! Whether anything may be sent at all, and which rule decides.

use crate::Settings;
use std::fmt;

/// Environment variables any of which, set and not empty, stops everything, whatever the settings
/// say. OctoPrint reads the first two; its documentation names the third; the fourth is a
/// convention of many programs.
pub const VARIABLES: [&str; 4] = ["CI", "OCTOPRINT_DISABLE_TRACKING", "OCTOPRINT_TRACKING_DISABLED", "DO_NOT_TRACK"];

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The user said yes, and no variable says no.
    Given,
    /// This variable says no.
    Variable(&'static str),
    /// The user said no.
    Refused,
    /// The user has said nothing yet.
    Undecided,
}

impl Consent {
    /// Decide. `variable` looks up an environment variable.
    #[must_use]
    pub fn decide(settings: &Settings, veto: Option<&'static str>) -> Self {
        match veto {
            Some(name) => Self::Variable(name),
            None if settings.enabled() => Self::Given,
            None if settings.get("enabled").is_none_or(serde_json::Value::is_null) => Self::Undecided,
            None => Self::Refused,
        }
    }

    /// Whether requests may leave.
    #[must_use]
    pub fn given(self) -> bool {
        self == Self::Given
    }
}

/// The first variable that says no; `lookup` gives a variable's value.
pub fn veto(lookup: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    VARIABLES.into_iter().find(|name| lookup(name).is_some_and(|value| !value.is_empty()))
}

/// [`veto`] of this process's own environment.
#[must_use]
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
