//! What plugins are told of an OctoPrint besides its own events: how things are when a connection is made, and when
//! a run of its server begins and ends.

use super::server_info::ServerInfo;
use crate::events::event::{ENVIRONMENT, PRINTER, STARTED, STOPPING};
use crate::events::{Event, Router};
use crate::home::Home;
use crate::home::config::octoprint::Target;
use crate::net::ConnectError;
use crate::sources::server_run::{RunChange, ServerRun};
use serde_json::{Value, json};
use std::time::Duration;

/// A server that was seen not to be running, and is away for as long as this, has ended; a restart takes less.
const GONE: Duration = Duration::from_secs(120);

/// OctoPrint's event for a printer that was connected.
pub(super) const CONNECTED: &str = "Connected";
/// OctoPrint's event for the firmware of that printer.
const FIRMWARE: &str = "FirmwareData";

/// Tells plugins of one OctoPrint.
pub(super) struct Announcer<'a> {
    target: &'a Target,
    home: &'a Home,
    router: &'a Router,
    /// The run of the server that was listened to last.
    before: Option<ServerRun>,
    /// Whether the server was seen not to be running since then.
    down: bool,
}

impl<'a> Announcer<'a> {
    pub(super) fn new(target: &'a Target, home: &'a Home, router: &'a Router) -> Self {
        Self { target, home, router, before: ServerRun::recall(home, target.called()), down: false }
    }

    /// There is a connection: tell how things are. `printer` is the payload of `Connected` for a printer that was
    /// connected before we listened; `is_first` is whether this is the host's first connection to this OctoPrint.
    pub(super) fn connected(&mut self, info: ServerInfo, printer: Option<Value>, is_first: bool) -> RunChange {
        let now = ServerRun::now(self.target.address.to_string(), info.starts);
        let change = now.after(self.before.as_ref(), std::mem::take(&mut self.down));
        if change == RunChange::New {
            self.deliver(STOPPING, &Value::Null, false);
        }
        self.deliver(ENVIRONMENT, &Value::Object(info.environment), false);
        if let Some(state) = info.printer {
            self.deliver(PRINTER, &state, false);
        }
        // Last: a plugin that is told this reports at once, and must know the rest by then. OctoPrint does not say
        // how long it has been running, so it has just started.
        let started = json!({"uptime": 0});
        match change {
            RunChange::First | RunChange::New => self.deliver(STARTED, &started, false),
            // Only for plugins that do not remember it.
            RunChange::Same if is_first => self.deliver(STARTED, &started, true),
            RunChange::Same => {}
        }
        // In a run that we listened to before, the event itself may have come already.
        if let Some(printer) = printer.filter(|_| change != RunChange::Same) {
            self.deliver(CONNECTED, &printer, false);
            info.firmware.iter().for_each(|firmware| self.deliver(FIRMWARE, firmware, false));
        }
        now.keep(self.home, self.target.called());
        self.before = Some(now);
        change
    }

    /// The connection was lost, or could not be made.
    pub(super) fn lost(&mut self, error: &ConnectError) {
        self.down |= error.is_down();
    }

    /// After a long outage of a server that is not running, its run is over: otherwise pings would go on for ever.
    pub(super) fn give_up(&mut self, away: Option<Duration>) {
        if self.down && away.is_some_and(|away| away >= GONE) && self.before.take().is_some() {
            tracing::info!(octoprint = self.target.called(), "OctoPrint has stopped");
            self.deliver(STOPPING, &Value::Null, false);
            ServerRun::forget(self.home, self.target.called());
        }
    }

    fn deliver(&self, name: &str, payload: &Value, made_up: bool) {
        self.router.deliver(Event { name: name.into(), payload: payload.to_string(), made_up });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::event_queue::{EventQueue, QueueItem};

    #[test]
    fn a_server_that_is_not_running_for_long_has_ended() {
        let folder = std::env::temp_dir().join(format!("glassbox-announce-{}", std::process::id()));
        let home = Home::at(&folder);
        let address = crate::net::Address::parse("http://h", crate::net::Peer::OctoPrint).unwrap();
        let key = crate::home::ApiKey::parse("key").unwrap();
        let target = Target { name: Some("one".into()), address, key };
        let router = Router::default();
        let sees = format!("[plugin]\nname=\"p\"\n[[sees]]\nevent=\"{STOPPING}\"\nfields=[]");
        let policy = glassbox_sandbox::Policy::new(glassbox_sandbox::Manifest::parse(&sees).unwrap()).unwrap();
        let queue = std::sync::Arc::new(EventQueue::<()>::new(std::sync::Arc::new(policy)));
        router.attach("p", queue.clone());
        let ended = |down: bool, away: Duration, before: bool| {
            let run = ServerRun::now("http://h".into(), None);
            run.keep(&home, "one");
            let mut announcer =
                Announcer { down, before: before.then_some(run), ..Announcer::new(&target, &home, &router) };
            announcer.give_up(Some(away));
            let told = matches!(queue.next(Some(Duration::from_millis(1))), QueueItem::Event(..));
            assert_eq!(told, before && announcer.before.is_none());
            assert_eq!(told, ServerRun::recall(&home, "one").is_none());
            told
        };
        assert!(!ended(true, GONE / 2, true), "it may be starting");
        assert!(!ended(false, 2 * GONE, true), "it may only be the network");
        assert!(!ended(true, 2 * GONE, false), "once is enough");
        assert!(ended(true, 2 * GONE, true));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
