//! Taps the capabilities of an instance: records what the component asks of the host during a call, and the answers, in
//! order. What is done with that is up to [`super::recorded_instance`] and [`super::scenario`].

use super::crossing::{HostCall, SentRequest};
use glassbox_sandbox::capabilities::{Capabilities, Clock, Hardware, Http, Machine, Throttle};
use glassbox_sandbox::{Blocked, Outgoing, Policy, Request};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// About how many bytes are kept of one call: a component that asks in a loop asks millions of times.
const MOST: usize = 1 << 20;

/// What was asked in the current call. Clones share it.
#[derive(Clone)]
pub struct Tape(Arc<Mutex<TapeState>>);

struct TapeState {
    clock: Box<dyn Clock>,
    asked: Vec<HostCall>,
    size: usize,
    lost: u64,
    /// The request that the gate is checking.
    sending: Option<SentRequest>,
}

impl Tape {
    /// Tap the capabilities of an instance. The policy says which of the machine's fields it is told.
    #[must_use]
    pub fn tap(capabilities: Capabilities, policy: &Arc<Policy>) -> (Self, Capabilities) {
        let Capabilities { http, clock, hardware, throttle, salt } = capabilities;
        let tape = Self(Arc::new(Mutex::new(TapeState { clock, asked: Vec::new(), size: 0, lost: 0, sending: None })));
        let tapped = Capabilities {
            http: Box::new(Tap(http, tape.clone())),
            clock: Box::new(tape.clone()),
            hardware: Box::new(HardwareTap(Tap(hardware, tape.clone()), policy.clone())),
            throttle: Box::new(Tap(throttle, tape.clone())),
            salt,
        };
        (tape, tapped)
    }

    fn state(&self) -> MutexGuard<'_, TapeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the instance's clock shows.
    #[must_use]
    pub fn clock(&self) -> u64 {
        self.state().clock.now()
    }

    /// What was asked since this was last called.
    #[must_use]
    pub fn take(&self) -> Vec<HostCall> {
        let mut state = self.state();
        let mut asked = std::mem::take(&mut state.asked);
        state.size = 0;
        let lost = std::mem::take(&mut state.lost);
        asked.extend((lost > 0).then_some(HostCall::Lost(lost)));
        asked
    }
}

impl TapeState {
    fn push(&mut self, asked: HostCall) {
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
        let mut state = self.state();
        let now = state.clock.now();
        match &mut state.sending {
            // The gate is checking the rate limit.
            Some(sent) => sent.now = Some(now),
            None => state.push(HostCall::Now(now)),
        }
        now
    }
}

struct Tap<C: ?Sized>(Box<C>, Tape);

impl Http for Tap<dyn Http> {
    fn room(&self) -> usize {
        let room = self.0.room();
        if let Some(sent) = &mut self.1.state().sending {
            sent.room = Some(room as u64);
        }
        room
    }

    fn queue(&mut self, requests: Vec<Outgoing>) {
        self.0.queue(requests);
    }

    fn asked(&self, request: &Request) {
        self.1.state().sending = Some(SentRequest { request: request.clone(), room: None, now: None, refused: None });
    }

    fn answered(&self, refused: Option<(&Blocked, &str)>) {
        let mut state = self.1.state();
        if let Some(mut sent) = state.sending.take() {
            sent.refused = refused.map(|(blocked, word)| (word.into(), blocked.reason.clone()));
            state.push(HostCall::Send(sent));
        }
    }
}

struct HardwareTap(Tap<dyn Hardware>, Arc<Policy>);

impl Hardware for HardwareTap {
    fn probe(&self) -> Machine {
        let Self(Tap(hardware, tape), policy) = self;
        // The other fields do not cross the boundary.
        let machine = policy.blank(hardware.probe());
        tape.state().push(HostCall::Probe(Box::new(machine.clone())));
        machine
    }
}

impl Throttle for Tap<dyn Throttle> {
    fn query(&self) -> Option<u32> {
        let mask = self.0.query();
        self.1.state().push(HostCall::Query(mask));
        mask
    }
}
