//! What crosses the boundary of an instance, in both directions, as types and as text for people. How it is written to
//! a recording is in [`super::format`].

use glassbox_sandbox::capabilities::Machine;
use glassbox_sandbox::{Handover, HeardAgain, Method, Policy, Request, Settings, printable};
use serde_json::json;
use std::fmt;

/// One call into an instance, with all that the component asked of the host during it.
#[derive(Clone, Debug)]
pub struct RecordedCall {
    /// Which instance, by number: each start makes a new one.
    pub instance_id: u64,
    /// When it was made.
    pub moment: Moment,
    /// What was called, with its arguments.
    pub call: Call,
    /// What the component asked of the host, in order, with the answers.
    pub asked: Vec<HostCall>,
    /// How it ended.
    pub returned: Returned,
    /// How much work it was, in wasmtime's fuel (about one for each instruction); none if it was not counted.
    pub fuel: Option<u64>,
}

/// When a call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Microseconds since the recording began.
    pub t: u64,
    /// What the instance's clock showed, in nanoseconds. It is read once in a call.
    pub clock: u64,
    /// True for a call that was never made, but that a replay needs in order to begin in the middle.
    pub made_up: bool,
}

/// A call into the component.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // named as the contract's exports
pub enum Call {
    Start(Start),
    Load(Load),
    Restore(Restore),
    Event {
        name: String,
        payload: String,
    },
    /// No call: the host heard an event that was not shown. Nothing crossed, but when reports are due depends on it.
    Heard {
        name: String,
    },
    Tick {
        due: Vec<String>,
    },
    Save,
}

/// Settings that are loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The whole document, which the gate applies.
    pub document: String,
    /// What the component is shown of it.
    pub shown: String,
}

impl Load {
    /// These settings, and what a component with this policy is shown of them.
    pub fn new(policy: &Policy, settings: &Settings) -> Self {
        let shown = settings.only(&policy.manifest().settings.shows);
        // Not indented, as they are shown, so that they stay on one line.
        Self { document: json!(settings).to_string(), shown: json!(shown).to_string() }
    }
}

/// What a fresh instance is shown again, and what the one before it handed over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restore {
    /// The events that it is shown again, as they are shown now.
    pub heard: Vec<HeardAgain>,
    /// What was handed over, as JSON text.
    pub state: String,
    /// Milliseconds since that.
    pub age_ms: u64,
    /// When what is due, as JSON text. That is not shown, but the gate goes by it. None where it is not known.
    pub due: Option<String>,
}

/// The start of a new instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The plugin's name.
    pub plugin: String,
    /// The name of the OctoPrint whose events it gets, if that has one.
    pub octoprint: Option<String>,
    /// SHA-256 of its component.
    pub digest: String,
    /// The environment variable that forbids sending, if there is one.
    pub veto: Option<String>,
    /// The number of the instance before it, whose sending counts against its rate limit.
    pub after: Option<u64>,
}

impl Start {
    /// What it is called in messages: `plugin`, or `plugin@octoprint`.
    pub fn who(&self) -> String {
        let at = self.octoprint.as_ref().map(|octoprint| format!("@{octoprint}"));
        printable(&(self.plugin.clone() + &at.unwrap_or_default()), 200)
    }
}

/// What was asked of the host during a call, and the answer.
#[derive(Clone, Debug)]
pub enum HostCall {
    /// `http.send`.
    Send(SentRequest),
    /// `hardware.probe`, with only those fields that the component is told. The host asks too, for what it makes itself.
    Probe(Box<Machine>),
    /// `throttle.query`. The host asks too.
    Query(Option<u32>),
    /// This many more, which were too many to keep.
    Lost(u64),
}

/// A request that the component asked the host to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRequest {
    /// The request as the component gave it.
    pub request: Request,
    /// How many requests the send queue had room for, if the gate checked that.
    pub room: Option<u64>,
    /// Why it was refused, if it was. The component does not learn that.
    pub refused: Option<String>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// The instance has started.
    Started,
    /// The settings were accepted, or why not.
    Loaded(Result<(), String>),
    /// The state was accepted, or why not.
    Restored(Result<(), String>),
    /// An event or a tick was handled.
    Done {
        /// When the component wants the next tick, in nanoseconds of its clock.
        next_tick: Option<u64>,
        /// The component's message for the log.
        message: Option<String>,
    },
    /// What it hands over.
    Saved(Handover),
    /// What was not shown was heard.
    Heard,
    /// It trapped, or broke a limit.
    Failed(String),
}

