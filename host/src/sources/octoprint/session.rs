//! One connection to an OctoPrint, from the login on: subscribes to the events that plugins see, hands them on, and
//! reads again over REST what has changed. What happens when the connection is lost is not decided here.

use super::announce::CONNECTED;
use super::connection_status::StatusFile;
use super::own_tracker;
use super::push::PushMessage;
use super::rest::{Login, RestClient};
use super::server_info::{self, ServerInfo};
use super::subscription::Subscription;
use crate::events::event::{ENVIRONMENT, STARTED, STOPPING, WEBUI_LOAD};
use crate::events::{Event, Router};
use crate::home::config::octoprint::Target;
use crate::net::ConnectError;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::Waiter;
use serde_json::Value;
use std::collections::BTreeSet;
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

/// A connection over which we subscribed.
pub(super) struct Session<'a> {
    target: &'a Target,
    router: &'a Router,
    waiter: &'a Waiter,
    subscription: Subscription,
    rest: RestClient,
    login: Login,
    subscribed: BTreeSet<String>,
    /// The router's, when we subscribed to those.
    generation: u64,
    /// The payload of `Connected` for a printer that was connected before we subscribed.
    printer: Option<Value>,
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
    /// Log in, and subscribe. Whether OctoPrint has taken that is not known yet.
    ///
    /// # Errors
    /// When OctoPrint cannot be reached, is too old, or does not accept the key.
    pub(super) fn open(
        target: &'a Target,
        trust: &TlsTrust,
        router: &'a Router,
        waiter: &'a Waiter,
    ) -> Result<Self, ConnectError> {
        let Target { address, key, .. } = target;
        let rest = RestClient::new(address, key, trust);
        let login = rest.login()?;
        login.must_see_events(address)?;
        let (generation, subscribed) = wanted(router, &login);
        // Read before we are subscribed: a printer that is connected later comes as an event.
        let printer = subscribed.contains(CONNECTED).then(|| server_info::connected_printer(&rest)).flatten();
        let subscription = Subscription::open(address, trust, &login, &subscribed, waiter)?;
        Ok(Self {
            target,
            router,
            waiter,
            subscription,
            rest,
            login,
            subscribed,
            generation,
            printer,
            reauths: 0,
            read_plugins_at: None,
            check_tracker_at: None,
        })
    }

    /// Wait until OctoPrint has taken the subscription; false if it does not show that for some time. It may still do so,
    /// or send an event, so this can be called again, and now and then tells OctoPrint anew who we are.
    ///
    /// # Errors
    /// When the connection is lost, or OctoPrint cannot take it.
    pub(super) fn is_taken(&mut self) -> Result<bool, ConnectError> {
        let taken = self.subscription.is_taken(self.waiter)?;
        if !taken && self.subscription.is_time_to_say_again() {
            self.login = self.rest.login()?;
            self.login.must_see_events(&self.target.address)?;
            self.subscription.push.auth(&self.login.name, &self.login.session)?;
        }
        Ok(taken)
    }

    /// Read how things are. What changes meanwhile comes as an event after it, which waits.
    pub(super) fn find(&mut self) -> Found {
        let version = self.subscription.version.clone();
        let info = ServerInfo::read(&self.rest, &self.login, &version);
        let own_tracker = own_tracker::is_on(&self.rest, &self.login);
        let printer = self.printer.take().filter(|_| !self.subscription.came_early(CONNECTED));
        Found { version, info, printer, own_tracker }
    }

    /// Hand on the events that came while the connection was being set up.
    pub(super) fn hand_on_early(&mut self) {
        for (name, payload) in self.subscription.early() {
            self.hand_on(name, payload);
        }
    }

    /// Wait for one message, and do what is due.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) fn next(&mut self, status: &mut StatusFile) -> Result<(), ConnectError> {
        let due = self.read_plugins_at.into_iter().chain(self.check_tracker_at).min();
        match self.subscription.push.next(self.waiter, due)? {
            PushMessage::Event(name, payload) => {
                self.reauths = 0;
                self.hand_on(name, payload);
            }
            PushMessage::Reauth => self.log_in_again()?,
            PushMessage::Listening => self.reauths = 0,
            PushMessage::Connected(_) | PushMessage::Pong | PushMessage::Nothing => {}
        }
        if self.generation != self.router.generation() {
            let (generation, wanted) = wanted(self.router, &self.login);
            self.generation = generation;
            if wanted != self.subscribed {
                self.subscription.push.subscribe(&wanted)?;
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
        self.login.must_see_events(&self.target.address)?;
        self.subscription.push.auth(&self.login.name, &self.login.session)
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
