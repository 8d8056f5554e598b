//! Checks the home folder: whether it is there, who may read and write it, and whether its configuration can be
//! used.

use super::finding::Finding;
use crate::home::Home;
use crate::home::config::Config;
use crate::net::tls_trust::TlsTrust;
use glassbox_util::machine;
use std::fs;
use std::path::{Path, PathBuf};

/// Check it. Returns the configuration, the authorities that are trusted, and whether that is what the user
/// wrote: if it cannot be used, the defaults are returned.
pub fn check(home: &Home, findings: &mut Vec<Finding>) -> (Config, TlsTrust, bool) {
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
            findings.extend(folders.iter().filter_map(|folder| folder_problem(folder)));
            #[cfg(unix)]
            findings.extend(readable_settings(home));
            #[cfg(unix)]
            findings.extend(full_disk(home.root()));
            if findings.len() == before {
                let who = who_may_write(home.root());
                findings.push(Finding::ok(
                    "home",
                    format!("{root} can be read and written, and only {who} may write to it"),
                ));
            }
        }
        Err(error) => findings.push(Finding::error("home", &error, "")),
    }
    let named = |config: Config| config.names(&home.config_file()).map(|_| config);
    let config = home.config().and_then(named);
    let trust = config.as_ref().map(|config| home.trust(config));
    match &trust {
        Ok(Ok(_)) if !home.config_file().exists() => {
            findings.push(Finding::ok("config", "there is no glassbox.toml: the defaults apply"));
        }
        Ok(Ok(_)) => findings.push(Finding::ok("config", "glassbox.toml can be used")),
        Ok(Err(error)) => findings.push(Finding::error("config", error, "fix it")),
        Err(error) => findings.push(Finding::error("config", error, "fix it")),
    }
    let trust = trust.ok().and_then(Result::ok).unwrap_or_default();
    let is_good = config.is_ok();
    (config.unwrap_or_default(), trust, is_good)
}

/// Who may write to a folder that not everybody may write to.
fn who_may_write(folder: &Path) -> &'static str {
    #[cfg(unix)]
    if fs::metadata(folder)
        .is_ok_and(|found| std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o020 == 0)
    {
        return "its owner";
    }
    let _ = folder;
    "its owner and group"
}

/// What is wrong with a folder. One that is not there yet is made when it is needed.
fn folder_problem(folder: &Path) -> Option<Finding> {
    let name = folder.display();
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Finding::fail("home", format!("{name}: {error}"), own_it(folder))),
    };
    if !metadata.is_dir() {
        return Some(Finding::fail(
            "home",
            format!("{name} is not a folder"),
            "move it away; a folder is made when it is needed",
        ));
    }
    if let Err(error) = fs::read_dir(folder) {
        return Some(Finding::fail("home", format!("{name} cannot be read: {error}"), own_it(folder)));
    }
    #[cfg(unix)]
    {
        use nix::unistd::{AccessFlags, access};
        if let Err(error) = access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
            let advice = machine::advice(&std::io::Error::from(error)).map_or_else(|| own_it(folder), Into::into);
            return Some(Finding::fail("home", format!("{name} cannot be written: {error}"), advice));
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        // Writable for a group is fine: often nobody else is in it.
        if mode & 0o002 != 0 {
            let says = format!("everybody on this machine may write to {name}, so they could add a plugin or a grant");
            return Some(Finding::fail("home", says, format!("chmod o-w {name}")));
        }
    }
    None
}

/// A disk without room for another file, or for its content.
#[cfg(unix)]
fn full_disk(home: &Path) -> Option<Finding> {
    let disk = nix::sys::statvfs::statvfs(home).ok()?;
    // Some file systems know of no number of files, and say that it is 0.
    let is_full = disk.blocks_available() == 0 || disk.files() > 0 && disk.files_available() == 0;
    let says = format!("the disk of {} is full, so neither settings nor the journal can be written", home.display());
    is_full.then(|| Finding::fail("home", says, "make room on it (df -h and df -i show how much there is)"))
}

/// Settings that others can read: they hold the id and the salt.
#[cfg(unix)]
fn readable_settings(home: &Home) -> Option<Finding> {
    let grants = |path: &Path, permissions: u32| {
        let mode = |found: fs::Metadata| std::os::unix::fs::PermissionsExt::mode(&found.permissions());
        fs::metadata(path).is_ok_and(|found| mode(found) & permissions != 0)
    };
    // Who cannot get through a folder does not get to what is in it.
    let entries = |folder: PathBuf| {
        let entries = if grants(&folder, 0o011) { fs::read_dir(folder).ok() } else { None };
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    if !grants(home.root(), 0o011) {
        return None;
    }
    let own = entries(home.settings_folder());
    let of_octoprints = own.iter().filter(|path| path.is_dir()).cloned().flat_map(entries);
    let mut all = own.iter().cloned().chain(of_octoprints);
    let file = all.find(|path| path.extension().is_some_and(|ext| ext == "json") && grants(path, 0o044))?;
    let folder = home.settings_folder();
    Some(Finding::warn(
        "home",
        format!("others on this machine can read {}, which holds the id of this installation", file.display()),
        format!("chmod -R go= {}", folder.display()),
    ))
}

fn own_it(folder: &Path) -> String {
    format!(
        "make the user that glassbox runs as its owner (chown), and let that user write to it (chmod u+rwx): {}",
        folder.display()
    )
}
