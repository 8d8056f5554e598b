//! Files in which people keep a secret: an API key, a password. What is in one is never shown.

use anyhow::{Context, Result};
use glassbox_util::files::{must_be_private, read_bounded};
use glassbox_util::{Advised, encoding};
use std::io::ErrorKind;
use std::path::Path;

/// The largest such file, in bytes.
const LARGEST: usize = 4096;

/// Read a secret that nobody else may be able to read. `what` names it in messages: `the API key`. If others can, and
/// nobody could do anything about it, that is logged.
///
/// # Errors
/// When the file cannot be read, is not text, or others can read it and need not; the message names it, with advice.
pub fn read(file: &Path, what: &str) -> Result<String> {
    check(file, what)?;
    read_any(file, what)
}

/// Like [`read`], whoever else can read it.
///
/// # Errors
/// When the file cannot be read, or is not text; the message names it, with advice.
pub fn read_any(file: &Path, what: &str) -> Result<String> {
    let read = || -> Result<String> {
        let bytes = read_bounded(file, LARGEST).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => {
                let advice = "make it a file of the user that glassbox runs as; for root that is the home's owner";
                Advised::new(error.to_string(), advice).into()
            }
            _ => anyhow::Error::from(error),
        })?;
        Ok(encoding::text(&bytes).map_err(anyhow::Error::msg)?.into())
    };
    read().with_context(|| format!("{what} in {}", file.display()))
}

/// Check that nobody else can read a file with a secret in it, or could do anything about it; that is logged.
///
/// # Errors
/// When others can read it and need not, it is not a regular file, or there is none; with advice.
pub fn check(file: &Path, what: &str) -> Result<()> {
    if let Some(warning) = must_be_private(file, what)? {
        tracing::warn!("{warning}");
    }
    Ok(())
}
