//! Recorded sessions: what went into a real OctoPrint over minutes, and what its tracker sent. Reads them, and
//! compares a whole session's requests, kind by kind. Playing one is the demo's business.

use super::case::{Case, RecordedEvent};
use super::reason::Reason;
use super::recorded_request::RecordedRequest;
use anyhow::{Context, Result, bail};
use glassbox_util::files::open_regular;
use glassbox_util::json::repaired;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What went into a real OctoPrint 1.11.8 in four minutes, as JSON lines.
pub const EVENTS: &str = include_str!("../../../../examples/sessions/octoprint-1.11.8.events.jsonl");

/// One line of a session: something that went into OctoPrint.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionEntry {
    /// When it happened, in seconds since the server's start; from 0 to below 1e9.
    pub t: f64,
    /// What happened.
    pub what: SessionInput,
}

/// Something that went into OctoPrint.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionInput {
    /// An event with its payload.
    Event(String, Value),
    /// From now on the throttle query answers this; none where there is no such query.
    Throttled(Option<String>),
    /// The user changed these settings.
    Settings(Map<String, Value>),
}

#[derive(Deserialize)]
struct RawSessionEntry {
    t: f64,
    event: Option<String>,
    #[serde(default)]
    payload: Value,
    #[serde(default, deserialize_with = "present")]
    throttled: Option<Option<String>>,
    settings: Option<Map<String, Value>>,
}

/// Null is an answer too: it is not the same as no such key.
fn present<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(input).map(Some)
}

/// A request that OctoPrint's tracker sent, and when.
#[derive(Clone, Debug, Deserialize)]
pub struct TimedRequest {
    /// Seconds since the server's start.
    pub t: f64,
    /// The request.
    #[serde(flatten)]
    pub request: RecordedRequest,
}

/// Read what went into OctoPrint: `NAME.events.jsonl`.
///
/// # Errors
/// When the file cannot be read, a line is not an entry, or times go backwards; the message names file and line.
pub fn read_events(file: &Path) -> Result<Vec<SessionEntry>> {
    let mut entries: Vec<SessionEntry> = Vec::new();
    for (number, raw) in lines::<RawSessionEntry>(file)? {
        let what = match (raw.event, raw.throttled, raw.settings) {
            (Some(event), None, None) => SessionInput::Event(event, raw.payload),
            (None, Some(throttled), None) => SessionInput::Throttled(throttled),
            (None, None, Some(settings)) => SessionInput::Settings(settings),
            _ => bail!("{}, line {number}: it must have one of event, throttled, settings", file.display()),
        };
        let last = entries.last().map_or(0.0, |entry| entry.t);
        if !(last..1e9).contains(&raw.t) {
            bail!("{}, line {number}: its time is before that of the line above", file.display());
        }
        entries.push(SessionEntry { t: raw.t, what });
    }
    Ok(entries)
}

/// Read what OctoPrint's tracker sent: `NAME.requests.jsonl`.
///
/// # Errors
/// When the file cannot be read or a line is not a request; the message names file and line.
pub fn read_requests(file: &Path) -> Result<Vec<TimedRequest>> {
    Ok(lines(file)?.into_iter().map(|(_, recorded)| recorded).collect())
}

fn lines<T: for<'de> Deserialize<'de>>(file: &Path) -> Result<Vec<(usize, T)>> {
    let text = open_regular(file)
        .and_then(io::read_to_string)
        .with_context(|| format!("reading the session {}", file.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            let parsed = serde_json::from_str(&repaired(line.as_bytes()));
            Ok((i + 1, parsed.with_context(|| format!("{}, line {}", file.display(), i + 1))?))
        })
        .collect()
}

/// One of our requests, and the event that caused it; none for a tick.
#[derive(Clone, Debug)]
pub struct CausedRequest {
    /// The request, as the receiver got it.
    pub request: RecordedRequest,
    /// The event that caused it, and its payload.
    pub cause: Option<(String, Value)>,
}

