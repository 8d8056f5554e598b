//! Compares what a component sent in a case with what OctoPrint sent: the same bytes, a difference with a reason that
//! applies, or a failure.

use super::case::Case;
use super::reason::Reason;
use super::recorded_request::RecordedRequest;

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseVerdict {
    /// The same bytes.
    Matched,
    /// Something else, and this reason explains it.
    Differs(Reason),
    /// Something else, and no reason explains it; the text says which were tried.
    Failed(String),
}

/// Compare what a case expects with what a component sent in it.
pub fn compare(case: &Case, ours: &[RecordedRequest]) -> CaseVerdict {
    if ours == case.expect {
        return CaseVerdict::Matched;
    }
    // What the box is not shown, it cannot say; a recording does not know that.
    let border = [Reason::PortKind, Reason::ErrorText];
    if let Some(reason) = border.into_iter().find(|reason| reason.explains(case, &case.expect, ours)) {
        return CaseVerdict::Differs(reason);
    }
    if case.exact {
        return CaseVerdict::Failed("it must be the same bytes".into());
    }
    let name = case.why.as_deref().unwrap_or_default();
    match Reason::by_name(name) {
        Some(reason) if reason.explains(case, &case.expect, ours) => CaseVerdict::Differs(reason),
        Some(_) => CaseVerdict::Failed(format!("the reason {name} does not explain this difference")),
        None => CaseVerdict::Failed(format!("{name:?} is not on the list of reasons")),
    }
}
