//! Percent-encoding as in OctoPrint's requests: of the UTF-8 bytes, only `A-Za-z0-9_.-~` are left as they are; the
//! others become `%` and two upper-case hex digits, so a space is `%20`.
//!
//! Own code rather than a crate, because these lines decide which bytes leave the machine: whoever reads the trusted
//! core sees all of it here, and crates for forms write a space as `+`, which OctoPrint does not.

use std::fmt::Write;

/// Encode one path segment, or one name or value of a query or form.
///
/// ```
/// assert_eq!(glassbox_sandbox::percent_encode("a b/ü"), "a%20b%2F%C3%BC");
/// ```
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Encode names and values as `a=1&b=2`.
pub(crate) fn form(fields: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in fields {
        let and = if out.is_empty() { "" } else { "&" };
        out.extend([and, &percent_encode(name), "=", &percent_encode(value)]);
    }
    out
}
