//! Taking over what was set in OctoPrint's own tracker, checked as `settings` checks what is typed. It opts
//! nobody in. OctoPrint's file is read in [`crate::home::import`].

use super::octoprints::{self, KnownOctoPrint};
use super::settings::SettingsEditor;
use crate::home::import;
use crate::home::settings_schema::Key;
use crate::home::{BUNDLED_NAME, Home, octoprint_values};
use crate::sending::is_on;
use anyhow::Result;
use glassbox_sandbox::Settings;
use glassbox_util::Advised;
use serde_json::{Map, Value};
use std::fmt;
use std::path::Path;

/// What is not taken over: OctoPrint's own bookkeeping, and what the user has to decide again here.
const NOT_TAKEN: [&str; 2] = ["_config_version", "enabled"];

/// A setting that differs from OctoPrint's.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedSetting {
    /// Its path.
    pub path: String,
    /// OctoPrint's value.
    pub value: Value,
    /// Ours, before it is taken over; none if it is not set.
    pub before: Option<Value>,
}

/// What was taken over.
#[derive(Debug)]
pub struct Imported {
    /// The settings that changed; none if all were the same already.
    pub settings: Vec<ImportedSetting>,
    /// What OctoPrint sets and was left out, as it cannot be read or our tracker has no setting for it: each with the
    /// reason, for people. A path may hold any characters.
    pub left_out: Vec<String>,
    /// Whether OctoPrint's own tracker is on, as its file says.
    pub theirs_is_on: bool,
    /// Whether ours is.
    pub ours_is_on: bool,
}

/// The user has set something else here, so nothing was taken over.
#[derive(Debug)]
pub struct Differs(
    /// All settings that would have changed.
    pub Vec<ImportedSetting>,
);

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differ = self.0.iter().filter(|one| one.before.is_some()).count();
        let settings = if differ == 1 { "setting differs" } else { "settings differ" };
        write!(f, "{differ} {settings} from OctoPrint's, so nothing was changed; --force takes OctoPrint's")
    }
}

impl std::error::Error for Differs {}

/// What OctoPrint sets, by the path of each.
type Values = Vec<(String, Value)>;

/// Take over what is in this file; with `force` also where the user has set something else here.
///
/// # Errors
/// [`Differs`] where `force` is needed. Others when the file cannot be used, it is not clear
/// which OctoPrint is meant, or the plugin does not accept it. Nothing has changed then.
pub fn import(home: &Home, file: &Path, force: bool, octoprint: Option<&str>) -> Result<Imported> {
    let mut editor = SettingsEditor::open(home, BUNDLED_NAME)?;
    let chosen = octoprints::chosen(home, octoprint)?;
    // One file belongs to one OctoPrint: two with one id could not be told apart.
    let [KnownOctoPrint { home, .. }] = chosen.as_slice() else {
        return Err(Advised::new("'import' is for one OctoPrint", "name it with --octoprint").into());
    };
    let theirs = import::read(file)?;
    let (values, left_out) = sort(&theirs.tracking, &editor.keys());
    let here = home.settings(BUNDLED_NAME).or_empty(&home.settings_file(BUNDLED_NAME))?;
    let mut settings = compare(&values, &here);
    if !settings.is_empty() {
        home.change_settings(BUNDLED_NAME, |document| {
            // Again, now that nobody else can change it.
            settings = compare(&values, document);
            if !force && settings.iter().any(|one| one.before.is_some()) {
                return Err(Differs(std::mem::take(&mut settings)).into());
            }
            for ImportedSetting { path, value, .. } in &settings {
                document.set(path, value.clone())?;
            }
            editor.must_accept(document)
        })?;
    }
    import::remember(home, BUNDLED_NAME, file)?;
    Ok(Imported { settings, left_out, theirs_is_on: theirs.is_on, ours_is_on: is_on(home, BUNDLED_NAME) })
}

/// What is set, by the path of each, as OctoPrint reads it; and what is left out, with the reason.
fn sort(tracking: &Map<String, Value>, keys: &[Key<'_>]) -> (Values, Vec<String>) {
    let (mut values, mut left_out) = (Vec::new(), Vec::new());
    let mut one = |path: String, value: &Value| match keys.iter().find(|key| key.path == path) {
        // OctoPrint writes null for what is not set.
        _ if value.is_null() => {}
        None => left_out.push(format!("{path}, which is not a setting of '{BUNDLED_NAME}'")),
        Some(key) => {
            let value = octoprint_values::of_kind(value, key.schema);
            match key.check(&value) {
                Ok(()) => values.push((path, value)),
                Err(wrong) => {
                    left_out.push(format!("{path}, which{}", wrong.strip_prefix(&*path).unwrap_or_default()));
                }
            }
        }
    };
    let mut no_groups = Vec::new();
    for (name, value) in tracking.iter().filter(|(name, _)| !NOT_TAKEN.contains(&name.as_str())) {
        let group = format!("{name}.");
        let is_group = keys.iter().any(|key| key.path.starts_with(&group));
        match value {
            Value::Object(members) if is_group => {
                members.iter().for_each(|(key, value)| one(format!("{group}{key}"), value));
            }
            value if is_group && !value.is_null() => {
                no_groups.push(format!("{name}, which must be a group of settings"));
            }
            value => one(name.clone(), value),
        }
    }
    left_out.append(&mut no_groups);
    (values, left_out)
}

/// Those that are not the same already.
fn compare(values: &[(String, Value)], settings: &Settings) -> Vec<ImportedSetting> {
    let differing = |(path, value): &(String, Value)| {
        let before = settings.get(path).filter(|before| !before.is_null()).cloned();
        (before.as_ref() != Some(value)).then(|| ImportedSetting { path: path.clone(), value: value.clone(), before })
    };
    values.iter().filter_map(differing).collect()
}
