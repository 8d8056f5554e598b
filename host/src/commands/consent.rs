//! `grant` and `revoke`: what a plugin may do. `opt-in` and `opt-out`: whether it does it.

use anyhow::{Result, bail};
use glassbox::describe;
use glassbox::grants::{self, Standing};
use glassbox::home::Home;
use glassbox::journal::{Journal, What};
use glassbox::ledger;
use glassbox_sandbox::{Manifest, Settings, consent, digest};
use std::io::Write;
use std::path::PathBuf;

/// Say what a plugin asks for, or what it asks for now beyond what was granted, and grant it.
pub fn grant(home: &Home, name: &str) -> Result<()> {
    home.must_exist()?;
    let component = home.read_plugin(name)?;
    let (manifest, before) = grants::asked(home, name, &component)?;
    let mut out = std::io::stdout().lock();
    // Shown before it is recorded: what nobody could read was not accepted.
    write!(out, "{}", in_words(&manifest, &before))?;
    out.flush()?;
    record(home, name, &component)?;
    writeln!(out, "\nYou have granted this to '{name}'. Take it back with: glassbox revoke {name}")?;
    if !home.settings(name)?.or_empty(&home.settings_file(name))?.enabled() {
        writeln!(out, "It sends nothing before you say: glassbox opt-in {name}")?;
    }
    Ok(())
}

fn record(home: &Home, name: &str, component: &[u8]) -> Result<()> {
    grants::grant(home, name, component)?;
    // A running host writes, too; each line is under a lock.
    match Journal::open(&home.journal()) {
        Ok(journal) => ledger::note(&journal, What::Granted, name, Some(digest(component)), "by the operator"),
        Err(error) => tracing::warn!("the grant is not in the journal: {error:#}"),
    }
    Ok(())
}

fn in_words(manifest: &Manifest, before: &Standing) -> String {
    match before {
        Standing::Waiting => describe::in_words(manifest),
        Standing::Granted => {
            format!("'{}' asks for no more than what was granted before.\n", manifest.plugin.name)
        }
        Standing::More(more) => format!(
            "Beyond what was granted before, '{}' asks to\n  - {}\n('glassbox policy {0}' shows all of it)\n",
            manifest.plugin.name,
            more.join("\n  - ")
        ),
    }
}

/// Take back what was granted. Works whatever state the plugin is in.
pub fn revoke(home: &Home, name: &str) -> Result<()> {
    must_be_known(home, name)?;
    let revoked = grants::revoke(home, name)?;
    let mut out = std::io::stdout().lock();
    Ok(match revoked {
        true => writeln!(out, "Nothing is granted to '{name}' any more; a running host stops it at once."),
        false => writeln!(out, "Nothing was granted to '{name}'."),
    }?)
}

/// Say what will be recorded, grant it, and switch tracking on.
pub fn opt_in(home: &Home, name: &str) -> Result<()> {
    home.must_exist()?;
    let component = home.read_plugin(name)?;
    let (manifest, _) = grants::asked(home, name, &component)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", describe::in_words(&manifest))?;
    out.flush()?;
    record(home, name, &component)?;
    let (settings, aside) = decide(home, name, true)?;
    say_aside(&mut out, aside)?;
    writeln!(out, "You have opted in to '{name}'. A running host takes it up at once.")?;
    if let Some(variable) = consent::process_veto() {
        writeln!(out, "Note: {variable} is set here; a host that runs with it sends nothing.")?;
    }
    let id = manifest.capabilities.http.as_ref().map(|http| http.id_setting.as_str());
    if id.is_some_and(|id| settings.get(id).is_none()) {
        writeln!(out, "An id is made when the host runs it for the first time.")?;
    }
    Ok(writeln!(out, "Take it back with: glassbox opt-out {name}")?)
}

/// Switch tracking off. Works whatever state the plugin is in; but who mistypes a name must not
/// believe that it is off.
pub fn opt_out(home: &Home, name: &str) -> Result<()> {
    must_be_known(home, name)?;
    let (_, aside) = decide(home, name, false)?;
    let mut out = std::io::stdout().lock();
    say_aside(&mut out, aside)?;
    Ok(writeln!(out, "You have opted out of '{name}'. Nothing is sent any more, and what waited is thrown away.")?)
}

fn must_be_known(home: &Home, name: &str) -> Result<()> {
    home.must_exist()?;
    let files = [home.plugin_file(name), home.settings_file(name), home.grant_file(name)];
    if !glassbox_sandbox::manifest::is_name(name) || !files.iter().any(|file| file.exists()) {
        bail!("there is no plugin '{name}' here, so nothing was changed; 'glassbox list' names those that there are");
    }
    Ok(())
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
