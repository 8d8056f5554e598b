//! What can go wrong between a plugin's file and a call into it: one variant per stage, in words
//! for the person who put the file there.

use crate::text::printable;
use std::fmt;

/// Where it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The file could not be read.
    Read,
    /// It is not a component for this world.
    Check,
    /// Its manifest cannot be used.
    Manifest,
    /// It could not be compiled.
    Compile,
    /// Its imports or exports have other types than the world's.
    Link,
    /// It could not be started.
    Instantiate,
    /// A call failed; the instance is gone.
    Call,
}

/// A plugin's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The plugin's name.
    pub plugin: String,
    /// Where it went wrong.
    pub stage: Stage,
    /// What is wrong, one line for each thing.
    pub reasons: Vec<String>,
}

impl Error {
    /// One thing that is wrong.
    #[must_use]
    pub fn new(plugin: &str, stage: Stage, reason: impl Into<String>) -> Self {
        Self { plugin: plugin.into(), stage, reasons: vec![reason.into()] }
    }

    /// A file that could not be read.
    #[must_use]
    pub fn read(plugin: &str, reason: impl Into<String>) -> Self {
        Self::new(plugin, Stage::Read, reason)
    }

    fn advice(&self) -> &'static str {
        match self.stage {
            Stage::Read => "look at the file: its name, what it is, and whether you may read it",
            Stage::Check => "get a tracker built for this version of glassbox, or build it against its wit/ folder",
            Stage::Manifest => "the plugin's author must fix its manifest",
            Stage::Compile => "the file is damaged, or its code is such as no tracker needs",
            Stage::Link => "build the plugin against this version's wit/ folder",
            Stage::Instantiate | Stage::Call => {
                "tell the plugin's author; nothing that the call was about to send has left"
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.stage {
            Stage::Read => "cannot be read",
            Stage::Check => "is not a tracker",
            Stage::Manifest => "has an unusable manifest",
            Stage::Compile => "does not compile",
            Stage::Link => "does not fit the contract",
            Stage::Instantiate => "does not start",
            Stage::Call => "failed",
        };
        write!(f, "plugin '{}' {what}:", printable(&self.plugin, LINE))?;
        if let [reason] = self.reasons.as_slice() {
            return write!(f, " {} ({})", indented(reason), self.advice());
        }
        self.reasons.iter().take(LINES).try_for_each(|reason| write!(f, "\n  - {}", indented(reason)))?;
        if self.reasons.len() > LINES {
            write!(f, "\n  - and {} more", self.reasons.len() - LINES)?;
        }
        write!(f, "\n  ({})", self.advice())
    }
}

impl std::error::Error for Error {}

/// As much of a reason is shown, and so many of them: somebody is to read it.
const LINES: usize = 20;
const LINE: usize = 600;

/// A line of a reason can only look like one.
fn indented(reason: &str) -> String {
    let cut = |line: &str| if line.chars().nth(LINE).is_some() { "…" } else { "" };
    let lines = reason.lines().take(LINES).map(|line| printable(line, LINE) + cut(line));
    lines.collect::<Vec<_>>().join("\n    ")
}
