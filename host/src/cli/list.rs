//! `init`, `list`, `policy`: what is there, and what it may do.

use anyhow::Result;
use glassbox::attest::Vouching;
use glassbox::home::grants::Standing;
use glassbox::home::{BUNDLED_NAME, Home};
use glassbox::operations::octoprints;
use glassbox::operations::plugins::load_or_bundled;
use glassbox::operations::status::{standing, verdict, vouching};
use glassbox_sandbox::describe;
use glassbox_sandbox::{Sandbox, digest, examine, printable};
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

/// List the plugins.
pub fn list(home: &Home) -> Result<()> {
    home.must_exist()?;
    let sandbox = Sandbox::new(Some(&home.cache()))?;
    let mut out = std::io::stdout().lock();
    let names = home.plugin_names()?;
    let octoprints = octoprints::all(home)?;
    if names.is_empty() {
        writeln!(out, "no plugins in {}", home.plugins().display())?;
    }
    for name in names {
        let bytes = home.read_plugin(&name);
        // One that waits is not compiled: that takes time, and nobody wants it yet.
        let vouching = bytes.as_ref().ok().and_then(|bytes| vouching(home, &name, bytes).ok());
        let enough = vouching.as_ref().is_some_and(Vouching::is_enough);
        let loaded = bytes.and_then(|bytes| match standing(home, &name, &bytes)? {
            Ok(Standing::Granted) if enough => {
                sandbox.prepare(&name, &bytes).map(|plugin| (plugin.policy.as_ref().manifest().clone(), bytes))
            }
            _ => Ok((examine(&name, &bytes)?.manifest().clone(), bytes)),
        });
        match loaded {
            Ok((manifest, bytes)) => {
                writeln!(out, "{name}  {}", manifest.plugin.description)?;
                writeln!(out, "    {} bytes, sha256 {}", bytes.len(), digest(&bytes))?;
                if let Some(words) = vouching.as_ref().and_then(Vouching::in_words) {
                    writeln!(out, "    {words}")?;
                }
                // Hundreds of OctoPrints have a few verdicts between them.
                let mut verdicts: Vec<(String, Vec<&str>)> = Vec::new();
                let option = if octoprints.len() > 1 { " --octoprint NAME" } else { "" };
                for one in &octoprints {
                    let verdict = verdict(&one.home, &name, option);
                    match verdicts.iter_mut().find(|(found, _)| *found == verdict) {
                        Some((_, of)) => of.push(one.called()),
                        None => verdicts.push((verdict, vec![one.called()])),
                    }
                }
                for (verdict, of) in verdicts {
                    let of = match octoprints.len() {
                        1 => String::new(),
                        _ => format!("{}: ", octoprints::told(of.iter().copied())),
                    };
                    writeln!(out, "    {of}{verdict}")?;
                }
            }
            Err(error) => writeln!(out, "{}  not loaded\n    {error}", printable(&name, 80))?,
        }
    }
    Ok(())
}

/// Show what a plugin records.
pub fn policy(home: &Home, name: &str, markdown: bool) -> Result<()> {
    let plugin = load_or_bundled(home, name)?;
    let manifest = plugin.policy.manifest();
    let text = if markdown { describe::as_markdown(manifest) } else { describe::in_words(manifest) };
    Ok(write!(std::io::stdout().lock(), "{text}")?)
}
