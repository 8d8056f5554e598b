//! `settings`: shows and changes a plugin's settings.

use super::{complain, output, progress};
use anyhow::{Context, Result};
use glassbox::home::Home;
use glassbox::operations::octoprints;
use glassbox::operations::settings::{self, Setting, SettingsEditor, switches};
use glassbox_util::text::shown;
use std::io::Write;

/// Show or change settings: each argument is `KEY` or `KEY=VALUE`.
pub fn settings(home: &Home, name: &str, arguments: &[String], octoprint: Option<&str>) -> Result<()> {
    if let Some(switches) = all_turned_off(home, name, arguments) {
        return turn_off(home, name, &switches, octoprint);
    }
    let mut editor = progress::during("asking the plugin for its settings", || SettingsEditor::open(home, name))?;
    // All arguments are checked before anything is changed.
    let (mut shown, mut changes) = (Vec::new(), Vec::new());
    for argument in arguments {
        match argument.split_once('=') {
            Some((path, value)) => changes.push(editor.parse(path, value)?),
            None => {
                editor.must_have(argument)?;
                shown.push(argument);
            }
        }
    }
    let chosen = octoprints::chosen(home, octoprint)?;
    let mut out = super::out();
    for one in &chosen {
        if chosen.len() > 1 {
            writeln!(out, "{}:", one.display_name())?;
        }
        let settings = editor.read(&one.home)?;
        if arguments.is_empty() {
            for setting in settings.iter() {
                let hidden = editor.is_id(&setting.path).then(|| abbreviated(name, setting));
                show(hidden.as_ref().unwrap_or(setting), &mut out)?;
            }
        }
        for path in &shown {
            settings.iter().filter(|setting| setting.path == **path).try_for_each(|setting| show(setting, &mut out))?;
        }
        if !changes.is_empty() {
            let changed = editor.change(&one.home, &changes)?;
            let changed = changed.iter().filter(|setting| changes.iter().any(|change| change.path == setting.path));
            changed.into_iter().try_for_each(|setting| show(setting, &mut out))?;
        }
    }
    Ok(())
}

/// The switches, if all that is asked for is to turn switches off.
fn all_turned_off<'a>(home: &Home, name: &str, arguments: &'a [String]) -> Option<Vec<&'a str>> {
    let paths: Option<Vec<_>> = arguments.iter().map(|argument| argument.strip_suffix("=false")).collect();
    let paths = paths.filter(|paths| !paths.is_empty())?;
    let switches = switches(home, name);
    paths.iter().all(|path| switches.contains(*path)).then_some(paths)
}

/// Turn switches off, and show them; the plugin is asked only for what it says about them, once they are off.
fn turn_off(home: &Home, name: &str, switches: &[&str], octoprint: Option<&str>) -> Result<()> {
    let (chosen, unusable) = octoprints::chosen_without_config(home, name, octoprint)?;
    if let Some(reason) = unusable {
        complain("warning", &format!("{reason}; this was done for all that have settings of '{}'", shown(name)));
    }
    // One that cannot be written keeps nobody from a no elsewhere.
    let off: Vec<_> = chosen.iter().map(|one| settings::turn_off(&one.home, name, switches)).collect();
    let done = off.iter().filter(|off| off.is_ok()).count();
    off.into_iter().collect::<Result<()>>().with_context(|| format!("it was done for {done} of {}", chosen.len()))?;
    let editor = SettingsEditor::open(home, name);
    let mut out = super::out();
    for one in &chosen {
        if chosen.len() > 1 {
            writeln!(out, "{}:", one.display_name())?;
        }
        let known = editor.as_ref().ok().and_then(|editor| editor.read(&one.home).ok()).unwrap_or_default();
        for path in switches {
            match known.iter().find(|setting| setting.path == *path) {
                Some(setting) => show(setting, &mut out)?,
                None => writeln!(out, "{path} = false")?,
            }
        }
    }
    Ok(())
}

/// The id, so that its owner knows it again, and who is shown the list as part of a question does not learn it.
fn abbreviated(plugin: &str, setting: &Setting) -> Setting {
    let value = match setting.value.as_str() {
        Some(id) if id.len() > 16 && id.is_ascii() => format!("{}…{}", &id[..4], &id[id.len() - 4..]).into(),
        Some(_) => "…".into(),
        None => setting.value.clone(),
    };
    let all = format!("{} 'glassbox settings {plugin} {}' shows all of it.", setting.description, setting.path);
    let description = if setting.value.is_null() { setting.description.clone() } else { all };
    Setting { value, description, ..setting.clone() }
}

fn show(setting: &Setting, out: &mut impl Write) -> Result<()> {
    let Setting { path, title, description, default, value } = setting;
    // The plugin wrote all of it but the value, which the user did.
    let [path, title, description] = [path, title, description].map(|text| shown(text));
    let [default, value] = [default, value].map(output::value);
    Ok(writeln!(out, "{path} = {value}\n    {title} (default {default})\n    {description}")?)
}
