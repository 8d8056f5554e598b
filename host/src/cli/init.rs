//! `init`: makes the home.

use anyhow::Result;
use glassbox::home::{BUNDLED_NAME, Home};
use std::io::Write;

/// Make the home.
pub fn init(home: &Home) -> Result<()> {
    let made = home.init()?;
    let mut out = std::io::stdout().lock();
    for file in &made {
        writeln!(out, "made {}", file.display())?;
    }
    if made.is_empty() {
        writeln!(out, "{} was complete; nothing was changed", home.root().display())?;
    }
    writeln!(out, "Nothing is sent until you opt in. What would be recorded:")?;
    Ok(writeln!(out, "  glassbox policy {BUNDLED_NAME}\n  glassbox opt-in {BUNDLED_NAME}")?)
}
