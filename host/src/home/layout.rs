//! Where each file of a home is. Nothing is read or written here.

use anyhow::{Context, Result};
use glassbox_util::Advised;
use std::path::{Path, PathBuf};

/// A home folder.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
    /// Whose settings and states are meant, where they have a folder of their own.
    place: Option<String>,
}

impl Home {
    /// The home at this folder, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), place: None }
    }

    /// The same home, with the settings and states of the OctoPrint that has this place in it; none for
    /// those that lie in no folder of their own. All else is for all.
    #[must_use]
    pub fn of(&self, place: Option<&str>) -> Self {
        Self { root: self.root.clone(), place: place.map(Into::into) }
    }

    fn placed(&self, folder: &str) -> PathBuf {
        self.place.iter().fold(self.root.join(folder), |folder, place| folder.join(place))
    }

    /// The default: `glassbox` in the XDG data folder.
    ///
    /// # Errors
    /// When neither `XDG_DATA_HOME` nor `HOME` says where that is.
    pub fn default_root() -> Result<PathBuf> {
        let data = match std::env::var_os("XDG_DATA_HOME").filter(|path| Path::new(path).is_absolute()) {
            Some(path) => PathBuf::from(path),
            None => std::env::home_dir().context("there is no home folder; give one with --home")?.join(".local/share"),
        };
        Ok(data.join("glassbox"))
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where plugins are dropped.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// Where settings are.
    #[must_use]
    pub fn settings_folder(&self) -> PathBuf {
        self.placed("settings")
    }

    /// A plugin's file.
    #[must_use]
    pub fn plugin_file(&self, name: &str) -> PathBuf {
        self.plugins().join(name).with_extension("wasm")
    }

    /// What auditors say about a plugin.
    #[must_use]
    pub fn attestations_file(&self, name: &str) -> PathBuf {
        attestations_beside(&self.plugin_file(name))
    }

    /// A plugin's settings file.
    #[must_use]
    pub fn settings_file(&self, name: &str) -> PathBuf {
        self.settings_folder().join(name).with_extension("json")
    }

    /// Where grants are.
    #[must_use]
    pub fn grants(&self) -> PathBuf {
        self.root.join("grants")
    }

    /// A plugin's grant.
    #[must_use]
    pub fn grant_file(&self, name: &str) -> PathBuf {
        self.grants().join(name).with_extension("toml")
    }

    /// Where plugins' states are kept.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.placed("state")
    }

    /// A plugin's state.
    #[must_use]
    pub fn state_file(&self, name: &str) -> PathBuf {
        self.state().join(name).with_extension("json")
    }

    /// The last calls of a plugin before it failed.
    #[must_use]
    pub fn trap_file(&self, name: &str) -> PathBuf {
        self.state().join(name).with_extension("trap.jsonl")
    }

    /// Where compiled code is kept.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Where the journal is.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Fail with advice where this is not a home.
    ///
    /// # Errors
    /// When there is no plugin folder.
    pub fn must_exist(&self) -> Result<()> {
        if !self.plugins().is_dir() {
            let what = format!("there is no glassbox home at {}", self.root.display());
            return Err(Advised::new(what, "run 'glassbox init' to make one").into());
        }
        Ok(())
    }
}

/// The attestations of a component's file.
#[must_use]
pub fn attestations_beside(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".intoto.jsonl");
    name.into()
}
