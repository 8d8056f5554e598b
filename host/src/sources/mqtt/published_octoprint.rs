//! One OctoPrint that publishes at a broker: its events, and when a run of its server begins and ends.
//!
//! OctoPrint-MQTT publishes `connected` and `disconnected` under `mqtt`, the latter also as its last will. It publishes
//! OctoPrint's own `Shutdown`, and `Startup` if it is connected by then (with OctoPrint 1.11.8 it is not). A connection
//! that is lost and comes back is not a new run of the server. A new run begins with a `Startup`, and with whatever
//! comes after a `Shutdown` or after two minutes of absence. A server that stops in a hurry may not get to publish its
//! `Shutdown`: then `disconnected` is published twice, by the plugin and as its last will.
//!
//! Source: observed with OctoPrint-MQTT 0.8.16 and OctoPrint 1.11.8.

use super::counted::Counted;
use super::freshness::{Age, Freshness};
use super::payload::Payload;
use super::topics::Presence;
use crate::events::event::{ENVIRONMENT, STARTED, STOPPING, WEBUI_LOAD};
use crate::events::{Event, Feed};
use crate::sources::server_run::{RunChange, ServerRun};
use glassbox_util::text::printable;
use std::time::{Duration, Instant};

/// An OctoPrint that is away for as long as this has stopped; a restart takes less.
const GONE: Duration = Duration::from_secs(120);

/// The same for one that disconnected on purpose. When its settings change, the plugin disconnects for a little more
/// than a second; a server that restarts is back after four seconds at the earliest (both measured, with 0.8.16 and
/// 1.11.8).
const LEFT: Duration = Duration::from_secs(3);

/// OctoPrint's events for the start and the end of its server.
const STARTUP: &str = "Startup";
const SHUTDOWN: &str = "Shutdown";

/// How much of what is wrong with an event is logged, in characters.
const SHOWN: usize = 200;

pub(super) struct PublishedOctoPrint {
    feed: Feed,
    /// Where it publishes: broker and base topic, for people and to tell it from others.
    place: String,
    /// The run of the server that we listened to last.
    before: Option<ServerRun>,
    /// Whether this host has told the plugins that it is running.
    told: bool,
    /// Whether a run has just begun, so that a `Startup` that comes now belongs to it.
    has_begun: bool,
    /// Since when it is disconnected from the broker.
    away: Option<Instant>,
    /// Whether it disconnected on purpose, and so `disconnected` came twice; after a lost connection it comes once.
    left: bool,
    /// Whether anything was published for it yet.
    pub(super) has_published: bool,
    /// Whether a malformed event was logged.
    warned: bool,
    freshness: Freshness,
    /// Events from before we listened, which are not passed on.
    old: Counted,
    /// Events that are news though the broker says that it had kept them.
    new_with_flag: Counted,
}

impl PublishedOctoPrint {
    pub(super) fn new(feed: Feed, place: String) -> Self {
        let before = ServerRun::recall(&feed.home, feed.called());
        Self {
            feed,
            place,
            before,
            told: false,
            has_begun: false,
            away: None,
            left: false,
            has_published: false,
            warned: false,
            freshness: Freshness::default(),
            old: Counted::default(),
            new_with_flag: Counted::default(),
        }
    }

    /// There is a connection to the broker.
    pub(super) fn broker_connected(&mut self) {
        self.freshness.connected();
    }

    pub(super) fn called(&self) -> &str {
        self.feed.called()
    }

    /// The plugin connected or disconnected; `retained` if that was before we subscribed.
    pub(super) fn presence(&mut self, presence: Presence, retained: bool) {
        if retained {
            self.freshness.flag();
        }
        match presence {
            Presence::Connected => self.has_begun = !self.runs(false) && !retained,
            Presence::Disconnected => {
                self.has_published = true;
                self.has_begun = false;
                self.freshness.left();
                self.left = self.away.is_some();
                if self.away.is_none() && self.before.is_some() {
                    tracing::info!(octoprint = self.called(), "OctoPrint is disconnected from the broker");
                    self.away = Some(Instant::now());
                }
            }
        }
    }

