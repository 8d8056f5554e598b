//! `commerror_<reason>`: errors in the connection to the printer.

use crate::context::Context;
use crate::fields::{ERROR_CHARS, Fields, Payload, bounded_text, word};
use crate::hash::sha1_hex;
use crate::state::CommError;
use crate::time::{Instant, SECOND};

/// OctoPrint 2.1 fires `Error` twice for one firmware error: if the same error comes again within
/// this time, it is one.
const SAME_ERROR_WITHIN: Instant = SECOND;

/// A communication error. Nothing is sent unless its reason can be part of the URL's path.
pub fn error(payload: &Payload, cx: &mut Context) {
    if !cx.is_on(|events| events.commerror) || !payload.contains_key("error") {
        return;
    }
    let Some(reason) = payload.get("reason").and_then(word) else { return };
    let text = bounded_text(payload.get("error"), ERROR_CHARS);
    if is_repeated(&reason, text.as_deref(), cx) {
        return;
    }
    let mut fields = Fields::default();
    fields.put_known("commerror_text", text);
    cx.add_throttle_fields(&mut fields);
    cx.report(&format!("commerror_{reason}"), &fields);
}

fn is_repeated(reason: &str, text: Option<&str>, cx: &mut Context) -> bool {
    let hash = sha1_hex(&[reason.as_bytes(), &[0], text.unwrap_or_default().as_bytes()]);
    let error = CommError { hash, at: cx.now() };
    let last = cx.state.last_error.replace(error.clone());
    last.is_some_and(|last| last.hash == error.hash && cx.now().saturating_sub(last.at) <= SAME_ERROR_WITHIN)
}
