//! Recorded sessions: what went into a real OctoPrint over minutes, and what its tracker sent.
//! Reading them, and comparing our requests with the recorded ones, kind by kind.

use super::case::{Case, Event, Request};
use super::reason::Reason;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// What went into a real OctoPrint 1.11.8 in four minutes.
pub const EVENTS: &str = include_str!("../../../../examples/sessions/octoprint-1.11.8.events.jsonl");

/// One line of what went in.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Seconds since the server's start.
    pub t: f64,
    /// What happened.
    pub what: What,
}

/// What happened at a moment of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// An event with its payload.
    Event(String, Value),
    /// The throttle query answers this from now on.
    Throttled(Option<String>),
    /// The user changed these settings.
    Settings(Map<String, Value>),
}

#[derive(Deserialize)]
struct RawEntry {
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

/// A request that was sent at a moment.
#[derive(Clone, Debug, Deserialize)]
pub struct Recorded {
    /// Seconds since the server's start.
    pub t: f64,
    /// The request.
    #[serde(flatten)]
    pub request: Request,
}

/// Read what went in.
///
/// # Errors
/// When the file cannot be read or a line is none; the message names the line.
pub fn read_events(file: &Path) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, raw) in lines::<RawEntry>(file)? {
        let what = match (raw.event, raw.throttled, raw.settings) {
            (Some(event), None, None) => What::Event(event, raw.payload),
            (None, Some(throttled), None) => What::Throttled(throttled),
            (None, None, Some(settings)) => What::Settings(settings),
            _ => bail!("{}, line {number}: it must have one of event, throttled, settings", file.display()),
        };
        let last = entries.last().map_or(0.0, |entry| entry.t);
        if !(last..1e9).contains(&raw.t) {
            bail!("{}, line {number}: its time is before that of the line above", file.display());
        }
        entries.push(Entry { t: raw.t, what });
    }
    Ok(entries)
}

/// Read what came out.
///
/// # Errors
/// As [`read_events`].
pub fn read_requests(file: &Path) -> Result<Vec<Recorded>> {
    Ok(lines(file)?.into_iter().map(|(_, recorded)| recorded).collect())
}

fn lines<T: for<'de> Deserialize<'de>>(file: &Path) -> Result<Vec<(usize, T)>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading the session {}", file.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            let parsed = serde_json::from_str(line);
            Ok((i + 1, parsed.with_context(|| format!("{}, line {}", file.display(), i + 1))?))
        })
        .collect()
}

/// One of our requests, and the event that caused it; none for a tick.
#[derive(Clone, Debug)]
pub struct Ours {
    /// The request as the receiver got it.
    pub request: Request,
    /// The event that caused it, and its payload.
    pub cause: Option<(String, Value)>,
}

/// The comparison of one kind of request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// How many we sent.
    pub here: usize,
    /// How many OctoPrint sent.
    pub there: usize,
    /// How many were the same bytes.
    pub same: usize,
    /// Differences with their reason, and how often.
    pub reasons: BTreeMap<Reason, usize>,
    /// Differences without one.
    pub unexplained: Vec<String>,
}

/// Compare a whole session, kind by kind, in the order of sending. Between kinds order is not
/// compared: on a shared tick OctoPrint's varies.
#[must_use]
pub fn compare(ours: &[Ours], theirs: &[Request]) -> BTreeMap<String, Kind> {
    let mut kinds: BTreeMap<String, (Vec<&Ours>, Vec<&Request>)> = BTreeMap::new();
    for our in ours {
        kinds.entry(our.request.kind().into()).or_default().0.push(our);
    }
    for their in theirs {
        kinds.entry(their.kind().into()).or_default().1.push(their);
    }
    kinds.into_iter().map(|(name, (ours, theirs))| (name, compare_kind(&ours, &theirs))).collect()
}

fn compare_kind(ours: &[&Ours], theirs: &[&Request]) -> Kind {
    let mut kind = Kind { here: ours.len(), there: theirs.len(), ..Kind::default() };
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
            // One of ours that OctoPrint did not send.
            (Some(our), _) if let Some(reason) = extra(our) => {
                i += 1;
                reason
            }
            // OctoPrint sent the one before once more.
            (_, Some(their)) if j > 0 && theirs[j - 1] == *their && is_comm_error(their) => {
                j += 1;
                Reason::ErrorFiredTwice
            }
            // A connection that was reported with its firmware, or is gone, once more without.
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

/// Reasons that hold for a request of ours beside OctoPrint's.
fn pair(our: &Ours, their: &Request) -> Option<Reason> {
    let case = as_case(our)?;
    [Reason::Null, Reason::SlicerBug]
        .into_iter()
        .find(|reason| reason.explains(&case, std::slice::from_ref(their), std::slice::from_ref(&our.request)))
}

/// Reasons that hold for a request of ours that OctoPrint did not send.
fn extra(our: &Ours) -> Option<Reason> {
    let case = as_case(our)?;
    let lost = case.last_event() == "PrintFailed" && case.last_payload().get("path").is_none();
    if lost {
        return Some(Reason::LostConnection);
    }
    let reason = Reason::HeardUnderBothNames;
    reason.explains(&case, &[], std::slice::from_ref(&our.request)).then_some(reason)
}

fn as_case(our: &Ours) -> Option<Case> {
    let (event, payload) = our.cause.clone()?;
    Some(Case {
        name: String::new(),
        settings: Map::new(),
        env: Map::new(),
        throttled: None,
        events: vec![Event { event, payload }],
        expect: Vec::new(),
        exact: false,
        why: None,
    })
}

fn is_comm_error(request: &Request) -> bool {
    request.kind().starts_with("commerror_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(kind: &str, query: &str) -> Request {
        Request { method: "GET".into(), path: format!("/track/x/{kind}/"), query: query.into(), ..Request::default() }
    }

    fn ours(kind: &str, query: &str, cause: Option<(&str, Value)>) -> Ours {
        let cause = cause.map(|(event, payload)| (event.to_string(), payload));
        Ours { request: request(kind, query), cause }
    }

    fn one(ours: &[Ours], theirs: &[Request]) -> Kind {
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

        let lost = Some(("PrintFailed", json!({"connector": "serial"})));
        let kind = one(&[ours("print_failed", "file=f&reason=unknown", lost)], &[]);
        assert_eq!(kind.reasons.get(&Reason::LostConnection), Some(&1));

        let firmware = request("printer_connected", "printer_connector=serial&firmware_name=f");
        let timer = request("printer_connected", "printer_connector=serial");
        let same = Ours { request: firmware.clone(), cause: None };
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
