//! Pinned requests: what the host makes itself of what it showed, and the check that a component's request is exactly
//! that, to the byte. So a component can only decide whether a report is sent, and never what it says.

use crate::capabilities::Machine;
use crate::gate::Request;
use crate::manifest::{Condition, Field, HardwareField, Manifest, PinnedAgent, Rule, Says, SeenField, UserAgent};
use crate::memory::Memory;
use crate::rules::{Patterns, RequestRules, TICK, ValueRules};
use crate::version::Release;
use crate::{Settings, python};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// OctoPrint's own report of throttling.
pub(crate) const THROTTLE_EVENT: &str = "plugin_pi_support_throttle_state";

/// A throttle mask is less than this.
const MASK: u64 = 10_000_000_000;

/// Where a value is taken from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// A field of an event, by the name and form in which it is remembered.
    Event { event: String, key: Arc<str> },
    /// A field of the hardware probe.
    Hardware(HardwareField),
    /// The throttle query, or else OctoPrint's last report of throttling.
    Throttle(ThrottleFact),
}

/// What is known of throttling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ThrottleFact {
    Now,
    Past,
    Mask,
}

/// What a call is about.
#[derive(Clone, Debug)]
pub enum Cause {
    /// The handling of this event.
    Event(String),
    /// A tick, in which these reports are due.
    Tick(Vec<String>),
}

/// What the host knows of the machine during a call; it does not change while the call goes on.
pub trait Facts {
    /// The machine.
    fn machine(&self) -> Machine;
    /// The throttle mask.
    fn throttle(&self) -> Option<u32>;
}

/// What a report is made of.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What the call is about.
    pub cause: &'a Cause,
    /// What was heard and is due.
    pub memory: &'a Memory,
    /// The machine.
    pub facts: &'a dyn Facts,
    /// Milliseconds of the instance's clock.
    pub now_ms: i64,
}

/// What a report is made of, and by which settings and for which OctoPrint.
pub(crate) struct Occasion<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) settings: &'a Settings,
    pub(crate) release: Release,
}

impl Source {
    /// `EVENT.field`, `hardware.field` or `throttle.now`, `.past` or `.mask`.
    pub(crate) fn parse(text: &str, manifest: &Manifest) -> Result<Self, String> {
        let (of, name) = text.split_once('.').ok_or_else(|| format!("the source {text} has no field"))?;
        match (of, name) {
            ("throttle", _) if !manifest.capabilities.throttle => Err("it needs the capability throttle".into()),
            ("throttle", "now") => Ok(Self::Throttle(ThrottleFact::Now)),
            ("throttle", "past") => Ok(Self::Throttle(ThrottleFact::Past)),
            ("throttle", "mask") => Ok(Self::Throttle(ThrottleFact::Mask)),
            ("throttle", _) => Err(format!("of throttling there are now, past and mask, and not {name}")),
            ("hardware", _) => {
                let listed = manifest.capabilities.hardware.iter().find(|field| field.name() == name);
                listed.copied().map(Self::Hardware).ok_or_else(|| format!("{text} is not listed under `hardware`"))
            }
            (event, name) => {
                let seen = manifest.sees.iter().filter(|sees| sees.event == event).flat_map(|sees| &sees.fields);
                let field = seen.into_iter().find(|field| field.name == name);
                let field = field.ok_or_else(|| format!("{text} is not listed under `sees`"))?;
                Ok(Self::of(event, field))
            }
        }
    }

    /// Whether it is a field of this event.
    pub(crate) fn is_of(&self, event: &str) -> bool {
        matches!(self, Self::Event { event: of, .. } if of == event)
    }

    /// A field of an event.
    pub(crate) fn of(event: &str, field: &SeenField) -> Self {
        Self::Event { event: event.into(), key: field.to_string().into() }
    }
}

impl Occasion<'_> {
    /// Whether this is the handling of such an event, or a tick on which such a request is due. For one that is not pinned,
    /// it always is.
    pub(crate) fn is_for(&self, declared: &Says) -> bool {
        if !declared.is_pinned() {
            return true;
        }
        let is_cause = match self.context.cause {
            Cause::Event(event) => event != TICK && declared.on.contains(event),
            Cause::Tick(due) => {
                let timed = declared.every.is_some() || declared.once.is_some();
                declared.is_on_tick() && (!timed || due.contains(&declared.request))
            }
        };
        is_cause && declared.is_for(self.release)
    }
}

