//! The auditors' keys that `[policy]` in `glassbox.toml` names. Whether what they signed is enough is in [`super::rule`].

use super::key::PublicKey;
use crate::home::Home;
use crate::home::config::audit_policy::{AuditPolicy, KEYS};
use std::path::Path;

/// The keys of a policy.
#[derive(Debug, Default)]
pub struct TrustedKeys {
    /// The keys with their names. A key that was given several times is here once, under its first name.
    pub known: Vec<(String, PublicKey)>,
    /// What is wrong with keys that cannot be used, for people.
    pub faults: Vec<String>,
}

impl TrustedKeys {
    /// Read the keys of a policy. A key that cannot be read vouches for nothing;
    /// the others count all the same.
    pub fn read(home: &Home, policy: &AuditPolicy) -> Self {
        let mut keys = Self::default();
        for given in policy.require_audit_by.iter().take(KEYS) {
            let (name, key) = if PublicKey::is_text(given) {
                let key = PublicKey::parse(given);
                (key.as_ref().map_or_else(|_| "a key".into(), |key| format!("key {}", &key.id()[..12])), key)
            } else {
                (given.clone(), PublicKey::read(&home.path(Path::new(given))))
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
