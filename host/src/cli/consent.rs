//! `grant` and `revoke`: what a plugin may do. `opt-in` and `opt-out`: whether it does it.

use anyhow::{Context, Result, bail};
use glassbox::home::Home;
use glassbox::home::grants::{self, Standing};
use glassbox::home::instance_journal;
use glassbox::operations::octoprints::{self, One};
use glassbox_journal::{Journal, What};
use glassbox_sandbox::describe;
use glassbox_sandbox::{Manifest, Settings, consent, digest};
use std::io::Write;

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
    for one in octoprints::all(home)? {
        if !one.home.settings(name)?.or_empty(&one.home.settings_file(name))?.enabled() {
            writeln!(out, "It sends nothing before you say: glassbox opt-in {name}")?;
            break;
        }
    }
    Ok(())
}

fn record(home: &Home, name: &str, component: &[u8]) -> Result<()> {
    grants::grant(home, name, component)?;
    // A running host writes, too; each line is under a lock.
    match Journal::open(&home.journal()) {
        Ok(journal) => {
            instance_journal::note(&journal, What::Granted, name, Some(digest(component)), "by the operator")
        }
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
pub fn opt_in(home: &Home, name: &str, octoprint: Option<&str>) -> Result<()> {
    home.must_exist()?;
    let chosen = octoprints::chosen(home, octoprint)?;
    let component = home.read_plugin(name)?;
    let (manifest, _) = grants::asked(home, name, &component)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", describe::in_words(&manifest))?;
    out.flush()?;
    record(home, name, &component)?;
    let settings = decide(&chosen, name, true, &mut out)?;
    let (of, option) = meant(&chosen, octoprint);
    writeln!(out, "You have opted in to '{name}'{of}. A running host takes it up at once.")?;
    if let Some(variable) = consent::process_veto() {
        writeln!(out, "Note: {variable} is set here; a host that runs with it sends nothing.")?;
    }
    let id = manifest.capabilities.http.as_ref().map(|http| http.id_setting.as_str());
    if id.is_some_and(|id| settings.iter().any(|settings| settings.get(id).is_none())) {
        let each = if chosen.len() > 1 { " for each" } else { "" };
        writeln!(out, "An id is made{each} when the host runs it for the first time.")?;
    }
    Ok(writeln!(out, "Take it back with: glassbox opt-out {name}{option}")?)
}

/// Switch tracking off. Works whatever state the plugin is in; but who mistypes a name must not
/// believe that it is off.
pub fn opt_out(home: &Home, name: &str, octoprint: Option<&str>) -> Result<()> {
    home.must_exist()?;
    let chosen = octoprints::chosen(home, octoprint)?;
    if !chosen.iter().any(|one| one.home.settings_file(name).exists()) {
        must_be_known(home, name)?;
    }
    let mut out = std::io::stdout().lock();
    decide(&chosen, name, false, &mut out)?;
    let (of, _) = meant(&chosen, octoprint);
    Ok(writeln!(out, "You have opted out of '{name}'{of}. Nothing is sent any more, and what waited is thrown away.")?)
}

/// Whose settings were changed, in words, and the option that means the same; nothing where nobody asked.
fn meant(chosen: &[One], octoprint: Option<&str>) -> (String, String) {
    let Some(given) = octoprint else { return (String::new(), String::new()) };
    let of = match chosen {
        [one] => format!(" for {}", one.called()),
        all => format!(" for all {} OctoPrints", all.len()),
    };
    (of, format!(" --octoprint {given}"))
}

fn must_be_known(home: &Home, name: &str) -> Result<()> {
    home.must_exist()?;
    let files = [home.plugin_file(name), home.settings_file(name), home.grant_file(name)];
    if !glassbox_sandbox::manifest::is_name(name) || !files.iter().any(|file| file.exists()) {
        bail!("there is no plugin '{name}' here, so nothing was changed; 'glassbox list' names those that there are");
    }
    Ok(())
}

/// Say yes or no for each; returns the settings of each.
fn decide(chosen: &[One], name: &str, enabled: bool, out: &mut impl Write) -> Result<Vec<Settings>> {
    let mut all = Vec::new();
    for one in chosen {
        let change = |settings: &mut Settings| Ok(settings.set("enabled", enabled.into())?);
        let changed = one.home.change_settings(name, change);
        let (settings, aside) = match (changed, all.len()) {
            (changed, 0) => changed?,
            (changed, done) => changed.with_context(|| format!("it was done for {done} of {}", chosen.len()))?,
        };
        if let Some(aside) = aside {
            writeln!(out, "The settings file was damaged; it is kept as {}, and a new one begun.", aside.display())?;
        }
        all.push(settings);
    }
    Ok(all)
}
