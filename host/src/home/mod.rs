//! The home folder: plain files that people and the running host share. What each of them holds, and how it is read
//! and changed without losing what others wrote. What a change leads to is in other rooms.

pub mod api_key;
pub mod config;
pub mod grants;
mod guard;
pub mod identity;
pub mod import;
pub mod instance_journal;
mod layout;
mod lock;
pub mod octoprint_values;
mod plugin_files;
mod repeated_keys;
pub mod running;
mod secret_file;
pub mod secrets;
pub mod settings;
pub mod settings_schema;
pub mod state;
mod yaml;

pub use api_key::ApiKey;
pub use config::{Config, LiveConfig, UNNAMED};
pub use layout::{Home, attestations_beside};
pub use lock::{HostLock, RunningHost};
pub use plugin_files::{BUNDLED, BUNDLED_NAME, read_component, short_digest};

use anyhow::{Result, bail};
use glassbox_sandbox::{manifest, printable};
use glassbox_util::Advised;
use std::path::Path;

fn check_name(name: &str) -> Result<()> {
    if !manifest::is_name(name) {
        bail!("'{}' is not a plugin name: 1 to 64 lower-case letters, digits and '-'", printable(name, 80));
    }
    Ok(())
}

/// Make a folder of the home, for its owner only.
fn make_folder(folder: &Path) -> Result<()> {
    glassbox_util::files::make_private_folder(folder).map_err(|error| {
        let what = format!("making the folder {}", folder.display());
        Advised::new(what, "choose another home with --home, or make it writable").because(error).into()
    })
}