    /// An event of OctoPrint's, as the plugin published it; `retained` if the broker says that it had kept it.
    pub(super) fn event(&mut self, name: &str, published: &[u8], retained: bool) {
        // Nobody else may send the events that we make ourselves; and a message without content removes one that was kept.
        if published.is_empty() || [ENVIRONMENT, STARTED, STOPPING, WEBUI_LOAD].contains(&name) {
            return;
        }
        let payload = match Payload::read(name, published) {
            Ok(payload) => payload,
            Err(reason) => {
                if !std::mem::replace(&mut self.warned, true) {
                    let reason = printable(&reason, SHOWN);
                    let octoprint = self.called();
                    tracing::warn!(octoprint, "ignoring a malformed event, and more of that kind: {reason}");
                }
                return;
            }
        };
        match self.freshness.age(retained, payload.time) {
            Age::News => {}
            Age::NewsWithFlag => self.new_with_flag.add(&printable(name, SHOWN)),
            Age::Old => return self.old.add(&printable(name, SHOWN)),
        }
        match name {
            STARTUP => {
                let known = std::mem::take(&mut self.has_begun);
                self.runs(!known);
            }
            SHUTDOWN => self.ended(),
            // What it publishes while it stops does not begin a new run.
            _ if self.told || self.before.is_some() || !self.is_closing(name) => {
                self.runs(false);
                self.deliver(name, payload.json, false);
            }
            _ => {}
        }
    }

    /// Whether this event may follow the end of a run: those about its printer do.
    fn is_closing(&self, name: &str) -> bool {
        self.has_published && matches!(name, "Disconnecting" | "Disconnected" | "PrinterStateChanged")
    }

    /// It is running; `is_new` if this is known to be a new run. Returns whether plugins knew of this run already.
    fn runs(&mut self, is_new: bool) -> bool {
        self.has_published = true;
        if self.away.take().is_some() && self.told {
            tracing::info!(octoprint = self.called(), "OctoPrint is connected to the broker again");
        }
        if self.told && !is_new {
            return true;
        }
        let now = ServerRun::now(self.place.clone(), None);
        let change = now.after(self.before.as_ref(), is_new);
        if change == RunChange::New {
            self.deliver(STOPPING, "null".into(), false);
        }
        // The plugin does not publish what the server runs on.
        self.deliver(ENVIRONMENT, "{}".into(), false);
        self.deliver(STARTED, r#"{"uptime":0}"#.into(), change == RunChange::Same);
        let octoprint = self.called();
        now.keep(&self.feed.home, octoprint);
        let restarted = if change == RunChange::New { "; its server was restarted" } else { "" };
        tracing::info!(octoprint, "hears OctoPrint at {}{restarted}", self.place);
        self.before = Some(now);
        self.told = true;
        false
    }

    /// The run of its server has ended.
    fn ended(&mut self) {
        self.has_published = true;
        (self.told, self.has_begun, self.away) = (false, false, None);
        if self.before.take().is_some() {
            let octoprint = self.called();
            tracing::info!(octoprint, "OctoPrint has stopped");
            self.deliver(STOPPING, "null".into(), false);
            ServerRun::forget(&self.feed.home, octoprint);
        }
    }

    /// The connection to the broker was lost: whether its OctoPrints are still connected is not known.
    pub(super) fn broker_lost(&mut self) {
        (self.away, self.has_begun) = (None, false);
    }

    /// Do what is due: after a long absence its run is over, as otherwise pings would go on for ever; and say what was
    /// counted.
    pub(super) fn do_what_is_due(&mut self, now: Instant) {
        if self.gone().is_some_and(|gone| now >= gone) {
            // When it comes back, that is a new run.
            self.ended();
        }
        let octoprint = self.feed.called();
        if let Some((count, first)) = self.old.say(now) {
            tracing::info!(
                octoprint,
                "passing over what the broker had kept from before we listened, so far {count}, the first a {first}"
            );
        }
        if let Some((count, first)) = self.new_with_flag.say(now) {
            tracing::info!(
                octoprint,
                "the broker says that it had kept what is new, so far {count}, the first a {first}; it is reported"
            );
        }
    }

    /// When [`Self::do_what_is_due`] has to be called again.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.gone(), self.old.due(), self.new_with_flag.due()].into_iter().flatten().min()
    }

    /// When it has been away for so long that its run is over.
    fn gone(&self) -> Option<Instant> {
        self.away.map(|since| since + if self.left { LEFT } else { GONE })
    }

