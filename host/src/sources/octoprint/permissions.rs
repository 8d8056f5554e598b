//! OctoPrint's permissions, as far as they matter here: what each lets us read, what else it allows, and how a missing
//! one is shown. The names are those of OctoPrint 1.11.8 (Settings > Access Control, and `needs.role` in the answer to
//! a login).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Its name in the answer to a login.
    pub role: &'static str,
    /// Its key in OctoPrint's API and documentation.
    pub key: &'static str,
    /// Its name in OctoPrint's settings.
    pub name: &'static str,
    /// What it lets us read.
    pub gives: &'static str,
    /// What else it allows, where that is so much that one may rather not grant it.
    pub also: Option<&'static str>,
}

/// Events, and the printer's state: nothing works without it.
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

/// All permissions that are of use for reports.
pub const ALL: [Permission; 4] = [STATUS, SYSTEM, ACHIEVEMENTS, PLUGINS];

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Missing {
    /// What could not be read.
    pub what: String,
    /// Why, and what would help.
    pub why: String,
    /// The key of the permission that would allow it; none where no permission is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}

impl Permission {
    /// What cannot be read without it.
    pub fn missing(&self) -> Missing {
        let optional = self.also.map(|also| format!(", which {also}; optional"));
        let why = format!("needs the permission {}{}", self.told(), optional.unwrap_or_default());
        Missing { what: self.gives.into(), why, permission: Some(self.key.into()) }
    }

    /// What could not be read although we have the permission.
    pub fn failed(&self, reason: String) -> Missing {
        Missing { what: self.gives.into(), why: reason, permission: None }
    }

    /// Both its names for people: the key, which OctoPrint's documentation uses, and the name in the settings.
    pub fn told(&self) -> String {
        format!("{} ('{}')", self.key, self.name)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.why)
    }
}
