//! The closed list of reasons why a tracker may send something else than OctoPrint did. Each has a condition that the
//! case, OctoPrint's requests and ours must meet; a difference without such a reason is a failure.

mod facts;

use super::case::Case;
use super::recorded_request::{RecordedRequest, decode};
use facts::{
    at, entered, is_float, is_uuid, is_warning, is_word, malformed, odd_reason, pairwise, same_but_fields, sources,
    text, without,
};
use glassbox_sandbox::manifest::Enters;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// Why a tracker may send something else than OctoPrint did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// JSON null is "not known".
    Null,
    /// A list or an object is not a value.
    NotAScalar,
    /// JSON cannot express NaN and infinity.
    NanOrInfinity,
    /// The throttle mask is not a number.
    WrongType,
    /// A value that no OctoPrint produces, and that the manifest does not allow.
    OddValue,
    /// An error reason that does not fit into a path.
    OddReason,
    /// A number or a text outside of what the manifest allows.
    OddNumberOrLength,
    /// OctoPrint's own handler fails on such a payload.
    OctoprintRaises,
    /// The events of Firmware Check's warnings have a new name, which OctoPrint's tracker does not know.
    HeardUnderBothNames,
    /// OctoPrint 1.11 always says `unknown`.
    SlicerBug,
    /// The answer of the throttle query is not a mask.
    ThrottleQueryBroken,
    /// The start and the end of the server have events of their own here.
    LifecycleComesAsEvents,
    /// The id is not a version 4 UUID.
    IdIsMinted,
    /// OctoPrint 2.1 fires one firmware error twice.
    ErrorFiredTwice,
    /// OctoPrint 2.1's tracker fails when the connection is lost in a print.
    LostConnection,
    /// Of a port only its kind is said.
    PortKind,
    /// Of an error's text, no path, address or number of a machine is said.
    ErrorText,
    /// OctoPrint 2.0 makes up a name for a file that is not named.
    PathIsMissing,
    /// OctoPrint from 1.12 on forgets to cancel the timer of a connection that is gone.
    OrphanedTimer,
}

