//! `commerror_<reason>`: errors of the connection to the printer.

use super::throttle;
use crate::fields::{ERROR_CHARS, Fields, Payload, short, word};
use crate::state::{Instant, Reader, SECOND, Writer, object};
use crate::tracker::Context;
use serde_json::Value;
use sha1::{Digest, Sha1};

/// OctoPrint 2.1 fires `Error` twice for one firmware error: the same again within this time is
/// the same error.
const SAME_ERROR_WITHIN: Instant = SECOND;

/// A communication error that was heard; hashed, since all that matters is whether it comes again.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    hash: String,
    at: Instant,
}

impl Heard {
    /// For the next instance.
    pub fn save(&self, writer: &Writer) -> Value {
        object(vec![("hash", self.hash.clone().into()), ("at_ns", writer.instant(Some(self.at)))])
    }

    /// From the last instance.
    pub fn restore(saved: &Reader) -> Option<Self> {
        Some(Self { hash: saved.text("hash")?, at: saved.instant("at_ns")? })
    }
}

/// A communication error. Without a reason that can stand in the path, nothing is sent.
pub fn error(payload: &Payload, cx: &mut Context) {
    if !cx.on(|events| events.commerror) || !payload.contains_key("error") {
        return;
    }
    let Some(reason) = payload.get("reason").and_then(word) else { return };
    let text = short(payload.get("error"), ERROR_CHARS);
    if heard_before(&reason, text.as_deref(), cx) {
        return;
    }
    let mut fields = Fields::default();
    fields.put_known("commerror_text", text);
    throttle::describe(&mut fields, cx);
    cx.report(&format!("commerror_{reason}"), &fields);
}

fn heard_before(reason: &str, text: Option<&str>, cx: &mut Context) -> bool {
    let digest = Sha1::new().chain_update(reason).chain_update([0]).chain_update(text.unwrap_or_default()).finalize();
    let heard = Heard { hash: hex(&digest), at: cx.now() };
    let last = cx.state.last_error.replace(heard.clone());
    last.is_some_and(|last| last.hash == heard.hash && cx.now().saturating_sub(last.at) <= SAME_ERROR_WITHIN)
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]);
    // Bytes first: pushing characters, each of which could be a long one, takes four times as long.
    String::from_utf8(digits.collect()).unwrap_or_default()
}
