//! What each command does, one file for each or for a few that belong together.

mod attest;
pub mod audit;
mod connections;
mod consent;
mod demo;
pub mod doctor;
mod import;
pub mod log;
mod pack;
mod plugins;
pub mod replay;
pub mod run;
mod settings;
mod status;
mod which;

pub use attest::Sign;
pub use audit::audit;
pub use consent::{grant, opt_in, opt_out, revoke};
pub use demo::demo;
pub use doctor::doctor;
pub use import::import;
pub use log::log;
pub use pack::pack;
pub use plugins::{init, list, policy};
pub use replay::replay;
pub use run::run;
pub use settings::settings;
pub use status::status;

use anyhow::{Result, bail};
use glassbox::grants;
use glassbox::home::{BUNDLED, BUNDLED_NAME, Home};
use glassbox_sandbox::{Plugin, Sandbox};
use std::io::IsTerminal;
use std::sync::Arc;

/// Whether to print in colour: for a terminal, unless its user does not want it, <https://no-color.org>.
fn colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !plain
}

/// Load a plugin of the home that may run. One that was granted nothing, or for which nobody vouches as the
/// operator requires, is not started, here neither.
fn load_granted(home: &Home, name: &str) -> Result<Arc<Plugin>> {
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
fn load(home: &Home, name: &str) -> Result<Arc<Plugin>> {
    home.must_exist()?;
    let sandbox = Sandbox::new(Some(&home.cache()))?;
    Ok(Arc::new(sandbox.prepare(name, &home.read_plugin(name)?)?))
}

/// Load a plugin of the home; the bundled one is known without a home.
fn load_or_bundled(home: &Home, name: &str) -> Result<Arc<Plugin>> {
    if name == BUNDLED_NAME && !home.plugin_file(name).exists() {
        return Ok(Arc::new(Sandbox::new(None)?.prepare(name, BUNDLED)?));
    }
    load(home, name)
}
