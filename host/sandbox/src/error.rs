//! What can go wrong between a plugin's file and a call into it, at one stage after the other, in words for
//! the person who put the file there. What is wrong with a manifest or a settings document is said elsewhere.

use crate::text::printable;
use std::fmt;

/// The stage at which a plugin failed, in the order in which it goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not even the engine starts on this machine, whatever the plugin.
    Engine,
    /// The file could not be read.
    Read,
    /// It is not a component, or not one for this world.
    Check,
    /// Its manifest is malformed, or has rules that cannot be used.
    Manifest,
    /// It could not be compiled.
    Compile,
    /// The types of its imports or exports are not the world's.
    Link,
    /// It could not be instantiated within the limits.
    Instantiate,
    /// A call into it failed; the instance is dead.
    Call,
}

/// Why a plugin cannot be used: at which stage it failed, everything that was wrong there, and what to do.
///
/// Its text is escaped and cut to a length that can be read, whatever the reasons hold.
///
/// ```
/// use glassbox_sandbox::{Error, Stage};
///
/// let error = Error::new("tracking", Stage::Manifest, "the event PrintDone is listed twice");
/// assert_eq!(
///     error.to_string(),
///     "plugin 'tracking' has an unusable manifest: the event PrintDone is listed twice \
///      (the plugin's author must fix its manifest)"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The plugin's name; `(any)` if the failure is not one plugin's.
    pub plugin: String,
    /// Where it went wrong.
    pub stage: Stage,
    /// What is wrong, one entry for each thing. They may quote the file, and are not escaped.
    pub reasons: Vec<String>,
}

impl Error {
    /// A failure for a single reason.
    pub fn new(plugin: &str, stage: Stage, reason: impl Into<String>) -> Self {
        Self { plugin: plugin.into(), stage, reasons: vec![reason.into()] }
    }
}

impl Stage {
    /// What went wrong, and what to do.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Engine => ("cannot run here", "change that, or run glassbox on another machine"),
            Self::Read => ("cannot be read", "check the file's name and type, and that you may read it"),
            Self::Check => (
                "is not a tracker",
                "copy it again if it is damaged; or get one built for this version of glassbox, against its wit/ folder",
            ),
            Self::Manifest => ("has an unusable manifest", "the plugin's author must fix its manifest"),
            Self::Compile => ("does not compile", "copy it again; otherwise it has code that no tracker needs"),
            Self::Link => ("does not match the contract", "build the plugin against this version's wit/ folder"),
            Self::Instantiate => ("does not start", "tell the plugin's author; nothing from this call was sent"),
            Self::Call => ("failed", "tell the plugin's author; nothing from this call was sent"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, advice) = self.stage.words();
        if self.stage == Stage::Engine {
            return write!(f, "no plugin can run here: {}", indented(&self.reasons.join("; ")));
        }
        write!(f, "plugin '{}' {what}:", printable(&self.plugin, LINE))?;
        let mut lines: Vec<_> = self.reasons.iter().take(LINES).map(|reason| indented(reason)).collect();
        if self.reasons.len() > LINES {
            lines.push(format!("and {} more", self.reasons.len() - LINES));
        }
        match lines.as_slice() {
            [line] => write!(f, " {line} ({advice})"),
            lines => write!(f, "\n  - {}\n  ({advice})", lines.join("\n  - ")),
        }
    }
}

impl std::error::Error for Error {}

/// Most reasons that are shown, and most lines of each: a person is to read them, and a file can have thousands.
const LINES: usize = 20;
/// Most characters of a line: enough for any function type of the world.
const LINE: usize = 600;

/// A reason with its further lines indented, so that none of them can pass for a line of the host's.
fn indented(reason: &str) -> String {
    let cut = |line: &str| if line.chars().nth(LINE).is_some() { "…" } else { "" };
    let lines = reason.lines().take(LINES).map(|line| printable(line, LINE) + cut(line));
    lines.collect::<Vec<_>>().join("\n    ")
}
