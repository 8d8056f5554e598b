//! Finds the components that a recording was made with, by digest: among files that were named, in the home's plugin
//! folder, and in this program itself. A recording does not contain the component.

use crate::home::{BUNDLED, Home, read_component};
use anyhow::{Context, Result};
use glassbox_contract::{Prepare, inspect};
use glassbox_sandbox::{Manifest, Plugin, Purpose, Sandbox, digest, printable};
use glassbox_util::Advised;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The components that there are, by digest.
pub struct Components {
    sandbox: Sandbox,
    files: BTreeMap<String, Vec<u8>>,
    compiled: BTreeMap<String, Arc<Plugin>>,
}

impl Components {
    /// Read all components: the `named` files, and those in `home`, which need not exist. `metered` says whether fuel is
    /// counted when they run, as it is while a run is recorded.
    ///
    /// # Errors
    /// When a named file cannot be read.
    pub fn find(home: &Home, named: &[PathBuf], metered: bool) -> Result<Self> {
        let mut files = BTreeMap::from([(digest(BUNDLED), BUNDLED.to_vec())]);
        // One that cannot be read here is not the one that is looked for.
        let names = home.plugin_names().unwrap_or_default();
        let own = names.iter().filter_map(|name| home.read_plugin(name).ok());
        files.extend(own.map(|bytes| (digest(&bytes), bytes)));
        for file in named {
            let bytes = read(file)?;
            files.insert(digest(&bytes), bytes);
        }
        // Without a cache: what runs must be what has this digest, not what somebody compiled before.
        Ok(Self { sandbox: sandbox(None, metered)?, files, compiled: BTreeMap::new() })
    }

    /// The component with this digest, compiled. `plugin` is its name.
    ///
    /// # Errors
    /// When it is not there, with advice; or when it cannot be run.
    pub fn get(&mut self, plugin: &str, digest: &str) -> Result<Arc<Plugin>> {
        if let Some(compiled) = self.compiled.get(digest) {
            return Ok(compiled.clone());
        }
        let Some(bytes) = self.files.get(digest) else {
            let (name, sha256) = (printable(plugin, 80), printable(digest, 80));
            let what = format!("the component that was recorded is not here: plugin '{name}' with SHA-256 {sha256}");
            return Err(Advised::new(what, "name its file with --component").into());
        };
        let compiled = Arc::new(self.sandbox.prepare(plugin, bytes)?);
        self.compiled.insert(digest.into(), compiled.clone());
        Ok(compiled)
    }

    /// The component in this file, compiled, whatever the file is called.
    ///
    /// # Errors
    /// When it cannot be read, or cannot be run.
    pub fn load(&self, file: &Path) -> Result<Arc<Plugin>> {
        let bytes = read(file)?;
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let manifest = inspect(&stem, &bytes)?.manifest.and_then(|text| Manifest::parse(&text).ok());
        let name = manifest.map_or(stem, |manifest| manifest.plugin.name);
        Ok(Arc::new(self.sandbox.prepare(&name, &bytes)?))
    }
}

/// A sandbox. `cache` is the folder for compiled code; `metered` says whether fuel is counted, which only a recording
/// needs.
///
/// # Errors
/// When wasmtime does not work on this machine.
pub fn sandbox(cache: Option<&Path>, metered: bool) -> Result<Sandbox, glassbox_sandbox::Error> {
    Sandbox::made_for(if metered { Purpose::Record } else { Purpose::Run }, cache)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let read = read_component("file", file).map_err(|error| anyhow::anyhow!("{}", error.reasons.join("; ")));
    read.context("the component cannot be read")
}
