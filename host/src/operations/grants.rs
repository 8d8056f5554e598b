//! Granting a plugin what it asks for, and taking that back. Whether it then does anything is decided by
//! opting in, in `consent`; the files are in [`crate::home::grants`].

use super::plugins::{LIST, read_known};
use super::{octoprints, similar};
use crate::home::Home;
use crate::home::grants::{self, Standing};
use crate::home::instance_journal;
use anyhow::Result;
use glassbox_journal::{Journal, What};
use glassbox_sandbox::{Manifest, digest};
use glassbox_util::Advised;
use glassbox_util::text::printable;

/// What a plugin asks for, read but not granted yet: it has to be shown before it is granted, since nobody can
/// accept what they could not read.
pub struct GrantRequest {
    /// The plugin's manifest.
    pub manifest: Manifest,
    /// How it compares with what was granted before. A damaged grant counts as none.
    pub before: Standing,
    /// What was granted before; none also if that is damaged.
    pub granted: Option<Manifest>,
    home: Home,
    name: String,
    component: Vec<u8>,
}

impl GrantRequest {
    /// What the plugin in the home asks for.
    ///
    /// # Errors
    /// When there is no home, or the plugin or its manifest cannot be read.
    pub fn new(home: &Home, name: &str) -> Result<Self> {
        home.must_exist()?;
        let component = read_known(home, name)?;
        let (manifest, before) = grants::asked(home, name, &component)?;
        let granted = grants::read(home, name).unwrap_or_default();
        Ok(Self { manifest, before, granted, home: home.clone(), name: name.into(), component })
    }

    /// Grant all of it, to this version and to later ones that ask for no more.
    ///
    /// # Errors
    /// When the grant cannot be written. A journal that cannot be written is only logged.
    pub fn grant(&self) -> Result<()> {
        grants::grant(&self.home, &self.name, &self.component)?;
        // A running host may be writing too; each line is written under a lock.
        match Journal::open(&self.home.journal()) {
            Ok(journal) => {
                let digest = digest(&self.component);
                instance_journal::note(&journal, What::Granted, &self.name, Some(digest), "by the operator");
            }
            Err(error) => tracing::warn!("the grant is not in the journal: {error:#}"),
        }
        Ok(())
    }
}

/// Take back what was granted, whatever state the plugin is in. False if nothing was.
///
/// # Errors
/// When there is no such plugin, or the grant cannot be removed.
pub fn revoke(home: &Home, name: &str) -> Result<bool> {
    must_be_known(home, name)?;
    grants::revoke(home, name)
}

/// Whether the plugin is switched on for every OctoPrint.
///
/// # Errors
/// When the configuration or a settings file cannot be read.
pub fn is_on_everywhere(home: &Home, name: &str) -> Result<bool> {
    for one in octoprints::all(home)? {
        if !one.home.settings(name).or_empty(&one.home.settings_file(name))?.enabled() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A mistyped name must not look like success.
pub(super) fn must_be_known(home: &Home, name: &str) -> Result<()> {
    home.must_exist()?;
    let files = [home.plugin_file(name), home.settings_file(name), home.grant_file(name)];
    if !glassbox_sandbox::manifest::is_name(name) || !files.iter().any(|file| file.exists()) {
        let what = format!("there is no plugin '{}' here, so nothing was changed", printable(name, 80));
        let names = home.plugin_names().unwrap_or_default();
        return Err(Advised::new(what, similar::did_you_mean(name, names) + LIST).into());
    }
    Ok(())
}
