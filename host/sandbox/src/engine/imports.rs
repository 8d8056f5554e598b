//! The four imports as a component sees them, and what they work with: what a call sends waits here until it returns.

use crate::capabilities::{Capabilities, Machine};
use crate::engine::bindings::glassbox::tracker::{clock, hardware, http, throttle};
use crate::engine::rate_limit::RateLimit;
use crate::gate::{self, Blocked, Method, Outgoing, Request};
use crate::memory::Memory;
use crate::pins::{Cause, Context, Facts};
use crate::ties::Doors;
use crate::{Consent, Policy, Settings, limits};
use std::cell::OnceCell;
use std::sync::Arc;
use wasmtime::StoreLimits;

/// What lives in the store: everything that the imports work with.
pub struct State {
    pub(crate) capabilities: Capabilities,
    pub(crate) policy: Arc<Policy>,
    pub(crate) settings: Settings,
    /// What enters while those settings are in force.
    pub(crate) doors: Doors,
    pub(crate) veto: Option<&'static str>,
    pub(crate) limits: StoreLimits,
    pub(crate) rate_limit: RateLimit,
    /// What was heard and is due.
    pub(crate) memory: Memory,
    /// What the clock shows during the current call, in milliseconds.
    pub(crate) now_ms: i64,
    /// What the machine is during the current call, once that was asked.
    pub(crate) machine: OnceCell<Machine>,
    pub(crate) mask: OnceCell<Option<u32>>,
    /// What the current call is about, if it may send: only `on-event` and `on-tick` may.
    pub(crate) cause: Option<Cause>,
    /// What the current call has sent, with its number in the manifest, and what was blocked, until it returns.
    pub(crate) sent: Vec<(usize, Outgoing)>,
    pub(crate) blocked: Vec<Blocked>,
}

impl http::Host for State {
    fn send(&mut self, request: http::Request) -> wasmtime::Result<()> {
        let request = Request {
            method: if request.method == http::Method::Get { Method::Get } else { Method::Post },
            name: request.name,
            fields: request.fields,
            user_agent: request.user_agent,
        };
        self.capabilities.http.asked(&request);
        let passed = self.take(request);
        self.capabilities.http.answered(passed.as_ref().err());
        // As many as requests that can be sent: more would only fill memory.
        if let Err(blocked) = passed
            && self.blocked.len() < limits::REQUESTS_PER_CALL
        {
            self.blocked.push(blocked);
        }
        // The component does not learn what became of it: it could tell an audit from a running host by that.
        Ok(())
    }
}

impl State {
    /// Take a request that passes the gate, unless it would be one too many.
    fn take(&mut self, request: Request) -> Result<(), Blocked> {
        let Some(cause) = &self.cause else {
            let reason = "only on-event and on-tick may send".into();
            return Err(Blocked::new(&request.name, &self.policy, reason, true));
        };
        let context = Context { cause, memory: &self.memory, facts: &*self, now_ms: self.now_ms };
        let consent = Consent::decide(&self.settings, self.veto);
        let (outgoing, number) = gate::pass(request, &self.policy, &self.settings, consent, Some(&context))?;
        let again =
            self.policy.manifest().says[number].is_pinned() && self.sent.iter().any(|(sent, _)| *sent == number);
        let reason = if again {
            "it may be sent once on each occasion"
        } else if self.sent.len() >= limits::REQUESTS_PER_CALL {
            "too many requests in one call"
        } else if self.sent.len() >= self.capabilities.http.room() {
            "the send queue is full"
        } else if !self.rate_limit.take(self.clock()) {
            "too many requests in a short time"
        } else {
            self.sent.push((number, outgoing));
            return Ok(());
        };
        Err(Blocked::new(&outgoing.name, &self.policy, reason.into(), again))
    }

    /// What the clock shows, in nanoseconds.
    fn clock(&self) -> u64 {
        u64::try_from(self.now_ms).unwrap_or_default().saturating_mul(limits::CLOCK_STEP)
    }

    /// Read the clock for a call. It stands still, so that a component cannot measure how long anything
    /// takes, and an audit's clock cannot be told from a running host's.
    pub(crate) fn read_clock(&mut self) {
        let step = limits::CLOCK_STEP;
        self.now_ms = i64::try_from(self.capabilities.clock.now() / step).unwrap_or(i64::MAX);
        (self.machine, self.mask) = (OnceCell::new(), OnceCell::new());
    }
}

/// Asked once in a call, as nothing may change while it goes on.
impl Facts for State {
    fn machine(&self) -> Machine {
        let probe = || {
            let machine = self.capabilities.hardware.probe().only(&self.doors.hardware);
            self.capabilities.hardware.told(&machine);
            machine
        };
        self.machine.get_or_init(probe).clone()
    }

    fn throttle(&self) -> Option<u32> {
        *self.mask.get_or_init(|| if self.doors.throttle { self.capabilities.throttle.query() } else { None })
    }
}

impl clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock())
    }
}

impl hardware::Host for State {
    fn probe(&mut self) -> wasmtime::Result<hardware::Machine> {
        let machine = self.machine();
        Ok(hardware::Machine {
            os: machine.os,
            platform: machine.platform,
            bits: machine.bits,
            cores: machine.cores,
            frequency_mhz: machine.frequency_mhz,
            memory_bytes: machine.memory_bytes,
            pi_model: machine.pi_model,
            octopi_version: machine.octopi_version,
            octopiuptodate_build: machine.octopiuptodate_build,
        })
    }
}

impl throttle::Host for State {
    fn query(&mut self) -> wasmtime::Result<Option<u32>> {
        Ok(self.throttle())
    }
}
