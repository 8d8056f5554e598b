//! Compares two runs, output by output: each field of each request, how many requests of a kind there were, their
//! order, their time, the next tick, the log. What the runs differ in is not known here.

use super::scenario::{Call, Trace};
use glassbox_sandbox::{Manifest, Outgoing, printable};
use std::collections::{BTreeMap, BTreeSet};

/// In which order requests were sent. This and the following are outputs that are not a field of a request.
pub const ORDER: &str = "(order of requests)";
/// When the component wants its next tick.
pub const NEXT_TICK: &str = "(next tick)";
/// Messages for the log.
pub const LOG: &str = "(log)";
/// Requests that the gate stopped.
pub const BLOCKED: &str = "(blocked)";
/// Calls that failed.
pub const FAILURE: &str = "(failure)";

/// The outputs that differ, by name, and the value of each in both runs, cut short.
pub type Differences = BTreeMap<String, (String, String)>;

/// How many characters of a value are shown.
pub const SHOWN: usize = 60;

/// What differs in the event's own call, and what differs in later calls. `timed`: whether a request that is sent
/// at another time counts as a difference; it does not where the clock was the input that was changed.
pub fn differences(one: &Trace, other: &Trace, manifest: &Manifest, timed: bool) -> (Differences, Differences) {
    let (mut direct, mut later) = (Differences::new(), Differences::new());
    // Most runs are the same, and this is much faster than comparing every field.
    if one.calls.len() == other.calls.len() && one.calls.iter().zip(&other.calls).all(|(a, b)| same(a, b)) {
        return (direct, later);
    }
    let (a, b) = (one.calls.split_at(one.calls.len().min(1)), other.calls.split_at(other.calls.len().min(1)));
    compare(&Part::new(a.0, manifest), &Part::new(b.0, manifest), false, &mut direct);
    compare(&Part::new(a.1, manifest), &Part::new(b.1, manifest), timed, &mut later);
    (direct, later)
}

fn same(one: &Call, other: &Call) -> bool {
    fn outputs(call: &Call) -> impl PartialEq + '_ {
        (call.at, &call.sent, &call.blocked, call.wait, &call.message, &call.failed)
    }
    outputs(one) == outputs(other)
}

/// The value of the variable in a request's name, when it was sent, and all of it.
type Sent<'a> = (Option<String>, u64, &'a Outgoing);

/// Everything that some of a run's calls gave out.
struct Part<'a> {
    /// Requests, by their names in the manifest.
    requests: BTreeMap<&'a str, Vec<Sent<'a>>>,
    order: Vec<&'a str>,
    waits: Vec<Option<u64>>,
    log: Vec<&'a str>,
    blocked: Vec<String>,
    failed: Vec<&'a str>,
}

impl<'a> Part<'a> {
    fn new(calls: &'a [Call], manifest: &'a Manifest) -> Self {
        let mut requests: BTreeMap<&str, Vec<Sent>> = BTreeMap::new();
        let mut order = Vec::new();
        for (at, request) in calls.iter().flat_map(|call| call.sent.iter().map(|request| (call.at, request))) {
            let (name, variable) = declared(&request.name, manifest);
            requests.entry(name).or_default().push((variable, at, request));
            order.push(name);
        }
        let blocked = calls.iter().flat_map(|call| &call.blocked);
        Self {
            requests,
            order,
            waits: calls.iter().map(|call| call.wait).collect(),
            log: calls.iter().filter_map(|call| call.message.as_deref()).collect(),
            blocked: blocked.map(|blocked| format!("{}: {}", blocked.request, blocked.reason)).collect(),
            failed: calls.iter().filter_map(|call| call.failed.as_deref()).collect(),
        }
    }
}

/// A request's name as the manifest has it (`commerror_{reason}`), and the value of the variable in it.
pub fn declared<'a>(name: &'a str, manifest: &'a Manifest) -> (&'a str, Option<String>) {
    if manifest.says.iter().any(|says| says.request == name) {
        return (name, None);
    }
    let with_variable = manifest.says.iter().find_map(|says| {
        let (prefix, rest) = says.request.split_once('{')?;
        let (_, suffix) = rest.split_once('}')?;
        let value = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
        Some((says.request.as_str(), Some(value.to_string())))
    });
    with_variable.unwrap_or((name, None))
}

fn compare(one: &Part, other: &Part, timed: bool, found: &mut Differences) {
    let mut note = |output: String, one: &str, other: &str| {
        if one != other {
            // If they differ only beyond the cut, both look the same here; that it is listed says enough.
            found.entry(output).or_insert_with(|| (printable(one, SHOWN), printable(other, SHOWN)));
        }
    };
    let names: BTreeSet<_> = one.requests.keys().chain(other.requests.keys()).copied().collect();
    let none = Vec::new();
    for name in names {
        let (ours, theirs) = (one.requests.get(name).unwrap_or(&none), other.requests.get(name).unwrap_or(&none));
        note(format!("{name} (sent)"), &times(ours.len()), &times(theirs.len()));
        for (a, b) in ours.iter().zip(theirs) {
            let text = |variable: &Option<String>| variable.clone().unwrap_or_default();
            note(format!("{name} (name)"), &text(&a.0), &text(&b.0));
            if timed {
                note(format!("{name} (when)"), &shown(Some(a.1)), &shown(Some(b.1)));
            }
            request(name, a.2, b.2, &mut note);
        }
    }
    let mut sorted = (one.order.clone(), other.order.clone());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    if sorted.0 == sorted.1 {
        note(ORDER.into(), &one.order.join(" "), &other.order.join(" "));
    }
    let waits = |part: &Part| part.waits.iter().map(|wait| shown(*wait)).collect::<Vec<_>>().join(", ");
    note(NEXT_TICK.into(), &waits(one), &waits(other));
    note(LOG.into(), &one.log.join("; "), &other.log.join("; "));
    note(BLOCKED.into(), &one.blocked.join("; "), &other.blocked.join("; "));
    note(FAILURE.into(), &one.failed.join("; "), &other.failed.join("; "));
}

fn request(name: &str, one: &Outgoing, other: &Outgoing, note: &mut impl FnMut(String, &str, &str)) {
    let order = |request: &Outgoing| request.fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let names: BTreeSet<String> = order(one).into_iter().chain(order(other)).collect();
    for field in names {
        let value = |request: &Outgoing| {
            let mut values = request.fields.iter().filter(|(name, _)| *name == field);
            values.next().map_or("(not there)".to_string(), |(_, value)| value.clone())
        };
        note(format!("{name}.{field}"), &value(one), &value(other));
    }
    note(format!("{name} (user agent)"), &one.user_agent, &other.user_agent);
    let address = |request: &Outgoing| request.url.replace(&format!("/{}", request.name), "");
    note(format!("{name} (address)"), &address(one), &address(other));
}

fn times(count: usize) -> String {
    format!("{count} times")
}

fn shown(wait: Option<u64>) -> String {
    wait.map_or("none".into(), |ns| {
        if ns % 1_000_000_000 == 0 { format!("{} s", ns / 1_000_000_000) } else { format!("{ns} ns") }
    })
}
