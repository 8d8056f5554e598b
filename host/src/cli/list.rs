//! `list`: the plugins, what they are, and whether they send anything.

use super::output::path;
use super::progress;
use anyhow::Result;
use glassbox::attest::Vouching;
use glassbox::home::Home;
use glassbox::operations::octoprints::list_names;
use glassbox::operations::plugins::{self, PluginDetails};
use glassbox_util::text::{shown, shown_lines};
use std::io::Write;

/// List the plugins.
pub fn list(home: &Home) -> Result<()> {
    let plugins = progress::during("compiling plugins for the first time", || plugins::list(home))?;
    let mut out = super::out();
    if plugins.is_empty() {
        writeln!(out, "no plugins in {}", path(&home.plugins()))?;
    }
    for plugin in plugins {
        match plugin.details {
            Ok(details) => write(&plugin.name, &details, &mut out)?,
            Err(error) => {
                writeln!(out, "{}  not loaded\n    {}", shown(&plugin.name), shown_lines(&error.to_string(), 6))?;
            }
        }
    }
    Ok(())
}

fn write(name: &str, details: &PluginDetails, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}  {}", shown(name), shown(&details.description))?;
    writeln!(out, "    {} bytes, sha256 {}", details.size, details.digest)?;
    if let Some(words) = &details.vouching.as_ref().and_then(Vouching::in_words) {
        writeln!(out, "    {}", shown_lines(words, 6))?;
    }
    // Hundreds of OctoPrints share a few answers: each is printed once, with the names that it holds for.
    let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
    let one_of_many = details.sending.len() > 1;
    let option = if one_of_many { " --octoprint NAME" } else { "" };
    for (octoprint, sending) in &details.sending {
        let mut answer = shown_lines(&sending.in_words(name, option), 4);
        sending.waiting.iter().for_each(|waiting| answer += &format!("\n    {}", shown_lines(waiting, 4)));
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
