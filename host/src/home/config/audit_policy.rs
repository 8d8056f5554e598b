//! `[policy]` in `glassbox.toml`: which auditors must vouch for a component before it is loaded.

use serde::Deserialize;
use std::num::NonZeroUsize;

/// The most keys that a policy may name: each is tried on each signature, which takes time.
pub const KEYS: usize = 16;

/// How many of which auditors must vouch for a component.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditPolicy {
    /// Files with public keys, relative to the home; or the keys themselves.
    pub require_audit_by: Vec<String>,
    /// How many of them at least. If it is more than there are keys, nothing is loaded: removing a key must not make
    /// the policy weaker.
    #[serde(default = "one")]
    pub require: NonZeroUsize,
}

fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}
