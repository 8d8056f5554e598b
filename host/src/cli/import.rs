//! `import`: takes over what was set in OctoPrint's own tracker, checked as `settings` checks what is
//! typed, and says how to switch that one off. It opts nobody in.

use super::settings::{self, accepted};
use anyhow::{Context, Result, anyhow, bail};
use glassbox::home::import::{self, Theirs};
use glassbox::home::settings_schema::{self, Key};
use glassbox::home::{BUNDLED_NAME, Home};
use glassbox::operations::octoprints::{self, One};
use glassbox::sources::octoprint::own_tracker::SWITCH;
use glassbox_sandbox::Settings;
use glassbox_util::text::printable;
use serde_json::{Map, Value};
use std::io::Write;
use std::path::Path;

/// What OctoPrint sets that is not a setting of ours, and what its user decides anew.
const LEFT: [&str; 2] = ["_config_version", "enabled"];

/// One setting.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    path: String,
    value: Value,
    /// What is there now, if that is something else.
    before: Option<Value>,
}

/// What OctoPrint sets, by the path of each.
type Values = Vec<(String, Value)>;

/// Take over what is in this file; with `force` also where the user has set something else here.
pub fn import(home: &Home, file: &Path, force: bool, octoprint: Option<&str>) -> Result<()> {
    let (schema, mut instance) = settings::schema_of(home, BUNDLED_NAME)?;
    let chosen = octoprints::chosen(home, octoprint)?;
    // One file is that of one OctoPrint: two with one id could not be told apart.
    let [One { home, .. }] = chosen.as_slice() else {
        bail!("'import' is for one OctoPrint; name it with --octoprint")
    };
    let keys = settings_schema::keys(&schema);
    let theirs = import::read(file)?;
    let wrong = || format!("{} is not taken over, and nothing was changed", file.display());
    let (values, unknown) = sort(&theirs.tracking, &keys).with_context(wrong)?;
    check(&values, &keys).with_context(wrong)?;
    let mut out = std::io::stdout().lock();
    let here = home.settings(BUNDLED_NAME)?.or_empty(&home.settings_file(BUNDLED_NAME))?;
    if compare(&values, &here).is_empty() {
        writeln!(out, "there is nothing to take over that is not so already")?;
    } else {
        home.change_settings(BUNDLED_NAME, |settings| {
            take(&compare(&values, settings), settings, force, &mut out)?;
            accepted(&mut instance, settings)
        })?;
    }
    for path in unknown {
        writeln!(out, "left out: {}, which is not a setting of '{BUNDLED_NAME}'", printable(&path, usize::MAX))?;
    }
    import::remember(home, BUNDLED_NAME, file)?;
    say_what_is_left(home, &theirs, &mut out)
}

/// What is set, by the path of each; and what is none of our keys.
fn sort(tracking: &Map<String, Value>, keys: &[Key<'_>]) -> Result<(Values, Vec<String>)> {
    let (mut values, mut unknown) = (Vec::new(), Vec::new());
    let mut one = |path: String, value: &Value| match keys.iter().any(|key| key.path == path) {
        // Null is OctoPrint's word for what is not set.
        _ if value.is_null() => {}
        true => values.push((path, value.clone())),
        false => unknown.push(path),
    };
    for (name, value) in tracking.iter().filter(|(name, _)| !LEFT.contains(&name.as_str())) {
        let group = format!("{name}.");
        let is_group = keys.iter().any(|key| key.path.starts_with(&group));
        match value {
            Value::Object(members) if is_group => {
                members.iter().for_each(|(key, value)| one(format!("{group}{key}"), value));
            }
            value if is_group && !value.is_null() => bail!("plugins.tracking.{name} must be a group of settings"),
            value => one(name.clone(), value),
        }
    }
    Ok((values, unknown))
}

/// All are looked at before any is taken.
fn check(values: &[(String, Value)], keys: &[Key<'_>]) -> Result<()> {
    for (path, value) in values {
        if let Some(key) = keys.iter().find(|key| key.path == *path) {
            key.check(value).map_err(|wrong| anyhow!("plugins.tracking.{wrong}"))?;
        }
    }
    Ok(())
}

/// What is not so already.
fn compare(values: &[(String, Value)], settings: &Settings) -> Vec<Change> {
    let change = |(path, value): &(String, Value)| {
        let before = settings.get(path).filter(|before| !before.is_null()).cloned();
        (before.as_ref() != Some(value)).then(|| Change { path: path.clone(), value: value.clone(), before })
    };
    values.iter().filter_map(change).collect()
}

/// Take them, or none of them.
fn take(changes: &[Change], settings: &mut Settings, force: bool, out: &mut impl Write) -> Result<()> {
    let differ = changes.iter().filter(|change| change.before.is_some()).count();
    let refused = differ > 0 && !force;
    for Change { path, value, before } in changes {
        match before {
            None if refused => writeln!(out, "{path} is not set here, and {value} in OctoPrint")?,
            Some(before) if refused => writeln!(out, "{path} is {before} here, and {value} in OctoPrint")?,
            None => writeln!(out, "{path} = {value}")?,
            Some(before) => writeln!(out, "{path} = {value} (it was {before})")?,
        }
        settings.set(path, value.clone())?;
    }
    if refused {
        bail!("{differ} of your settings differ from OctoPrint's, so nothing was changed; --force takes OctoPrint's");
    }
    Ok(())
}

fn say_what_is_left(home: &Home, theirs: &Theirs, out: &mut impl Write) -> Result<()> {
    let ours = glassbox::operations::status::is_on(home, BUNDLED_NAME);
    if theirs.is_on {
        writeln!(out, "\nOctoPrint's own tracker is on. Switch it off, so that nothing is counted twice:")?;
        writeln!(out, "  in {SWITCH}, or while OctoPrint is stopped with")?;
        writeln!(out, "  octoprint config set --bool plugins.tracking.enabled false")?;
    } else {
        writeln!(out, "\nOctoPrint's own tracker is off, as this file says.")?;
    }
    if !ours {
        writeln!(
            out,
            "Nobody is opted in by this. Read what is recorded, and say yes, with: glassbox opt-in {BUNDLED_NAME}"
        )?;
    }
    Ok(())
}
