//! What crosses the boundary of an instance, in both directions, and how it is put for people. How it
//! is written down is in [`super::format`].

use glassbox_sandbox::capabilities::Machine;
use glassbox_sandbox::{Method, Request, printable};
use std::fmt;

/// One call into an instance, with all that the component asked of the host meanwhile.
#[derive(Clone, Debug)]
pub struct Passage {
    /// Which instance: each start makes a new one.
    pub life: u64,
    /// When.
    pub moment: Moment,
    /// What was called.
    pub call: Call,
    /// What the component asked, in order, with the answers.
    pub asked: Vec<Asked>,
    /// How it ended.
    pub back: Back,
    /// How much work it was, in wasmtime's fuel, about an instruction each; none where nobody counted.
    pub fuel: Option<u64>,
}

/// When a call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Microseconds since the recording began.
    pub t: u64,
    /// What the instance's clock showed, in nanoseconds.
    pub clock: u64,
    /// It was never made: a replay needs it to begin in the middle.
    pub made_up: bool,
}

/// A call into the component.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as the contract's exports
pub enum Call {
    Start(Start),
    Load(String),
    Restore { state: String, age: u64 },
    Event { name: String, payload: String },
    Tick,
    Save,
}

/// A new instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The plugin.
    pub plugin: String,
    /// Whose events it hears, where there are several OctoPrints.
    pub octoprint: Option<String>,
    /// SHA-256 of its component.
    pub digest: String,
    /// The environment variable that forbids to send.
    pub veto: Option<String>,
    /// The instance before it, whose rate of sending it goes on with.
    pub after: Option<u64>,
}

impl Start {
    /// Who it is: `plugin@octoprint` where there are several.
    #[must_use]
    pub fn who(&self) -> String {
        let at = self.octoprint.as_ref().map(|octoprint| format!("@{octoprint}"));
        printable(&(self.plugin.clone() + &at.unwrap_or_default()), 200)
    }
}

/// What the component asked of the host, and the answer.
#[derive(Clone, Debug)]
pub enum Asked {
    /// `http.send`.
    Send(Sent),
    /// `clock.now`.
    Now(u64),
    /// `hardware.probe`, without what the manifest does not list.
    Probe(Box<Machine>),
    /// `throttle.query`.
    Query(Option<u32>),
    /// Random bytes; none if there were none to be had.
    Random(Option<Vec<u8>>),
    /// It asked so many times more, which is too much to keep.
    Lost(u64),
}

/// A request that the component asked to have sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// As it asked for it.
    pub request: Request,
    /// How many more requests the outbox would have taken, if that was looked at.
    pub room: Option<u64>,
    /// The time by which its rate was judged, if it was.
    pub now: Option<u64>,
    /// Why it was refused, if it was: the contract's word, and the reason.
    pub refused: Option<(String, String)>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// The instance is there.
    Started,
    /// The settings are accepted, and the keys that the host added as asked; or why not.
    Loaded(Result<String, String>),
    /// The state is accepted, or why not.
    Restored(Result<(), String>),
    /// An event or a tick is done.
    Done {
        /// When the next tick is wanted.
        next_tick: Option<u64>,
        /// The component's message.
        message: Option<String>,
    },
    /// The state.
    Saved(String),
    /// It trapped, or broke a limit.
    Failed(String),
}

impl Call {
    /// Its name, as the contract has it.
    #[must_use]
    pub fn export(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Load(_) => "settings.load",
            Self::Restore { .. } => "handover.restore",
            Self::Event { .. } => "on-event",
            Self::Tick => "on-tick",
            Self::Save => "handover.save",
        }
    }

    /// The text that it brings, if it brings any.
    fn text(&self) -> &str {
        match self {
            Self::Load(text) | Self::Restore { state: text, .. } | Self::Event { payload: text, .. } => text,
            Self::Start(_) | Self::Tick | Self::Save => "",
        }
    }
}

impl Asked {
    /// About how much memory it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let more = match self {
            Self::Send(sent) => sent.request.fields.iter().map(|(name, value)| 48 + name.len() + value.len()).sum(),
            Self::Random(Some(bytes)) => bytes.len(),
            Self::Probe(_) => 300,
            _ => 0,
        };
        size_of::<Self>() + more
    }
}

impl Passage {
    /// About how much memory it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let back = if let Back::Saved(text) | Back::Failed(text) = &self.back { text.len() } else { 0 };
        size_of::<Self>() + self.call.text().len() + back + self.asked.iter().map(Asked::size).sum::<usize>()
    }
}

/// As much of a value as somebody reads in a line.
pub(super) const SHOWN: usize = 300;

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| printable(text, SHOWN);
        match self {
            Self::Start(start) => write!(f, "start {} {}", start.who(), shown(&start.digest)),
            Self::Event { name, payload } => write!(f, "on-event {} {}", shown(name), shown(payload)),
            Self::Restore { state, age } => write!(f, "handover.restore {} age {age} ns", shown(state)),
            call => write!(f, "{} {}", call.export(), shown(call.text())),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(sent) => write!(f, "http.send {sent}"),
            Self::Now(now) => write!(f, "clock.now = {now}"),
            Self::Probe(machine) => write!(f, "hardware.probe = {}", printable(&format!("{machine:?}"), SHOWN)),
            Self::Query(Some(mask)) => write!(f, "throttle.query = {mask:#x}"),
            Self::Query(None) => write!(f, "throttle.query = none"),
            Self::Random(Some(bytes)) => write!(f, "{} random bytes", bytes.len()),
            Self::Random(None) => write!(f, "random bytes, of which there were none"),
            Self::Lost(count) => write!(f, "{count} more, which were too many to keep"),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { method, name, fields, user_agent } = &self.request;
        write!(f, "{method} {}", printable(name, SHOWN))?;
        for (name, value) in fields {
            write!(f, " {}={}", printable(name, SHOWN), printable(value, SHOWN))?;
        }
        write!(f, " ({})", printable(user_agent, SHOWN))?;
        match &self.refused {
            Some((word, reason)) => write!(f, ": {}, {}", printable(word, SHOWN), printable(reason, SHOWN)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Back {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| printable(text, SHOWN);
        match self {
            Self::Started => write!(f, "it started"),
            Self::Loaded(Ok(added)) => write!(f, "accepted, added {}", shown(added)),
            Self::Restored(Ok(())) => write!(f, "accepted"),
            Self::Loaded(Err(reason)) | Self::Restored(Err(reason)) => write!(f, "not accepted: {}", shown(reason)),
            Self::Done { next_tick, message } => {
                let tick = next_tick.map_or("no tick".into(), |at| format!("the next tick at {at}"));
                let message = message.as_ref().map(|message| format!(", and says: {}", shown(message)));
                write!(f, "it wants {tick}{}", message.unwrap_or_default())
            }
            Self::Saved(state) => write!(f, "saved {}", shown(state)),
            Self::Failed(reason) => write!(f, "failed: {}", shown(reason)),
        }
    }
}

/// As it is called in a line of a recording.
pub(super) fn method(text: &str) -> Option<Method> {
    [Method::Get, Method::Post].into_iter().find(|method| method.to_string() == text)
}
