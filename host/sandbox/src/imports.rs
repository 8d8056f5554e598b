//! The four imports as a component sees them, and what they work with: what a call sends waits here until it returns.

use crate::bindings::glassbox::tracker::{clock, hardware, http, throttle};
use crate::capabilities::Capabilities;
use crate::gate::{self, Blocked, Method, Outgoing, Request};
use crate::rate_limit::RateLimit;
use crate::{Consent, Policy, Settings, limits, printable};
use std::sync::Arc;
use wasmtime::StoreLimits;

/// What lives in the store: everything that the imports work with.
pub struct State {
    pub(crate) capabilities: Capabilities,
    pub(crate) policy: Arc<Policy>,
    pub(crate) settings: Settings,
    pub(crate) veto: Option<&'static str>,
    pub(crate) limits: StoreLimits,
    pub(crate) rate_limit: RateLimit,
    /// What the clock shows during the current call, once it was asked: it stands still, so that a component cannot
    /// measure how long anything takes, and an audit's clock cannot be told from a running host's.
    pub(crate) now: Option<u64>,
    /// Whether the current call may send: only `on-event` and `on-tick` may.
    pub(crate) may_send: bool,
    /// What the current call has sent and what was blocked, until it returns.
    pub(crate) sent: Vec<Outgoing>,
    pub(crate) blocked: Vec<Blocked>,
}

impl http::Host for State {
    fn send(&mut self, request: http::Request) -> wasmtime::Result<Result<(), http::Refusal>> {
        let request = Request {
            method: match request.method {
                http::Method::Get => Method::Get,
                http::Method::Post => Method::Post,
            },
            name: request.name,
            fields: request.fields,
            user_agent: request.user_agent,
        };
        self.capabilities.http.asked(&request);
        let consent = Consent::decide(&self.settings, self.veto);
        let passed = if self.may_send {
            gate::pass(request, &self.policy, &self.settings, consent)
        } else {
            let reason = "only on-event and on-tick may send".into();
            Err(Blocked { request: printable(&request.name, limits::NAME), reason, undeclared: true })
        };
        let answer = match passed {
            Ok(outgoing) => self.take(outgoing).map_err(|blocked| (blocked, http::Refusal::QueueFull)),
            Err(blocked) => Err((blocked, http::Refusal::Forbidden)),
        };
        self.capabilities.http.answered(answer.as_ref().err().map(|(blocked, refusal)| (blocked, refusal.name())));
        let Err((blocked, refusal)) = answer else { return Ok(Ok(())) };
        // As many as requests that can be sent: more would only fill memory.
        if self.blocked.len() < limits::REQUESTS_PER_CALL {
            self.blocked.push(blocked);
        }
        Ok(Err(refusal))
    }
}

impl State {
    /// Take a request that passed the gate, unless it would be one too many.
    fn take(&mut self, outgoing: Outgoing) -> Result<(), Blocked> {
        let reason = if self.sent.len() >= limits::REQUESTS_PER_CALL {
            "too many requests in one call"
        } else if self.sent.len() >= self.capabilities.http.room() {
            "the send queue is full"
        } else if !self.rate_limit.take(self.capabilities.clock.now()) {
            "too many requests in a short time"
        } else {
            self.sent.push(outgoing);
            return Ok(());
        };
        Err(Blocked { request: outgoing.name, reason: reason.into(), undeclared: false })
    }
}

impl clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let clock = &self.capabilities.clock;
        Ok(*self.now.get_or_insert_with(|| clock.now() / limits::CLOCK_STEP * limits::CLOCK_STEP))
    }
}

impl hardware::Host for State {
    fn probe(&mut self) -> wasmtime::Result<hardware::Machine> {
        let machine = self.policy.blank(self.capabilities.hardware.probe());
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
        let granted = self.policy.manifest().capabilities.throttle;
        Ok(if granted { self.capabilities.throttle.query() } else { None })
    }
}
