//! What the operator requires: `[policy]` in `glassbox.toml`, and the keys that it names.

use super::key::PublicKey;
use serde::Deserialize;
use std::num::NonZeroUsize;
use std::path::Path;

/// Each key is tried on each signature, and that takes time.
pub const KEYS: usize = 16;

/// How many of whom must vouch for a component.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Files with public keys, in the home or with a `/` from anywhere, or keys themselves.
    pub require_audit_by: Vec<String>,
    /// At least so many of them. More than there are means that nothing is loaded: who takes a key away
    /// must not get less than they had.
    #[serde(default = "one")]
    pub require: NonZeroUsize,
}

fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

/// The keys of a policy.
#[derive(Debug, Default)]
pub struct Keys {
    /// Each once, however often and under whatever names it was given, with its first name.
    pub known: Vec<(String, PublicKey)>,
    /// What is wrong with the others.
    pub faults: Vec<String>,
}

impl Keys {
    /// Read them; `root` is where files are that begin without a `/`. One that cannot be read vouches
    /// for nothing, and is no reason to believe it no more of the others.
    #[must_use]
    pub fn read(root: &Path, policy: &Policy) -> Self {
        let mut keys = Self::default();
        for given in policy.require_audit_by.iter().take(KEYS) {
            let (name, key) = if PublicKey::is_text(given) {
                let key = PublicKey::parse(given);
                (key.as_ref().map_or_else(|_| "a key".into(), |key| format!("key {}", &key.id()[..12])), key)
            } else {
                (given.clone(), PublicKey::read(&root.join(given)))
            };
            match key {
                Ok(key) if keys.known.iter().any(|(_, known)| *known == key) => {}
                Ok(key) => keys.known.push((name, key)),
                Err(error) => keys.faults.push(format!("require_audit_by in glassbox.toml: {error:#}")),
            }
        }
        keys
    }
}
