//! `policy`: what a plugin records, in words or as a table; and what of that would not leave if the operator denied some of it.

use anyhow::Result;
use glassbox::home::Home;
use glassbox::operations::policy;
use glassbox_capacity::{Capacity, as_markdown};
use glassbox_sandbox::Manifest;
use serde_json::json;
use std::io::Write;

/// Show what a plugin records; or, with `deny`, which of its reports an entry in `[policy]` would hold back.
pub fn policy(home: &Home, name: &str, markdown: bool, deny: &[String]) -> Result<()> {
    let manifest = super::progress::during("compiling the plugin for the first time", || policy::policy(home, name))?;
    let mut out = super::out();
    if !deny.is_empty() {
        let held_back = policy::held_back_by(&manifest, deny)?.join(", ");
        writeln!(out, "With this in glassbox.toml, in the table [policy]:\n\n  deny = {}\n", json!(deny))?;
        writeln!(out, "these reports of '{name}' would not leave:\n\n  {held_back}\n")?;
        return Ok(writeln!(
            out,
            "The others do. A running host takes it up at once, and 'glassbox status' shows it."
        )?);
    }
    if markdown {
        return Ok(write!(out, "{}", as_markdown(&manifest))?);
    }
    write!(out, "{}", in_words(&manifest))?;
    held_back(home, name, &mut out)
}

/// What a manifest allows, and how much could be hidden in that.
pub fn in_words(manifest: &Manifest) -> String {
    format!(
        "{}\nIf it were malicious, the most it could hide in a report:\n{}\
         (That the host makes a report shows that OctoPrint said so, and not that it is true. Several plugins could hide more.)\n",
        glassbox_describe::in_words(manifest),
        Capacity::of(manifest)
    )
}

/// What of that does not leave all the same.
pub fn held_back(home: &Home, name: &str, out: &mut impl Write) -> Result<()> {
    let held_back = policy::held_back_here(home, name);
    if !held_back.is_empty() {
        writeln!(out, "\nHeld back by [policy] in glassbox.toml: {}", held_back.join(", "))?;
    }
    Ok(())
}
