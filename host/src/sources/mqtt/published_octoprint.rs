//! One OctoPrint as a broker tells of it: its events, and when its server begins and ends.
//!
//! The plugin says `connected` and `disconnected` (its last will) under `mqtt`, and publishes
//! OctoPrint's own `Shutdown`, and `Startup` if it is at the broker by then (that of 1.11.8 is not). A
//! connection that is lost and comes back is no new run of the server; what comes after a `Shutdown` is,
//! or after two minutes of absence, and a `Startup`. A server that ends in a hurry may not come to publish
//! its `Shutdown`: then the plugin has said that it goes, and its last will says so again.

use super::topics::Presence;
use crate::events::event::{ENVIRONMENT, STARTED, STOPPING, WEBUI_LOAD};
use crate::events::{Event, Feed};
use crate::sources::jsonl::LINE;
use crate::sources::server_run::{RunChange, ServerRun};
use glassbox_util::text::printable;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// An OctoPrint that is away so long has ended; restarts take less.
const GONE: Duration = Duration::from_secs(120);

/// The same of one that left of its own accord. For changed settings the plugin leaves for a little more than
/// a second; a server that starts again is back after four at the earliest (both measured, 0.8.16 and 1.11.8).
const LEFT: Duration = Duration::from_secs(3);

/// OctoPrint's own words for its beginning and its end.
const STARTUP: &str = "Startup";
const SHUTDOWN: &str = "Shutdown";

/// What the plugin adds to each event.
const NAME: &str = "_event";
const TIME: &str = "_timestamp";

pub(super) struct PublishedOctoPrint {
    feed: Feed,
    /// Where it publishes, for people and to tell it from others.
    place: String,
    /// The run of the server that was heard last.
    before: Option<ServerRun>,
    /// Whether this host has told the plugins that it runs.
    told: bool,
    /// Whether it has just begun: its `Startup` is still to come, and no news.
    begins: bool,
    /// Since when it is not at the broker.
    away: Option<Instant>,
    /// Whether it left of its own accord: a connection that is lost makes its last will known, and no more.
    left: bool,
    /// Whether anything was heard of it yet.
    pub(super) heard: bool,
    complained: bool,
}

impl PublishedOctoPrint {
    pub(super) fn new(feed: Feed, place: String) -> Self {
        let before = ServerRun::recall(&feed.home, feed.called());
        Self {
            feed,
            place,
            before,
            told: false,
            begins: false,
            away: None,
            left: false,
            heard: false,
            complained: false,
        }
    }

    pub(super) fn called(&self) -> &str {
        self.feed.called()
    }

    /// Whether the plugin is at the broker; `retained` if that was so before we asked.
    pub(super) fn presence(&mut self, presence: Presence, retained: bool) {
        match presence {
            Presence::Here => self.begins = !self.runs(false) && !retained,
            Presence::Gone => {
                self.heard = true;
                self.begins = false;
                self.left = self.away.is_some();
                if self.away.is_none() && self.before.is_some() {
                    tracing::info!(octoprint = self.called(), "OctoPrint is not at the broker");
                    self.away = Some(Instant::now());
                }
            }
        }
    }

    /// An event of its bus, as the plugin published it.
    pub(super) fn event(&mut self, name: &str, payload: &[u8], retained: bool) {
        // Long ago, as is FirmwareData, which the broker keeps; and what is ours to say.
        if retained || [ENVIRONMENT, STARTED, STOPPING, WEBUI_LOAD].contains(&name) {
            return;
        }
        let payload = match bus_payload(name, payload) {
            Ok(payload) => payload,
            Err(reason) => {
                if !std::mem::replace(&mut self.complained, true) {
                    let reason = printable(&reason, usize::MAX);
                    let octoprint = self.called();
                    tracing::warn!(octoprint, "ignoring a malformed event, and more of that kind: {reason}");
                }
                return;
            }
        };
        match name {
            STARTUP => {
                let known = std::mem::take(&mut self.begins);
                self.runs(!known);
            }
            SHUTDOWN => self.ended(),
            // Said on its way out: it does not begin anew for that.
            _ if self.told || self.before.is_some() || !self.is_closing(name) => {
                self.runs(false);
                self.deliver(name, payload, false);
            }
            _ => {}
        }
    }

    /// After its end has been heard only what it says of its printer may follow.
    fn is_closing(&self, name: &str) -> bool {
        self.heard && matches!(name, "Disconnecting" | "Disconnected" | "PrinterStateChanged")
    }

