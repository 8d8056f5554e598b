//! Opting in and out: whether a plugin does what it may do. What it may do is granted in `grants`; the rule by
//! which consent is read is in the sandbox.

use super::grants::{GrantRequest, must_be_known};
use super::octoprints::{self, KnownOctoPrint};
use crate::home::Home;
use crate::home::identity::has_id;
use crate::home::settings::Stored;
use anyhow::{Context, Error, Result};
use glassbox_sandbox::{Settings, consent};
use glassbox_util::Advised;
use std::path::PathBuf;

/// What opting in would grant, read but not granted yet: it has to be shown first.
pub struct OptIn {
    /// What the plugin asks for.
    pub request: GrantRequest,
    name: String,
    octoprints: Vec<KnownOctoPrint>,
}

/// What opting in or out has changed.
#[derive(Debug, Default)]
pub struct Decided {
    /// The names of the OctoPrints that it was done for.
    pub octoprints: Vec<String>,
    /// Where damaged settings files were moved to; new ones took their place.
    pub moved_aside: Vec<PathBuf>,
    /// Settings files that could not be written, where they were moved to instead, and why, in words.
    pub unwritten: Vec<(PathBuf, String)>,
    /// Why `glassbox.toml` could not be used, in words, where it was done without: for all that have settings.
    pub without_config: Option<String>,
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
        let (decided, settings) = switch_on(&self.octoprints, &self.name)?;
        let id = self.request.manifest.capabilities.http.as_ref().map(|http| http.id_setting.as_str());
        let needs_id = id.is_some_and(|id| settings.iter().any(|settings| !has_id(settings, id)));
        Ok(OptedIn { decided, veto: consent::process_veto(), needs_id })
    }
}

/// Switch a plugin off, whatever state it is in. This needs nothing but its settings. When it returns, they are on the
/// disk.
///
/// # Errors
/// When there is no home or no such plugin, it is not clear which OctoPrint is meant, or a settings file cannot
/// be written: the others were written all the same. The message says whether reports go on, with advice.
pub fn opt_out(home: &Home, name: &str, octoprint: Option<&str>) -> Result<Decided> {
    if !home.settings_folder().is_dir() {
        home.must_exist()?;
    }
    let (octoprints, without_config) =
        octoprints::chosen_without_config(home, name, octoprint).map_err(|error| goes_on(&error, NONE, WHICH))?;
    // A link that leads nowhere is something, too: it is replaced.
    if octoprints.iter().all(|one| one.home.settings(name) == Stored::Missing) {
        must_be_known(home, name)?;
    }
    let mut decided = Decided { without_config, ..Decided::default() };
    let mut failed = None;
    for one in &octoprints {
        match one.home.switch_off(name) {
            Ok(off) => {
                decided.octoprints.push(one.display_name().into());
                match (off.aside, off.unwritten) {
                    (Some(aside), Some(error)) => decided.unwritten.push((aside, format!("{error:#}"))),
                    (aside, _) => decided.moved_aside.extend(aside),
                }
            }
            Err(error) => failed = failed.or(Some((one, error))),
        }
    }
    let Some((one, error)) = failed else { return Ok(decided) };
    let error = if decided.octoprints.is_empty() { error } else { error.context(decided.so_far(octoprints.len())) };
    match one.home.settings(name) {
        stored if stored.may_be_a_yes(&one.home.settings_file(name)) => {
            Err(goes_on(&error, if decided.octoprints.is_empty() { NONE } else { SOME }, "make the file writable"))
        }
        // It was being written in place.
        _ => Err(error.context("nothing is sent, as the settings do not say yes, but a no could not be written")),
    }
}

/// Whether anything was changed, and what follows from it.
const NONE: &str = "nothing was changed, and reports go on";
const SOME: &str = "reports of the others go on";

/// What to do where it is not clear which OctoPrint is meant.
const WHICH: &str = "'glassbox status' shows which there are";

/// What opting out says when it did not happen. `otherwise` is the advice if the error brings none.
fn goes_on(error: &Error, changed: &str, otherwise: &str) -> Error {
    let (what, advice) = Advised::split(error);
    let advice = advice.unwrap_or_else(|| otherwise.into());
    let advice = format!(
        "{advice}; to stop them meanwhile, stop the host, or start it with the environment variable DO_NOT_TRACK=1"
    );
    Advised::new(format!("{what}; {changed} while a host runs"), advice).into()
}

/// Switch the plugin on for each; returns also the settings of each.
fn switch_on(octoprints: &[KnownOctoPrint], name: &str) -> Result<(Decided, Vec<Settings>)> {
    let mut decided = Decided::default();
    let mut all = Vec::new();
    for one in octoprints {
        let change = |settings: &mut Settings| Ok(settings.set("enabled", true.into())?);
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
