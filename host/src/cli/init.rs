//! `init`: makes the home.

use super::output::path;
use anyhow::Result;
use glassbox::home::{BUNDLED_NAME, Home};
use std::io::Write;

/// Make the home.
pub fn init(home: &Home) -> Result<()> {
    let made = home.init()?;
    let mut out = super::out();
    for file in &made {
        writeln!(out, "made {}", path(file))?;
    }
    if made.is_empty() {
        writeln!(out, "{} was complete; nothing was changed", path(home.root()))?;
    }
    writeln!(out, "Nothing is sent until you opt in. What would be recorded:")?;
    Ok(writeln!(out, "  glassbox policy {BUNDLED_NAME}\n  glassbox opt-in {BUNDLED_NAME}")?)
}
