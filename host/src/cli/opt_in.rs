//! `opt-in`: shows what a plugin records, asks, grants it, and switches the plugin on.

use super::output::path;
use super::{policy, progress};
use anyhow::{Result, bail};
use glassbox::home::Home;
use glassbox::operations::consent::{Decided, OptIn};
use std::io::{IsTerminal, Write, stdin, stdout};
use std::os::unix::fs::FileTypeExt;

/// Show what will be recorded, ask whether that is wanted, grant it, and switch the plugin on.
pub fn opt_in(home: &Home, name: &str, octoprint: Option<&str>, yes: bool) -> Result<()> {
    let opt_in = progress::during("reading the plugin", || OptIn::new(home, name, octoprint))?;
    let mut out = super::out();
    // Shown before it is granted: nobody can accept what they could not read.
    write!(out, "{}", policy::in_words(&opt_in.request.manifest))?;
    policy::held_back(home, name, &mut out)?;
    writeln!(out)?;
    out.flush()?;
    if !yes && stdin().is_terminal() && is_pipe() {
        bail!(
            "you have not opted in to '{name}': what is shown goes into a pipe, so nobody can be asked; leave the pipe out, \
             or add --yes when you have read it"
        );
    }
    // Without a terminal nobody can answer; who has written the command into a script has said yes there.
    if !yes && stdin().is_terminal() && stdout().is_terminal() && !agrees(name, &mut out)? {
        bail!("you have not opted in to '{name}': nothing was changed");
    }
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
    writeln!(out, "Take it back with: glassbox opt-out {name}{option}")?;
    Ok(out.flush()?)
}

/// Whether the output goes to another program, as to one that shows it page by page.
fn is_pipe() -> bool {
    std::fs::metadata("/dev/stdout").is_ok_and(|out| out.file_type().is_fifo())
}

/// Ask. Anything that is not clearly a yes is a no.
fn agrees(name: &str, out: &mut impl Write) -> Result<bool> {
    write!(out, "Let '{name}' report this? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    if !answer.ends_with('\n') {
        // The end of the input, and not of the line.
        writeln!(out)?;
    }
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
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
        writeln!(
            out,
            "The settings file was damaged; it is kept as {}, and a new one begun, with every setting at its default.",
            path(file)
        )?;
    }
    Ok(())
}
