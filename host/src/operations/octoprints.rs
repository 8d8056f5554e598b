//! Which OctoPrint's settings and states a command is about. How OctoPrints are named in `glassbox.toml` is in
//! [`crate::home::config`].

use crate::home::Home;
use crate::home::UNNAMED;
use crate::home::config::octoprint::{ALL, is_name};
use crate::home::settings::Stored;
use anyhow::{Context, Result};
use glassbox_util::Advised;
use glassbox_util::text::printable;
use std::fs;
use std::io::ErrorKind;

/// At most this many names are listed; whoever has hundreds of OctoPrints knows them.
const LISTED: usize = 8;

/// One of the OctoPrints of a home.
#[derive(Clone, Debug)]
pub struct KnownOctoPrint {
    /// Its name; none for the one whose files are not in a folder of their own.
    pub name: Option<String>,
    /// The home, with this OctoPrint's settings and states.
    pub home: Home,
}

impl KnownOctoPrint {
    fn new(home: &Home, name: Option<String>) -> Self {
        Self { home: home.of(name.as_deref()), name }
    }

    /// What makes a command be about it: ` --octoprint NAME`, or nothing for the one without a name.
    pub fn option(&self) -> String {
        self.name.iter().map(|name| format!(" --octoprint {name}")).collect()
    }

    /// Its name, or the name by which the one without a name is shown.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(UNNAMED)
    }
}

/// All OctoPrints that `glassbox.toml` names; where it names none, one without a name. Also those of the host that runs,
/// if `glassbox.toml` has changed since.
///
/// # Errors
/// When `glassbox.toml` cannot be used.
pub fn all(home: &Home) -> Result<Vec<KnownOctoPrint>> {
    let mut names = home.config()?.names(&home.config_file())?;
    let running = home.running_host().and_then(Result::ok).map(|host| host.octoprints).unwrap_or_default();
    names.extend(running.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
    if names.is_empty() {
        names.push(None);
    }
    Ok(names.into_iter().map(|name| KnownOctoPrint::new(home, name)).collect())
}

/// What has to follow a command that is about one of these OctoPrints: nothing where there is only one.
pub fn which(all: &[KnownOctoPrint]) -> &'static str {
    if all.len() > 1 { " --octoprint NAME" } else { "" }
}

/// The OctoPrints that a command is about: the one with the name that was given, all for `all`, and the only
/// one if no name was given.
///
/// # Errors
/// When there is none of that name, or there are several and no name was given.
pub fn chosen(home: &Home, given: Option<&str>) -> Result<Vec<KnownOctoPrint>> {
    choose(home, all(home)?, given)
}

/// Of all OctoPrints that `glassbox.toml` names, those that a command is about, as for [`chosen`].
///
/// # Errors
/// As for [`chosen`].
fn choose(home: &Home, mut all: Vec<KnownOctoPrint>, given: Option<&str>) -> Result<Vec<KnownOctoPrint>> {
    let known = list_names(all.iter().map(KnownOctoPrint::display_name));
    let file = home.config_file();
    match given {
        Some(ALL) => Ok(all),
        Some(given) => match all.iter().position(|one| one.display_name() == given) {
            Some(at) => Ok(vec![all.swap_remove(at)]),
            // That of 'run --octoprint URL' and 'run --events'.
            None if given == UNNAMED => Ok(vec![KnownOctoPrint::new(home, None)]),
            None => anyhow::bail!("{} has no OctoPrint called '{given}'; it has {known}", file.display()),
        },
        None if all.len() == 1 => Ok(all),
        None => {
            let what = format!("which OctoPrint is meant? {} names {} of them: {known}", file.display(), all.len());
            Err(Advised::new(what, format!("give one with --octoprint NAME, or '--octoprint {ALL}'")).into())
        }
    }
}

/// The OctoPrints that a command is about where `glassbox.toml` cannot be used, by the settings alone: the one with the
/// name that was given, otherwise all that have settings of this plugin, whatever state those are in.
///
/// # Errors
/// When the name that was given cannot be one, or the settings folder cannot be read.
fn with_settings(home: &Home, plugin: &str, given: Option<&str>) -> Result<Vec<KnownOctoPrint>> {
    let given = given.filter(|given| *given != ALL);
    match given {
        Some(UNNAMED) => return Ok(vec![KnownOctoPrint::new(home, None)]),
        Some(given) if is_name(given) => return Ok(vec![KnownOctoPrint::new(home, Some(given.into()))]),
        Some(given) => anyhow::bail!("'{}' is not the name of an OctoPrint", printable(given, 80)),
        None => {}
    }
    let folder = home.settings_folder();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("reading {}", folder.display()))?,
    };
    let named = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_name(name));
    let mut names: Vec<_> = named.map(Some).collect();
    names.sort();
    let all = std::iter::once(None).chain(names).map(|name| KnownOctoPrint::new(home, name));
    Ok(all.filter(|one| one.home.settings(plugin) != Stored::Missing).collect())
}

/// The OctoPrints that a command is about whatever state `glassbox.toml` is in. Where it cannot be used, they are those
/// that have settings of this plugin, or else the one without a name; the text says why, in words.
///
/// # Errors
/// As for [`chosen`]; or the settings folder cannot be read.
pub fn chosen_without_config(
    home: &Home,
    plugin: &str,
    given: Option<&str>,
) -> Result<(Vec<KnownOctoPrint>, Option<String>)> {
    let unusable = match all(home) {
        Ok(all) => return Ok((choose(home, all, given)?, None)),
        Err(error) => Advised::split(&error).0,
    };
    let mut found = with_settings(home, plugin, given)?;
    if found.is_empty() {
        found.push(KnownOctoPrint::new(home, None));
    }
    Ok((found, Some(unusable)))
}

/// The OctoPrints that a command shows something of: all, unless one is given.
///
/// # Errors
/// As for [`chosen_without_config`].
pub fn shown(home: &Home, plugin: &str, given: Option<&str>) -> Result<Vec<KnownOctoPrint>> {
    Ok(chosen_without_config(home, plugin, given.or(Some(ALL)))?.0)
}

/// The names, or the first of many and how many more there are.
pub fn list_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let mut list = names.take(LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        list += &format!(" and {more} more");
    }
    list
}

/// Settings in the place for the OctoPrint without a name, where by now all have one; and what to do with them.
pub fn left_behind(home: &Home, all: &[KnownOctoPrint]) -> Option<Advised> {
    let named = all.iter().find(|one| one.name.is_some())?;
    if all.iter().any(|one| one.name.is_none()) {
        return None;
    }
    let folder = home.settings_folder();
    let is_settings = |entry: fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "json");
    if !fs::read_dir(&folder).ok()?.flatten().any(is_settings) {
        return None;
    }
    let what =
        format!("the settings in {} belong to no OctoPrint, as all have a name now", folder.join("*.json").display());
    let advice = format!(
        "if they are those of '{}', stop the host and move them to {}, and what is in {} to {}",
        named.display_name(),
        named.home.settings_folder().display(),
        home.state().join("*.json").display(),
        named.home.state().display(),
    );
    Some(Advised::new(what, advice))
}
