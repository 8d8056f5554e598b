//! OctoPrint's permissions, as far as they matter here: what each gives us, what else it lets its
//! owner do, and how what is missing is told.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// What the answer to a login calls it.
    pub role: &'static str,
    /// What OctoPrint's API calls it.
    pub key: &'static str,
    /// What OctoPrint's settings call it.
    pub name: &'static str,
    /// What it gives us.
    pub gives: &'static str,
    /// What else it allows, where that is so much that one may rather do without.
    pub also: Option<&'static str>,
}

/// Events, and the printer's state: nothing goes without it.
pub const STATUS: Permission =
    Permission { role: "status", key: "STATUS", name: "Status", gives: "events and the printer's state", also: None };

/// What OctoPrint runs on.
pub const SYSTEM: Permission = Permission {
    role: "system",
    key: "SYSTEM",
    name: "System",
    gives: "what it runs on",
    also: Some("may also switch the machine off"),
};

/// Achievements.
pub const ACHIEVEMENTS: Permission = Permission {
    role: "plugin_achievements_view",
    key: "PLUGIN_ACHIEVEMENTS_VIEW",
    name: "Achievements Plugin: View instance achievements & stats",
    gives: "achievements and the count of its starts",
    also: None,
};

/// The list of plugins.
pub const PLUGINS: Permission = Permission {
    role: "plugin_pluginmanager_manage",
    key: "PLUGIN_PLUGINMANAGER_MANAGE",
    name: "Plugin Manager: Manage plugins",
    gives: "the list of plugins",
    also: Some("may also enable and disable plugins, and comes with the one that installs them"),
};

/// All that are of use for what is reported.
pub const ALL: [Permission; 4] = [STATUS, SYSTEM, ACHIEVEMENTS, PLUGINS];

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Missing {
    /// What.
    pub what: String,
    /// Why, and what would help.
    pub why: String,
    /// The permission that would give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}

impl Permission {
    /// What is missing without it.
    #[must_use]
    pub fn missing(&self) -> Missing {
        let optional = self.also.map(|also| format!("; it {also}: optional"));
        let why = format!("the permission {} would give it{}", self.told(), optional.unwrap_or_default());
        Missing { what: self.gives.into(), why, permission: Some(self.key.into()) }
    }

    /// What is missing though it is there.
    #[must_use]
    pub fn failed(&self, reason: String) -> Missing {
        Missing { what: self.gives.into(), why: reason, permission: None }
    }

    /// Both its names: one is in the settings, the other in OctoPrint's documentation.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{} ('{}')", self.key, self.name)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.why)
    }
}
