//! `commerror_<reason>`: errors in the connection to the printer.

use crate::context::Context;
use crate::fields::{Fields, Payload, error, fitting, word};
use crate::state::CommError;

/// OctoPrint 2.1 fires `Error` twice for one firmware error: if the same error comes again within
/// this time, in milliseconds, it is one.
const SAME_ERROR_WITHIN: i64 = 1000;

/// A communication error. Nothing is sent unless its reason can be part of the URL's path.
pub fn report(payload: &Payload, cx: &mut Context) {
    if !cx.on.commerror || !payload.contains_key("error") {
        return;
    }
    let Some(reason) = fitting(payload.get("reason"), word) else { return };
    let text = fitting(payload.get("error"), error);
    if is_repeated(&reason, text.as_deref(), cx) {
        return;
    }
    let mut fields = Fields::default();
    fields.put_known("commerror_text", text);
    cx.add_throttle_fields(&mut fields);
    cx.report(&format!("commerror_{reason}"), &fields);
}

fn is_repeated(reason: &str, text: Option<&str>, cx: &mut Context) -> bool {
    let hash = hash(reason.bytes().chain([0]).chain(text.unwrap_or_default().bytes()));
    let error = CommError { hash, at: cx.now() };
    let last = cx.state.last_error.replace(error.clone());
    last.is_some_and(|last| last.hash == error.hash && error.at.saturating_sub(last.at) <= SAME_ERROR_WITHIN)
}

/// FNV-1a: it only matters whether the same error comes again.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
