//! `settings`: shows and changes a plugin's settings.

use anyhow::Result;
use glassbox::home::Home;
use glassbox::operations::octoprints;
use glassbox::operations::settings::{Setting, SettingsEditor};
use std::io::Write;

/// Show or change settings: each argument is `KEY` or `KEY=VALUE`.
pub fn settings(home: &Home, name: &str, arguments: &[String], octoprint: Option<&str>) -> Result<()> {
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

fn show(setting: &Setting, out: &mut impl Write) -> Result<()> {
    let Setting { path, title, description, default, value } = setting;
    Ok(writeln!(out, "{path} = {value}\n    {title} (default {default})\n    {description}")?)
}
