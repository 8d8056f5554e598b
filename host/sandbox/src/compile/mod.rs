//! Compiling a component: the one step that a stranger's file can make slow and large, by a factor of thousands and in
//! ways that no measure of the file foresees. So it is done by a process of its own ([`child`]) with limits of time and
//! memory, which also gives back the memory that a compiler takes.
//!
//! That process is the same program once more. Where the program does not offer that (a test, somebody's program with this
//! library), or the system starts no process, compiling happens here, for components that are small ([`CODE_HERE`](crate::limits::CODE_HERE)): a
//! usual tracker is, so a host in a container that is short of processes still runs.

#[cfg(unix)]
mod child;

use crate::check;
#[cfg(unix)]
use crate::config::{Purpose, Room, config_for};
#[cfg(unix)]
pub use child::compile_if_asked;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use wasmtime::Engine;

/// How a component was compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiled {
    /// Earlier: its code was in the cache.
    Earlier,
    /// By a process of its own, which needed so much.
    Apart(Needed),
    /// Here; and why not by a process of its own, if there should have been one.
    Here(Option<String>),
}

/// What compiling took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Time of the processor.
    pub time: Duration,
    /// At most so much memory, in bytes, including that of the program itself.
    pub memory: u64,
}

/// Why there is no code.
#[cfg(unix)]
enum Failure {
    /// The component is to blame, as these say.
    Component(Vec<String>),
    /// It takes more than a component may, as this says: it would again.
    Limit(String),
    /// No process could be started for it, or it was not one of ours, as this says.
    NoProcess(String),
}

/// Why a component is not compiled.
#[cfg(unix)]
pub(crate) struct Refused {
    /// What is wrong with it.
    pub reasons: Vec<String>,
    /// Whether that took long to find, and would be found again.
    pub costly: bool,
}

#[cfg(unix)]
impl From<Vec<String>> for Refused {
    fn from(reasons: Vec<String>) -> Self {
        Self { reasons, costly: false }
    }
}

/// Compile a component that has been checked. Gives its code, for an engine of this purpose and room.
///
/// # Errors
/// What is wrong with it.
#[cfg(unix)]
pub(crate) fn compile(purpose: Purpose, room: Room, bytes: &[u8]) -> Result<(Vec<u8>, Compiled), Refused> {
    check::compilable(bytes, false)?;
    let why = if child::is_offered() {
        match child::compile(purpose, room, bytes) {
            Ok((code, needed)) => return Ok((code, Compiled::Apart(needed))),
            Err(Failure::Component(reasons)) => return Err(reasons.into()),
            Err(Failure::Limit(reason)) => return Err(Refused { reasons: vec![reason], costly: true }),
            Err(Failure::NoProcess(why)) => Some(why),
        }
    } else {
        None
    };
    check::compilable(bytes, true).map_err(|mut reasons| {
        let why = why.as_deref().unwrap_or("this program offers none");
        reasons.push(format!("only a process of its own compiles a larger one: {why}"));
        reasons
    })?;
    Ok((here(purpose, room, bytes)?, Compiled::Here(why)))
}

/// Compile it in this process.
#[cfg(unix)]
fn here(purpose: Purpose, room: Room, bytes: &[u8]) -> Result<Vec<u8>, Vec<String>> {
    let words = |error: wasmtime::Error| vec![format!("{error:#}")];
    let engine = Engine::new(&config_for(purpose, room)).map_err(words)?;
    // A compiler is large: a panic in it, over somebody's file, must not end the host.
    let compiled = catch_unwind(AssertUnwindSafe(|| engine.precompile_component(bytes)));
    compiled.map_err(|_| vec!["the compiler panicked".into()])?.map_err(words)
}

/// Where there is neither such a process nor a cache.
#[cfg(not(unix))]
pub(crate) fn load(engine: &Engine, bytes: &[u8]) -> Result<(wasmtime::component::Component, Compiled), Vec<String>> {
    check::compilable(bytes, true)?;
    let compiled = catch_unwind(AssertUnwindSafe(|| wasmtime::component::Component::from_binary(engine, bytes)));
    let compiled = compiled.map_err(|_| vec!["the compiler panicked".into()])?;
    Ok((compiled.map_err(|error| vec![format!("{error:#}")])?, Compiled::Here(None)))
}

/// There are no such processes here.
#[cfg(not(unix))]
#[must_use]
pub fn compile_if_asked() -> Option<std::process::ExitCode> {
    None
}
