//! Taps on the capabilities of an instance: what the component asks of the host during a call, and what
//! it is answered, in order. Who listens, and what is kept, is elsewhere.

use super::crossing::{Asked, Sent};
use glassbox_sandbox::capabilities::{Capabilities, Clock, Hardware, Http, Machine, Random, Throttle};
use glassbox_sandbox::{Blocked, Outgoing, Policy, Request};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// As much is kept of one call: a component that asks in a loop asks millions of times.
const MOST: usize = 1 << 20;

/// What was asked in the call that is going on; clones share it.
#[derive(Clone)]
pub struct Tape(Arc<Mutex<Reel>>);

struct Reel {
    clock: Box<dyn Clock>,
    asked: Vec<Asked>,
    size: usize,
    lost: u64,
    /// The request that the gate is looking at.
    sending: Option<Sent>,
}

impl Tape {
    /// Tap the capabilities of an instance. `policy`: what it is told of the machine.
    #[must_use]
    pub fn tap(capabilities: Capabilities, policy: &Arc<Policy>) -> (Self, Capabilities) {
        let Capabilities { http, clock, hardware, throttle, random } = capabilities;
        let tape = Self(Arc::new(Mutex::new(Reel { clock, asked: Vec::new(), size: 0, lost: 0, sending: None })));
        let tapped = Capabilities {
            http: Box::new(Tap(http, tape.clone())),
            clock: Box::new(tape.clone()),
            hardware: Box::new(HardwareTap(Tap(hardware, tape.clone()), policy.clone())),
            throttle: Box::new(Tap(throttle, tape.clone())),
            random: Box::new(Tap(random, tape.clone())),
        };
        (tape, tapped)
    }

    fn reel(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the instance's clock shows.
    #[must_use]
    pub fn clock(&self) -> u64 {
        self.reel().clock.now()
    }

    /// What was asked since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Asked> {
        let mut reel = self.reel();
        let mut asked = std::mem::take(&mut reel.asked);
        reel.size = 0;
        let lost = std::mem::take(&mut reel.lost);
        asked.extend((lost > 0).then_some(Asked::Lost(lost)));
        asked
    }
}

impl Reel {
    fn push(&mut self, asked: Asked) {
        let size = asked.size();
        if self.lost > 0 || self.size + size > MOST {
            self.lost += 1;
        } else {
            self.size += size;
            self.asked.push(asked);
        }
    }
}

impl Clock for Tape {
    fn now(&self) -> u64 {
        let mut reel = self.reel();
        let now = reel.clock.now();
        match &mut reel.sending {
            // The gate judges the rate.
            Some(sent) => sent.now = Some(now),
            None => reel.push(Asked::Now(now)),
        }
        now
    }
}

struct Tap<C: ?Sized>(Box<C>, Tape);

impl Http for Tap<dyn Http> {
    fn room(&self) -> usize {
        let room = self.0.room();
        if let Some(sent) = &mut self.1.reel().sending {
            sent.room = Some(room as u64);
        }
        room
    }

    fn queue(&mut self, requests: Vec<Outgoing>) {
        self.0.queue(requests);
    }

    fn asked(&self, request: &Request) {
        self.1.reel().sending = Some(Sent { request: request.clone(), room: None, now: None, refused: None });
    }

    fn answered(&self, refused: Option<(&Blocked, &str)>) {
        let mut reel = self.1.reel();
        if let Some(mut sent) = reel.sending.take() {
            sent.refused = refused.map(|(blocked, word)| (word.into(), blocked.reason.clone()));
            reel.push(Asked::Send(sent));
        }
    }
}

struct HardwareTap(Tap<dyn Hardware>, Arc<Policy>);

impl Hardware for HardwareTap {
    fn probe(&self) -> Machine {
        let Self(Tap(hardware, tape), policy) = self;
        // The rest does not cross the boundary.
        let machine = policy.blank(hardware.probe());
        tape.reel().push(Asked::Probe(Box::new(machine.clone())));
        machine
    }
}

impl Throttle for Tap<dyn Throttle> {
    fn query(&self) -> Option<u32> {
        let mask = self.0.query();
        self.1.reel().push(Asked::Query(mask));
        mask
    }
}

impl Random for Tap<dyn Random> {
    fn fill(&mut self, buffer: &mut [u8]) -> bool {
        let filled = self.0.fill(buffer);
        self.1.reel().push(Asked::Random(filled.then(|| buffer.to_vec())));
        filled
    }
}
