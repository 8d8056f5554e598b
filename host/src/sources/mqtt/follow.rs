//! Follows one broker for as long as the host runs: connects, passes on what its OctoPrints publish, and when the
//! connection is lost, tries again until it is back. What a message means for an OctoPrint is in
//! `published_octoprint.rs`.

use super::client::Client;
use super::packet::{Fault, Message};
use super::published_octoprint::PublishedOctoPrint;
use super::topics::{Presence, Topic, slash_hint};
use crate::events::Feed;
use crate::home::config::mqtt::Broker;
use crate::net::tls_trust::TlsTrust;
use crate::net::{ConnectError, Timeouts};
use crate::sources::outage::{Outages, Retry};
use anyhow::Result;
use glassbox_util::Advised;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// If nothing was published for an OctoPrint for as long as this, its base topic may be wrong.
const SILENT: Duration = Duration::from_secs(60);

/// Follow this broker; `feeds` are those of its OctoPrints, in the broker's order. Returns only with an error, and only
/// when it is the `only` source and the very first attempt meets something that waiting does not fix.
///
/// # Errors
/// What is wrong with the broker, or with our login there, and what to do about it.
pub fn follow(broker: &Broker, feeds: &[Feed], only: bool) -> Result<()> {
    let Some(first) = feeds.first() else { return Ok(()) };
    let mut follower = Follower::new(broker, feeds);
    let mut retry = Retry::new();
    loop {
        let began = Instant::now();
        let error = follower.connect(&first.trust());
        if only && error.is_wrong() && !follower.outages.connected_before() {
            return Err(Advised::from(error).into());
        }
        follower.octoprints.values_mut().for_each(PublishedOctoPrint::broker_lost);
        follower.outages.failed(&error);
        std::thread::sleep(retry.wait(&error, began.elapsed(), || Duration::ZERO));
    }
}

struct Follower<'a> {
    broker: &'a Broker,
    /// By base topic.
    octoprints: BTreeMap<String, PublishedOctoPrint>,
    outages: Outages,
    /// When to check whether anything was published for each OctoPrint.
    check_silence_at: Option<Instant>,
    /// Whether the log says already that the broker does something wrong.
    said_fault: bool,
}

impl<'a> Follower<'a> {
    fn new(broker: &'a Broker, feeds: &[Feed]) -> Self {
        let octoprint = |((_, base), feed): (&(Option<String>, String), &Feed)| {
            (base.clone(), PublishedOctoPrint::new(feed.clone(), format!("{} under {base}", broker.address)))
        };
        let octoprints = broker.octoprints.iter().zip(feeds).map(octoprint).collect();
        let outages = Outages::new(None, format!("the broker at {}", broker.address));
        Self { broker, octoprints, outages, check_silence_at: None, said_fault: false }
    }

    /// One connection, from the login to its loss. Returns why it failed or was lost.
    fn connect(&mut self, trust: &TlsTrust) -> ConnectError {
        let mut client = match Client::connect(self.broker, trust, Timeouts::default()) {
            Ok(client) => client,
            Err(error) => return error,
        };
        self.connected();
        loop {
            let due = self.octoprints.values().filter_map(PublishedOctoPrint::due).chain(self.check_silence_at).min();
            match client.next(due) {
                Ok(Some(message)) => self.hand_on(&message),
                Ok(None) => {}
                Err(error) => return error,
            }
            client.take_fault().into_iter().for_each(|fault| self.passed_over(fault));
            self.do_what_is_due(Instant::now());
        }
    }

    fn passed_over(&mut self, fault: Fault) {
        let at = &self.broker.address;
        if std::mem::replace(&mut self.said_fault, true) {
            tracing::debug!("passing over {fault} from the broker at {at}");
        } else {
            tracing::warn!("passing over what the broker at {at} should not send, and more of that kind: {fault}");
        }
    }

    fn connected(&mut self) {
        self.octoprints.values_mut().for_each(PublishedOctoPrint::broker_connected);
        if !self.outages.connected_before() {
            self.check_silence_at = Some(Instant::now() + SILENT);
        }
        let (at, count) = (&self.broker.address, self.octoprints.len());
        match self.outages.over() {
            Some(away) => tracing::info!("listening to the broker at {at} again after {} s", away.as_secs()),
            None => {
                let plural = if count == 1 { "" } else { "s" };
                tracing::info!("listening to the broker at {at} for {count} OctoPrint{plural}");
            }
        }
    }

    fn hand_on(&mut self, message: &Message) {
        let Message { topic, payload, retained } = message;
        let Some(topic) = Topic::of(topic, |base| self.octoprints.contains_key(base)) else { return };
        let (Topic::Event { base, .. } | Topic::Presence { base }) = topic;
        let Some(octoprint) = self.octoprints.get_mut(base) else { return };
        match topic {
            Topic::Event { name, .. } => octoprint.event(name, payload, *retained),
            Topic::Presence { .. } => {
                Presence::of(payload).into_iter().for_each(|presence| octoprint.presence(presence, *retained));
            }
        }
    }

    fn do_what_is_due(&mut self, now: Instant) {
        self.octoprints.values_mut().for_each(|octoprint| octoprint.do_what_is_due(now));
        if self.check_silence_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        for (base, octoprint) in self.octoprints.iter().filter(|(_, octoprint)| !octoprint.has_published) {
            let slash = slash_hint(base);
            tracing::warn!(
                octoprint = octoprint.called(),
                "nothing was published under {base} yet; compare that with the base topic in OctoPrint-MQTT's settings{slash}"
            );
        }
    }
}
