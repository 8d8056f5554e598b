//! What was found: a check, how it came out, in words, and what to do.

use glassbox_util::text::printable;
use serde_json::{Value, json};
use std::fmt;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It works, or nobody wants it to; somebody may want to look.
    Warn,
    /// Something does not work.
    Fail,
    /// It was not looked at.
    Skipped,
}

/// One finding.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at: one word, with a name where there are several.
    pub check: String,
    /// How it came out.
    pub severity: Severity,
    /// What was found.
    pub says: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(check: impl Into<String>, says: impl Into<String>) -> Self {
        Self { check: check.into(), severity: Severity::Ok, says: says.into(), advice: None }
    }

    /// It was not looked at, and why.
    pub fn skipped(check: impl Into<String>, says: impl Into<String>) -> Self {
        Self { severity: Severity::Skipped, ..Self::ok(check, says) }
    }

    /// Somebody may want to look.
    pub fn warn(check: impl Into<String>, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, advice: Some(advice.into()), ..Self::ok(check, says) }
    }

    /// It does not work.
    pub fn fail(check: impl Into<String>, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Fail, advice: Some(advice.into()), ..Self::ok(check, says) }
    }

    /// It does not work, as an error's message says: what is wrong, and after a semicolon what to do.
    /// Where it says only the first, `otherwise` is to be done.
    pub fn error(check: impl Into<String>, message: &str, otherwise: &str) -> Self {
        match message.split_once("; ") {
            Some((says, advice)) => Self::fail(check, says, advice),
            None => Self::fail(check, message, otherwise),
        }
    }

    /// For machines.
    pub fn to_json(&self) -> Value {
        json!({"check": self.check, "verdict": self.severity.word(), "says": self.says, "do": self.advice})
    }
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |text: &str| text.lines().map(|line| printable(line.trim(), usize::MAX)).collect::<Vec<_>>();
        writeln!(
            f,
            "{:<8} {}: {}",
            self.severity.word(),
            printable(&self.check, usize::MAX),
            lines(&self.says).join(" ")
        )?;
        match &self.advice {
            Some(advice) => writeln!(f, "         do: {}", lines(advice).join(" ")),
            None => Ok(()),
        }
    }
}
