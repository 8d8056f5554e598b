//! Listens to one broker for as long as the host runs: connects, hands on what its OctoPrints publish,
//! and when the connection is gone, tries again until it is back.

use super::client::Client;
use super::packet::Message;
use super::published_octoprint::PublishedOctoPrint;
use super::topics::{Presence, Topic};
use crate::events::Feed;
use crate::home::config::mqtt::Broker;
use crate::net::ConnectError;
use crate::net::Timeouts;
use crate::net::tls_trust::TlsTrust;
use anyhow::{Result, bail};
use glassbox_util::Backoff;
use glassbox_util::text::printable;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The first wait after a connection was lost, and the longest; each is twice the one before, less
/// up to half of it.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// A connection that held so long was a good one: the waits begin anew.
const STABLE: Duration = Duration::from_secs(30);

/// Of whom nothing was heard for so long, the base topic may be another.
const SILENT: Duration = Duration::from_secs(60);

/// Listen; `feeds` are those of its OctoPrints, in the order of the broker's. Ends only with an error:
/// when it is the `only` source, and the first attempt meets what waiting does not repair.
///
/// # Errors
/// What is wrong with the broker or with what it knows of us, and what to do about it.
pub fn follow(broker: &Broker, feeds: &[Feed], only: bool) -> Result<()> {
    let mut listener = Listener::new(broker, feeds);
    let Some(first) = feeds.first() else { return Ok(()) };
    let mut backoff = Backoff::new(FIRST, LONGEST);
    let mut last = String::new();
    loop {
        let began = Instant::now();
        let trouble = listener.session(&first.trust());
        if let ConnectError::Wrong(reason) = &trouble
            && only
            && !listener.ever
        {
            bail!("{reason}");
        }
        listener.lost(&trouble);
        // Another reason is news: it may be starting.
        if began.elapsed() >= STABLE || trouble.reason() != last {
            backoff.reset();
        }
        last = trouble.reason().into();
        std::thread::sleep(backoff.next_wait());
    }
}

struct Listener<'a> {
    broker: &'a Broker,
    /// By base topic.
    lives: BTreeMap<String, PublishedOctoPrint>,
    /// Whether it was ever heard by this host.
    ever: bool,
    outage: Option<Instant>,
    /// Whether it was said in this outage that somebody has to do something.
    wrong: bool,
    /// Until when silence is no reason to wonder.
    examined: Option<Instant>,
}

impl<'a> Listener<'a> {
    fn new(broker: &'a Broker, feeds: &[Feed]) -> Self {
        let life = |((_, base), feed): (&(Option<String>, String), &Feed)| {
            (base.clone(), PublishedOctoPrint::new(feed.clone(), format!("{} under {base}", broker.address)))
        };
        let lives = broker.octoprints.iter().zip(feeds).map(life).collect();
        Self { broker, lives, ever: false, outage: None, wrong: false, examined: None }
    }

    /// From the first word to the loss of the connection.
    fn session(&mut self, roots: &TlsTrust) -> ConnectError {
        let mut client = match Client::connect(self.broker, roots, Timeouts::default()) {
            Ok(client) => client,
            Err(trouble) => return trouble,
        };
        self.arrived();
        loop {
            let due = self.lives.values().filter_map(PublishedOctoPrint::due).chain(self.examined).min();
            match client.next(due) {
                Ok(Some(message)) => self.hand_on(&message),
                Ok(None) => {}
                Err(trouble) => return trouble,
            }
            self.on_time(Instant::now());
        }
    }

    fn arrived(&mut self) {
        let (at, count) = (&self.broker.address, self.lives.len());
        match self.outage.take() {
            Some(since) if self.ever => {
                tracing::info!("the broker at {at} is heard again after {} s", since.elapsed().as_secs());
            }
            _ => {
                tracing::info!("listens at the broker {at} for {count} OctoPrint{}", if count == 1 { "" } else { "s" })
            }
        }
        if !self.ever {
            self.examined = Some(Instant::now() + SILENT);
        }
        (self.ever, self.wrong) = (true, false);
    }

    fn hand_on(&mut self, message: &Message) {
        let Message { topic, payload, retained } = message;
        let Some(topic) = Topic::of(topic) else { return };
        let (Topic::Event { base, .. } | Topic::Presence { base }) = topic;
        let Some(life) = self.lives.get_mut(base) else { return };
        match topic {
            Topic::Event { name, .. } => life.event(name, payload, *retained),
            Topic::Presence { .. } => Presence::of(payload).into_iter().for_each(|is| life.presence(is, *retained)),
        }
    }

    fn on_time(&mut self, now: Instant) {
        self.lives.values_mut().for_each(|life| life.give_up(now));
        if self.examined.take_if(|until| *until <= now).is_none() {
            return;
        }
        for (base, life) in self.lives.iter().filter(|(_, life)| !life.heard) {
            tracing::warn!(
                octoprint = life.called(),
                "nothing was published under {base} yet; compare that with the base topic in OctoPrint-MQTT's settings"
            );
        }
    }

    /// One line for each outage, and one more where somebody has to do something.
    fn lost(&mut self, trouble: &ConnectError) {
        self.lives.values_mut().for_each(PublishedOctoPrint::unknown);
        let reason = printable(trouble.reason(), usize::MAX);
        let at = &self.broker.address;
        let is_wrong = matches!(trouble, ConnectError::Wrong(_));
        match self.outage {
            Some(_) if self.wrong || !is_wrong => tracing::debug!("{at}: {reason}"),
            _ if is_wrong => tracing::warn!("{reason}; it is tried again"),
            _ => tracing::warn!("the broker at {at} is not heard, and tried again: {reason}"),
        }
        self.outage.get_or_insert_with(Instant::now);
        self.wrong |= is_wrong;
    }
}
