//! The configuration of a running host: it changes when `glassbox.toml` does, and everybody sees that.

use super::Config;
use super::audit_policy::AuditPolicy;
use crate::net::TlsTrust;
use crate::system::CommandLine;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The configuration, and the certificates that it trusts. Clones share it.
#[derive(Clone)]
pub struct LiveConfig(Arc<Mutex<(Config, TlsTrust)>>);

impl LiveConfig {
    /// With the configuration at the host's start.
    pub fn new(config: Config, trust: TlsTrust) -> Self {
        Self(Arc::new(Mutex::new((config, trust))))
    }

    /// Which certificates to trust now.
    pub fn trust(&self) -> TlsTrust {
        self.lock().1.clone()
    }

    /// Which auditors must vouch for a component now.
    pub fn policy(&self) -> Option<AuditPolicy> {
        self.lock().0.policy.clone()
    }

    /// The program that reports the throttle state now.
    pub fn vcgencmd(&self) -> CommandLine {
        self.lock().0.vcgencmd.clone()
    }

    /// Use this configuration, and trust these certificates, from now on. Returns the configuration before; none if nothing
    /// changed, neither in it nor in the files with certificates.
    pub fn replace(&self, config: Config, trust: TlsTrust) -> Option<Config> {
        let mut now = self.lock();
        if now.0 == config && now.1 == trust {
            return None;
        }
        Some(std::mem::replace(&mut *now, (config, trust)).0)
    }

    fn lock(&self) -> MutexGuard<'_, (Config, TlsTrust)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
