//! The home: whether it is there, who may read and write it, and whether its configuration can be used.

use super::finding::Finding;
use crate::home::Home;
use crate::home::config::Config;
use crate::net::tls_trust::TlsTrust;
use std::fs;
use std::path::Path;

/// Look; returns what holds, and whether it is what the user wrote: else it is the defaults.
pub fn look(home: &Home, findings: &mut Vec<Finding>) -> (Config, TlsTrust, bool) {
    let root = home.root().display();
    match home.must_exist() {
        Ok(()) => {
            let folders = [
                home.root().into(),
                home.plugins(),
                home.grants(),
                home.settings_folder(),
                home.state(),
                home.journal(),
            ];
            let before = findings.len();
            findings.extend(folders.iter().filter_map(|folder| trouble(folder)));
            if findings.len() == before {
                findings.push(Finding::ok(
                    "home",
                    format!("{root} can be read and written, and not everybody may write to it"),
                ));
            }
        }
        Err(error) => findings.push(Finding::error("home", &error.to_string(), "")),
    }
    let named = |config: Config| config.names(&home.config_file()).map(|_| config);
    let config = home.config().and_then(named).map_err(|error| error.to_string());
    let roots = config.as_ref().map(|config| TlsTrust::load(config.ca_file.as_deref()).map_err(|e| format!("{e:#}")));
    match &roots {
        Ok(Ok(_)) if !home.config_file().exists() => {
            findings.push(Finding::ok("config", "there is no glassbox.toml: the defaults hold"));
        }
        Ok(Ok(_)) => findings.push(Finding::ok("config", "glassbox.toml can be used")),
        Ok(Err(reason)) => findings.push(Finding::error("config", reason, "fix it")),
        Err(reason) => findings.push(Finding::error("config", reason, "fix it")),
    }
    let roots = roots.ok().and_then(Result::ok).unwrap_or_default();
    let good = config.is_ok();
    (config.unwrap_or_default(), roots, good)
}

/// What is wrong with a folder. One that is not there yet is made when it is needed.
fn trouble(folder: &Path) -> Option<Finding> {
    let name = folder.display();
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Finding::fail("home", format!("{name}: {error}"), mine(folder))),
    };
    if !metadata.is_dir() {
        return Some(Finding::fail(
            "home",
            format!("{name} is not a folder"),
            "put it aside; one is made when it is needed",
        ));
    }
    if let Err(error) = fs::read_dir(folder) {
        return Some(Finding::fail("home", format!("{name} cannot be read: {error}"), mine(folder)));
    }
    #[cfg(unix)]
    {
        use nix::unistd::{AccessFlags, access};
        if let Err(error) = access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
            return Some(Finding::fail("home", format!("{name} cannot be written: {error}"), mine(folder)));
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        // A group is often its owner's own.
        if mode & 0o002 != 0 {
            let says =
                format!("everybody on this machine may write to {name}: put a plugin there, or grant it something");
            return Some(Finding::fail("home", says, format!("chmod o-w {name}")));
        }
    }
    None
}

fn mine(folder: &Path) -> String {
    format!(
        "have it belong to the user that glassbox runs as (chown), and be writable for that user: {}",
        folder.display()
    )
}
