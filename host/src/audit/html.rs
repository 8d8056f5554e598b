//! The report as a page.
use super::Report;
/// todo
#[must_use]
pub fn page(report: &Report) -> String { report.to_string() }
