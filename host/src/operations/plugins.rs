//! Plugins as a command needs them: loaded, and refused where they may not run.

use super::status;
use crate::home::grants;
use crate::home::{BUNDLED, BUNDLED_NAME, Home};
use anyhow::{Result, bail};
use glassbox_sandbox::{Plugin, Sandbox};
use std::sync::Arc;

/// Load a plugin of the home that may run. One that was granted nothing, or for which nobody vouches as the
/// operator requires, is not started, here neither.
///
/// # Errors
/// When there is no home, or it cannot be loaded.
pub fn load_granted(home: &Home, name: &str) -> Result<Arc<Plugin>> {
    home.must_exist()?;
    let component = home.read_plugin(name)?;
    if let Some(advice) = status::vouching(home, name, &component)?.advice(name) {
        bail!("{name}: {advice}");
    }
    let (_, standing) = grants::asked(home, name, &component)?;
    if let Some(advice) = standing.advice(name) {
        bail!("{name}: {advice}");
    }
    load(home, name)
}

/// Load a plugin of the home.
///
/// # Errors
/// When there is no home, or it cannot be loaded.
pub fn load(home: &Home, name: &str) -> Result<Arc<Plugin>> {
    home.must_exist()?;
    let sandbox = Sandbox::new(Some(&home.cache()))?;
    Ok(Arc::new(sandbox.prepare(name, &home.read_plugin(name)?)?))
}

/// Load a plugin of the home; the bundled one is known without a home.
///
/// # Errors
/// When there is no home, or it cannot be loaded.
pub fn load_or_bundled(home: &Home, name: &str) -> Result<Arc<Plugin>> {
    if name == BUNDLED_NAME && !home.plugin_file(name).exists() {
        return Ok(Arc::new(Sandbox::new(None)?.prepare(name, BUNDLED)?));
    }
    load(home, name)
}
