//! Follows one OctoPrint for as long as the host runs: connects, hands on what it hears, and when
//! the connection is gone, tries again until it is back.

use super::connection::Keeper;
use super::facts::{self, Facts};
use super::must_be_new_enough;
use super::own_tracker;
use super::permissions::Missing;
use super::push::{Heard, Push};
use super::rest::{Login, Rest};
use crate::events::Event;
use crate::events::event::{ENVIRONMENT, PRINTER, STARTED, STOPPING, WEBUI_LOAD};
use crate::events::{Feed, Router};
use crate::home::Home;
use crate::home::config::octoprint::Target;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::{Waiter, waker};
use crate::net::{ConnectError, Timeouts};
use crate::sources::server_run::{RunChange, ServerRun};
use anyhow::{Result, bail};
use glassbox_util::text::printable;
use glassbox_util::{Backoff, random_part};
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// The first wait after a connection was lost, and the longest; each is twice the one before, less
/// up to half of it, so that many do not come back at once.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// A connection that held so long was a good one: the waits begin anew.
const STABLE: Duration = Duration::from_secs(30);

/// A server that was seen not to run, and is away so long, has ended; restarts take less.
const GONE: Duration = Duration::from_secs(120);

/// How often it may ask us to log in anew while nothing else is heard.
const REAUTHS: u32 = 5;

/// Plugins change in bursts; the list is read when there was no change for so long.
const SETTLED: Duration = Duration::from_secs(1);

/// What tells that a printer was connected, and which: one after the other.
const CONNECTED: &str = "Connected";
const FIRMWARE: &str = "FirmwareData";

/// Events after which the list of plugins is another.
const PLUGIN_EVENTS: [&str; 4] = [
    "plugin_pluginmanager_disable_plugin",
    "plugin_pluginmanager_enable_plugin",
    "plugin_pluginmanager_install_plugin",
    "plugin_pluginmanager_uninstall_plugin",
];

/// In a farm the first attempts, also those after an outage, are spread over so much time for each
/// OctoPrint in it: network, proxy and our own machine have them one after the other.
const SHARE: Duration = Duration::from_millis(20);

/// Follow it, as one of so many. Ends only with an error: when it is the only one, and the first attempt
/// meets what waiting does not repair.
///
/// # Errors
/// What is wrong with the URL, the key or the OctoPrint, and what to do about it.
pub fn follow(target: &Target, count: usize, feed: &Feed) -> Result<()> {
    let (waker, waiter) = waker()?;
    let (home, router) = (&feed.home, &feed.router);
    router.watch(waker);
    let before = ServerRun::recall(home, target.called());
    let keeper = Keeper::new(home, target);
    let mut follower = Follower {
        target,
        home,
        router,
        waiter,
        keeper,
        before,
        ever: false,
        down: false,
        outage: None,
        missing: None,
    };
    let spread = || random_part(SHARE * u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX));
    let mut backoff = Backoff::new(FIRST, LONGEST);
    let mut last = String::new();
    std::thread::sleep(spread());
    loop {
        let began = Instant::now();
        let trouble = follower.session(&feed.trust());
        if !follower.ever
            && count == 1
            && let ConnectError::Wrong(reason) = &trouble
        {
            bail!("{reason}");
        }
        follower.down |= trouble.is_down();
        follower.lost(&trouble);
        follower.give_up();
        // Another reason is news: it may be starting.
        if began.elapsed() >= STABLE || trouble.reason() != last {
            backoff.reset();
        }
        last = trouble.reason().into();
        let more = if backoff.is_fresh() { spread() } else { Duration::ZERO };
        std::thread::sleep(backoff.next_wait() + more);
    }
}

struct Follower<'a> {
    target: &'a Target,
    home: &'a Home,
    router: &'a Router,
    waiter: Waiter,
    /// Tells `status` how it stands.
    keeper: Keeper,
    /// The run of the server that was heard last.
    before: Option<ServerRun>,
    /// Whether it was ever heard by this host.
    ever: bool,
    /// Whether the server was seen not to run since.
    down: bool,
    outage: Option<Outage>,
    /// What was said to be missing.
    missing: Option<Vec<Missing>>,
}

struct Outage {
    since: Instant,
    /// Whether it was said that somebody has to do something.
    wrong: bool,
}

/// A connection that is set up.
struct Session {
    push: Push,
    rest: Rest,
    login: Login,
    subscribed: BTreeSet<String>,
    generation: u64,
    reauths: u32,
    /// When the list of plugins is to be read.
    refresh: Option<Instant>,
    /// When OctoPrint's own tracker is to be looked at.
    look: Option<Instant>,
}

