//! `policy`: what a plugin records, in words or as a table.

use anyhow::Result;
use glassbox::home::Home;
use glassbox::operations::policy;
use glassbox_sandbox::describe;
use std::io::Write;

/// Show what a plugin records.
pub fn policy(home: &Home, name: &str, markdown: bool) -> Result<()> {
    let manifest = policy::policy(home, name)?;
    let text = if markdown { describe::as_markdown(&manifest) } else { describe::in_words(&manifest) };
    Ok(write!(std::io::stdout().lock(), "{text}")?)
}
