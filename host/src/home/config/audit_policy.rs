//! `[policy]` in `glassbox.toml`: which auditors must vouch for a component before it is loaded.

use serde::Deserialize;
use std::num::NonZeroUsize;

/// Each key is tried on each signature, and that takes time.
pub const KEYS: usize = 16;

/// How many of whom must vouch for a component.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditPolicy {
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
