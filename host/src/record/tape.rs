//! Taps the capabilities of an instance: records what is asked of the host during a call, by the component or for what the
//! host makes itself, and the answers, in order. What is done with that is up to [`super::recorded_instance`] and [`super::scenario`].

use super::crossing::{HostCall, SentRequest};
use glassbox_sandbox::capabilities::{Capabilities, Clock, Hardware, Http, Machine, Throttle};
use glassbox_sandbox::{Blocked, Outgoing, Request};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// About how many bytes are kept of one call: a component that asks in a loop asks millions of times.
const MOST: usize = 1 << 20;

/// What was asked in the current call. Clones share it.
#[derive(Clone)]
pub struct Tape(Arc<Mutex<TapeState>>);

struct TapeState {
    clock: Box<dyn Clock>,
    /// What the clock showed when it was read last.
    now: u64,
    asked: Vec<HostCall>,
    size: usize,
    lost: u64,
    /// The request that the gate is checking.
    sending: Option<SentRequest>,
}

impl Tape {
    /// Tap the capabilities of an instance.
    pub fn tap(capabilities: Capabilities) -> (Self, Capabilities) {
        let Capabilities { http, clock, hardware, throttle, salt } = capabilities;
        let state = TapeState { clock, now: 0, asked: Vec::new(), size: 0, lost: 0, sending: None };
        let tape = Self(Arc::new(Mutex::new(state)));
        let tapped = Capabilities {
            http: Box::new(Tap(http, tape.clone())),
            clock: Box::new(tape.clone()),
            hardware: Box::new(Tap(hardware, tape.clone())),
            throttle: Box::new(Tap(throttle, tape.clone())),
            salt,
        };
        (tape, tapped)
    }

    fn state(&self) -> MutexGuard<'_, TapeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the instance's clock showed when it was read last: for the current call, or the one that has just ended.
    pub fn clock(&self) -> u64 {
        self.state().now
    }

    /// What was asked since this was last called.
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
        state.now = state.clock.now();
        state.now
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

    fn queue(&mut self, requests: Vec<Outgoing>, not_before: Instant) {
        self.0.queue(requests, not_before);
    }

    fn asked(&self, request: &Request) {
        self.1.state().sending = Some(SentRequest { request: request.clone(), room: None, refused: None });
    }

    fn answered(&self, refused: Option<&Blocked>) {
        let mut state = self.1.state();
        if let Some(mut sent) = state.sending.take() {
            sent.refused = refused.map(|blocked| blocked.reason.clone());
            state.push(HostCall::Send(sent));
        }
    }
}

impl Hardware for Tap<dyn Hardware> {
    fn probe(&self) -> Machine {
        self.0.probe()
    }

    // The other fields do not cross the boundary.
    fn told(&self, machine: &Machine) {
        self.1.state().push(HostCall::Probe(Box::new(machine.clone())));
    }
}

impl Throttle for Tap<dyn Throttle> {
    fn query(&self) -> Option<u32> {
        let mask = self.0.query();
        self.1.state().push(HostCall::Query(mask));
        mask
    }
}