impl Reason {
    /// The reason by its name in a corpus; none for an unknown name, and for those that apply to sessions only.
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
            "path-is-missing" => Self::PathIsMissing,
            _ => return None,
        })
    }

    /// The reason as a phrase, for a table.
    pub fn text(self) -> &'static str {
        match self {
            Self::Null => "null is 'not known' and left out; OctoPrint sends the word None",
            Self::NotAScalar => {
                "a list or an object is not a value: left out, or 'not known' where there is a word for that"
            }
            Self::NanOrInfinity => "JSON has no NaN and no infinity: not known, left out",
            Self::WrongType => "the throttle mask must be a number",
            Self::OddValue => "no OctoPrint produces this value; the manifest does not allow it",
            Self::OddReason => "the error's reason must be one word; OctoPrint puts anything into the path",
            Self::OddNumberOrLength => "no OctoPrint produces this number or text; the manifest does not allow it",
            Self::OctoprintRaises => "OctoPrint's own handler fails on this payload",
            Self::HeardUnderBothNames => "Firmware Check's warning is recognised under its new name too",
            Self::SlicerBug => "OctoPrint 1.11 always says 'unknown'; here the slicer is named",
            Self::ThrottleQueryBroken => "a broken throttle query counts as none",
            Self::LifecycleComesAsEvents => "start and end of the server come as events of their own",
            Self::IdIsMinted => "an id that is not a version 4 UUID is the user's, and stays; OctoPrint replaces it",
            Self::ErrorFiredTwice => "OctoPrint 2.1 fires one error twice; here it is reported once",
            Self::OrphanedTimer => "OctoPrint reports a connection once more, on a timer that it did not cancel",
            Self::PortKind => "of a port only its kind is said; OctoPrint sends its name",
            Self::ErrorText => "paths, addresses and serial numbers are taken out of an error's text",
            Self::PathIsMissing => "a print whose file is not named is not reported; OctoPrint 2.0 calls that file n/a",
            Self::LostConnection => "OctoPrint 2.1 reports nothing when the connection is lost in a print",
        }
    }

    /// Whether this reason explains the difference between OctoPrint's requests and ours.
    pub fn explains(self, case: &Case, theirs: &[RecordedRequest], ours: &[RecordedRequest]) -> bool {
        match self {
            Self::Null | Self::NotAScalar | Self::NanOrInfinity | Self::OddValue | Self::OddNumberOrLength => {
                self.left_out(case, theirs, ours) || self.refused(case, theirs, ours)
            }
            Self::OddReason => odd_reason(case, ours),
            Self::WrongType => self.refused(case, theirs, ours),
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
                    && our.value("slicer") == case.last_payload().get("slicer").and_then(text)
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
                // Minted by us where there was none, when OctoPrint does nothing yet; otherwise that of the user. The
                // file's hash is salted with theirs.
                let rest = |request: &RecordedRequest| {
                    let fields = without(request, |name, _| name == "file");
                    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    (request.method.clone(), request.kind().to_string(), request.user_agent.clone(), fields)
                };
                let own = case.settings.get("unique_id").and_then(Value::as_str).filter(|id| !id.is_empty());
                let has_id = |our: &RecordedRequest| {
                    our.path.split('/').any(|part| is_uuid(part) || own == Some(&*decode(part)))
                };
                !own.is_some_and(is_uuid)
                    && ours.iter().all(has_id)
                    && (theirs.is_empty() || pairwise(theirs, ours, |their, our| rest(their) == rest(our)))
            }
            Self::PathIsMissing => {
                let print = case.last_event().starts_with("Print") && case.last_payload().is_object();
                print && case.last_payload().get("path").is_none() && theirs.len() == 1 && ours.is_empty()
            }
            // These are about sequences of events: see [`super::session`].
            Self::ErrorFiredTwice | Self::LostConnection | Self::OrphanedTimer => false,
            Self::PortKind => entered("printer_port", Enters::PortKind, theirs, ours),
            Self::ErrorText => entered("commerror_text", Enters::ErrorText, theirs, ours),
        }
    }

    /// Whether ours are the same as theirs, except that fields which the reason is about are missing, or have the word for
    /// what is not known.
    fn left_out(self, case: &Case, theirs: &[RecordedRequest], ours: &[RecordedRequest]) -> bool {
        let about = |name: &str, value: &str| self.is_about(sources(name), value, case);
        let is_unknown = |value: &str| {
            matches!(self, Self::Null | Self::NotAScalar) && ["unknown", "OFFLINE", "CLOSED"].contains(&value)
        };
        pairwise(theirs, ours, |their, our| {
            let fields = their.fields();
            // OctoPrint leaves out an empty list, and a connector that is 0 or false.
            let own = |(name, value): &(&str, &str)| {
                let empty = is_unknown(value) || self == Self::OddValue && ["0", "False"].contains(value);
                !fields.iter().any(|(field, _)| field == name) && empty && about(name, value)
            };
            let mut left = our.fields().into_iter().filter(|field| !own(field)).peekable();
            let explained = fields.iter().all(|(name, value)| match left.peek() {
                Some(field) if field == &(*name, *value) => left.next().is_some(),
                Some((field, text)) if field == name && is_unknown(text) && about(name, value) => left.next().is_some(),
                Some((field, text)) if field == name && self.is_version(value, text, case) => left.next().is_some(),
                _ => about(name, value),
            });
            // An issue that is no value is none, so that the report is the other one.
            let issue = self == Self::NotAScalar && about("throttled_now", "");
            let throttled = ["system_throttled", "system_unthrottled"];
            let other = issue && their.kind() == throttled[0] && our.kind() == throttled[1];
            let renamed = RecordedRequest { path: their.path.replace(throttled[0], throttled[1]), ..their.clone() };
            let same = same_but_fields(their, our) || other && same_but_fields(&renamed, our);
            same && explained && left.next().is_none()
        })
    }

    /// A plugin's version that is the number 0, which OctoPrint takes for none.
    fn is_version(self, their: &str, our: &str, case: &Case) -> bool {
        let zero = |plugin: &Value| plugin.get("version") == Some(&Value::from(0));
        let plugins = case.events.iter().find_map(|event| event.payload.get("third_party_plugins")?.as_array());
        self == Self::OddValue
            && plugins.is_some_and(|plugins| plugins.iter().any(zero))
            && decode(their).replace(":?", ":0") == decode(our)
    }

    /// Ours is not sent at all, since a field that it cannot do without is one that the reason is
    /// about.
    fn refused(self, case: &Case, theirs: &[RecordedRequest], ours: &[RecordedRequest]) -> bool {
        let needed = ["system_throttled", "system_unthrottled", "webui_load", "ping"];
        let about = |their: &RecordedRequest| {
            let fields = their.fields();
            needed.contains(&their.kind())
                && fields.iter().any(|(name, value)| self.is_about(sources(name), value, case))
        };
        ours.is_empty() && (theirs.len() == 1 && about(&theirs[0]) || odd_reason(case, ours))
    }

    /// Whether a field of OctoPrint's may be missing from ours for this reason.
    fn is_about(self, sources: &[&str], value: &str, case: &Case) -> bool {
        let null = Value::Null;
        // The payload that the field was made from: for a connection, that of an earlier event.
        let mut events = case.events.iter().rev();
        let source = events.find_map(|event| sources.iter().find_map(|key| at(&event.payload, key))).unwrap_or(&null);
        let flag = sources.iter().any(|key| key.starts_with("current_") || key.starts_with("past_"));
        match self {
            Self::Null => source.is_null() && value == "None",
            Self::NotAScalar => (source.is_array() || source.is_object()) && !is_float(source),
            Self::NanOrInfinity => is_float(source),
            Self::WrongType if sources == ["raw_value"] => !source.is_u64(),
            Self::WrongType => flag && !source.is_boolean(),
            Self::OddValue if sources == ["origin"] => {
                !["local", "sdcard", "printer"].map(Value::from).contains(source)
            }
            Self::OddValue | Self::OddNumberOrLength if sources == ["baudrate"] => !source.is_u64(),
            Self::OddValue => !source.is_null() && !is_word(Some(source)),
            Self::OddNumberOrLength => {
                let odd_time = sources == ["time"] && !source.as_f64().is_some_and(|time| (1.0..1e15).contains(&time));
                let odd_mask = sources == ["raw_value"] && source.as_u64().is_none_or(|mask| mask >= 10_000_000_000);
                let large = source.as_f64().is_some_and(|number| number.abs() >= 1e16);
                let long = source.as_str().is_some_and(|text| text.chars().count() > 256);
                let counts = ["os.bits", "hardware.cores", "hardware.ram"];
                let odd_count = sources.iter().any(|key| counts.contains(key)) && !source.is_u64();
                let odd_frequency = sources == ["hardware.freq"] && !source.is_f64();
                odd_time || odd_mask || odd_count || odd_frequency || large || long
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