    /// It runs, or it has begun to, if `anew`. Returns whether that was known.
    fn runs(&mut self, anew: bool) -> bool {
        self.heard = true;
        if self.away.take().is_some() && self.told {
            tracing::info!(octoprint = self.called(), "OctoPrint is at the broker again");
        }
        if self.told && !anew {
            return true;
        }
        let now = ServerRun::now(self.place.clone(), None);
        let turn = now.after(self.before.as_ref(), anew);
        if turn == RunChange::New {
            self.deliver(STOPPING, "null".into(), false);
        }
        // Nobody tells what it runs on.
        self.deliver(ENVIRONMENT, "{}".into(), false);
        self.deliver(STARTED, r#"{"uptime":0}"#.into(), turn == RunChange::Same);
        let octoprint = self.called();
        if let Err(error) = now.keep(&self.feed.home, octoprint) {
            tracing::warn!(octoprint, "which run of OctoPrint's server this is is not kept: {error:#}");
        }
        let again = if turn == RunChange::New { "; it was started anew" } else { "" };
        tracing::info!(octoprint, "hears OctoPrint at {}{again}", self.place);
        self.before = Some(now);
        self.told = true;
        false
    }

    /// The run of its server is over.
    fn ended(&mut self) {
        self.heard = true;
        (self.told, self.begins, self.away) = (false, false, None);
        if self.before.take().is_some() {
            let octoprint = self.called();
            tracing::info!(octoprint, "OctoPrint does not run any more");
            self.deliver(STOPPING, "null".into(), false);
            ServerRun::forget(&self.feed.home, octoprint);
        }
    }

    /// The broker is not heard any more: where its OctoPrints are, nobody knows.
    pub(super) fn unknown(&mut self) {
        (self.away, self.begins) = (None, false);
    }

    /// Pings would say for ever that it runs: after a while without it, its run is over.
    pub(super) fn give_up(&mut self, now: Instant) {
        if self.due().is_some_and(|due| now >= due) {
            // Its return will be a beginning.
            self.ended();
        }
    }

    /// When to look at that again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.away.map(|since| since + if self.left { LEFT } else { GONE })
    }

    fn deliver(&self, name: &str, payload: String, made_up: bool) {
        self.feed.router.deliver(Event { name: name.into(), payload, made_up });
    }
}

