//! Where attestations lie: `NAME.wasm.intoto.jsonl` beside the component, a line for each envelope. Files
//! of several auditors can be put together with `cat`.

use super::dsse::Envelope;
use anyhow::{Context, Result, bail};
use glassbox_util::files::{read_bounded, write_atomically};
use std::io::ErrorKind;
use std::path::Path;

/// The longest file. One that is longer is refused as a whole: what is at its end may be a no.
const LONGEST: usize = 1 << 20;
/// The most lines; of each the signatures are checked, which takes time.
const LINES: usize = 64;

/// All lines that are not empty, with their numbers; none where there is no file.
///
/// # Errors
/// When it cannot be read, or is too large; the message names it.
pub fn read(file: &Path) -> Result<Vec<(usize, String)>> {
    let bytes = match read_bounded(file, LONGEST) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.with_context(|| format!("reading {}", file.display()))?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<_> = lines.map(|(number, line)| (number + 1, line.into())).collect();
    if lines.len() > LINES {
        bail!("{} has more than {LINES} attestations; remove old ones", file.display());
    }
    Ok(lines)
}

/// Add one, and leave those that are there.
///
/// # Errors
/// When the file cannot be read or written, or would be too large.
pub fn add(file: &Path, envelope: &Envelope) -> Result<()> {
    let mut text = String::new();
    for (_, line) in read(file)? {
        text += &(line + "\n");
    }
    text += &(serde_json::to_string(envelope)? + "\n");
    if text.len() > LONGEST || text.lines().count() > LINES {
        bail!("{} would have more than {LINES} attestations or {LONGEST} bytes; remove old ones", file.display());
    }
    write_atomically(file, text.as_bytes())
}
