//! Reads corpora: files of recorded cases, one a line. The format is described in `tests/corpora/README.md`.

use super::case::Case;
use anyhow::{Context, Result, bail};
use glassbox_util::files::open_regular;
use glassbox_util::json::repaired;
use std::io;
use std::path::{Path, PathBuf};

/// The cases of one corpus.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The file that they were read from.
    pub file: PathBuf,
    /// The SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The cases, at least one, in the order of the file.
    pub cases: Vec<Case>,
}

/// Read several corpora.
///
/// # Errors
/// Those of [`read`], for the first file that cannot be read.
pub fn read_all(files: &[PathBuf]) -> Result<Vec<Corpus>> {
    files.iter().map(|file| read(file)).collect()
}

/// Read a corpus.
///
/// # Errors
/// When the file cannot be read, has no cases, or a line is not a case; the message names the file and the line.
pub fn read(file: &Path) -> Result<Corpus> {
    let text = open_regular(file)
        .and_then(io::read_to_string)
        .with_context(|| format!("reading the corpus {}", file.display()))?;
    let mut cases = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let case: Case = serde_json::from_str(&repaired(line.as_bytes()))
            .with_context(|| format!("{}, line {}: this is not a recorded case", file.display(), i + 1))?;
        cases.push(case);
    }
    if cases.is_empty() {
        bail!("{} has no cases", file.display());
    }
    Ok(Corpus { file: file.into(), sha256: glassbox_sandbox::digest(text.as_bytes()), cases })
}
