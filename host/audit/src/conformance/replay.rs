//! Runs recorded cases through a component, in a sandbox in which requests are recorded and not sent. Time passes in it as
//! in a host, with ticks where they are due: otherwise a component could tell a replay from a real run by its clock.

use super::case::{self, Case};
use super::compare::{CaseVerdict, compare};
use super::recorded_request::RecordedRequest;
use crate::fake::{Logged, ManualClock, ManualThrottle, UseLog};
use glassbox_contract::{Deliver, Deny};
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Blocked, Error, Instance, Memory, Outcome, Plugin, Settings, consent, printable};
use std::sync::Arc;

/// The key of a case's settings that is the salt: OctoPrint's own tracker was given it, too.
const SALT: &str = "file_salt";

/// The id where a case has none: a host makes one.
const MINTED: &str = "01020304-0506-4708-890a-0b0c0d0e0f10";

/// Nanoseconds between two events: recordings of cases have no times, and these come in the order of seconds.
const APART: u64 = 1_000_000_000;
/// The time after the last event, in which nothing undeclared may be sent either: a quarter of an hour.
const AFTERWARDS: u64 = 900 * APART;
/// The most ticks between two events: a component may always want the next at once.
const TICKS: usize = 40;

/// What a component did in a case.
#[derive(Clone, Debug)]
pub struct CaseRun {
    /// What the last event made the component send.
    pub sent: Vec<RecordedRequest>,
    /// What the gate stopped, in all events, because the manifest does not declare it.
    pub undeclared: Vec<Blocked>,
    /// How that compares with what OctoPrint sent.
    pub verdict: CaseVerdict,
    /// Why the component failed, if it did.
    pub failed: Option<String>,
}

/// Run a case through a fresh instance.
pub fn run(plugin: &Arc<Plugin>, case: &Case) -> CaseRun {
    match replay(plugin, case) {
        Ok(Replayed { sent, undeclared, refused }) => {
            let verdict = match (undeclared.first(), refused) {
                (None, None) => compare(case, &sent),
                // It did not run, so it says nothing that it sent nothing.
                (_, Some(refused)) => CaseVerdict::Failed(format!("it refused {}", printable(&refused, 200))),
                (Some(blocked), None) => CaseVerdict::Failed(format!(
                    "it tried to send {}, which was blocked: {}",
                    blocked.request, blocked.reason
                )),
            };
            CaseRun { sent, undeclared, verdict, failed: None }
        }
        Err(error) => CaseRun {
            sent: Vec::new(),
            undeclared: Vec::new(),
            verdict: CaseVerdict::Failed(error.to_string()),
            failed: Some(error.to_string()),
        },
    }
}

/// A component and its clock, while a case is replayed.
struct Replay {
    instance: Instance,
    clock: ManualClock,
    next: Option<u64>,
    undeclared: Vec<Blocked>,
}

impl Replay {
    /// Let time pass, with the ticks that are due in it.
    fn pass(&mut self, time: u64) -> Result<(), Error> {
        let then = self.clock.get().saturating_add(time);
        for _ in 0..TICKS {
            let next = self.next.into_iter().chain(self.instance.next_due()).min();
            let Some(at) = next.filter(|at| *at <= then) else { break };
            self.clock.set(at.max(self.clock.get()));
            let outcome = self.instance.on_tick()?;
            self.keep(outcome);
        }
        self.clock.set(then);
        Ok(())
    }

    fn keep(&mut self, outcome: Outcome) {
        self.next = outcome.next_tick;
        self.undeclared.extend(outcome.blocked.into_iter().filter(|blocked| blocked.undeclared));
    }
}

/// What a case came to, before it is compared.
struct Replayed {
    sent: Vec<RecordedRequest>,
    undeclared: Vec<Blocked>,
    /// What it refused, and why.
    refused: Option<String>,
}

fn replay(plugin: &Arc<Plugin>, case: &Case) -> Result<Replayed, Error> {
    let text = |key: &str| case.settings.get(key).and_then(|value| value.as_str()).map(String::from);
    let id_setting = plugin.policy.manifest().capabilities.http.as_ref().map(|http| http.id_setting.clone());
    let (record, clock) = (UseLog::default(), ManualClock::default());
    let throttle = ManualThrottle::default();
    throttle.set(case.throttled.as_deref().and_then(mask));
    let capabilities = Capabilities {
        http: Box::new(Logged(Deny, record.clone())),
        clock: Box::new(clock.clone()),
        hardware: Box::new(Deny),
        throttle: Box::new(throttle),
        salt: text(SALT).filter(|salt| !salt.is_empty()).unwrap_or_else(|| "none".into()),
    };
    // The case's environment replaces this process's.
    let veto = consent::veto(|name| case.env.get(name).and_then(|value| value.as_str()).map(Into::into));
    let mut instance = Instance::new(plugin, capabilities, veto, Memory::default())?;
    let mut document = case.settings.clone();
    if let Some(id) = id_setting.filter(|id| text(id).is_none_or(|id| id.is_empty())) {
        document.insert(id, MINTED.into());
    }
    let settings = serde_json::to_string(&document).unwrap_or_default();
    let mut replayed = Replayed { sent: Vec::new(), undeclared: Vec::new(), refused: None };
    // What is no settings document does not even reach a component.
    let Ok(settings) = Settings::parse(&settings) else { return Ok(replayed) };
    let mut refusal = instance.load(&settings)?.err().map(|reason| format!("settings: {reason}"));
    if refusal.is_none() {
        refusal = instance.restore(&[], "{}", 0)?.err().map(|reason| format!("an empty state: {reason}"));
    }
    if refusal.is_some() {
        replayed.refused = refusal;
        return Ok(replayed);
    }
    let mut running = Replay { instance, clock, next: None, undeclared: Vec::new() };
    for event in &case.events {
        running.pass(APART)?;
        let _ = record.take();
        if let Some(outcome) = running.instance.on_event(&event.event, &case::payload_text(&event.payload))? {
            running.keep(outcome);
        }
    }
    running.pass(case.after.saturating_mul(APART))?;
    replayed.sent = record.take_requests().iter().map(RecordedRequest::from).collect();
    running.pass(AFTERWARDS)?;
    replayed.undeclared = running.undeclared;
    Ok(replayed)
}

/// Parse a throttle mask as `vcgencmd` prints it and the corpora have it: `0x` and one to eight hexadecimal digits.
pub fn mask(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x")?;
    // Checked here, as the standard library would accept a sign too.
    let fits = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}