/// How many requests of one kind were sent here and there, and how they differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindComparison {
    /// How many we sent.
    pub here: usize,
    /// How many OctoPrint sent.
    pub there: usize,
    /// How many of them were the same bytes.
    pub same: usize,
    /// How many differences have which reason.
    pub reasons: BTreeMap<Reason, usize>,
    /// Differences without a reason, each as two lines for people.
    pub unexplained: Vec<String>,
}

/// Compare the requests of a whole session, kind by kind, each in the order of sending. The order between kinds is
/// not compared: where several are due at the same time, OctoPrint's own order varies.
pub fn compare(ours: &[CausedRequest], theirs: &[RecordedRequest]) -> BTreeMap<String, KindComparison> {
    let mut kinds: BTreeMap<String, (Vec<&CausedRequest>, Vec<&RecordedRequest>)> = BTreeMap::new();
    for our in ours {
        kinds.entry(our.request.kind().into()).or_default().0.push(our);
    }
    for their in theirs {
        kinds.entry(their.kind().into()).or_default().1.push(their);
    }
    kinds.into_iter().map(|(name, (ours, theirs))| (name, compare_kind(&ours, &theirs))).collect()
}

fn compare_kind(ours: &[&CausedRequest], theirs: &[&RecordedRequest]) -> KindComparison {
    let mut kind = KindComparison { here: ours.len(), there: theirs.len(), ..KindComparison::default() };
    let (mut i, mut j) = (0, 0);
    while i < ours.len() || j < theirs.len() {
        let (our, their) = (ours.get(i), theirs.get(j));
        let reason = match (our, their) {
            (Some(our), Some(their)) if our.request == **their => {
                kind.same += 1;
                (i, j) = (i + 1, j + 1);
                continue;
            }
            // The same request with a difference that its own event explains.
            (Some(our), Some(their)) if let Some(reason) = pair(our, their) => {
                (i, j) = (i + 1, j + 1);
                reason
            }
            // A request of ours that OctoPrint did not send.
            (Some(our), _) if let Some(reason) = extra(our) => {
                i += 1;
                reason
            }
            // OctoPrint sent the request before once more.
            (_, Some(their)) if j > 0 && theirs[j - 1] == *their && is_comm_error(their) => {
                j += 1;
                Reason::ErrorFiredTwice
            }
            // OctoPrint reported a connection once more, without the firmware.
            (_, Some(their)) if their.kind() == "printer_connected" && their.value("firmware_name").is_none() => {
                j += 1;
                Reason::OrphanedTimer
            }
            (our, their) => {
                let text = |request: Option<String>| request.unwrap_or_else(|| "nothing".into());
                let our = text(our.map(|our| our.request.to_string()));
                let their = text(their.map(ToString::to_string));
                kind.unexplained.push(format!("here: {our}\nthere: {their}"));
                (i, j) = (i + 1, j + 1);
                continue;
            }
        };
        *kind.reasons.entry(reason).or_default() += 1;
    }
    kind
}

/// The reason why a request of ours differs from OctoPrint's, if there is one.
fn pair(our: &CausedRequest, their: &RecordedRequest) -> Option<Reason> {
    let case = as_case(our)?;
    [Reason::Null, Reason::SlicerBug, Reason::PortKind, Reason::ErrorText]
        .into_iter()
        .find(|reason| reason.explains(&case, std::slice::from_ref(their), std::slice::from_ref(&our.request)))
}

/// The reason why OctoPrint did not send a request of ours, if there is one.
fn extra(our: &CausedRequest) -> Option<Reason> {
    let case = as_case(our)?;
    let lost = case.last_event() == "PrintFailed" && case.last_payload().get("path").is_none();
    if lost {
        return Some(Reason::LostConnection);
    }
    let reason = Reason::HeardUnderBothNames;
    reason.explains(&case, &[], std::slice::from_ref(&our.request)).then_some(reason)
}

