//! What is told an operator, on standard error.

use std::fmt;
use std::io::Write;

/// Write a line for the operator. Whoever read them may have gone, which is no reason to end: `eprintln!` panics then.
pub fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