impl Call {
    /// The name of the export that is called, as in the contract; `start` for a start, and `heard` where none is.
    pub fn export(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Load(_) => "settings.load",
            Self::Restore(_) => "handover.restore",
            Self::Event { .. } => "on-event",
            Self::Heard { .. } => "heard",
            Self::Tick { .. } => "on-tick",
            Self::Save => "handover.save",
        }
    }

    /// About how much memory its texts take.
    fn size(&self) -> usize {
        match self {
            Self::Load(Load { document, shown }) => document.len() + shown.len(),
            Self::Restore(Restore { heard, state, due, .. }) => {
                let heard = heard.iter().map(|event| size_of::<HeardAgain>() + event.name.len() + event.payload.len());
                heard.sum::<usize>() + state.len() + due.as_ref().map_or(0, String::len)
            }
            Self::Event { payload, .. } => payload.len(),
            Self::Tick { due } => due.iter().map(|name| size_of::<String>() + name.len()).sum(),
            Self::Start(_) | Self::Heard { .. } | Self::Save => 0,
        }
    }
}

impl HostCall {
    /// About how much memory it takes.
    pub fn size(&self) -> usize {
        let more = match self {
            Self::Send(sent) => sent.request.fields.iter().map(|(name, value)| 48 + name.len() + value.len()).sum(),
            Self::Probe(_) => 300,
            _ => 0,
        };
        size_of::<Self>() + more
    }
}

impl RecordedCall {
    /// About how much memory it takes.
    pub fn size(&self) -> usize {
        let returned = match &self.returned {
            Returned::Saved(Handover { state: text, .. }) | Returned::Failed(text) => text.len(),
            _ => 0,
        };
        size_of::<Self>() + self.call.size() + returned + self.asked.iter().map(HostCall::size).sum::<usize>()
    }
}

/// The most characters of a value that are shown in a line.
pub(super) const SHOWN: usize = 300;

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| printable(text, SHOWN);
        match self {
            Self::Start(start) => write!(f, "start {} {}", start.who(), shown(&start.digest)),
            Self::Event { name, payload } => write!(f, "on-event {} {}", shown(name), shown(payload)),
            Self::Restore(Restore { heard, state, age_ms, .. }) => {
                write!(f, "handover.restore {} of {age_ms} ms ago", shown(state))?;
                heard.iter().try_for_each(|HeardAgain { name, payload, age_ms }| {
                    write!(f, ", {} {} of {age_ms} ms ago", shown(name), shown(payload))
                })
            }
            Self::Load(Load { shown: text, .. }) => write!(f, "settings.load {}", shown(text)),
            Self::Heard { name } => write!(f, "heard {}", shown(name)),
            Self::Tick { due } if !due.is_empty() => write!(f, "on-tick with {} due", shown(&due.join(", "))),
            Self::Tick { .. } | Self::Save => write!(f, "{}", self.export()),
        }
    }
}

impl fmt::Display for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(sent) => write!(f, "http.send {sent}"),
            Self::Probe(machine) => write!(f, "hardware.probe = {}", printable(&format!("{machine:?}"), SHOWN)),
            Self::Query(Some(mask)) => write!(f, "throttle.query = {mask:#x}"),
            Self::Query(None) => write!(f, "throttle.query = none"),
            Self::Lost(count) => write!(f, "{count} more, which were too many to keep"),
        }
    }
}

impl fmt::Display for SentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { method, name, fields, user_agent } = &self.request;
        write!(f, "{method} {}", printable(name, SHOWN))?;
        for (name, value) in fields {
            write!(f, " {}={}", printable(name, SHOWN), printable(value, SHOWN))?;
        }
        write!(f, " ({})", printable(user_agent, SHOWN))?;
        match &self.refused {
            Some(reason) => write!(f, ": refused, {}", printable(reason, SHOWN)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| printable(text, SHOWN);
        match self {
            Self::Started => write!(f, "it started"),
            Self::Heard => write!(f, "heard"),
            Self::Loaded(Ok(())) | Self::Restored(Ok(())) => write!(f, "accepted"),
            Self::Loaded(Err(reason)) | Self::Restored(Err(reason)) => write!(f, "not accepted: {}", shown(reason)),
            Self::Done { next_tick, message } => {
                let tick = next_tick.map_or("no tick".into(), |at| format!("the next tick at {at}"));
                let message = message.as_ref().map(|message| format!(", and says: {}", shown(message)));
                write!(f, "it wants {tick}{}", message.unwrap_or_default())
            }
            Self::Saved(Handover { state, dropped: 0 }) => write!(f, "saved {}", shown(state)),
            Self::Saved(Handover { state, dropped }) => {
                write!(f, "saved {} and {dropped} more, which were dropped", shown(state))
            }
            Self::Failed(reason) => write!(f, "failed: {}", shown(reason)),
        }
    }
}

/// As it is called in a line of a recording.
pub(super) fn method(text: &str) -> Option<Method> {
    [Method::Get, Method::Post].into_iter().find(|method| method.to_string() == text)
}
