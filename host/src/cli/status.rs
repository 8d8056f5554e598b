//! `status`: whether anything is sent, which rule decides, and what was sent so far.

use super::{output, progress};
use anyhow::Result;
use glassbox::delivery::RULE;
use glassbox::home::Home;
use glassbox::operations::connections::{ConnectionReport, CountedTwice};
use glassbox::operations::status::{self, History, InstanceStatus, PluginStatus, Status};
use glassbox::plugins::context::label;
use glassbox::sources::octoprint::own_tracker::SWITCH;
use glassbox_util::text::{shown, shown_lines};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// Say whether anything is sent; as JSON for programs, whose form is in host/docs/status.md.
pub fn status(home: &Home, octoprint: Option<&str>, json: bool) -> Result<()> {
    let status = progress::during("compiling plugins for the first time", || status::status(home, octoprint))?;
    if json {
        let mut out = output::json();
        writeln!(out, "{}", serde_json::to_string_pretty(&as_json(&status))?)?;
        return Ok(out.flush()?);
    }
    let mut out = output::out();
    let running = if status.host_runs { " (a host runs with it)" } else { "" };
    writeln!(out, "home {}{running}", output::path(&status.home))?;
    for note in notes(&status) {
        writeln!(out, "note: {note}")?;
    }
    for plugin in &status.plugins {
        write_plugin(plugin, &status.home, &mut out)?;
    }
    status.connections.iter().try_for_each(|connection| write_connection(connection, &mut out))?;
    for warning in &status.counted_twice {
        writeln!(out, "warning: {}", shown(&warning.to_string()))?;
    }
    Ok(out.flush()?)
}

/// What somebody should know of the home as a whole.
fn notes(status: &Status) -> Vec<String> {
    let journal = status.unreadable_journal.as_ref();
    let journal = journal.map(|error| shown(&format!("what was sent so far is not known: {error:#}")));
    let others = status.unusable_config.iter().chain(&status.left_behind);
    others.map(|note| shown(&note.to_string())).chain(journal).collect()
}

fn write_plugin(plugin: &PluginStatus, home: &Path, out: &mut impl Write) -> Result<()> {
    let name = &plugin.name;
    for InstanceStatus { octoprint, sending, history } in &plugin.instances {
        let option = octoprint.option();
        let label = label(octoprint.name.as_deref(), name);
        writeln!(out, "{}: {}", shown(&label), shown_lines(&sending.in_words(name, &option), 4))?;
        sending.waiting.iter().try_for_each(|waiting| writeln!(out, "    {}", shown_lines(waiting, 4)))?;
        history.iter().try_for_each(|history| write_history(history, home, name, &option, out))?;
    }
    plugin.history.iter().try_for_each(|history| write_history(history, home, name, "", out))?;
    if !plugin.held_back.is_empty() {
        writeln!(out, "    held back by [policy] in glassbox.toml: {}", shown(&plugin.held_back.join(", ")))?;
    }
    Ok(())
}

fn write_history(history: &History, home: &Path, name: &str, option: &str, out: &mut impl Write) -> Result<()> {
    let name = shown(name);
    if history.has_reports() {
        let History { sent, failed, dropped, blocked, .. } = history;
        writeln!(
            out,
            "    in the journal: {sent} sent, {failed} failed, {dropped} dropped, {blocked} blocked (glassbox journal --plugin {name}{option})"
        )?;
    }
    if history.waiting > 0 {
        writeln!(out, "    waiting to be sent: {} ({RULE})", history.waiting)?;
    }
    if let Some(lost) = &history.lost {
        let (since, count, reason) = (shown(&lost.since), lost.count, shown(&lost.reason));
        writeln!(out, "    not getting through since {since}, {count} lost: {reason} ({RULE})")?;
    }
    if let Some(trouble) = trouble(history) {
        writeln!(out, "    {}", shown_lines(&output::with_home(&trouble, home), 6))?;
    }
    Ok(())
}

fn trouble(history: &History) -> Option<String> {
    let trouble = history.trouble()?;
    let what = serde_json::to_value(trouble.what).ok()?;
    let reason = trouble.reason.as_deref().unwrap_or_default();
    Some(format!("{}: {reason}", what.as_str().unwrap_or_default()))
}

fn write_connection(connection: &ConnectionReport, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}: {}", shown(&connection.octoprint), connection.summary)?;
    for missing in &connection.missing {
        writeln!(out, "    not available: {}", shown(missing))?;
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

fn as_json(status: &Status) -> Value {
    let plugins = status
        .plugins
        .iter()
        .flat_map(|plugin| plugin.instances.iter().map(move |instance| instance_as_json(plugin, instance)));
    let octoprints = status.connections.iter().map(|connection| {
        json!({
            "octoprint": shown(&connection.octoprint),
            "heard": connection.heard,
            "says": shown(&connection.summary),
            "not_heard": connection.missing.iter().map(|missing| shown(missing)).collect::<Vec<_>>(),
            "counted_twice": match connection.counted_twice {
                None => json!(false),
                Some(CountedTwice::Yes) => json!(true),
                Some(CountedTwice::Unknown) => Value::Null,
            },
        })
    });
    let warnings = status.counted_twice.iter().map(|warning| shown(&warning.to_string()));
    json!({
        "home": status.home.display().to_string(),
        "host_runs": status.host_runs,
        "plugins": plugins.collect::<Vec<_>>(),
        "octoprints": octoprints.collect::<Vec<_>>(),
        "notes": notes(status).into_iter().chain(warnings).collect::<Vec<_>>(),
    })
}

fn instance_as_json(plugin: &PluginStatus, instance: &InstanceStatus) -> Value {
    let (answer, name) = (&instance.sending, &plugin.name);
    let none = History::default();
    let history = instance.history.as_ref().unwrap_or(&none);
    json!({
        "plugin": shown(name),
        "octoprint": instance.octoprint.name.as_deref().map(shown),
        // Null where that cannot be known.
        "sends": if answer.sending.is_unknown() { Value::Null } else { json!(answer.sending.is_given()) },
        "says": shown_lines(&answer.sending.sentence(name), 0),
        "waits": answer.waiting.as_deref().map(|waiting| shown_lines(waiting, 0)),
        "held_back": plugin.held_back.iter().map(|report| shown(report)).collect::<Vec<_>>(),
        "sent": history.sent,
        "failed": history.failed,
        "dropped": history.dropped,
        "blocked": history.blocked,
        "waiting": history.waiting,
        "last_sent": history.last_sent.as_deref().map(shown),
        "not_getting_through": history.lost.as_ref().map(|lost| {
            json!({"since": shown(&lost.since), "lost": lost.count, "reason": shown(&lost.reason)})
        }),
        "trouble": trouble(history).map(|trouble| shown_lines(&trouble, 0)),
    })
}
