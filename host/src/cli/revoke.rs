//! `revoke`: takes back what was granted to a plugin.

use anyhow::Result;
use glassbox::home::Home;
use glassbox::operations::grants;
use std::io::Write;

/// Take back what was granted.
pub fn revoke(home: &Home, name: &str) -> Result<()> {
    let revoked = grants::revoke(home, name)?;
    let mut out = super::out();
    Ok(match revoked {
        true => writeln!(out, "Nothing is granted to '{name}' any more; a running host stops it at once."),
        false => writeln!(out, "Nothing was granted to '{name}'."),
    }?)
}