    fn deliver(&self, name: &str, payload: String, made_up: bool) {
        self.feed.router.deliver(Event { name: name.into(), payload, made_up });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Router;
    use crate::events::event_queue::{EventQueue, QueueItem};
    use crate::home::{Home, LiveConfig};
    use crate::net::TlsTrust;
    use std::sync::Arc;

    /// An OctoPrint in a home of its own, and a plugin's queue.
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

        /// What the plugin was told since the last call: + for a start, - for a stop, ~ for a start that a plugin which
        /// remembers it is not told.
        fn told(&self) -> String {
            let mut told = String::new();
            while let QueueItem::Event(event, _) = self.queue.next(Some(Duration::from_millis(1))) {
                told += match event.name.as_str() {
                    STARTED if event.made_up => "~",
                    STARTED => "+",
                    STOPPING => "-",
                    "A" => "a",
                    _ => "d",
                };
            }
            told
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
    fn a_lost_connection_is_not_a_new_run_and_a_startup_is() {
        let mut scenario = Scenario::new("runs");
        scenario.octoprint.presence(Presence::Connected, true);
        scenario.event("A");
        assert_eq!(scenario.told(), "+a");
        scenario.octoprint.presence(Presence::Disconnected, false);
        scenario.octoprint.presence(Presence::Connected, false);
        scenario.event("A");
        assert_eq!(scenario.told(), "a");
        // It was restarted, and its end was not published.
        scenario.octoprint.presence(Presence::Disconnected, false);
        scenario.octoprint.presence(Presence::Connected, false);
        scenario.event(STARTUP);
        scenario.event("A");
        assert_eq!(scenario.told(), "-+a");
        // And once more, with one.
        scenario.event(SHUTDOWN);
        scenario.event("Disconnected");
        scenario.octoprint.presence(Presence::Disconnected, false);
        assert_eq!(scenario.told(), "-");
        scenario.octoprint.presence(Presence::Connected, false);
        scenario.event(STARTUP);
        scenario.event("Disconnected");
        assert_eq!(scenario.told(), "+d", "one start, though two things tell of it");
        // What the broker retained is old; and nobody else may send the events that we make ourselves.
        scenario.octoprint.event("A", b"{}", true);
        scenario.event(STOPPING);
        assert_eq!(scenario.told(), "");
    }

    #[test]
    fn an_octoprint_that_is_away_for_long_has_stopped() {
        let mut scenario = Scenario::new("gone");
        scenario.event("A");
        assert_eq!(scenario.told(), "+a", "without a word about presence");
        scenario.octoprint.presence(Presence::Disconnected, false);
        let now = Instant::now();
        assert!(scenario.octoprint.due().is_some_and(|due| due > now + GONE / 2));
        scenario.octoprint.do_what_is_due(now + GONE / 2);
        assert_eq!(scenario.told(), "");
        scenario.octoprint.do_what_is_due(now + GONE + GONE);
        assert_eq!((scenario.told().as_str(), scenario.octoprint.due()), ("-", None));
        scenario.octoprint.presence(Presence::Connected, false);
        assert_eq!(scenario.told(), "+");
        // It disconnects on purpose, its last will comes too, but its Shutdown does not.
        scenario.octoprint.presence(Presence::Disconnected, false);
        scenario.octoprint.presence(Presence::Disconnected, false);
        scenario.octoprint.do_what_is_due(Instant::now() + LEFT / 2);
        assert_eq!(scenario.told(), "", "its settings may have been changed");
        scenario.octoprint.do_what_is_due(Instant::now() + LEFT);
        assert_eq!(scenario.told(), "-");
        scenario.event("Disconnected");
        scenario.octoprint.presence(Presence::Connected, false);
        assert_eq!(scenario.told(), "+");
        // After an earlier goodbye, a lost connection.
        for _ in 0..2 {
            scenario.octoprint.presence(Presence::Disconnected, false);
            scenario.octoprint.presence(Presence::Connected, false);
        }
        scenario.octoprint.presence(Presence::Disconnected, false);
        scenario.octoprint.do_what_is_due(Instant::now() + GONE / 2);
        assert_eq!(scenario.told(), "");
        scenario.octoprint.presence(Presence::Connected, false);
        // While there is no connection to the broker, nobody knows.
        scenario.octoprint.presence(Presence::Disconnected, false);
        scenario.octoprint.broker_lost();
        scenario.octoprint.do_what_is_due(now + 4 * GONE);
        assert_eq!(scenario.told(), "");
    }

    #[test]
    fn the_next_host_knows_the_run() {
        let mut scenario = Scenario::new("next");
        scenario.octoprint.presence(Presence::Connected, true);
        assert_eq!(scenario.told(), "+");
        let feed = scenario.octoprint.feed.clone();
        scenario.octoprint = PublishedOctoPrint::new(feed, "mqtt://b mk3/".into());
        scenario.octoprint.presence(Presence::Connected, true);
        assert_eq!(scenario.told(), "~");
        let feed = scenario.octoprint.feed.clone();
        scenario.octoprint = PublishedOctoPrint::new(feed, "mqtt://other mk3/".into());
        scenario.octoprint.presence(Presence::Connected, true);
        assert_eq!(scenario.told(), "-+", "another one by the same name");
    }
}
