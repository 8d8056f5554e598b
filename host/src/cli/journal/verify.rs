//! `log --verify`: what was checked, what was found, and what no check of these files can show.

use anyhow::Result;
use glassbox_journal::broken_folders;
use glassbox_journal::chain::Verified;
use glassbox_util::text::hex;
use std::io::Write;
use std::path::Path;

const LIMITS: &str = "\
What this cannot show: whoever owns this machine can write all lines and the head anew, or remove the
whole journal. Keep the number and the SHA-256 of a last line elsewhere, and that line can be held
against them later.";

/// Check and report; false if it is broken.
pub fn verify(folder: &Path) -> Result<bool> {
    let found = glassbox_journal::verify(folder)?;
    let mut out = std::io::stdout().lock();
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
                 The next host that starts puts these files aside, into a folder broken-N there, and begins anew.",
                folder.display()
            )?;
        }
    }
    for (_, aside) in if folder.is_dir() { broken_folders(folder)? } else { Vec::new() } {
        writeln!(out, "An earlier journal was broken, and is kept in {}", aside.display())?;
    }
    writeln!(out, "\n{LIMITS}")?;
    Ok(found.is_ok())
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
         first and the last line are those that the head knows. A line that is altered, removed, moved, put in\n\
         or cut off does not fit any more."
    )?;
    if *first > 1 {
        writeln!(out, "Lines before number {first} were removed by the host: the journal has a largest size.")?;
    }
    if found.behind > 0 || found.incomplete > 0 {
        writeln!(
            out,
            "Not cleanly closed: {} after what the head knows, {} of a line that is not whole. That is so while a\n\
             host writes or after it was killed, and the next one fixes it. What the head does not know yet can\n\
             be cut off without a trace.",
            counted(found.behind, "line"),
            counted(found.incomplete as u64, "byte")
        )?;
    }
    Ok(())
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
