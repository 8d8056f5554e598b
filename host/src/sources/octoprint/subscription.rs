//! Subscribes at OctoPrint's push API, and finds out whether OctoPrint has taken that. OctoPrint does not say so: it
//! passes over what it cannot read without a word. What it sends only to listeners shows it.

use super::must_be_new_enough;
use super::push::{Push, PushMessage};
use super::rest::Login;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::Waiter;
use crate::net::{Address, ConnectError, Timeouts};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// The most of the events that come while the subscription is not known to be taken, in bytes. There are few: the first
/// shows that it is.
const EARLY: usize = 1 << 20;

/// While OctoPrint does not say anything, we say again who we are as often as this.
const AGAIN: Duration = Duration::from_secs(60);

/// A connection over which we subscribed.
pub(super) struct Subscription {
    pub(super) push: Push,
    /// OctoPrint's version, as it says.
    pub(super) version: String,
    timeouts: Timeouts,
    /// Whether OctoPrint has sent something that only listeners are sent.
    listening: bool,
    /// Whether OctoPrint has read all that we sent.
    read: bool,
    /// The user's name, if OctoPrint cannot take it.
    impossible: Option<String>,
    /// Events that came before it was known to be taken, name and payload, and how many bytes they have.
    early: VecDeque<(String, String)>,
    early_bytes: usize,
    again: Instant,
}

impl Subscription {
    /// Connect, hear what OctoPrint is, and tell it who we are and what we want to hear.
    ///
    /// # Errors
    /// When it cannot be reached, or is too old.
    pub(super) fn open(
        address: &Address,
        trust: &TlsTrust,
        login: &Login,
        events: &BTreeSet<String>,
        waiter: &Waiter,
    ) -> Result<Self, ConnectError> {
        let timeouts = Timeouts::default();
        let mut push = Push::connect(address, trust, timeouts)?;
        let (version, listening) = greeting(&mut push, waiter, timeouts)?;
        must_be_new_enough(address, &version)?;
        // In this order: to whom subscribes first, OctoPrint sends no history.
        push.subscribe(events)?;
        let impossible = login.name.contains(':').then(|| login.name.clone());
        if impossible.is_none() {
            push.auth(&login.name, &login.session)?;
        }
        push.ping()?;
        let again = Instant::now() + AGAIN;
        let (early, early_bytes) = (VecDeque::new(), 0);
        Ok(Self { push, version, timeouts, listening, read: false, impossible, early, early_bytes, again })
    }

    /// Wait until OctoPrint has taken the subscription; false if it does not show that for some time, as it may still do.
    ///
    /// # Errors
    /// When the connection is lost, or it cannot take it.
    pub(super) fn is_taken(&mut self, waiter: &Waiter) -> Result<bool, ConnectError> {
        let began = Instant::now();
        while !(self.listening && self.read) {
            if self.read
                && let Some(name) = &self.impossible
            {
                return Err(super::refusal::colon(name));
            }
            // On a slow line a history may have to come first.
            let patient = self.push.received().max(began) + self.timeouts.setup;
            let until = patient.min(began + self.timeouts.patience);
            if Instant::now() >= until {
                return Ok(false);
            }
            match self.push.next(waiter, Some(until))? {
                PushMessage::Pong => self.read = true,
                PushMessage::Listening => self.listening = true,
                PushMessage::Event(name, payload) => {
                    self.listening = true;
                    self.early_bytes += name.len() + payload.len();
                    if self.early_bytes <= EARLY {
                        self.early.push_back((name, payload));
                    }
                }
                PushMessage::Reauth => {
                    return Err(ConnectError::away("it did not accept the session that it had just given us"));
                }
                PushMessage::Connected(_) | PushMessage::Nothing => {}
            }
        }
        Ok(true)
    }

    /// Whether it is time to say again who we are. It may have been passed over for a reason that has gone.
    pub(super) fn is_time_to_say_again(&mut self) -> bool {
        let now = Instant::now();
        let due = self.again <= now;
        if due {
            self.again = now + AGAIN;
        }
        due
    }

    /// Whether an event of this name came before it was known to be taken.
    pub(super) fn came_early(&self, event: &str) -> bool {
        self.early.iter().any(|(name, _)| name == event)
    }

    /// The events that came before it was known to be taken.
    pub(super) fn early(&mut self) -> VecDeque<(String, String)> {
        if self.early_bytes > EARLY {
            tracing::warn!(
                "OctoPrint sent more than {} KiB before it could be listened to: some of it is lost",
                EARLY >> 10
            );
        }
        std::mem::take(&mut self.early)
    }
}

/// Wait for the first message. Returns OctoPrint's version, and whether it sent something that only listeners are sent;
/// what else comes is not kept.
fn greeting(push: &mut Push, waiter: &Waiter, timeouts: Timeouts) -> Result<(String, bool), ConnectError> {
    let end = Instant::now() + timeouts.patience;
    let mut listening = false;
    loop {
        // A slow line is given time as long as something comes.
        let until = (push.received() + timeouts.setup).min(end);
        match push.next(waiter, Some(until))? {
            PushMessage::Connected(version) => return Ok((version, listening)),
            PushMessage::Listening => listening = true,
            _ => {}
        }
        if Instant::now() >= (push.received() + timeouts.setup).min(end) {
            return Err(super::refusal::no_greeting());
        }
    }
}
