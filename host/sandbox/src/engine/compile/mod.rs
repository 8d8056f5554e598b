//! Compiling a component: the one step that a stranger's file can make slow and large, by a factor of thousands and in
//! ways that no measure of the file foresees. So it is done by a process of its own ([`child`]) with limits of time and
//! memory, which also gives back the memory that a compiler takes.
//!
//! That process is the same program once more. Where the program does not offer that (a test, somebody's program with this
//! library), or the system starts no process, compiling happens here, for components that are small ([`CODE_HERE`](crate::limits::CODE_HERE)): a
//! usual tracker is, so a host in a container that is short of processes still runs.

mod child;

use crate::check;
use crate::engine::config::{Purpose, Room, config_for};
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
pub(crate) enum Failure {
    /// The component is to blame, as these say.
    Component(Vec<String>),
    /// It takes more than a component may, as this says: it would again.
    Limit(String),
    /// No process could be started for it, or it was not one of ours, as this says.
    NoProcess(String),
}

/// Compile a component that has been checked. Gives its code, for an engine of this purpose and room.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn compile(purpose: Purpose, room: Room, bytes: &[u8]) -> Result<(Vec<u8>, Compiled), Failure> {
    check::compilable(bytes, false).map_err(Failure::Component)?;
    let why = match child::is_offered().then(|| child::compile(purpose, room, bytes)) {
        None => None,
        Some(Err(Failure::NoProcess(why))) => Some(why),
        Some(apart) => return apart.map(|(code, needed)| (code, Compiled::Apart(needed))),
    };
    let wrong = |mut reasons: Vec<String>| {
        let why = why.as_deref().unwrap_or("this program offers none");
        reasons.push(format!("only a process of its own compiles a larger one: {why}"));
        Failure::Component(reasons)
    };
    check::compilable(bytes, true).map_err(wrong)?;
    Ok((here(purpose, room, bytes).map_err(Failure::Component)?, Compiled::Here(why)))
}

/// Compile it in this process.
fn here(purpose: Purpose, room: Room, bytes: &[u8]) -> Result<Vec<u8>, Vec<String>> {
    let words = |error: wasmtime::Error| vec![format!("{error:#}")];
    let engine = Engine::new(&config_for(purpose, room)).map_err(words)?;
    // A compiler is large: a panic in it, over somebody's file, must not end the host.
    let compiled = catch_unwind(AssertUnwindSafe(|| engine.precompile_component(bytes)));
    compiled.map_err(|_| vec!["the compiler panicked".into()])?.map_err(words)
}
