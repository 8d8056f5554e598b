//! The plugins of a home: loading one, and listing all.

use super::octoprints::{self, KnownOctoPrint};
use super::similar::did_you_mean;
use crate::attest::Vouching;
use crate::home::grants::{self, Standing};
use crate::home::{BUNDLED, BUNDLED_NAME, Home};
use crate::plugins::loader::rehearse;
use crate::sending::{self, Answer, Sending};
use anyhow::{Result, bail};
use glassbox_contract::{Prepare, examine};
use glassbox_sandbox::manifest::is_name;
use glassbox_sandbox::{Plugin, Sandbox, digest};
use glassbox_util::Advised;
use glassbox_util::text::printable;
use std::sync::Arc;

/// What to do about a name that is not a plugin's.
pub(super) const LIST: &str = "'glassbox list' shows which plugins there are";

/// A plugin of the list.
#[derive(Debug)]
pub struct ListedPlugin {
    /// The plugin's name. Any text where its file's name is not that of a plugin.
    pub name: String,
    /// What it is, or why it cannot be loaded.
    pub details: Result<PluginDetails, glassbox_sandbox::Error>,
}

/// What a plugin is, and whether it sends anything.
#[derive(Debug)]
pub struct PluginDetails {
    /// What its manifest calls it.
    pub description: String,
    /// The component's size in bytes.
    pub size: usize,
    /// The component's SHA-256, in hex.
    pub digest: String,
    /// Who vouches for the component; none where that cannot be known.
    pub vouching: Option<Vouching>,
    /// Whether it sends anything, for each OctoPrint.
    pub sending: Vec<(KnownOctoPrint, Answer)>,
}

/// All plugins of the home, by name.
///
/// # Errors
/// When there is no home, or its plugin or settings folder cannot be read.
pub fn list(home: &Home) -> Result<Vec<ListedPlugin>> {
    home.must_exist()?;
    let sandbox = Sandbox::new(Some(&home.cache()))?;
    let names = home.plugin_names()?;
    let listed = |name: String| {
        let details = details(home, &sandbox, &name, &octoprints::shown(home, &name, None)?);
        Ok(ListedPlugin { name, details })
    };
    names.into_iter().map(listed).collect()
}

fn details(
    home: &Home,
    sandbox: &Sandbox,
    name: &str,
    octoprints: &[KnownOctoPrint],
) -> Result<PluginDetails, glassbox_sandbox::Error> {
    let bytes = home.read_plugin(name)?;
    let vouching = sending::vouching(home, name, &bytes).ok();
    let is_vouched = vouching.as_ref().is_some_and(Vouching::is_enough);
    let manifest = match sending::standing(home, name, &bytes)? {
        Ok(Standing::Granted) if is_vouched => sandbox.prepare(name, &bytes)?.policy.manifest().clone(),
        // One that waits is not compiled: that takes time, and nobody needs it yet.
        _ => examine(name, &bytes)?.manifest().clone(),
    };
    let sending = octoprints.iter().map(|one| (one.clone(), sends(&one.home, name))).collect();
    Ok(PluginDetails {
        description: manifest.plugin.description,
        size: bytes.len(),
        digest: digest(&bytes),
        vouching,
        sending,
    })
}

/// Whether a plugin of the home, which is that of the OctoPrint, sends anything: what the rules say, and if no host runs
/// that could have found out, whether it would start in one.
pub fn sends(home: &Home, name: &str) -> Answer {
    let mut answer = Sending::of(home, name);
    if answer.sending.is_given()
        && !home.is_running()
        && let Err(error) = starts(home, name)
    {
        answer.sending = Sending::Unusable(error);
    }
    answer
}

/// Start a plugin in a sandbox that can touch nothing.
fn starts(home: &Home, name: &str) -> Result<()> {
    let sandbox = Sandbox::new(Some(&home.cache()))?;
    rehearse(home, &Arc::new(sandbox.prepare(name, &home.read_plugin(name)?)?))
}

/// Load a plugin of the home, if it may run: if it was granted all that it asks for, and as many vouch for it as
/// the operator requires.
///
/// # Errors
/// When there is no home, the plugin may not run, or it cannot be loaded.
pub fn load_granted(home: &Home, name: &str) -> Result<Arc<Plugin>> {
    home.must_exist()?;
    let component = read_known(home, name)?;
    if let Some(advice) = sending::vouching(home, name, &component)?.advice(name) {
        bail!("{name}: {advice}");
    }
    let (_, standing) = grants::asked(home, name, &component)?;
    if let Some(advice) = standing.advice(name) {
        bail!("{name}: {advice}");
    }
    load(home, name)
}

/// The component of a plugin of the home. Where there is no such file, the name was mistyped.
pub(super) fn read_known(home: &Home, name: &str) -> Result<Vec<u8>> {
    let is_missing = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    let folder = home.plugins();
    if !is_name(name) || std::fs::symlink_metadata(home.plugin_file(name)).is_err_and(is_missing) {
        let what = format!("there is no plugin '{}' in {}", printable(name, 80), folder.display());
        let names = home.plugin_names().unwrap_or_default();
        return Err(Advised::new(what, did_you_mean(name, names) + LIST).into());
    }
    Ok(home.read_plugin(name)?)
}

/// Load a plugin of the home.
///
/// # Errors
/// When there is no home, or the plugin cannot be loaded.
pub fn load(home: &Home, name: &str) -> Result<Arc<Plugin>> {
    home.must_exist()?;
    let bytes = read_known(home, name)?;
    Ok(Arc::new(Sandbox::new(Some(&home.cache()))?.prepare(name, &bytes)?))
}

/// Load a plugin of the home; the bundled one also where there is no home.
///
/// # Errors
/// When there is no home, or the plugin cannot be loaded.
pub fn load_or_bundled(home: &Home, name: &str) -> Result<Arc<Plugin>> {
    if name == BUNDLED_NAME && !home.plugin_file(name).exists() {
        return Ok(Arc::new(Sandbox::new(None)?.prepare(name, BUNDLED)?));
    }
    load(home, name)
}
