//! One finding: what was checked, how it came out, and what to do about it; as text and as JSON.

use glassbox_util::Advised;
use glassbox_util::text::{shown, shown_lines};
use serde_json::{Value, json};
use std::fmt;

/// The most lines of a text that are shown.
const LINES: usize = 32;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It works, or nobody wants it to, but somebody should have a look.
    Warn,
    /// Something does not work.
    Fail,
    /// It was not checked.
    Skipped,
}

/// The result of one check.
#[derive(Debug)]
pub struct Finding {
    /// What was checked: one word, followed by a name where there are several.
    pub check: String,
    /// How it came out.
    pub severity: Severity,
    /// What was found, on one or more lines.
    pub says: String,
    /// What to do about it, as an instruction; none where there is nothing to do.
    pub advice: Option<String>,
}

impl Finding {
    /// All is as it should be.
    pub fn ok(check: impl Into<String>, says: impl Into<String>) -> Self {
        Self { check: check.into(), severity: Severity::Ok, says: says.into(), advice: None }
    }

    /// It was not checked, and why.
    pub fn skipped(check: impl Into<String>, says: impl Into<String>) -> Self {
        Self { severity: Severity::Skipped, ..Self::ok(check, says) }
    }

    /// Somebody should have a look.
    pub fn warn(check: impl Into<String>, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, advice: Some(advice.into()), ..Self::ok(check, says) }
    }

    /// Something does not work.
    pub fn fail(check: impl Into<String>, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Fail, advice: Some(advice.into()), ..Self::ok(check, says) }
    }

    /// Something does not work, as this error says. `otherwise` is the advice if the error brings none.
    pub fn error(check: impl Into<String>, error: &anyhow::Error, otherwise: &str) -> Self {
        let (says, advice) = Advised::split(error);
        Self::fail(check, says, advice.unwrap_or_else(|| otherwise.into()))
    }

    /// As JSON: `check`, `verdict` (ok, warn, fail or skipped), `says`, and `do`, which may be null.
    pub fn to_json(&self) -> Value {
        let advice = self.advice.as_deref().map(one_line);
        json!({"check": shown(&self.check), "verdict": self.severity.word(), "says": one_line(&self.says), "do": advice})
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
        writeln!(f, "{:<8} {}: {}", self.severity.word(), shown(&self.check), one_line(&self.says))?;
        match &self.advice {
            Some(advice) => writeln!(f, "         do: {}", one_line(advice)),
            None => Ok(()),
        }
    }
}

/// A text on one line, and not longer than is useful.
fn one_line(text: &str) -> String {
    shown_lines(text, 0).lines().take(LINES).map(str::trim).collect::<Vec<_>>().join(" ")
}
