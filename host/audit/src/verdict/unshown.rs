//! What was not shown: what no audit of a component can show, and what this one left out. Whoever reads only what holds
//! would take it for granted.

use super::super::Report;
use super::super::flow::{FULL_TRIALS, Flow, Long};
use super::{ClaimVerdict, few};
use glassbox_sandbox::manifest::Enters;
use std::collections::BTreeSet;

/// What is not shown, and whether the trials covered all that they should have.
pub(super) fn claims(report: &Report) -> Vec<ClaimVerdict> {
    let mut claims = coverage(report);
    claims.extend(of_no_audit(report));
    claims
}

/// What no audit of a component can show.
fn of_no_audit(report: &Report) -> Vec<ClaimVerdict> {
    let mut claims = Vec::new();
    if report.made.as_ref().is_none_or(|made| !made.capacity.reports.is_empty()) {
        let claim = "It sends each report that is due";
        let why = match &report.made {
            Some(made) => format!("it decides whether: in a day that can say {}", made.capacity.day),
            None => "it decides whether; how much that can say is not known without a manifest that can be used".into(),
        };
        claims.push(ClaimVerdict::not_shown("silence", claim, why));
        let claim = "Several plugins together can say no more than one";
        claims.push(ClaimVerdict::not_shown("together", claim, "what each of them can hide adds up"));
    }
    let claim = "What OctoPrint says is true";
    claims.push(ClaimVerdict::not_shown("truth", claim, "the host passes on what it is told"));
    let claim = "What an event's sender made up does not leave";
    let why = "any plugin of OctoPrint may send an event; what fits the manifest's rules is passed on";
    claims.push(ClaimVerdict::not_shown("senders", claim, why));
    let mut fields = report.manifest.iter().flat_map(|manifest| &manifest.sees).flat_map(|sees| &sees.fields);
    if fields.any(|field| field.enters == Some(Enters::SaltedSha1)) {
        let claim = "Equal hashes are equal files";
        let why = "the host hashes a path: another file may have it the next day";
        claims.push(ClaimVerdict::not_shown("hashes", claim, why));
    }
    claims
}

/// What the trials left out. Where none were made, each of these is said not to be shown.
fn coverage(report: &Report) -> Vec<ClaimVerdict> {
    let Some(flow) = &report.flow else {
        let claims = [("complete", COMPLETE), ("sent", SENT), ("varied", VARIED), ("long", LONG), ("accepts", ACCEPTS)];
        return claims.map(|(name, claim)| ClaimVerdict::not_shown(name, claim, "it was not run")).into();
    };
    let mut claims = vec![complete(report, flow), sent(report, flow), varied(flow), long(flow)];
    let foreign = &flow.undeclared_with_foreign_state;
    if !foreign.is_empty() {
        let claim = "With the state of another version, too, it tries to send only what it may";
        let tried: Vec<_> = foreign.iter().map(|(what, count)| format!("{what} ({count} times)")).collect();
        let why = format!("it tried, and was blocked: {}", few(&tried, 5, "; "));
        claims.push(ClaimVerdict::not_shown("state", claim, why));
    }
    claims.push(accepts(report, flow));
    claims
}

const COMPLETE: &str = "All trials that were asked for were made";
const SENT: &str = "Each report of its manifest was sent in a trial";
const VARIED: &str = "Each input was varied in trials";
const LONG: &str = "A hundred events, and thirty days, went before in trials";
const ACCEPTS: &str = "It takes each settings document that a user may write, and each state that it is handed";

fn complete(report: &Report, flow: &Flow) -> ClaimVerdict {
    let early =
        flow.ended_early.iter().map(|why| format!("{} of {} trials of each input: {why}", flow.reached, flow.asked));
    let search = report.canaries.iter().filter_map(|canaries| canaries.ended_early.as_ref());
    let early: Vec<_> = early.chain(search.map(|why| format!("the search for secrets: {why}"))).collect();
    match early.is_empty() {
        true => {
            let few =
                if flow.asked < FULL_TRIALS { format!("; a full audit has {FULL_TRIALS}") } else { String::new() };
            ClaimVerdict::seen("complete", COMPLETE.into(), flow.runs, format!("{} of each input{few}", flow.asked))
        }
        false => ClaimVerdict::not_shown("complete", COMPLETE, format!("it ended early: {}", early.join("; "))),
    }
}

fn sent(report: &Report, flow: &Flow) -> ClaimVerdict {
    let requests: BTreeSet<_> =
        report.manifest.iter().flat_map(|manifest| &manifest.says).map(|says| says.request.clone()).collect();
    let never: Vec<_> = requests.iter().filter(|request| !flow.sent.contains_key(*request)).cloned().collect();
    let sent: usize = flow.sent.values().sum();
    match never.is_empty() {
        true => ClaimVerdict::seen("sent", SENT.into(), flow.runs, format!("{sent} reports")),
        false => ClaimVerdict::not_shown("sent", SENT, format!("never sent in any trial: {}", few(&never, 12, ", "))),
    }
}

fn varied(flow: &Flow) -> ClaimVerdict {
    let never = &flow.not_varied;
    match never.is_empty() {
        true => ClaimVerdict::seen("varied", VARIED.into(), flow.pairs, format!("{} pairs of runs", flow.pairs)),
        false => ClaimVerdict::not_shown("varied", VARIED, format!("never varied: {}", few(never, 12, ", "))),
    }
}

/// A component may wait before it does what it should not.
fn long(flow: &Flow) -> ClaimVerdict {
    let Long { events, days, cut_short } = flow.long;
    let cut = match cut_short {
        0 => String::new(),
        runs => format!("; in {runs} runs more was due in a day than was tried"),
    };
    if events > 0 && days > 0 {
        let claim = format!("In {events} trials a hundred events went before, and in {days} thirty days");
        let why = format!("with everything that was due in them{cut}; what waits for longer was not seen");
        return ClaimVerdict::seen("long", claim, events + days, why);
    }
    let why = format!("{events} trials after a hundred events, and {days} after thirty days{cut}");
    ClaimVerdict::not_shown("long", LONG, why)
}

fn accepts(report: &Report, flow: &Flow) -> ClaimVerdict {
    let runs = flow.runs + report.canaries.as_ref().map_or(0, |canaries| canaries.runs + canaries.not_begun);
    let mut refused = flow.refused.clone();
    for (why, count) in report.canaries.iter().flat_map(|canaries| &canaries.refused) {
        *refused.entry(why.clone()).or_default() += count;
    }
    let count: usize = refused.values().sum();
    let refused: Vec<_> = refused.iter().map(|(why, count)| format!("{why} ({count} times)")).collect();
    if refused.is_empty() {
        let saw = format!("In {runs} trials, it took the settings and the states that it was given");
        return ClaimVerdict::seen("accepts", saw, runs, "nothing was refused");
    }
    let why =
        format!("what it does with those that it refused, {count} times in {runs} runs: {}", few(&refused, 3, "; "));
    ClaimVerdict::not_shown("accepts", ACCEPTS, why)
}
