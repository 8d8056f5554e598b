//! Which OctoPrint's settings and states a command is about.

use crate::home::Home;
use crate::home::UNNAMED;
use crate::home::config::octoprint::ALL;
use anyhow::{Result, bail};
use std::fs;

/// As many names are told; who has hundreds of OctoPrints knows them.
const TOLD: usize = 8;

/// One of the OctoPrints of a home.
pub struct One {
    /// Its name; none for the one whose files lie in no folder of their own.
    pub name: Option<String>,
    /// The home with its settings and states.
    pub home: Home,
}

impl One {
    fn of(home: &Home, name: Option<String>) -> Self {
        Self { home: home.of(name.as_deref()), name }
    }

    /// What a command needs to be about it.
    pub fn option(&self) -> String {
        self.name.iter().map(|name| format!(" --octoprint {name}")).collect()
    }

    /// What it is called.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(UNNAMED)
    }
}

/// All OctoPrints that glassbox.toml names; where it names none, one without a name.
pub fn all(home: &Home) -> Result<Vec<One>> {
    let mut names = home.config()?.names(&home.config_file())?;
    if names.is_empty() {
        names.push(None);
    }
    Ok(names.into_iter().map(|name| One::of(home, name)).collect())
}

/// Those that are meant; without a word about it, the only one that there is.
pub fn chosen(home: &Home, given: Option<&str>) -> Result<Vec<One>> {
    let mut all = all(home)?;
    let known = told(all.iter().map(One::called));
    let file = home.config_file();
    match given {
        Some(ALL) => Ok(all),
        Some(given) => match all.iter().position(|one| one.called() == given) {
            Some(at) => Ok(vec![all.swap_remove(at)]),
            // That of 'run --octoprint URL' and 'run --events'.
            None if given == UNNAMED => Ok(vec![One::of(home, None)]),
            None => bail!("{} names no OctoPrint '{given}', but {known}", file.display()),
        },
        None if all.len() == 1 => Ok(all),
        None => bail!(
            "which OctoPrint is meant? {} names {} of them: {known}; give one with --octoprint NAME, or '--octoprint {ALL}'",
            file.display(),
            all.len()
        ),
    }
}

/// The names, or the first of many.
pub fn told<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(TOLD);
    let mut told = names.take(TOLD).collect::<Vec<_>>().join(", ");
    if more > 0 {
        told += &format!(" and {more} more");
    }
    told
}

/// Settings that lie where no OctoPrint has them any more, as all have a name now; what to do about that.
pub fn left_behind(home: &Home, all: &[One]) -> Option<String> {
    let named = all.iter().find(|one| one.name.is_some())?;
    if all.iter().any(|one| one.name.is_none()) {
        return None;
    }
    let folder = home.settings_folder();
    let is_settings = |entry: fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "json");
    let left = fs::read_dir(&folder).ok()?.flatten().any(is_settings);
    left.then(|| {
        format!(
            "the settings in {} are no OctoPrint's, as all have a name now; if they are those of '{name}', stop the host \
             and move them to {}, and what is in {} to {}",
            folder.join("*.json").display(),
            named.home.settings_folder().display(),
            home.state().join("*.json").display(),
            named.home.state().display(),
            name = named.called(),
        )
    })
}
