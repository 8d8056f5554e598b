//! `list`: the plugins, what they are, and whether they send anything.

use anyhow::Result;
use glassbox::attest::Vouching;
use glassbox::home::Home;
use glassbox::operations::octoprints::list_names;
use glassbox::operations::plugins::{self, PluginDetails};
use glassbox_util::text::printable;
use std::io::Write;

/// List the plugins.
pub fn list(home: &Home) -> Result<()> {
    let plugins = plugins::list(home)?;
    let mut out = std::io::stdout().lock();
    if plugins.is_empty() {
        writeln!(out, "no plugins in {}", home.plugins().display())?;
    }
    for plugin in plugins {
        match plugin.details {
            Ok(details) => write(&plugin.name, &details, &mut out)?,
            Err(error) => writeln!(out, "{}  not loaded\n    {error}", printable(&plugin.name, 80))?,
        }
    }
    Ok(())
}

fn write(name: &str, details: &PluginDetails, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{name}  {}", details.description)?;
    writeln!(out, "    {} bytes, sha256 {}", details.size, details.digest)?;
    if let Some(words) = details.vouching.as_ref().and_then(Vouching::in_words) {
        writeln!(out, "    {words}")?;
    }
    // Hundreds of OctoPrints share a few answers: each is printed once, with the names that it holds for.
    let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
    let one_of_many = details.sending.len() > 1;
    let option = if one_of_many { " --octoprint NAME" } else { "" };
    for (octoprint, sending) in &details.sending {
        let mut answer = sending.in_words(name, option);
        sending.waiting.iter().for_each(|waiting| answer += &format!("\n    {waiting}"));
        match answers.iter_mut().find(|(found, _)| *found == answer) {
            Some((_, names)) => names.push(octoprint.display_name()),
            None => answers.push((answer, vec![octoprint.display_name()])),
        }
    }
    for (answer, names) in answers {
        let names = if one_of_many { format!("{}: ", list_names(names.into_iter())) } else { String::new() };
        writeln!(out, "    {names}{answer}")?;
    }
    Ok(())
}
