//! `status`: whether anything is sent, which rule decides, and what was sent so far.

use anyhow::Result;
use glassbox::home::Home;
use glassbox::operations::connections::{ConnectionReport, CountedTwice};
use glassbox::operations::status::{self, History};
use glassbox::plugins::context::label;
use glassbox::sources::octoprint::own_tracker::SWITCH;
use glassbox_util::text::printable;
use std::io::Write;

/// Say whether anything is sent.
pub fn status(home: &Home, octoprint: Option<&str>) -> Result<()> {
    let status = status::status(home, octoprint)?;
    let mut out = std::io::stdout().lock();
    let running = if status.host_runs { " (a host runs with it)" } else { "" };
    writeln!(out, "home {}{running}", status.home.display())?;
    for note in status.unusable_config.iter().chain(&status.left_behind) {
        writeln!(out, "note: {}", printable(&note.to_string(), usize::MAX))?;
    }
    if let Some(error) = &status.unreadable_journal {
        writeln!(out, "note: what was sent so far is not known: {}", printable(&format!("{error:#}"), usize::MAX))?;
    }
    for plugin in &status.plugins {
        let name = &plugin.name;
        for instance in &plugin.instances {
            let option = instance.octoprint.option();
            let label = label(instance.octoprint.name.as_deref(), &printable(name, usize::MAX));
            writeln!(out, "{label}: {}", instance.sending.in_words(name, &option))?;
            instance.sending.waiting.iter().try_for_each(|waiting| writeln!(out, "    {waiting}"))?;
            instance.history.iter().try_for_each(|history| write_history(history, name, &option, &mut out))?;
        }
        plugin.history.iter().try_for_each(|history| write_history(history, name, "", &mut out))?;
    }
    status.connections.iter().try_for_each(|connection| write_connection(connection, &mut out))?;
    for warning in &status.counted_twice {
        writeln!(out, "warning: {}", printable(&warning.to_string(), usize::MAX))?;
    }
    Ok(())
}

fn write_history(history: &History, name: &str, option: &str, out: &mut impl Write) -> Result<()> {
    if history.has_reports() {
        let History { sent, failed, dropped, blocked, .. } = history;
        writeln!(
            out,
            "    in the journal: {sent} sent, {failed} failed, {dropped} dropped, {blocked} blocked (glassbox journal --plugin {name}{option})"
        )?;
    }
    if let Some(trouble) = history.trouble() {
        let what = serde_json::to_value(trouble.what)?;
        let reason = trouble.reason.as_deref().unwrap_or_default();
        writeln!(out, "    {}: {reason}", what.as_str().unwrap_or_default())?;
    }
    Ok(())
}

fn write_connection(connection: &ConnectionReport, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}: {}", printable(&connection.octoprint, usize::MAX), connection.summary)?;
    for missing in &connection.missing {
        writeln!(out, "    not heard: {}", printable(missing, usize::MAX))?;
    }
    let warning = match connection.counted_twice {
        None => return Ok(()),
        Some(CountedTwice::Yes) => {
            format!("warning: its own tracker is on as well, so everything is counted twice; switch it off in {SWITCH}")
        }
        Some(CountedTwice::Unknown) => format!(
            "not known: whether its own tracker is on as well (only who may change all settings may see that); see {SWITCH}"
        ),
    };
    Ok(writeln!(out, "    {warning}")?)
}
