//! `opt-in`: shows what a plugin records, grants it, and switches the plugin on.

use anyhow::Result;
use glassbox::home::Home;
use glassbox::operations::consent::{Decided, OptIn};
use glassbox_sandbox::describe;
use std::io::Write;

/// Show what will be recorded, grant it, and switch the plugin on.
pub fn opt_in(home: &Home, name: &str, octoprint: Option<&str>) -> Result<()> {
    let opt_in = OptIn::new(home, name, octoprint)?;
    let mut out = std::io::stdout().lock();
    // Shown before it is granted: nobody can accept what they could not read.
    writeln!(out, "{}", describe::in_words(&opt_in.request.manifest))?;
    out.flush()?;
    let opted_in = opt_in.confirm()?;
    moved_aside(&opted_in.decided, &mut out)?;
    let whose = whose(&opted_in.decided, octoprint);
    writeln!(out, "You have opted in to '{name}'{whose}. A running host takes it up at once.")?;
    if let Some(variable) = opted_in.veto {
        writeln!(out, "Note: {variable} is set here; a host that runs with it sends nothing.")?;
    }
    if opted_in.needs_id {
        let each = if opted_in.decided.octoprints.len() > 1 { " for each" } else { "" };
        writeln!(out, "An id is made{each} when the host runs it for the first time.")?;
    }
    let option = octoprint.map(|given| format!(" --octoprint {given}")).unwrap_or_default();
    Ok(writeln!(out, "Take it back with: glassbox opt-out {name}{option}")?)
}

/// For which OctoPrints it was done; nothing where the user named none.
pub(super) fn whose(decided: &Decided, given: Option<&str>) -> String {
    match (given, decided.octoprints.as_slice()) {
        (None, _) => String::new(),
        (Some(_), [one]) => format!(" for {one}"),
        (Some(_), all) => format!(" for all {} OctoPrints", all.len()),
    }
}

/// Say which settings files were damaged.
pub(super) fn moved_aside(decided: &Decided, out: &mut impl Write) -> Result<()> {
    for file in &decided.moved_aside {
        writeln!(out, "The settings file was damaged; it is kept as {}, and a new one begun.", file.display())?;
    }
    Ok(())
}