/// The payload as it was on OctoPrint's bus: without what the plugin adds, and all else as it was
/// written. It makes an empty object of none, and so that is none again.
fn bus_payload(name: &str, payload: &[u8]) -> Result<String, String> {
    if payload.len() > LINE {
        return Err(format!("it has more than {LINE} bytes"));
    }
    let text = std::str::from_utf8(payload).map_err(|error| error.to_string())?;
    let mut fields: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(text).map_err(|error| format!("it is not a JSON object: {error}"))?;
    if let Some(said) = fields.remove(NAME)
        && serde_json::from_str(said.get()).ok() != Some(Cow::<str>::from(name))
    {
        return Err(format!("{} was published as {name}", said.get()));
    }
    fields.remove(TIME);
    if fields.is_empty() {
        return Ok("null".into());
    }
    serde_json::to_string(&fields).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Router;
    use crate::events::event_queue::{EventQueue, Item};
    use crate::home::{Home, LiveConfig};
    use crate::net::TlsTrust;
    use std::sync::Arc;

    #[test]
    fn a_payload_is_what_it_was_on_the_bus() {
        for (published, on_the_bus) in [
            (r#"{"path": "a", "time": 1.50, "_event": "E", "_timestamp": 17}"#, r#"{"path":"a","time":1.50}"#),
            (r#"{"n":12345678901234567890123,"o":{"_event":1}}"#, r#"{"n":12345678901234567890123,"o":{"_event":1}}"#),
            (r#"{"\u0061":"\u00e9"}"#, r#"{"a":"\u00e9"}"#),
            (r#"{"_event":"E","_timestamp":1}"#, "null"),
            ("{}", "null"),
        ] {
            assert_eq!(bus_payload("E", published.as_bytes()), Ok(on_the_bus.into()), "{published}");
        }
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(LINE));
        for wrong in ["", "[1]", "null", "connected", r#"{"a":NaN}"#, r#"{"_event":"F"}"#, r#"{"_event":1}"#, &huge] {
            assert!(bus_payload("E", wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(bus_payload("E", b"\xff").is_err());
    }

    /// An OctoPrint in a home of its own, and what its plugins hear.
    struct Scenario {
        octoprint: PublishedOctoPrint,
        queue: Arc<EventQueue<()>>,
        home: Home,
    }

    impl Scenario {
        fn new(name: &str) -> Self {
            let home = Home::at(std::env::temp_dir().join(format!("glassbox-published-{name}-{}", std::process::id())));
            let config = LiveConfig::new(home.config().unwrap(), TlsTrust::default());
            let router = Router::default();
            let feed = Feed::new(Some("mk3".into()), &home, &router, &config);
            let sees = [STARTED, STOPPING, "A", "Disconnected"].map(|e| format!("[[sees]]\nevent=\"{e}\"\nfields=[]"));
            let manifest = format!("[plugin]\nname=\"p\"\n{}", sees.join("\n"));
            let policy = glassbox_sandbox::Policy::new(glassbox_sandbox::Manifest::parse(&manifest).unwrap()).unwrap();
            let queue = Arc::new(EventQueue::new(Arc::new(policy)));
            router.attach("p", queue.clone());
            Self { octoprint: PublishedOctoPrint::new(feed, "mqtt://b mk3/".into()), queue, home }
        }

        /// What was heard since the last time: + and -, ~ for a start that who remembers it does not hear.
        fn heard(&self) -> String {
            let mut heard = String::new();
            while let Item::Event(event, _) = self.queue.next(Some(Duration::from_millis(1))) {
                heard += match event.name.as_str() {
                    STARTED if event.made_up => "~",
                    STARTED => "+",
                    STOPPING => "-",
                    "A" => "a",
                    _ => "d",
                };
            }
            heard
        }

        fn event(&mut self, name: &str) {
            self.octoprint.event(name, format!("{{\"_event\":\"{name}\"}}").as_bytes(), false);
        }
    }

    impl Drop for Scenario {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.home.root());
        }
    }

    #[test]
    fn a_lost_connection_is_no_new_run_and_a_startup_is() {
        let mut scenario = Scenario::new("runs");
        scenario.octoprint.presence(Presence::Here, true);
        scenario.event("A");
        assert_eq!(scenario.heard(), "+a");
        scenario.octoprint.presence(Presence::Gone, false);
        scenario.octoprint.presence(Presence::Here, false);
        scenario.event("A");
        assert_eq!(scenario.heard(), "a");
        // It was started anew, without a word about its end.
        scenario.octoprint.presence(Presence::Gone, false);
        scenario.octoprint.presence(Presence::Here, false);
        scenario.event(STARTUP);
        scenario.event("A");
        assert_eq!(scenario.heard(), "-+a");
        // And once more, with one.
        scenario.event(SHUTDOWN);
        scenario.event("Disconnected");
        scenario.octoprint.presence(Presence::Gone, false);
        assert_eq!(scenario.heard(), "-");
        scenario.octoprint.presence(Presence::Here, false);
        scenario.event(STARTUP);
        scenario.event("Disconnected");
        assert_eq!(scenario.heard(), "+d", "one start, though two things tell of it");
        // What the broker has kept is old, and ours is not for others to say.
        scenario.octoprint.event("A", b"{}", true);
        scenario.event(STOPPING);
        assert_eq!(scenario.heard(), "");
    }

    #[test]
    fn who_is_away_for_long_has_ended() {
        let mut scenario = Scenario::new("gone");
        scenario.event("A");
        assert_eq!(scenario.heard(), "+a", "without a word about presence");
        scenario.octoprint.presence(Presence::Gone, false);
        let now = Instant::now();
        assert!(scenario.octoprint.due().is_some_and(|due| due > now + GONE / 2));
        scenario.octoprint.give_up(now + GONE / 2);
        assert_eq!(scenario.heard(), "");
        scenario.octoprint.give_up(now + GONE + GONE);
        assert_eq!((scenario.heard().as_str(), scenario.octoprint.due()), ("-", None));
        scenario.octoprint.presence(Presence::Here, false);
        assert_eq!(scenario.heard(), "+");
        // It says that it goes, and so does its last will, but its Shutdown is not heard.
        scenario.octoprint.presence(Presence::Gone, false);
        scenario.octoprint.presence(Presence::Gone, false);
        scenario.octoprint.give_up(Instant::now() + LEFT / 2);
        assert_eq!(scenario.heard(), "", "its settings may have been changed");
        scenario.octoprint.give_up(Instant::now() + LEFT);
        assert_eq!(scenario.heard(), "-");
        scenario.event("Disconnected");
        scenario.octoprint.presence(Presence::Here, false);
        assert_eq!(scenario.heard(), "+");
        // A goodbye of long ago, and a lost connection.
        for _ in 0..2 {
            scenario.octoprint.presence(Presence::Gone, false);
            scenario.octoprint.presence(Presence::Here, false);
        }
        scenario.octoprint.presence(Presence::Gone, false);
        scenario.octoprint.give_up(Instant::now() + GONE / 2);
        assert_eq!(scenario.heard(), "");
        scenario.octoprint.presence(Presence::Here, false);
        // While the broker is not heard nobody knows.
        scenario.octoprint.presence(Presence::Gone, false);
        scenario.octoprint.unknown();
        scenario.octoprint.give_up(now + 4 * GONE);
        assert_eq!(scenario.heard(), "");
    }

    #[test]
    fn the_next_host_knows_the_run() {
        let mut scenario = Scenario::new("next");
        scenario.octoprint.presence(Presence::Here, true);
        assert_eq!(scenario.heard(), "+");
        let feed = scenario.octoprint.feed.clone();
        scenario.octoprint = PublishedOctoPrint::new(feed, "mqtt://b mk3/".into());
        scenario.octoprint.presence(Presence::Here, true);
        assert_eq!(scenario.heard(), "~");
        let feed = scenario.octoprint.feed.clone();
        scenario.octoprint = PublishedOctoPrint::new(feed, "mqtt://other mk3/".into());
        scenario.octoprint.presence(Presence::Here, true);
        assert_eq!(scenario.heard(), "-+", "another one by the same name");
    }
}
