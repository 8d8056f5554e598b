//! `journal --verify`: what was checked, what was found, and what no check of these files can show.

use crate::cli::{Ended, out, output};
use anyhow::Result;
use glassbox_journal::broken_folders;
use glassbox_journal::chain::Verified;
use glassbox_util::text::hex;
use std::io::Write;
use std::path::Path;

const LIMITS: &str = "\
What this cannot show: whoever owns this machine can rewrite all lines and the head, or remove the whole
journal. If you keep the number and the SHA-256 of the last line elsewhere, you can later compare that line.";

/// Verify it and print the result.
pub fn verify(folder: &Path) -> Result<Ended> {
    let found = glassbox_journal::verify(folder)?;
    let mut out = out();
    match &found {
        Ok(found) if found.last.is_none() => {
            writeln!(out, "the journal is empty: nothing was ever written to it, or all of it is gone")?;
        }
        Ok(found) => sound(&mut out, found)?,
        Err(broken) => {
            writeln!(out, "BROKEN: {broken}")?;
            writeln!(
                out,
                "Keep a copy of {} if you want to find out why.\n\
                 The next host that starts moves these files into a folder broken-N there, and begins a new journal.",
                output::path(folder)
            )?;
        }
    }
    for (_, aside) in if folder.is_dir() { broken_folders(folder)? } else { Vec::new() } {
        writeln!(out, "An earlier journal was broken, and is kept in {}", output::path(&aside))?;
    }
    writeln!(out, "\n{LIMITS}")?;
    Ok(match &found {
        Ok(found) if found.is_clean() => Ended::Well,
        Ok(_) => Ended::Unclean,
        Err(_) => Ended::Failed,
    })
}

fn sound(out: &mut impl Write, found: &Verified) -> Result<()> {
    let (Some((first, begun)), Some((last, ended))) = (&found.first, &found.last) else { return Ok(()) };
    let [lines, files] =
        [(found.lines, "line"), (found.files as u64, "file")].map(|(count, what)| counted(count, what));
    writeln!(out, "sound: {lines} in {files}, number {first} ({begun}) to {last} ({ended})")?;
    writeln!(out, "last line: number {last}, SHA-256 {}", hex(&found.tail.hash))?;
    writeln!(
        out,
        "\nChecked: each line names the SHA-256 of the line before it, over all files; numbers have no gap; the\n\
         first and the last line are those that the head knows. If a line is altered, removed, moved, inserted\n\
         or cut off, that no longer holds."
    )?;
    if *first > 1 {
        writeln!(out, "Lines before number {first} were removed by the host: the journal has a largest size.")?;
    }
    if !found.is_clean() {
        writeln!(
            out,
            "Not cleanly closed: {} after what the head knows, {} of an incomplete line. A host that was killed\n\
             leaves that, and the next one takes it over. But so does somebody who appends a line: what the head\n\
             does not know may have been written by anybody, and can be cut off without a trace.",
            counted(found.behind, "line"),
            counted(found.incomplete as u64, "byte")
        )?;
    }
    Ok(())
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
