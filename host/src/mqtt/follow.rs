//! Listens to one broker for as long as the host runs: connects, hands on what its OctoPrints publish,
//! and when the connection is gone, tries again until it is back.

use super::client::Client;
use super::config::Broker;
use super::life::Life;
use super::packet::Message;
use super::published::{Presence, Topic};
use crate::octoprint::Trouble;
use crate::octoprint::follow::jittered;
use crate::octoprint::push::Patience;
use crate::roots::Roots;
use crate::site::Site;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first wait after a connection was lost, and the longest; each is twice the one before, less
/// up to half of it.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// A connection that held so long was a good one: the waits begin anew.
const STABLE: Duration = Duration::from_secs(30);

/// Of whom nothing was heard for so long, the base topic may be another.
const SILENT: Duration = Duration::from_secs(60);

/// Listen; `sites` are those of its OctoPrints, in the order of the broker's. Ends only with an error:
/// when it is the `only` source, and the first attempt meets what waiting does not mend.
///
/// # Errors
/// What is wrong with the broker or with what it knows of us, and what to do about it.
pub fn follow(broker: &Broker, sites: &[Arc<Site>], only: bool) -> Result<()> {
    let mut listener = Listener::new(broker, sites);
    let Some(shared) = sites.first().map(|site| &site.shared) else { return Ok(()) };
    let (mut wait, mut last) = (FIRST, String::new());
    loop {
        let began = Instant::now();
        let trouble = listener.session(&shared.roots());
        if let Trouble::Wrong(reason) = &trouble
            && only
            && !listener.ever
        {
            bail!("{reason}");
        }
        listener.lost(&trouble);
        // Another reason is news: it may be starting.
        if began.elapsed() >= STABLE || trouble.reason() != last {
            wait = FIRST;
        }
        last = trouble.reason().into();
        std::thread::sleep(jittered(wait));
        wait = (2 * wait).min(LONGEST);
    }
}

struct Listener<'a> {
    broker: &'a Broker,
    /// By base topic.
    lives: BTreeMap<String, Life>,
    /// Whether it was ever heard by this host.
    ever: bool,
    outage: Option<Instant>,
    /// Whether it was said in this outage that somebody has to do something.
    wrong: bool,
    /// Until when silence is no reason to wonder.
    patient: Option<Instant>,
}

impl<'a> Listener<'a> {
    fn new(broker: &'a Broker, sites: &[Arc<Site>]) -> Self {
        let life = |((_, base), site): (&(Option<String>, String), &Arc<Site>)| {
            (base.clone(), Life::new(site.clone(), format!("{} under {base}", broker.address)))
        };
        let lives = broker.octoprints.iter().zip(sites).map(life).collect();
        Self { broker, lives, ever: false, outage: None, wrong: false, patient: None }
    }

    /// From the first word to the loss of the connection.
    fn session(&mut self, roots: &Roots) -> Trouble {
        let mut client = match Client::connect(self.broker, roots, Patience::default()) {
            Ok(client) => client,
            Err(trouble) => return trouble,
        };
        self.arrived();
        loop {
            let due = self.lives.values().filter_map(Life::due).chain(self.patient).min();
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
            self.patient = Some(Instant::now() + SILENT);
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
        if self.patient.take_if(|until| *until <= now).is_none() {
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
    fn lost(&mut self, trouble: &Trouble) {
        self.lives.values_mut().for_each(Life::unknown);
        let reason = crate::journal::visible(trouble.reason());
        let at = &self.broker.address;
        let is_wrong = matches!(trouble, Trouble::Wrong(_));
        match self.outage {
            Some(_) if self.wrong || !is_wrong => tracing::debug!("{at}: {reason}"),
            _ if is_wrong => tracing::warn!("{reason}; it is tried again"),
            _ => tracing::warn!("the broker at {at} is not heard, and tried again: {reason}"),
        }
        self.outage.get_or_insert_with(Instant::now);
        self.wrong |= is_wrong;
    }
}
