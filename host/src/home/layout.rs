//! Where each file of a home is. Nothing is read or written here.

use anyhow::Result;
use glassbox_util::Advised;
use std::path::{Path, PathBuf};

/// A home folder.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
    /// The OctoPrint whose settings and states are meant; none if they are not in a folder of their own.
    octoprint: Option<String>,
}

impl Home {
    /// The home at this folder, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), octoprint: None }
    }

    /// The same home, with the settings and states of the OctoPrint with this name: they are in subfolders of that
    /// name, and not in subfolders if there is none. All other files are shared by all OctoPrints.
    pub fn of(&self, octoprint: Option<&str>) -> Self {
        Self { root: self.root.clone(), octoprint: octoprint.map(Into::into) }
    }

    /// Where a path in `glassbox.toml` leads: unless it begins with `/` or `~/`, it is in the home folder. (A path on the
    /// command line is where the command is given.)
    pub fn path(&self, given: &Path) -> PathBuf {
        match (given.strip_prefix("~"), std::env::home_dir()) {
            (Ok(rest), Some(own)) => own.join(rest),
            _ => self.root.join(given),
        }
    }

    fn of_octoprint(&self, folder: &str) -> PathBuf {
        self.octoprint.iter().fold(self.root.join(folder), |folder, octoprint| folder.join(octoprint))
    }

    /// The path of the default home: `glassbox` in the XDG data folder.
    ///
    /// # Errors
    /// When neither `XDG_DATA_HOME` nor `HOME` says where that is.
    pub fn default_root() -> Result<PathBuf> {
        let data = match std::env::var_os("XDG_DATA_HOME").filter(|path| Path::new(path).is_absolute()) {
            Some(path) => PathBuf::from(path),
            None => {
                let advised = || Advised::new("there is no home folder", "give one with --home");
                std::env::home_dir().ok_or_else(advised)?.join(".local/share")
            }
        };
        Ok(data.join("glassbox"))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that plugins are dropped into.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// The folder of settings.
    pub fn settings_folder(&self) -> PathBuf {
        self.of_octoprint("settings")
    }

    /// A plugin's component.
    pub fn plugin_file(&self, name: &str) -> PathBuf {
        self.plugins().join(name).with_extension("wasm")
    }

    /// The auditors' attestations of a plugin.
    pub fn attestations_file(&self, name: &str) -> PathBuf {
        attestations_beside(&self.plugin_file(name))
    }

    /// A plugin's settings file.
    pub fn settings_file(&self, name: &str) -> PathBuf {
        self.settings_folder().join(name).with_extension("json")
    }

    /// The folder of grants.
    pub fn grants(&self) -> PathBuf {
        self.root.join("grants")
    }

    /// A plugin's grant.
    pub fn grant_file(&self, name: &str) -> PathBuf {
        self.grants().join(name).with_extension("toml")
    }

    /// The folder of plugins' states.
    pub fn state(&self) -> PathBuf {
        self.of_octoprint("state")
    }

    /// A plugin's state.
    pub fn state_file(&self, name: &str) -> PathBuf {
        self.state().join(name).with_extension("json")
    }

    /// A plugin's salt, and the id that it belongs to.
    pub fn identity_file(&self, name: &str) -> PathBuf {
        self.state().join(name).with_extension("identity.json")
    }

    /// The recording of a plugin's last calls before it failed.
    pub fn trap_file(&self, name: &str) -> PathBuf {
        self.state().join(name).with_extension("trap.jsonl")
    }

    /// The folder of compiled code.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// The journal's folder.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Check that there is a home here.
    ///
    /// # Errors
    /// When there is no plugin folder; with advice.
    pub fn must_exist(&self) -> Result<()> {
        if self.plugins().is_dir() {
            return Ok(());
        }
        let what = format!("there is no glassbox home at {}", self.root.display());
        Err(Advised::new(what, "run 'glassbox init' to make one").into())
    }
}

/// The file with the attestations of a component that may be anywhere.
pub fn attestations_beside(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".intoto.jsonl");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_configuration_has_one_meaning() {
        let home = Home::at("/srv/glassbox").of(Some("mk3"));
        let leads = |given: &str| home.path(Path::new(given));
        assert_eq!(leads("key"), Path::new("/srv/glassbox/key"));
        assert_eq!(leads("keys/a.pub"), Path::new("/srv/glassbox/keys/a.pub"));
        assert_eq!(leads("/etc/key"), Path::new("/etc/key"));
        assert_eq!(leads("~key"), Path::new("/srv/glassbox/~key"));
        if let Some(own) = std::env::home_dir() {
            assert_eq!(leads("~/key"), own.join("key"));
        }
    }
}
