//! What a plugin records, as its manifest declares it. The words for it are in the sandbox, which also shows
//! them to whoever grants it.

use super::plugins::load_or_bundled;
use crate::home::Home;
use anyhow::Result;
use glassbox_sandbox::Manifest;

/// The manifest of a plugin of the home, or of the bundled one also without a home.
///
/// # Errors
/// When there is no home, or the plugin cannot be loaded.
pub fn policy(home: &Home, name: &str) -> Result<Manifest> {
    Ok(load_or_bundled(home, name)?.policy.manifest().clone())
}
