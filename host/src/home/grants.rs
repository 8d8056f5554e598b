//! Grants: `grants/NAME.toml` holds the manifest that the operator accepted, as its author wrote
//! it. A plugin that asks for no more than that runs; one that asks for more waits.

use crate::home::Home;
use anyhow::{Context, Result};
use glassbox_sandbox::{Manifest, examine, inspect};
use glassbox_util::Advised;
use glassbox_util::files::write_atomically;
use std::fs;
use std::io::ErrorKind;

/// Whether a plugin may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All that it asks for was granted.
    Granted,
    /// Nobody granted it anything.
    Waiting,
    /// It asks for more than was granted: this.
    More(Vec<String>),
}

impl Standing {
    /// What somebody has to do; none if nothing.
    #[must_use]
    pub fn advice(&self, name: &str) -> Option<String> {
        match self {
            Self::Granted => None,
            Self::Waiting => Some(format!(
                "waiting: nobody has granted it anything; 'glassbox grant {name}' shows what it asks for and lets it run, \
                 'glassbox opt-in {name}' also switches it on"
            )),
            Self::More(more) => Some(format!(
                "waiting: it asks for more than was granted, to\n      - {}\n    'glassbox grant {name}' accepts that",
                more.join("\n      - ")
            )),
        }
    }
}

/// What was granted to a plugin; none if nothing was.
///
/// # Errors
/// When the file cannot be read or is damaged; the message names it and says what to do.
pub fn read(home: &Home, name: &str) -> Result<Option<Manifest>> {
    let file = home.grant_file(name);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
    };
    let granted = Manifest::parse(&text).map_err(|reason| {
        let what = format!("the grant {} is damaged, so nothing new is loaded", file.display());
        Advised::new(what, format!("'glassbox grant {name}' writes it anew")).because(reason)
    })?;
    Ok(Some(granted))
}

/// How a manifest stands against what was granted.
#[must_use]
pub fn standing(asked: &Manifest, granted: Option<&Manifest>) -> Standing {
    let Some(granted) = granted else { return Standing::Waiting };
    let more = asked.exceeds(granted);
    if more.is_empty() { Standing::Granted } else { Standing::More(more) }
}

/// What a component asks for, and how that stands with what was granted.
///
/// # Errors
/// When its manifest cannot be used.
pub fn asked(home: &Home, name: &str, component: &[u8]) -> Result<(Manifest, Standing)> {
    let manifest = examine(name, component)?.manifest().clone();
    // A damaged grant is no grant; that is why somebody grants anew.
    let before = read(home, name).unwrap_or_default();
    let standing = standing(&manifest, before.as_ref());
    Ok((manifest, standing))
}

/// Record that all was granted that this component's manifest asks for.
///
/// # Errors
/// When its manifest cannot be used, or the grant cannot be written.
pub fn grant(home: &Home, name: &str, component: &[u8]) -> Result<()> {
    examine(name, component)?;
    // As its author wrote it, with what they say about it.
    let text = inspect(name, component)?.manifest.unwrap_or_default();
    let digest = glassbox_sandbox::digest(component);
    let header = format!(
        "# What '{name}' may see and say: its manifest as it was granted. Remove this file, or say\n\
         # 'glassbox revoke {name}', to take it back; a running host stops it at once.\n\
         # Granted for the component with SHA-256 {digest}.\n\n"
    );
    fs::create_dir_all(home.grants()).with_context(|| format!("making {}", home.grants().display()))?;
    write_atomically(&home.grant_file(name), (header + text.trim_start_matches('\u{feff}')).as_bytes())
}

/// Take back what was granted. False if nothing was.
///
/// # Errors
/// When the file cannot be removed.
pub fn revoke(home: &Home, name: &str) -> Result<bool> {
    let file = home.grant_file(name);
    match fs::remove_file(&file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("removing {}", file.display())),
    }
}
