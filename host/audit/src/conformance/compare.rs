//! One case: matched, different for a reason that the case meets, or failed.

use super::case::{Case, Request};
use super::reason::Reason;

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same bytes.
    Matched,
    /// Something else, for this reason.
    Differs(Reason),
    /// Something else, for no reason that holds.
    Failed(String),
}

/// Compare what a case expects with what was sent.
#[must_use]
pub fn compare(case: &Case, ours: &[Request]) -> Verdict {
    if ours == case.expect {
        return Verdict::Matched;
    }
    if case.exact {
        return Verdict::Failed("it must be the same bytes".into());
    }
    let name = case.why.as_deref().unwrap_or_default();
    match Reason::by_name(name) {
        Some(reason) if reason.explains(case, &case.expect, ours) => Verdict::Differs(reason),
        Some(_) => Verdict::Failed(format!("the reason {name} does not explain this difference")),
        None => Verdict::Failed(format!("{name:?} is no reason on the list")),
    }
}
