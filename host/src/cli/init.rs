//! `init`: makes the home.

use super::output::path;
use anyhow::Result;
use glassbox::home::{BUNDLED_NAME, Home};
use std::io::Write;
use std::path::Path;

/// Make the home. `given` is the folder that the command line names, if it names one.
pub fn init(home: &Home, given: Option<&Path>) -> Result<()> {
    let made = home.init()?;
    let mut out = super::out();
    for file in &made {
        writeln!(out, "made {}", path(file))?;
    }
    if made.is_empty() {
        writeln!(out, "{} was complete; nothing was changed", path(home.root()))?;
    }
    writeln!(out, "Nothing is sent until you opt in. What would be recorded:")?;
    let option = option(given);
    Ok(writeln!(out, "  glassbox{option} policy {BUNDLED_NAME}\n  glassbox{option} opt-in {BUNDLED_NAME}")?)
}

/// What the next commands need to be about the same home; nothing where they find it by themselves.
fn option(given: Option<&Path>) -> String {
    let by_itself = std::env::var_os("GLASSBOX_HOME");
    let Some(given) = given.filter(|given| by_itself.as_deref() != Some(given.as_os_str())) else {
        return String::new();
    };
    let path = path(given);
    let is_plain = path.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c));
    if is_plain { format!(" --home {path}") } else { format!(" --home '{}'", path.replace('\'', r"'\''")) }
}
