//! Opting in and out: whether a plugin does what it may do. What it may do is granted in `grants`; the rule by
//! which consent is read is in the sandbox.

use super::grants::{GrantRequest, must_be_known};
use super::octoprints::{self, KnownOctoPrint};
use crate::home::Home;
use anyhow::{Context, Result};
use glassbox_sandbox::{Settings, consent};
use std::path::PathBuf;

/// What opting in would grant, read but not granted yet: it has to be shown first.
pub struct OptIn {
    /// What the plugin asks for.
    pub request: GrantRequest,
    name: String,
    octoprints: Vec<KnownOctoPrint>,
}

/// What opting in or out has changed.
#[derive(Debug)]
pub struct Decided {
    /// The names of the OctoPrints that it was done for.
    pub octoprints: Vec<String>,
    /// Where damaged settings files were moved to; new ones took their place.
    pub moved_aside: Vec<PathBuf>,
}

/// What opting in has changed.
#[derive(Debug)]
pub struct OptedIn {
    /// For which OctoPrints.
    pub decided: Decided,
    /// The variable in this process's environment with which a host sends nothing all the same.
    pub veto: Option<&'static str>,
    /// Whether the host will have to make an id for at least one of the OctoPrints.
    pub needs_id: bool,
}

impl OptIn {
    /// Prepare to opt in to a plugin, for the OctoPrint that is meant or `all`.
    ///
    /// # Errors
    /// When there is no home, it is not clear which OctoPrint is meant, or the plugin cannot be read.
    pub fn new(home: &Home, name: &str, octoprint: Option<&str>) -> Result<Self> {
        home.must_exist()?;
        let octoprints = octoprints::chosen(home, octoprint)?;
        Ok(Self { request: GrantRequest::new(home, name)?, name: name.into(), octoprints })
    }

    /// Grant what the plugin asks for, and switch it on.
    ///
    /// # Errors
    /// When the grant or a settings file cannot be written; the message says for how many OctoPrints it was done.
    pub fn confirm(&self) -> Result<OptedIn> {
        self.request.grant()?;
        let (decided, settings) = decide(&self.octoprints, &self.name, true)?;
        let id = self.request.manifest.capabilities.http.as_ref().map(|http| http.id_setting.as_str());
        let needs_id = id.is_some_and(|id| settings.iter().any(|settings| settings.get(id).is_none()));
        Ok(OptedIn { decided, veto: consent::process_veto(), needs_id })
    }
}

/// Switch a plugin off, whatever state it is in.
///
/// # Errors
/// When there is no home or no such plugin, it is not clear which OctoPrint is meant, or a settings file cannot
/// be written.
pub fn opt_out(home: &Home, name: &str, octoprint: Option<&str>) -> Result<Decided> {
    home.must_exist()?;
    let octoprints = octoprints::chosen(home, octoprint)?;
    if !octoprints.iter().any(|one| one.home.settings_file(name).exists()) {
        must_be_known(home, name)?;
    }
    Ok(decide(&octoprints, name, false)?.0)
}

/// Write the decision for each; returns also the settings of each.
fn decide(octoprints: &[KnownOctoPrint], name: &str, enabled: bool) -> Result<(Decided, Vec<Settings>)> {
    let mut decided = Decided { octoprints: Vec::new(), moved_aside: Vec::new() };
    let mut all = Vec::new();
    for one in octoprints {
        let change = |settings: &mut Settings| Ok(settings.set("enabled", enabled.into())?);
        let changed = one.home.change_settings(name, change);
        let (settings, aside) = match all.len() {
            0 => changed?,
            _ => changed.with_context(|| decided.so_far(octoprints.len()))?,
        };
        decided.octoprints.push(one.display_name().into());
        decided.moved_aside.extend(aside);
        all.push(settings);
    }
    Ok((decided, all))
}

impl Decided {
    /// What was done before something failed.
    fn so_far(&self, of: usize) -> String {
        let aside = self.moved_aside.iter().map(|file| format!(", a damaged settings file is now {}", file.display()));
        format!("it was done for {} of {of}{}", self.octoprints.len(), aside.collect::<String>())
    }
}
