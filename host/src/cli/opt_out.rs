//! `opt-out`: switches a plugin off.

use super::opt_in::{moved_aside, whose};
use super::output::path;
use anyhow::Result;
use glassbox::home::Home;
use glassbox::operations::consent;
use glassbox_util::text::shown;
use std::io::Write;

/// Switch a plugin off.
pub fn opt_out(home: &Home, name: &str, octoprint: Option<&str>) -> Result<()> {
    let decided = consent::opt_out(home, name, octoprint)?;
    let mut out = super::out();
    moved_aside(&decided, &mut out)?;
    for (file, reason) in &decided.unwritten {
        writeln!(out, "Your no could not be written, so the settings were moved away, to {}:", path(file))?;
        writeln!(out, "      {}", shown(reason))?;
    }
    if let Some(reason) = &decided.without_config {
        let names = decided.octoprints.join(", ");
        writeln!(out, "Note: glassbox.toml cannot be used, so this was done for all that have settings here: {names}")?;
        writeln!(out, "      ({})", shown(reason))?;
    }
    let whose = whose(&decided, octoprint);
    Ok(writeln!(
        out,
        "You have opted out of '{name}'{whose}. Nothing is sent any more, and what waited is thrown away."
    )?)
}
