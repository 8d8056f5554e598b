//! One connection to an OctoPrint, from the login on: subscribes to the events that plugins see, hands them on, and
//! reads again over REST what has changed. What happens when the connection is lost is not decided here.

use super::announce::CONNECTED;
use super::connection_status::StatusFile;
use super::push::{Push, PushMessage};
use super::rest::{Login, RestClient};
use super::server_info::{self, ServerInfo};
use super::{must_be_new_enough, own_tracker};
use crate::events::event::{ENVIRONMENT, STARTED, STOPPING, WEBUI_LOAD};
use crate::events::{Event, Router};
use crate::home::config::octoprint::Target;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::Waiter;
use crate::net::{ConnectError, Timeouts};
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// How often OctoPrint may ask us to log in again while nothing else comes.
const REAUTHS: u32 = 5;

/// Plugins and settings change in bursts; what has changed is read when nothing changed for as long as this.
const SETTLED: Duration = Duration::from_secs(1);

/// The events of OctoPrint's plugin manager after which the list of plugins is another.
const PLUGIN_EVENTS: [&str; 4] = [
    "plugin_pluginmanager_disable_plugin",
    "plugin_pluginmanager_enable_plugin",
    "plugin_pluginmanager_install_plugin",
    "plugin_pluginmanager_uninstall_plugin",
];

/// A connection that is set up.
pub(super) struct Session<'a> {
    target: &'a Target,
    router: &'a Router,
    waiter: &'a Waiter,
    push: Push,
    rest: RestClient,
    login: Login,
    subscribed: BTreeSet<String>,
    /// The router's, when we subscribed to those.
    generation: u64,
    /// Events that came while the connection was being set up: name and payload.
    early: VecDeque<(String, String)>,
    reauths: u32,
    /// When to read the list of plugins.
    read_plugins_at: Option<Instant>,
    /// When to look whether OctoPrint's own tracker is on.
    check_tracker_at: Option<Instant>,
}

/// What was found at the other end.
pub(super) struct Found {
    /// OctoPrint's version, as it says.
    pub version: String,
    pub info: ServerInfo,
    /// The payload of `Connected` for a printer that was connected before we listened.
    pub printer: Option<Value>,
    /// Whether OctoPrint's own tracker is on; none where that cannot be known.
    pub own_tracker: Option<bool>,
}

impl<'a> Session<'a> {
    /// Log in, subscribe, and read how things are.
    ///
    /// # Errors
    /// When OctoPrint cannot be reached, is too old, or does not accept the key.
    pub(super) fn open(
        target: &'a Target,
        trust: &TlsTrust,
        router: &'a Router,
        waiter: &'a Waiter,
    ) -> Result<(Self, Found), ConnectError> {
        let Target { address, key, .. } = target;
        let timeouts = Timeouts::default();
        let rest = RestClient::new(address, key, trust);
        let login = rest.login()?;
        login.must_see_events(address)?;
        let (generation, subscribed) = wanted(router, &login);
        // Read before we are subscribed: a printer that is connected later comes as an event.
        let printer = subscribed.contains(CONNECTED).then(|| server_info::connected_printer(&rest)).flatten();
        let push = Push::connect(address, trust, timeouts)?;
        let mut session = Self {
            target,
            router,
            waiter,
            push,
            rest,
            login,
            subscribed,
            generation,
            early: VecDeque::new(),
            reauths: 0,
            read_plugins_at: None,
            check_tracker_at: None,
        };
        let version = session.subscribe_first(Instant::now() + timeouts.setup)?;
        // Read after we are subscribed: what changes meanwhile comes as an event after it.
        let info = ServerInfo::read(&session.rest, &session.login, &version);
        let own_tracker = own_tracker::is_on(&session.rest, &session.login);
        let printer = printer.filter(|_| session.early.iter().all(|(name, _)| name != CONNECTED));
        Ok((session, Found { version, info, printer, own_tracker }))
    }

