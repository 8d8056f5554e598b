//! The files in `plugins/`: the bundled tracker, the names of plugins, and the bytes of each.

use super::{Home, check_name, config, make_folder};
use anyhow::{Context, Result};
use glassbox_sandbox::{Error, Stage, limits};
use glassbox_util::files::{read_bounded, write_privately};
use std::fs;
use std::path::{Path, PathBuf};

/// The tracker that comes with this program.
pub const BUNDLED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tracking.wasm"));
/// Its name.
pub const BUNDLED_NAME: &str = "tracking";

impl Home {
    /// Make what is missing: folders, configuration, the bundled plugin. What exists is not touched.
    /// Returns the files that were made.
    ///
    /// # Errors
    /// When something cannot be written; the message names it.
    pub fn init(&self) -> Result<Vec<PathBuf>> {
        for folder in [self.root().to_path_buf(), self.plugins(), self.grants(), self.settings_folder()] {
            make_folder(&folder)?;
        }
        let files = [(self.config_file(), config::INITIAL.as_bytes()), (self.plugin_file(BUNDLED_NAME), BUNDLED)];
        let mut made = Vec::new();
        for (file, content) in files {
            if !file.exists() {
                write_privately(&file, content)?;
                made.push(file);
            }
        }
        Ok(made)
    }

    /// The names of all plugins in the folder, sorted. A name may turn out not to be valid.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn plugin_names(&self) -> Result<Vec<String>> {
        let folder = self.plugins();
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "wasm")
                && let Some(name) = path.file_stem()
            {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// A plugin's bytes.
    ///
    /// # Errors
    /// An error of the stage `Read`, also for a name that is not valid.
    pub fn read_plugin(&self, name: &str) -> Result<Vec<u8>, Error> {
        check_name(name).map_err(|error| Error::new(name, Stage::Read, error.to_string()))?;
        read_component(name, &self.plugin_file(name))
    }
}

/// The bytes of a component in any file.
///
/// # Errors
/// An error of the stage `Read`.
pub fn read_component(name: &str, file: &Path) -> Result<Vec<u8>, Error> {
    // Its size is checked here, as the digest of the part that was read would not be the digest of any file.
    read_bounded(file, limits::COMPONENT)
        .map_err(|error| Error::new(name, Stage::Read, format!("{}: {error}", file.display())))
}

/// The beginning of a component's digest, for people: 12 digits.
pub fn short_digest(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