impl Follower<'_> {
    /// From the login to the loss of the connection.
    fn session(&mut self, roots: &TlsTrust) -> ConnectError {
        match self.set_up(roots) {
            Err(trouble) => trouble,
            Ok(mut session) => loop {
                if let Err(trouble) = self.go_on(&mut session) {
                    break trouble;
                }
            },
        }
    }

    fn set_up(&mut self, roots: &TlsTrust) -> Result<Session, ConnectError> {
        let Target { address, key, .. } = self.target;
        let patience = Timeouts::default();
        let rest = Rest::new(address, key, roots);
        let login = rest.login()?;
        login.must_hear(address)?;
        let (generation, subscribed) = self.wanted(&login);
        // Read before the subscription holds: what is connected later comes as an event.
        let printer = subscribed.contains(CONNECTED).then(|| facts::connected(&rest)).flatten();
        let push = Push::connect(address, roots, patience)?;
        let mut session = Session { push, rest, login, subscribed, generation, reauths: 0, refresh: None, look: None };
        let (version, early) = self.greet(&mut session, Instant::now() + patience.setup)?;
        // Read after the subscription holds: what changes meanwhile comes as an event after it.
        let facts = Facts::read(&session.rest, &session.login, &version);
        let own_tracker = own_tracker::is_on(&session.rest, &session.login);
        self.keeper.heard(&version, &facts.missing, own_tracker);
        let printer = printer.filter(|_| early.iter().all(|(name, _)| name != CONNECTED));
        self.arrived(&version, facts, printer);
        early.into_iter().for_each(|(name, payload)| self.hand_on(&mut session, name, payload));
        Ok(session)
    }

    /// Say who we are and what we want; returns the version, and events that came early.
    fn greet(
        &self,
        session: &mut Session,
        until: Instant,
    ) -> Result<(String, VecDeque<(String, String)>), ConnectError> {
        let (mut version, mut early) = (None, VecDeque::new());
        loop {
            if Instant::now() >= until {
                return Err(ConnectError::away("it does not say what it is"));
            }
            match session.push.next(&self.waiter, Some(until))? {
                Heard::Connected(said) if version.is_none() => {
                    must_be_new_enough(&self.target.address, &said)?;
                    version = Some(said);
                    session.push.auth(&session.login.name, &session.login.session)?;
                    session.push.subscribe(&session.subscribed)?;
                    session.push.ask()?;
                }
                Heard::Echo => {
                    if let Some(version) = version {
                        return Ok((version, early));
                    }
                }
                Heard::Reauth => return Err(ConnectError::away("it did not take the session that it had just given")),
                Heard::Event(name, payload) => early.push_back((name, payload)),
                Heard::Connected(_) | Heard::Nothing => {}
            }
        }
    }

    /// It is there: tell the plugins how things are. `connected`: the printer that was connected
    /// before we could hear of it.
    fn arrived(&mut self, version: &str, facts: Facts, connected: Option<Value>) {
        let now = ServerRun::now(self.target.address.to_string(), facts.starts);
        let turn = now.after(self.before.as_ref(), std::mem::take(&mut self.down));
        if turn == RunChange::New {
            self.deliver(STOPPING, &Value::Null, false);
        }
        self.deliver(ENVIRONMENT, &Value::Object(facts.environment), false);
        if let Some(printer) = facts.printer {
            self.deliver(PRINTER, &printer, false);
        }
        // Last: whoever hears it reports at once, and must know by then. How long a server that we
        // find has been running nobody tells; another has just begun.
        let started = json!({"uptime": 0});
        match turn {
            RunChange::First | RunChange::New => self.deliver(STARTED, &started, false),
            // Who remembers its start does not hear of it again.
            RunChange::Same if !self.ever => self.deliver(STARTED, &started, true),
            RunChange::Same => {}
        }
        // In a run of which something was heard before, this may have been heard, too.
        if let Some(connected) = connected.filter(|_| turn != RunChange::Same) {
            self.deliver(CONNECTED, &connected, false);
            facts.firmware.iter().for_each(|firmware| self.deliver(FIRMWARE, firmware, false));
        }
        if let Err(error) = now.keep(self.home, self.target.called()) {
            tracing::warn!(
                octoprint = self.target.called(),
                "which run of OctoPrint's server this is is not kept: {error:#}"
            );
        }
        self.before = Some(now);
        self.tell(version, turn, facts.missing);
    }

    fn tell(&mut self, version: &str, turn: RunChange, missing: Vec<Missing>) {
        let (octoprint, address) = (self.target.called(), &self.target.address);
        let again = if turn == RunChange::New { "; it was started anew" } else { "" };
        let version = printable(version, usize::MAX);
        match self.outage.take() {
            Some(outage) if self.ever => {
                let seconds = outage.since.elapsed().as_secs();
                tracing::info!(octoprint, "OctoPrint is heard again after {seconds} s{again}");
            }
            _ => tracing::info!(octoprint, "hears OctoPrint {version} at {address}{again}"),
        }
        self.ever = true;
        if self.missing.as_ref() != Some(&missing) {
            for what in &missing {
                tracing::info!(octoprint, "not to be had from OctoPrint: {what}");
            }
            self.missing = Some(missing);
        }
    }

    /// Hear one thing, and do what is due.
    fn go_on(&mut self, session: &mut Session) -> Result<(), ConnectError> {
        match session.push.next(&self.waiter, session.refresh.into_iter().chain(session.look).min())? {
            Heard::Event(name, payload) => {
                session.reauths = 0;
                self.hand_on(session, name, payload);
            }
            Heard::Reauth => {
                session.reauths += 1;
                if session.reauths > REAUTHS {
                    return Err(ConnectError::away("it wants to know all the time who we are"));
                }
                tracing::debug!(octoprint = self.target.called(), "OctoPrint wants to know anew who we are");
                session.login = session.rest.login()?;
                session.push.auth(&session.login.name, &session.login.session)?;
            }
            Heard::Connected(_) | Heard::Echo | Heard::Nothing => {}
        }
        if session.generation != self.router.generation() {
            let (generation, wanted) = self.wanted(&session.login);
            session.generation = generation;
            if wanted != session.subscribed {
                session.push.subscribe(&wanted)?;
                session.subscribed = wanted;
            }
        }
        if session.refresh.take_if(|at| *at <= Instant::now()).is_some()
            && let Some(plugins) = facts::plugins(&session.rest, &session.login)
        {
            self.deliver(ENVIRONMENT, &plugins, false);
        }
        if session.look.take_if(|at| *at <= Instant::now()).is_some() {
            self.keeper.own_tracker(own_tracker::is_on(&session.rest, &session.login));
        }
        Ok(())
    }

    fn hand_on(&self, session: &mut Session, name: String, payload: String) {
        // What we make ourselves nobody else may say; and what nobody wanted may come early.
        if !session.subscribed.contains(&name) {
            return;
        }
        if PLUGIN_EVENTS.contains(&name.as_str()) {
            session.refresh = Some(Instant::now() + SETTLED);
            session.look = session.refresh;
        }
        if name == own_tracker::SETTINGS_EVENT {
            session.look = Some(Instant::now() + SETTLED);
        }
        self.router.deliver(Event { name, payload, made_up: false });
    }

    fn deliver(&self, name: &str, payload: &Value, made_up: bool) {
        self.router.deliver(Event { name: name.into(), payload: payload.to_string(), made_up });
    }

    /// What to subscribe to, and when that was so.
    fn wanted(&self, login: &Login) -> (u64, BTreeSet<String>) {
        let generation = self.router.generation();
        let mut events = self.router.sees();
        if own_tracker::may_see(login) {
            events.insert(own_tracker::SETTINGS_EVENT.into());
        }
        if events.contains(ENVIRONMENT) {
            events.extend(PLUGIN_EVENTS.map(Into::into));
        }
        // Ours, and the web page's, which never comes this way.
        for own in [ENVIRONMENT, STARTED, STOPPING, WEBUI_LOAD] {
            events.remove(own);
        }
        (generation, events)
    }

    /// One line for each outage, and one more where somebody has to do something.
    fn lost(&mut self, trouble: &ConnectError) {
        let (octoprint, address) = (self.target.called(), &self.target.address);
        let reason = printable(trouble.reason(), usize::MAX);
        let is_wrong = matches!(trouble, ConnectError::Wrong(_));
        let said = self.outage.as_ref().map(|outage| outage.wrong);
        if said.is_none_or(|wrong| !wrong && is_wrong) {
            self.keeper.lost(trouble.reason());
        }
        match said {
            Some(wrong) if wrong || !is_wrong => tracing::debug!(octoprint, "{reason}"),
            _ if is_wrong => tracing::warn!(octoprint, "{reason}; it is tried again"),
            _ => tracing::warn!(octoprint, "OctoPrint at {address} is not heard, and tried again: {reason}"),
        }
        let outage = self.outage.get_or_insert(Outage { since: Instant::now(), wrong: false });
        outage.wrong |= is_wrong;
    }

    /// Pings would say for ever that it runs: after a while without it, its run is over.
    fn give_up(&mut self) {
        let away = self.outage.as_ref().map(|outage| outage.since.elapsed());
        if self.down && away.is_some_and(|away| away >= GONE) && self.before.take().is_some() {
            tracing::info!(octoprint = self.target.called(), "OctoPrint does not run any more");
            self.deliver(STOPPING, &Value::Null, false);
            ServerRun::forget(self.home, self.target.called());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::event_queue::{EventQueue, Item};

    #[test]
    fn a_server_that_does_not_run_for_long_has_ended() {
        let folder = std::env::temp_dir().join(format!("glassbox-follow-{}", std::process::id()));
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
            run.keep(&home, "one").unwrap();
            let outage = Outage { since: Instant::now().checked_sub(away).unwrap(), wrong: false };
            let mut follower = Follower {
                target: &target,
                home: &home,
                router: &router,
                waiter: waker().unwrap().1,
                keeper: Keeper::new(&home, &target),
                before: before.then_some(run),
                ever: true,
                down,
                outage: Some(outage),
                missing: None,
            };
            follower.give_up();
            let heard = matches!(queue.next(Some(Duration::from_millis(1))), Item::Event(..));
            assert_eq!(heard, before && follower.before.is_none());
            assert_eq!(heard, ServerRun::recall(&home, "one").is_none());
            heard
        };
        assert!(!ended(true, GONE / 2, true), "it may be starting");
        assert!(!ended(false, 2 * GONE, true), "only the network may be away");
        assert!(!ended(true, 2 * GONE, false), "once is enough");
        assert!(ended(true, 2 * GONE, true));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