    /// Authenticate and subscribe, and wait until that is done. Returns OctoPrint's version.
    fn subscribe_first(&mut self, until: Instant) -> Result<String, ConnectError> {
        let mut version = None;
        loop {
            if Instant::now() >= until {
                return Err(ConnectError::away("it does not say what it is"));
            }
            match self.push.next(self.waiter, Some(until))? {
                PushMessage::Connected(said) if version.is_none() => {
                    must_be_new_enough(&self.target.address, &said)?;
                    version = Some(said);
                    self.push.auth(&self.login.name, &self.login.session)?;
                    self.push.subscribe(&self.subscribed)?;
                    self.push.ping()?;
                }
                PushMessage::Pong => {
                    if let Some(version) = version {
                        return Ok(version);
                    }
                }
                PushMessage::Reauth => {
                    return Err(ConnectError::away("it did not accept the session that it had just given us"));
                }
                PushMessage::Event(name, payload) => self.early.push_back((name, payload)),
                PushMessage::Connected(_) | PushMessage::Nothing => {}
            }
        }
    }

    /// Hand on the events that came while the connection was being set up.
    pub(super) fn hand_on_early(&mut self) {
        while let Some((name, payload)) = self.early.pop_front() {
            self.hand_on(name, payload);
        }
    }

    /// Wait for one message, and do what is due.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) fn next(&mut self, status: &mut StatusFile) -> Result<(), ConnectError> {
        let due = self.read_plugins_at.into_iter().chain(self.check_tracker_at).min();
        match self.push.next(self.waiter, due)? {
            PushMessage::Event(name, payload) => {
                self.reauths = 0;
                self.hand_on(name, payload);
            }
            PushMessage::Reauth => self.log_in_again()?,
            PushMessage::Connected(_) | PushMessage::Pong | PushMessage::Nothing => {}
        }
        if self.generation != self.router.generation() {
            let (generation, wanted) = wanted(self.router, &self.login);
            self.generation = generation;
            if wanted != self.subscribed {
                self.push.subscribe(&wanted)?;
                self.subscribed = wanted;
            }
        }
        let is_due = |at: &mut Instant| *at <= Instant::now();
        if self.read_plugins_at.take_if(is_due).is_some()
            && let Some(plugins) = server_info::plugins(&self.rest, &self.login)
        {
            let payload = plugins.to_string();
            self.router.deliver(Event { name: ENVIRONMENT.into(), payload, made_up: false });
        }
        if self.check_tracker_at.take_if(is_due).is_some() {
            status.own_tracker(own_tracker::is_on(&self.rest, &self.login));
        }
        Ok(())
    }

    fn log_in_again(&mut self) -> Result<(), ConnectError> {
        self.reauths += 1;
        if self.reauths > REAUTHS {
            return Err(ConnectError::away("it keeps asking us to log in again"));
        }
        tracing::debug!(octoprint = self.target.called(), "OctoPrint asks us to log in again");
        self.login = self.rest.login()?;
        self.push.auth(&self.login.name, &self.login.session)
    }

    fn hand_on(&mut self, name: String, payload: String) {
        // Nobody else may send the events that we make ourselves; and events that no plugin wants any more may
        // still come.
        if !self.subscribed.contains(&name) {
            return;
        }
        let settled = Some(Instant::now() + SETTLED);
        if PLUGIN_EVENTS.contains(&name.as_str()) {
            (self.read_plugins_at, self.check_tracker_at) = (settled, settled);
        }
        if name == own_tracker::SETTINGS_EVENT {
            self.check_tracker_at = settled;
        }
        self.router.deliver(Event { name, payload, made_up: false });
    }
}

/// What to subscribe to, and the router's generation when that was so.
fn wanted(router: &Router, login: &Login) -> (u64, BTreeSet<String>) {
    let generation = router.generation();
    let mut events = router.sees();
    if own_tracker::may_see(login) {
        events.insert(own_tracker::SETTINGS_EVENT.into());
    }
    if events.contains(ENVIRONMENT) {
        events.extend(PLUGIN_EVENTS.map(Into::into));
    }
    // Our own, and the web page's, which the push API never brings.
    for own in [ENVIRONMENT, STARTED, STOPPING, WEBUI_LOAD] {
        events.remove(own);
    }
    (generation, events)
}
