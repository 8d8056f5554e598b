//! The engine that all instances share; and plugins: components that are checked, compiled and linked, ready to be
//! instantiated. It runs on Unix: elsewhere it could be checked neither whose a file of compiled code is, nor what a process
//! that compiles may use.

mod bindings;
mod cache;
mod compile;
mod config;
mod imports;
mod instance;
mod rate_limit;
mod watchdog;

pub use compile::{Compiled, Needed, compile_if_asked};
pub use config::{Purpose, Room, config_for};
pub use instance::{HeardAgain, Instance, Outcome, Rejected};
pub use rate_limit::RateLimit;

use crate::{Error, Policy, Stage, digest, examine};
use bindings::TrackerPre;
use imports::State;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use watchdog::Watchdog;

/// The engine; a process needs one. It starts a thread, the watchdog, which ends with it and the last of its plugins.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<State>,
    watchdog: Arc<Watchdog>,
    cache: Option<PathBuf>,
    purpose: Purpose,
    room: Room,
}

/// A component that can be instantiated, any number of times.
pub struct Plugin {
    /// Its name, from its manifest.
    pub name: String,
    /// The [digest](crate::digest) of its file.
    pub digest: String,
    /// The size of its file in bytes.
    pub size: usize,
    /// Its manifest, ready to be enforced.
    pub policy: Arc<Policy>,
    /// How it was compiled.
    pub compiled: Compiled,
    pub(crate) pre: TrackerPre<State>,
    pub(crate) watchdog: Arc<Watchdog>,
}

impl Sandbox {
    /// A new engine. `cache` is a directory for compiled code, created if it is missing; none to compile each time.
    ///
    /// # Errors
    /// When wasmtime does not run on this machine, or there is no thread for the watchdog.
    pub fn new(cache: Option<&Path>) -> Result<Self, Error> {
        Self::made_for(Purpose::Run, cache)
    }

    /// Like [`Self::new`], for another purpose.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn made_for(purpose: Purpose, cache: Option<&Path>) -> Result<Self, Error> {
        let fail = |reason| Error::new("(any)", Stage::Engine, reason);
        let words = |error: wasmtime::Error| fail(format!("{error:#}"));
        let room = Room::here();
        let engine = Engine::new(&config_for(purpose, room)).map_err(words)?;
        let mut linker = Linker::new(&engine);
        bindings::Tracker::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(words)?;
        let watchdog = Watchdog::start(engine.clone()).map_err(|error| {
            let advice = "raise its limit ('ulimit -u'), or, in a container, update what provides the seccomp profile";
            fail(format!("the system starts no thread for it: {error}; {advice}"))
        })?;
        let watchdog = Arc::new(watchdog);
        Ok(Self { engine, linker, watchdog, cache: cache.map(Into::into), purpose, room })
    }

    /// Compile and link a component. `name` is as for [`examine`]. This is the slow part of starting a plugin, unless the
    /// compiled code is in the cache. One that differs from the contract is refused in few words; `host/contract/` has
    /// more of them, and is asked before.
    ///
    /// # Errors
    /// What is wrong with it at the first stage at which anything is.
    pub fn load(&self, name: &str, bytes: &[u8]) -> Result<Plugin, Error> {
        let policy = examine(name, bytes)?;
        let digest = digest(bytes);
        let wrong = |reasons| Error { plugin: name.into(), stage: Stage::Compile, reasons };
        let loaded = cache::load(&self.engine, self.cache.as_deref(), &digest, (self.purpose, self.room, bytes));
        let (component, compiled) = loaded.map_err(wrong)?;
        let pre = self.linker.instantiate_pre(&component).and_then(TrackerPre::new);
        let pre = pre.map_err(|error| Error::new(name, Stage::Link, format!("{error:#}")))?;
        let (policy, watchdog) = (Arc::new(policy), self.watchdog.clone());
        Ok(Plugin { name: name.into(), digest, size: bytes.len(), policy, compiled, pre, watchdog })
    }
}
