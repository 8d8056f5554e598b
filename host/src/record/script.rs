//! The host's part in a replay: capabilities that answer from the recording, and touch nothing real.
//!
//! Answers are given by kind. As long as the component asks what it asked when it was recorded, it gets them in the
//! recorded order. One that asks something else gets the next recorded answer of that kind in this call. After the last
//! one, hardware, throttling and the send queue's room are as last known. The clock is at the call's moment.

use super::crossing::{HostCall, Moment};
use glassbox_sandbox::Outgoing;
use glassbox_sandbox::capabilities::{Capabilities, Clock, Hardware, Http, Machine, Throttle};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the host will answer. Clones share it.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Answers>>);

#[derive(Default)]
struct Answers {
    clock: u64,
    room: Answer<usize>,
    machine: Answer<Machine>,
    throttle: Answer<Option<u32>>,
}

/// The next answers, and the last one.
#[derive(Default)]
struct Answer<T> {
    next: VecDeque<T>,
    last: Option<T>,
}

impl<T: Clone> Answer<T> {
    fn give(&mut self) -> Option<T> {
        if let Some(next) = self.next.pop_front() {
            self.last = Some(next);
        }
        self.last.clone()
    }
}

impl Script {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prepare the answers that were recorded for the call that comes now.
    pub fn expect(&self, moment: &Moment, asked: &[HostCall]) {
        let mut answers = self.answers();
        let answers = &mut *answers;
        // It never goes back.
        answers.clock = answers.clock.max(moment.clock);
        answers.room.next.clear();
        answers.machine.next.clear();
        answers.throttle.next.clear();
        for asked in asked {
            match asked {
                HostCall::Send(sent) => {
                    answers.room.next.extend(sent.room.map(|room| usize::try_from(room).unwrap_or(usize::MAX)));
                }
                HostCall::Probe(machine) => answers.machine.next.push_back((**machine).clone()),
                HostCall::Query(mask) => answers.throttle.next.push_back(*mask),
                HostCall::Lost(_) => {}
            }
        }
    }

    /// Set the answers for an instance that asks before it did in the recording.
    pub fn look_ahead(&self, machine: Option<&Machine>, throttle: Option<Option<u32>>) {
        let mut answers = self.answers();
        answers.machine.last = machine.cloned();
        answers.throttle.last = throttle;
    }

    /// The capabilities that give these answers.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            http: Box::new(self.clone()),
            clock: Box::new(self.clone()),
            hardware: Box::new(self.clone()),
            throttle: Box::new(self.clone()),
            // What is shown has entered already, when it was recorded.
            salt: String::new(),
        }
    }
}

impl Http for Script {
    fn room(&self) -> usize {
        self.answers().room.give().unwrap_or(glassbox_sandbox::limits::QUEUE)
    }
    fn queue(&mut self, _: Vec<Outgoing>, _: Instant) {}
}

impl Clock for Script {
    fn now(&self) -> u64 {
        self.answers().clock
    }
}

impl Hardware for Script {
    fn probe(&self) -> Machine {
        self.answers().machine.give().unwrap_or_default()
    }
}

impl Throttle for Script {
    fn query(&self) -> Option<u32> {
        self.answers().throttle.give().flatten()
    }
}
