//! `settings`: shows and changes a plugin's settings.

use anyhow::{Context, Result};
use glassbox::home::Home;
use glassbox::operations::octoprints;
use glassbox::operations::settings::{self, Setting, SettingsEditor, is_switch};
use std::io::Write;

/// Show or change settings: each argument is `KEY` or `KEY=VALUE`.
pub fn settings(home: &Home, name: &str, arguments: &[String], octoprint: Option<&str>) -> Result<()> {
    if let Some(switches) = all_turned_off(home, name, arguments) {
        return turn_off(home, name, &switches, octoprint);
    }
    let mut editor = SettingsEditor::open(home, name)?;
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
    let mut out = std::io::stdout().lock();
    for one in &chosen {
        if chosen.len() > 1 {
            writeln!(out, "{}:", one.display_name())?;
        }
        let settings = editor.read(&one.home)?;
        if arguments.is_empty() {
            settings.iter().try_for_each(|setting| show(setting, &mut out))?;
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
    paths.filter(|paths| !paths.is_empty() && paths.iter().all(|path| is_switch(home, name, path)))
}

/// Turn switches off, and show them; the plugin is asked only for what it says about them, once they are off.
fn turn_off(home: &Home, name: &str, switches: &[&str], octoprint: Option<&str>) -> Result<()> {
    let (chosen, unusable) = octoprints::chosen_without_config(home, name, octoprint)?;
    if let Some(reason) = unusable {
        eprintln!("warning: {reason}; this was done for all that have settings of '{name}'");
    }
    // One that cannot be written keeps nobody from a no elsewhere.
    let off: Vec<_> = chosen.iter().map(|one| settings::turn_off(&one.home, name, switches)).collect();
    let done = off.iter().filter(|off| off.is_ok()).count();
    off.into_iter().collect::<Result<()>>().with_context(|| format!("it was done for {done} of {}", chosen.len()))?;
    let editor = SettingsEditor::open(home, name);
    let mut out = std::io::stdout().lock();
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

fn show(setting: &Setting, out: &mut impl Write) -> Result<()> {
    let Setting { path, title, description, default, value } = setting;
    Ok(writeln!(out, "{path} = {value}\n    {title} (default {default})\n    {description}")?)
}