impl Context<'_> {
    /// A source's value, unless it is null. Of an event that the request is sent on, only the one that is handled counts.
    fn value(&self, source: &Source, on: &[String]) -> Option<Cow<'_, Value>> {
        let value = match source {
            Source::Event { event, .. } => {
                let handled = matches!(self.cause, Cause::Event(cause) if cause == event);
                let counts = handled || !on.contains(event);
                return self.memory.heard.value(source).filter(|_| counts).map(Cow::Borrowed);
            }
            Source::Hardware(field) => self.facts.machine().get(*field),
            Source::Throttle(fact) => {
                let (now, past, mask) = self.throttling()?;
                match fact {
                    ThrottleFact::Now => now.into(),
                    ThrottleFact::Past => past.into(),
                    ThrottleFact::Mask => mask.into(),
                }
            }
        };
        (!value.is_null()).then_some(Cow::Owned(value))
    }

    /// Whether there is an issue now, whether there was one since the machine booted, and the mask.
    fn throttling(&self) -> Option<(bool, bool, u64)> {
        if let Some(mask) = self.facts.throttle() {
            return Some((mask & 0x7 != 0, mask & 0x7_0000 != 0, mask.into()));
        }
        let heard = self.memory.heard.get(THROTTLE_EVENT)?;
        let flag = |key| heard.get(key)?.as_bool();
        let mask = heard.get("raw_value")?.as_u64().filter(|mask| *mask < MASK)?;
        Some((flag("current_issue")?, flag("past_issue")?, mask))
    }

    /// A number of seconds that has grown since its event was heard, in whole seconds; one that is not known was 0.
    fn grown(&self, source: &Source) -> Option<String> {
        let Source::Event { event, .. } = source else { return None };
        let heard = self.memory.heard.get(event)?;
        let seconds =
            self.memory.heard.value(source).and_then(Value::as_f64).filter(|seconds| *seconds > 0.0).unwrap_or(0.0);
        // A cast from a float saturates.
        #[allow(clippy::cast_possible_truncation)]
        let then = (seconds * 1000.0).round() as i64;
        Some((then.saturating_add(self.now_ms.saturating_sub(heard.at)).max(0) / 1000).to_string())
    }

    /// The first value that fits the rules. None: there is none, though `Some(None)`: a source had one that does not fit.
    fn first(&self, rules: &ValueRules, grows: bool, on: &[String]) -> Option<Option<String>> {
        if grows {
            return Some(rules.from.first().and_then(|source| self.grown(source)).filter(|text| rules.fits(text)));
        }
        let mut any = None;
        for value in rules.from.iter().filter_map(|source| self.value(source, on)) {
            any = Some(python::text(&value).filter(|text| rules.fits(text)));
            if any.as_ref().is_some_and(Option::is_some) {
                break;
            }
        }
        any
    }
}

impl RequestRules {
    /// Whether a request is exactly what the host makes itself, free fields aside.
    ///
    /// # Errors
    /// In what it differs, without its values.
    pub(crate) fn compare(&self, request: &Request, occasion: &Occasion) -> Result<(), String> {
        let context = occasion.context;
        let on = &self.declared.on;
        if let Some(rules) = self.variable.as_ref().filter(|rules| !rules.from.is_empty()) {
            let value = context.first(rules, false, on).flatten();
            let name = value.map(|value| format!("{}{value}{}", self.prefix, self.suffix));
            if name.as_ref() != Some(&request.name) {
                return Err("its name is not the one that the host would make".into());
            }
        }
        let mut sent = request.fields.iter().peekable();
        for (field, rules) in self.declared.fields.iter().zip(&self.fields) {
            if rules.from.is_empty() && field.rule.constant.is_none() {
                // A free field. Its rule was checked before.
                sent.next_if(|(name, _)| *name == field.name);
                continue;
            }
            let made = self.make(field, rules, occasion)?;
            let is_sent = sent.next_if(|(name, value)| *name == field.name && made.as_ref() == Some(value)).is_some();
            if is_sent != made.is_some() {
                return Err(format!("{} is not what the host would make of it", field.name));
            }
        }
        match sent.next() {
            // Its name is a declared one, as that was checked before.
            Some((name, _)) => Err(format!("{name} is not what the host would make of it")),
            None => Ok(()),
        }
    }

    /// The value of a field, or none if it is to be left out.
    fn make(&self, field: &Field, rules: &ValueRules, occasion: &Occasion) -> Result<Option<String>, String> {
        let Occasion { context, settings, release } = *occasion;
        if rules.from.is_empty() {
            return Ok(field.rule.constant.clone());
        }
        let applies = field.octoprint.is_none_or(|versions| versions.include(release))
            && field.switch.as_ref().is_none_or(|switch| settings.switch(switch))
            && match field.condition {
                None => true,
                Some(Condition::ThrottleIssue) => context.throttling().is_some_and(|(now, past, _)| now || past),
            };
        if !applies {
            return Ok(None);
        }
        let found = context.first(rules, field.grows, &self.declared.on);
        let other_constant = field.rule.constant.is_some() && found == Some(None);
        let made = found.unwrap_or_else(|| field.unknown.clone());
        if other_constant || (made.is_none() && !field.optional) {
            return Err(format!("the host cannot make it, as {} is not known, or not what it must be", field.name));
        }
        Ok(made)
    }
}

/// What the `User-Agent` header may be.
#[derive(Debug)]
pub(crate) struct Agent {
    /// None if it is free.
    pinned: Option<PinnedAgent>,
    pub(crate) value: ValueRules,
}

impl Agent {
    pub(crate) fn new(agent: &UserAgent, manifest: &Manifest, patterns: &mut Patterns) -> Result<Self, String> {
        let (pattern, pinned) = match agent {
            UserAgent::Pattern(pattern) => (pattern, None),
            UserAgent::Pinned(agent) => (&agent.pattern, Some(agent.clone())),
        };
        let from: Vec<_> = pinned.iter().map(|agent| agent.from.clone()).collect();
        let rule = Rule { pattern: Some(pattern.clone()), ..Rule::default() };
        Ok(Self { value: ValueRules::new(&rule, &from, manifest, patterns)?, pinned })
    }

    /// Whether a header is what it may be; one that is pinned, what the host makes.
    pub(crate) fn fits(&self, header: &str, context: &Context) -> bool {
        let Some(PinnedAgent { text, unknown, .. }) = &self.pinned else { return self.value.fits(header) };
        let value = context.first(&self.value, false, &[]).flatten();
        text.replace("{}", value.as_ref().unwrap_or(unknown)) == header
    }
}