fn as_case(our: &CausedRequest) -> Option<Case> {
    let (event, payload) = our.cause.clone()?;
    Some(Case {
        name: String::new(),
        settings: Map::new(),
        env: Map::new(),
        throttled: None,
        events: vec![RecordedEvent { event, payload }],
        after: 0,
        expect: Vec::new(),
        exact: false,
        why: None,
    })
}

fn is_comm_error(request: &RecordedRequest) -> bool {
    request.kind().starts_with("commerror_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(kind: &str, query: &str) -> RecordedRequest {
        RecordedRequest {
            method: "GET".into(),
            path: format!("/track/x/{kind}/"),
            query: query.into(),
            ..RecordedRequest::default()
        }
    }

    fn ours(kind: &str, query: &str, cause: Option<(&str, Value)>) -> CausedRequest {
        let cause = cause.map(|(event, payload)| (event.to_string(), payload));
        CausedRequest { request: request(kind, query), cause }
    }

    fn one(ours: &[CausedRequest], theirs: &[RecordedRequest]) -> KindComparison {
        compare(ours, theirs).into_values().next().unwrap()
    }

    #[test]
    fn differences_have_their_reason() {
        let plugin = Some(("plugin_pluginmanager_enable_plugin", json!({"id": "a", "version": null})));
        let kind = one(
            &[ours("enable_plugin", "plugin=a", plugin)],
            &[request("enable_plugin", "plugin=a&plugin_version=None")],
        );
        assert_eq!((kind.same, kind.reasons.get(&Reason::Null), kind.unexplained.len()), (0, Some(&1), 0));

        let error = Some(("Error", json!({"error": "e", "reason": "firmware"})));
        let theirs = request("commerror_firmware", "commerror_text=e");
        let kind = one(&[ours("commerror_firmware", "commerror_text=e", error)], &[theirs.clone(), theirs]);
        assert_eq!((kind.same, kind.reasons.get(&Reason::ErrorFiredTwice)), (1, Some(&1)));

        let text = Some(("Error", json!({"error": "no /home/x", "reason": "firmware"})));
        let kind = one(
            &[ours("commerror_firmware", "commerror_text=no%20%E2%80%A6", text)],
            &[request("commerror_firmware", "commerror_text=no%20%2Fhome%2Fx")],
        );
        assert_eq!((kind.reasons.get(&Reason::ErrorText), kind.unexplained.len()), (Some(&1), 0));

        let lost = Some(("PrintFailed", json!({"connector": "serial"})));
        let kind = one(&[ours("print_failed", "file=f&reason=unknown", lost)], &[]);
        assert_eq!(kind.reasons.get(&Reason::LostConnection), Some(&1));

        let firmware = request("printer_connected", "printer_connector=serial&firmware_name=f");
        let timer = request("printer_connected", "printer_connector=serial");
        let same = CausedRequest { request: firmware.clone(), cause: None };
        let kind = one(&[same], &[firmware, timer]);
        assert_eq!((kind.same, kind.reasons.get(&Reason::OrphanedTimer)), (1, Some(&1)));
    }

    #[test]
    fn a_difference_without_a_reason_stays() {
        let started = Some(("PrintStarted", json!({"path": "a", "origin": "local"})));
        for theirs in
            [vec![], vec![request("print_started", "origin=local&file=other")], vec![request("print_started", ""); 2]]
        {
            let kind = one(&[ours("print_started", "origin=local&file=f", started.clone())], &theirs);
            assert_eq!((kind.same, kind.reasons.len()), (0, 0), "{theirs:?}");
            assert_eq!(kind.unexplained.len(), theirs.len().max(1));
        }
        let kind = one(&[], &[request("print_started", "x")]);
        assert_eq!(kind.unexplained, ["here: nothing\nthere: GET /track/x/print_started/?x ()"]);
    }
}
