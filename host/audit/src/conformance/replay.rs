//! Runs recorded cases through a component, in a sandbox in which requests are recorded and not sent.

use super::case::{self, Case};
use super::compare::{CaseVerdict, compare};
use super::recorded_request::RecordedRequest;
use glassbox_sandbox::capabilities::{Capabilities, Deny};
use glassbox_sandbox::fake::{Logged, ManualClock, ManualThrottle, UseLog};
use glassbox_sandbox::{Blocked, Instance, Plugin, Settings, consent};
use std::sync::Arc;

/// The key of a case's settings that is the salt: OctoPrint's own tracker was given it, too.
const SALT: &str = "file_salt";

/// The id where a case has none: a host makes one.
const MINTED: &str = "01020304-0506-4708-890a-0b0c0d0e0f10";

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
#[must_use]
pub fn run(plugin: &Arc<Plugin>, case: &Case) -> CaseRun {
    match replay(plugin, case) {
        Ok((sent, undeclared)) => {
            let verdict = match undeclared.first() {
                None => compare(case, &sent),
                Some(blocked) => CaseVerdict::Failed(format!(
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

fn replay(plugin: &Arc<Plugin>, case: &Case) -> Result<(Vec<RecordedRequest>, Vec<Blocked>), glassbox_sandbox::Error> {
    let text = |key: &str| case.settings.get(key).and_then(|value| value.as_str()).map(String::from);
    let id_setting = plugin.policy.manifest().capabilities.http.as_ref().map(|http| http.id_setting.clone());
    let record = UseLog::default();
    let throttle = ManualThrottle::default();
    throttle.set(case.throttled.as_deref().and_then(mask));
    let capabilities = Capabilities {
        http: Box::new(Logged(Deny, record.clone())),
        clock: Box::new(ManualClock::default()),
        hardware: Box::new(Deny),
        throttle: Box::new(throttle),
        salt: text(SALT).filter(|salt| !salt.is_empty()).unwrap_or_else(|| "none".into()),
    };
    // The case's environment replaces this process's.
    let veto = consent::veto(|name| case.env.get(name).and_then(|value| value.as_str()).map(Into::into));
    let mut instance = Instance::new(plugin, capabilities, veto)?;
    let mut document = case.settings.clone();
    if let Some(id) = id_setting.filter(|id| text(id).is_none_or(|id| id.is_empty())) {
        document.insert(id, MINTED.into());
    }
    let settings = serde_json::to_string(&document).unwrap_or_default();
    let loaded = match Settings::parse(&settings) {
        Ok(settings) => instance.load(&settings)?.is_ok(),
        Err(_) => false,
    };
    let mut undeclared = Vec::new();
    let mut sent = Vec::new();
    // A plugin whose settings are not accepted does not run, and gets no events.
    for event in case.events.iter().filter(|_| loaded) {
        let _ = record.take();
        if let Some(outcome) = instance.on_event(&event.event, &case::payload_text(&event.payload))? {
            undeclared.extend(outcome.blocked.into_iter().filter(|blocked| blocked.undeclared));
        }
        sent = record.take_requests().iter().map(RecordedRequest::from).collect();
    }
    Ok((sent, undeclared))
}

/// Parse a throttle mask as `vcgencmd` prints it and the corpora have it: `0x` and one to eight hexadecimal digits.
#[must_use]
pub fn mask(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x")?;
    // Checked here, as the standard library would accept a sign too.
    let fits = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}
