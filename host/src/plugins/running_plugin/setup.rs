//! What a plugin is started with.

use crate::home::identity::Identified;
use glassbox_sandbox::capabilities::{Capabilities, Throttle};
use glassbox_sandbox::{Plugin, Settings};
use std::sync::Arc;

/// Finds out who the installation is, for a new instance of this plugin with these settings: adds the id to them, and
/// gives the salt.
pub type Identify = Box<dyn FnMut(&Arc<Plugin>, &Settings) -> anyhow::Result<Identified> + Send>;

/// Makes the capabilities of a new instance of this plugin; the salt is added to them.
pub type MakeCapabilities = Box<dyn FnMut(&Arc<Plugin>) -> Capabilities + Send>;

/// Stores a state. Called before the requests that belong to it are sent, so that after a crash none is sent twice.
pub type SaveState = Box<dyn FnMut(&str) + Send>;

/// What a plugin is started with.
pub struct Setup {
    /// The plugin, compiled.
    pub plugin: Arc<Plugin>,
    /// Its settings.
    pub settings: Settings,
    /// The environment variable that forbids sending; none if there is none.
    pub veto: Option<&'static str>,
    /// Gives each of its instances an identity.
    pub identify: Identify,
    /// Makes the capabilities of each of its instances.
    pub make_capabilities: MakeCapabilities,
    /// The throttle query, for where OctoPrint itself does not report throttling.
    pub throttle: Box<dyn Throttle>,
    /// Stores its state.
    pub save_state: SaveState,
    /// The state that an earlier run of the host saved, and its age in nanoseconds.
    pub saved: Option<(String, u64)>,
}
