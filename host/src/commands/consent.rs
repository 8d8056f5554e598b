//! `opt-in` and `opt-out`.

use super::load;
use anyhow::{Result, bail};
use glassbox::describe;
use glassbox::home::Home;
use glassbox_sandbox::{Settings, consent};
use std::io::Write;
use std::path::PathBuf;

/// Say what will be recorded, then switch tracking on.
pub fn opt_in(home: &Home, name: &str) -> Result<()> {
    let plugin = load(home, name)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", describe::in_words(plugin.policy.manifest()))?;
    let (settings, aside) = decide(home, name, true)?;
    say_aside(&mut out, aside)?;
    writeln!(out, "You have opted in to '{name}'. A running host takes it up at once.")?;
    if let Some(variable) = consent::process_veto() {
        writeln!(out, "Note: {variable} is set here; a host that runs with it sends nothing.")?;
    }
    let http = plugin.policy.manifest().capabilities.http.as_ref();
    if http.is_some_and(|http| settings.get(&http.id_setting).is_none()) {
        writeln!(out, "An id is made when the host runs it for the first time.")?;
    }
    Ok(writeln!(out, "Take it back with: glassbox opt-out {name}")?)
}

/// Switch tracking off. Works whatever state the plugin is in; but who mistypes a name must not
/// believe that it is off.
pub fn opt_out(home: &Home, name: &str) -> Result<()> {
    home.must_exist()?;
    if !home.plugin_file(name).exists() && !home.settings_file(name).exists() {
        bail!("there is no plugin '{name}' here, so nothing was changed; 'glassbox list' names those that there are");
    }
    let (_, aside) = decide(home, name, false)?;
    let mut out = std::io::stdout().lock();
    say_aside(&mut out, aside)?;
    Ok(writeln!(out, "You have opted out of '{name}'. Nothing is sent any more, and what waited is thrown away.")?)
}

fn decide(home: &Home, name: &str, enabled: bool) -> Result<(Settings, Option<PathBuf>)> {
    home.change_settings(name, |settings| settings.set("enabled", enabled.into()).map_err(anyhow::Error::msg))
}

fn say_aside(out: &mut impl Write, aside: Option<PathBuf>) -> Result<()> {
    if let Some(aside) = aside {
        writeln!(out, "The settings file was damaged; it is kept as {}, and a new one begun.", aside.display())?;
    }
    Ok(())
}
