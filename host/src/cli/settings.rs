//! `settings`: shows and changes a plugin's settings, checked against the plugin's schema.

use anyhow::{Context, Result, anyhow, bail};
use glassbox::home::Home;
use glassbox::home::settings_schema::{self, Key};
use glassbox::operations::octoprints;
use glassbox::operations::plugins::load_granted;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Instance, Settings};
use serde_json::Value;
use std::io::Write;

/// Show or change settings.
pub fn settings(home: &Home, name: &str, arguments: &[String], octoprint: Option<&str>) -> Result<()> {
    let (schema, mut instance) = schema_of(home, name)?;
    let keys = settings_schema::keys(&schema);
    // All are looked at before any is changed.
    let mut changes = Vec::new();
    let mut shown = Vec::new();
    for argument in arguments {
        let (path, value) =
            argument.split_once('=').map_or((argument.as_str(), None), |(path, value)| (path, Some(value)));
        let key = keys.iter().find(|key| key.path == path);
        let key =
            key.ok_or_else(|| anyhow!("'{path}' is not a setting of '{name}'; 'glassbox settings {name}' lists them"))?;
        match value {
            None => shown.push(key),
            Some(value) => changes.push((path, parse(key, value)?)),
        }
    }
    let chosen = octoprints::chosen(home, octoprint)?;
    for one in &chosen {
        if chosen.len() > 1 {
            writeln!(std::io::stdout().lock(), "{}:", one.called())?;
        }
        let settings = one.home.settings(name)?.or_empty(&one.home.settings_file(name))?;
        let all: Vec<_> = if arguments.is_empty() { keys.iter().collect() } else { shown.clone() };
        all.into_iter().try_for_each(|key| show(key, &settings))?;
        if changes.is_empty() {
            continue;
        }
        let (changed, _) = one.home.change_settings(name, |settings| {
            for (path, value) in &changes {
                settings.set(path, value.clone())?;
            }
            accepted(&mut instance, settings)
        })?;
        let changed_keys = keys.iter().filter(|key| changes.iter().any(|(path, _)| *path == key.path));
        changed_keys.into_iter().try_for_each(|key| show(key, &changed))?;
    }
    Ok(())
}

/// What can be set, as the plugin says, and the plugin, which checks it.
pub fn schema_of(home: &Home, name: &str) -> Result<(Value, Instance)> {
    let plugin = load_granted(home, name)?;
    let mut instance = Instance::new(&plugin, Capabilities::deny(), None)?;
    let schema = serde_json::from_str(&instance.schema()?).context("the plugin's schema is not JSON")?;
    Ok((schema, instance))
}

/// Have the plugin itself check the whole document. Without the user's yes: nothing is to be
/// minted here.
pub fn accepted(instance: &mut Instance, settings: &Settings) -> Result<()> {
    let mut asked = settings.clone();
    if asked.enabled() {
        asked.set("enabled", false.into())?;
    }
    match instance.load(&asked)? {
        Ok(_) => Ok(()),
        Err(reason) => bail!("the plugin does not accept this: {reason}"),
    }
}

/// JSON, or else text as it is: `ping=60`, `enabled=null`, `server=https://..`.
fn parse(key: &Key, value: &str) -> Result<Value> {
    let text = Value::String(value.into());
    let json = serde_json::from_str(value).unwrap_or_else(|_| text.clone());
    match key.check(&json) {
        Ok(()) => Ok(json),
        Err(_) if key.check(&text).is_ok() => Ok(text),
        // Said of the value as it was meant: -1 is a number that is too small, not a text.
        Err(wrong) => Err(anyhow!(wrong)),
    }
}

fn show(key: &Key, settings: &Settings) -> Result<()> {
    let default = key.schema.get("default").unwrap_or(&Value::Null);
    let value = settings.get(&key.path).unwrap_or(default);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} = {value}", key.path)?;
    Ok(writeln!(out, "    {} (default {default})\n    {}", key.text("title"), key.text("description"))?)
}
