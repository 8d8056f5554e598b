//! The closed list of reasons for which a tracker may send something else than OctoPrint did, each
//! with a predicate that the case, OctoPrint's request and ours must meet.

use super::case::{Case, Request, decode};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// Why ours may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// JSON null is "not known".
    Null,
    /// A list or an object is no value.
    NotAScalar,
    /// JSON has no word for NaN and infinity.
    NanOrInfinity,
    /// The throttle mask is no number.
    WrongType,
    /// A value that no OctoPrint produces, and that the manifest does not allow.
    OddValue,
    /// A reason that cannot stand in a path.
    OddReason,
    /// A number or a text beyond what the manifest allows.
    OddNumberOrLength,
    /// OctoPrint's own handler fails on such a payload.
    OctoprintRaises,
    /// Firmware Check's warnings have a new name, which OctoPrint's tracker does not know.
    HeardUnderBothNames,
    /// OctoPrint 1.11 always says `unknown`.
    SlicerBug,
    /// The throttle query answers with something else than a mask.
    ThrottleQueryBroken,
    /// Start and end of the server are told by events of their own.
    LifecycleComesAsEvents,
    /// The id is not a version 4 UUID.
    IdIsMinted,
    /// OctoPrint 2.1 fires one firmware error twice.
    ErrorFiredTwice,
    /// OctoPrint 2.1's tracker fails when the connection is lost in a print.
    LostConnection,
    /// OctoPrint from 1.12 on forgets to cancel the timer of a connection that is gone.
    OrphanedTimer,
}

impl Reason {
    /// The reason by its name in a corpus.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "not-a-scalar" => Self::NotAScalar,
            "nan-or-infinity" => Self::NanOrInfinity,
            "wrong-type" => Self::WrongType,
            "odd-value" => Self::OddValue,
            "odd-reason" => Self::OddReason,
            "odd-number-or-length" => Self::OddNumberOrLength,
            "octoprint-raises" => Self::OctoprintRaises,
            "heard-under-both-names" => Self::HeardUnderBothNames,
            "1.11-slicer-bug" => Self::SlicerBug,
            "throttle-query-broken" => Self::ThrottleQueryBroken,
            "lifecycle-comes-as-events" => Self::LifecycleComesAsEvents,
            "id-is-minted" => Self::IdIsMinted,
            _ => return None,
        })
    }

    /// In words, for a table.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Null => "null is 'not known' and left out; OctoPrint sends the word None",
            Self::NotAScalar => "a list or an object is no value and left out",
            Self::NanOrInfinity => "JSON has no NaN and no infinity: not known, left out",
            Self::WrongType => "the throttle mask must be a number",
            Self::OddValue => "no OctoPrint produces this value; the manifest does not allow it",
            Self::OddReason => "the error's reason must be one word; OctoPrint puts anything into the path",
            Self::OddNumberOrLength => "no OctoPrint produces this number or text; the manifest does not allow it",
            Self::OctoprintRaises => "OctoPrint's own handler fails on this payload",
            Self::HeardUnderBothNames => "Firmware Check's warning is heard under today's name too",
            Self::SlicerBug => "OctoPrint 1.11 always says 'unknown'; here the slicer is named",
            Self::ThrottleQueryBroken => "a broken throttle query counts as none",
            Self::LifecycleComesAsEvents => "start and end of the server come as events of their own",
            Self::IdIsMinted => "an id that is no version 4 UUID is refused; OctoPrint replaces it",
            Self::ErrorFiredTwice => "OctoPrint 2.1 fires one error twice; here it is reported once",
            Self::OrphanedTimer => "OctoPrint reports a connection once more, on a timer that it did not cancel",
            Self::LostConnection => "OctoPrint 2.1 reports nothing when the connection is lost in a print",
        }
    }

    /// Whether this reason explains the difference between OctoPrint's requests and ours.
    #[must_use]
    pub fn explains(self, case: &Case, theirs: &[Request], ours: &[Request]) -> bool {
        match self {
            Self::Null | Self::NotAScalar | Self::NanOrInfinity | Self::OddValue | Self::OddNumberOrLength => {
                self.left_out(case, theirs, ours)
            }
            Self::OddReason => {
                case.last_event() == "Error" && ours.is_empty() && !is_word(case.last_payload().get("reason"))
            }
            Self::WrongType => ours.is_empty() && !case.last_payload().get("raw_value").is_some_and(Value::is_u64),
            Self::OctoprintRaises => {
                malformed(case) && ours.len() <= 1 && (theirs.is_empty() || Self::Null.left_out(case, theirs, ours))
            }
            Self::HeardUnderBothNames => {
                theirs.is_empty() && case.last_event() == "plugin_firmware_check_warning" && is_warning(case, ours)
            }
            Self::SlicerBug => {
                let ([their], [our]) = (theirs, ours) else { return false };
                same_but_fields(their, our)
                    && their.fields() == [("slicer", "unknown")]
                    && our.value("slicer").as_deref() == case.last_payload().get("slicer").and_then(Value::as_str)
            }
            Self::ThrottleQueryBroken => {
                case.throttled.is_some()
                    && case.throttled.as_deref().and_then(super::replay::mask).is_none()
                    && pairwise(theirs, ours, |their, our| {
                        let rest = without(their, |name, _| name.starts_with("throttled_"));
                        same_but_fields(their, our) && rest == our.fields()
                    })
            }
            Self::LifecycleComesAsEvents => matches!(case.last_event(), "Startup" | "Shutdown") && ours.is_empty(),
            Self::IdIsMinted => {
                ours.is_empty() && !case.settings.get("unique_id").and_then(Value::as_str).is_some_and(is_uuid)
            }
            // These are about sequences of events: see `session`.
            Self::ErrorFiredTwice | Self::LostConnection | Self::OrphanedTimer => false,
        }
    }

    /// Ours is theirs without just those fields that the reason is about, and there is one.
    fn left_out(self, case: &Case, theirs: &[Request], ours: &[Request]) -> bool {
        let about = |name: &str, value: &str| self.is_about(sources(name), value, case);
        let one = theirs.iter().any(|their| their.fields().iter().any(|(name, value)| about(name, value)));
        one && pairwise(theirs, ours, |their, our| {
            // Where OctoPrint has a default for a missing key, null gets it too.
            let default = |name: &str, value: &str| self == Self::Null && value == "unknown" && about(name, "None");
            let rest = without(their, about);
            same_but_fields(their, our) && rest == without(our, default)
        })
    }

    /// Whether a field of OctoPrint's may be missing from ours for this reason.
    fn is_about(self, sources: &[&str], value: &str, case: &Case) -> bool {
        let null = Value::Null;
        // The payload that the field was made from: for a connection, that of an earlier event.
        let mut events = case.events.iter().rev();
        let source = events.find_map(|event| sources.iter().find_map(|key| event.payload.get(key))).unwrap_or(&null);
        match self {
            Self::Null => source.is_null() && value == "None",
            Self::NotAScalar => (source.is_array() || source.is_object()) && !is_float(source),
            Self::NanOrInfinity => is_float(source),
            Self::OddValue if sources == ["origin"] => {
                !["local", "sdcard", "printer"].map(Value::from).contains(source)
            }
            Self::OddValue => !source.is_null() && !is_word(Some(source)),
            Self::OddNumberOrLength => {
                let odd_time = sources == ["time"] && !source.as_f64().is_some_and(|time| (1.0..1e12).contains(&time));
                let large = source.as_f64().is_some_and(|number| number.abs() >= 1e16);
                odd_time || large || source.as_str().is_some_and(|text| text.chars().count() > 256)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The payload keys that a field is made from.
fn sources(field: &str) -> &'static [&'static str] {
    match field {
        "commerror_text" => &["error"],
        "elapsed" => &["time"],
        "printer_connector" => &["connector"],
        "plugin" => &["id"],
        "plugin_version" => &["version"],
        "firmware_name" => &["name"],
        "printer_port" => &["port"],
        "printer_baudrate" => &["baudrate"],
        "printer_safety_warning_type" => &["warning_type"],
        "printer_safety_check_name" => &["check_name"],
        "achievement" => &["key"],
        "reason" => &["reason"],
        "origin" => &["origin"],
        "slicer" => &["slicer"],
        "target" => &["target"],
        "from_version" => &["from_version"],
        "to_version" => &["to_version"],
        _ => &[],
    }
}

fn same_but_fields(their: &Request, our: &Request) -> bool {
    their.method == our.method && their.path == our.path && their.user_agent == our.user_agent
}

fn without(request: &Request, leave_out: impl Fn(&str, &str) -> bool) -> Vec<(&str, &str)> {
    request.fields().into_iter().filter(|(name, value)| !leave_out(name, value)).collect()
}

fn pairwise(theirs: &[Request], ours: &[Request], same: impl Fn(&Request, &Request) -> bool) -> bool {
    theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(their, our)| same(their, our))
}

/// One word of letters, digits, `_`, `.`, `-`.
fn is_word(value: Option<&Value>) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    value.and_then(Value::as_str).is_some_and(|text| (1..=64).contains(&text.len()) && text.chars().all(plain))
}

