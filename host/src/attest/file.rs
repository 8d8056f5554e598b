//! Files with attestations: `NAME.wasm.intoto.jsonl` beside the component, with an envelope in each line. Files of
//! several auditors can be joined with `cat`.

use super::dsse::Envelope;
use anyhow::{Context, Result, anyhow};
use glassbox_util::files::{read_bounded, write_atomically};
use glassbox_util::{Advised, encoding};
use std::io::ErrorKind;
use std::path::Path;

/// The largest file, in bytes. A larger one is refused as a whole, since an attestation at its end may say that the
/// component failed.
const LARGEST: usize = 1 << 20;
/// The most attestations in a file; checking each takes time.
const LINES: usize = 64;

/// All lines that are not empty, with their numbers from 1; none if there is no file.
///
/// # Errors
/// When the file cannot be read, or is too large; the message names it.
pub fn read(file: &Path) -> Result<Vec<(usize, String)>> {
    let bytes = match read_bounded(file, LARGEST) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.with_context(|| format!("reading {}", file.display()))?,
    };
    let text = encoding::text(&bytes).map_err(|reason| anyhow!("reading {}: {reason}", file.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<_> = lines.map(|(number, line)| (number + 1, line.into())).collect();
    if lines.len() > LINES {
        let what = format!("{} has more than {LINES} attestations", file.display());
        return Err(Advised::new(what, "remove old ones").into());
    }
    Ok(lines)
}

/// Add an attestation to those in a file.
///
/// # Errors
/// When the file cannot be read or written, or would be too large; the message names it.
pub fn add(file: &Path, envelope: &Envelope) -> Result<()> {
    let mut text = String::new();
    for (_, line) in read(file)? {
        text += &(line + "\n");
    }
    text += &(serde_json::to_string(envelope)? + "\n");
    if text.len() > LARGEST || text.lines().count() > LINES {
        let what = format!("{} would have more than {LINES} attestations or {LARGEST} bytes", file.display());
        return Err(Advised::new(what, "remove old ones").into());
    }
    write_atomically(file, text.as_bytes())
}
