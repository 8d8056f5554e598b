//! The keys that `[policy]` in `glassbox.toml` names.

use super::key::PublicKey;
use crate::home::config::audit_policy::{AuditPolicy, KEYS};
use std::path::Path;

/// The keys of a policy.
#[derive(Debug, Default)]
pub struct TrustedKeys {
    /// Each once, however often and under whatever names it was given, with its first name.
    pub known: Vec<(String, PublicKey)>,
    /// What is wrong with the others.
    pub faults: Vec<String>,
}

impl TrustedKeys {
    /// Read them; `root` is where files are that begin without a `/`. One that cannot be read vouches
    /// for nothing, and is no reason to believe it no more of the others.
    #[must_use]
    pub fn read(root: &Path, policy: &AuditPolicy) -> Self {
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
