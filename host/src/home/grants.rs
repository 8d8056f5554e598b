//! Grants: `grants/NAME.toml` holds the manifest that the operator accepted, as its author wrote it. A plugin that
//! asks for no more than that runs; one that asks for more waits. Comparing two manifests is in `glassbox_sandbox`.

use super::{Home, make_folder};
use anyhow::{Context, Result};
use glassbox_contract::{examine, inspect};
use glassbox_grant::Exceeds;
use glassbox_sandbox::{Manifest, limits};
use glassbox_util::files::{read_bounded, remove, write_privately};
use glassbox_util::{Advised, encoding};
use std::io::ErrorKind;

/// The largest grant, in bytes: a manifest, and what [`grant`] writes above it.
const LARGEST: usize = limits::MANIFEST + 4096;

/// How what a plugin asks for compares with what was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All that it asks for was granted.
    Granted,
    /// There is no grant.
    Waiting,
    /// It asks for more than was granted; each text is one difference, for people.
    More(Vec<String>),
}

impl Standing {
    /// Why the plugin with this name does not run and what to do about it, for people; none if it may run.
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

/// The manifest that was granted to a plugin; none if there is no grant.
///
/// # Errors
/// When the file cannot be read or is damaged; the message names it, with advice.
pub fn read(home: &Home, name: &str) -> Result<Option<Manifest>> {
    bytes(home, name)?.map(|bytes| parse(home, name, &bytes)).transpose()
}

/// A grant as it is in its file; none if there is no grant.
///
/// # Errors
/// When the file cannot be read; the message names it.
pub fn bytes(home: &Home, name: &str) -> Result<Option<Vec<u8>>> {
    let file = home.grant_file(name);
    match read_bounded(&file, LARGEST) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

/// The manifest in a grant with these bytes.
///
/// # Errors
/// When it is damaged; the message names the file, with advice.
pub fn parse(home: &Home, name: &str, bytes: &[u8]) -> Result<Manifest> {
    let parsed = encoding::text(bytes).and_then(|text| Manifest::parse(text).map_err(|error| error.to_string()));
    parsed.map_err(|reason| {
        let file = home.grant_file(name);
        let what = format!("the grant {} is damaged", file.display());
        Advised::new(what, format!("'glassbox grant {name}' rewrites it")).because(reason).into()
    })
}

/// How what a manifest asks for compares with what was granted.
pub fn standing(asked: &Manifest, granted: Option<&Manifest>) -> Standing {
    let Some(granted) = granted else { return Standing::Waiting };
    let more = asked.exceeds(granted);
    if more.is_empty() { Standing::Granted } else { Standing::More(more) }
}

/// What a component asks for, and how that compares with what was granted.
///
/// # Errors
/// When the component has no valid manifest.
pub fn asked(home: &Home, name: &str, component: &[u8]) -> Result<(Manifest, Standing)> {
    let manifest = examine(name, component)?.manifest().clone();
    // A damaged grant counts as none, as granting again is what repairs it.
    let before = read(home, name).unwrap_or_default();
    let standing = standing(&manifest, before.as_ref());
    Ok((manifest, standing))
}

/// Grant all that this component's manifest asks for.
///
/// # Errors
/// When the component has no valid manifest, or the grant cannot be written.
pub fn grant(home: &Home, name: &str, component: &[u8]) -> Result<()> {
    examine(name, component)?;
    // The manifest as its author wrote it, with its comments.
    let text = inspect(name, component)?.manifest.unwrap_or_default();
    let digest = glassbox_sandbox::digest(component);
    let header = format!(
        "# What '{name}' may see and say: its manifest as it was granted. Remove this file, or run\n\
         # 'glassbox revoke {name}', to take that back; a running host stops it at once.\n\
         # Granted for the component with SHA-256 {digest}.\n\n"
    );
    make_folder(&home.grants())?;
    write_privately(&home.grant_file(name), (header + text.trim_start_matches('\u{feff}')).as_bytes())
}

/// Revoke a grant. False if there was none.
///
/// # Errors
/// When the file cannot be removed; the message names it.
pub fn revoke(home: &Home, name: &str) -> Result<bool> {
    remove(&home.grant_file(name))
}