fn is_float(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("$float"))
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let lengths = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]);
    let hex = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    lengths && hex && parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b', 'A', 'B'])
}

/// Whether an event of the case lacks what OctoPrint's handler takes for granted.
fn malformed(case: &Case) -> bool {
    case.events.iter().any(|event| {
        let required: &[&str] = match event.event.as_str() {
            "PrintStarted" | "PrintDone" | "PrintFailed" | "PrintCancelled" => &["path", "origin"],
            "Connected" => &["port", "baudrate"],
            "FirmwareData" => &["name"],
            "plugin_pi_support_throttle_state" => &[
                "raw_value",
                "current_issue",
                "past_issue",
                "current_undervoltage",
                "past_undervoltage",
                "current_overheat",
                "past_overheat",
            ],
            _ => &[],
        };
        let payload = &event.payload;
        let path = payload.get("path").is_some_and(|path| !path.is_string());
        let infinite = payload.get("time").is_some_and(is_float);
        let missing = required.iter().any(|key| payload.get(key).is_none_or(Value::is_null));
        !payload.is_object() || path || infinite || missing
    })
}

fn is_warning(case: &Case, ours: &[Request]) -> bool {
    let [our] = ours else { return false };
    let expected = |key: &str| {
        let value = case.last_payload().get(key).and_then(Value::as_str);
        value.unwrap_or("unknown").to_string()
    };
    let fields: Vec<_> = our.fields().into_iter().map(|(name, value)| (name, decode(value))).collect();
    our.kind() == "printer_safety_warning"
        && fields
            == [
                ("printer_safety_warning_type", expected("warning_type")),
                ("printer_safety_check_name", expected("check_name")),
            ]
}
