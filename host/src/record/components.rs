//! Finds the components of a recording: by digest, among files that were named, in the home's plugin
//! folder, and in this program itself. A recording holds no component.

use crate::home::{BUNDLED, Home, read_component};
use anyhow::{Context, Result, bail};
use glassbox_sandbox::{Manifest, Plugin, Sandbox, digest, inspect};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Components that can be run again.
pub struct Components {
    sandbox: Sandbox,
    files: BTreeMap<String, Vec<u8>>,
    made: BTreeMap<String, Arc<Plugin>>,
}

impl Components {
    /// Look at those that there are. `home` need not exist. `metered`: whether their work is counted, as it is
    /// while a run is recorded.
    ///
    /// # Errors
    /// When a named file cannot be read.
    pub fn find(home: &Home, named: &[PathBuf], metered: bool) -> Result<Self> {
        let mut files = BTreeMap::from([(digest(BUNDLED), BUNDLED.to_vec())]);
        // What cannot be read here is not what was asked for.
        let names = home.plugin_names().unwrap_or_default();
        let own = names.iter().filter_map(|name| home.read_plugin(name).ok());
        files.extend(own.map(|bytes| (digest(&bytes), bytes)));
        for file in named {
            let bytes = read(file)?;
            files.insert(digest(&bytes), bytes);
        }
        // No cache: what is run is what has this digest, not what somebody compiled before.
        Ok(Self { sandbox: sandbox(None, metered)?, files, made: BTreeMap::new() })
    }

    /// The one with this digest.
    ///
    /// # Errors
    /// When it is not there, or cannot be run.
    pub fn get(&mut self, plugin: &str, digest: &str) -> Result<Arc<Plugin>> {
        if let Some(made) = self.made.get(digest) {
            return Ok(made.clone());
        }
        let Some(bytes) = self.files.get(digest) else {
            bail!(
                "the component that was recorded is not here: plugin '{}' with SHA-256 {}; name its file with --component",
                glassbox_sandbox::printable(plugin, 80),
                glassbox_sandbox::printable(digest, 80)
            );
        };
        let made = Arc::new(self.sandbox.prepare(plugin, bytes)?);
        self.made.insert(digest.into(), made.clone());
        Ok(made)
    }

    /// The one in this file, whatever its name.
    ///
    /// # Errors
    /// When it cannot be read or run.
    pub fn load(&self, file: &Path) -> Result<Arc<Plugin>> {
        let bytes = read(file)?;
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let manifest = inspect(&stem, &bytes)?.manifest.and_then(|text| Manifest::parse(&text).ok());
        let name = manifest.map_or(stem, |manifest| manifest.plugin.name);
        Ok(Arc::new(self.sandbox.prepare(&name, &bytes)?))
    }
}

/// A sandbox for a run that is recorded, if its work is to be counted, or for any other.
///
/// # Errors
/// When wasmtime does not run on this machine.
pub fn sandbox(cache: Option<&Path>, metered: bool) -> Result<Sandbox, glassbox_sandbox::Error> {
    let mut config = glassbox_sandbox::config();
    Sandbox::with(config.consume_fuel(metered), cache)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let read = read_component("file", file).map_err(|error| anyhow::anyhow!("{}", error.reasons.join("; ")));
    read.context("the component cannot be read")
}
