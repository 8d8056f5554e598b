//! The rules for a request, compiled: its name, its fields, and what a value may be. What the host makes of a pinned
//! request is in `pins.rs`.

use crate::gate::Request;
use crate::manifest::{Field, Manifest, Rule, Says};
use crate::pins::Source;
use crate::policy::Refused;
use crate::version::Release;
use crate::{Settings, limits};
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;

/// A kind of report on which the host calls: the host's timers, not an event of OctoPrint.
pub(crate) const TICK: &str = "tick";

/// The rules for one kind of request.
#[derive(Debug)]
pub(crate) struct RequestRules {
    /// The request's name up to its variable, or all of it.
    pub(crate) prefix: String,
    /// The variable in its name.
    pub(crate) variable: Option<Variable>,
    pub(crate) declared: Says,
    /// One for each declared field.
    pub(crate) fields: Vec<FieldRules>,
}

/// The variable in a request's name.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) rule: CompiledRule,
    /// Where it is taken from; nowhere if it is free.
    pub(crate) from: Vec<Source>,
    /// The rest of the name.
    pub(crate) suffix: String,
}

/// The rules for a field of a request.
#[derive(Debug)]
pub(crate) struct FieldRules {
    pub(crate) rule: CompiledRule,
    /// Where it is taken from; nowhere if it is free or constant.
    pub(crate) from: Vec<Source>,
}

/// The rule for a value.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) rule: Rule,
    pattern: Option<Regex>,
}

impl Says {
    /// Whether the host makes it itself, and only that passes.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        !self.on.is_empty()
    }

    /// Whether a tick is an occasion for it.
    #[must_use]
    pub fn is_on_tick(&self) -> bool {
        self.on.iter().any(|cause| cause == TICK)
    }

    pub(crate) fn is_for(&self, release: Release) -> bool {
        self.octoprint.is_none_or(|versions| versions.include(release))
    }

    /// Whether the settings let it be reported: its switch is on, and its rhythm is not "never".
    pub(crate) fn is_on(&self, settings: &Settings) -> bool {
        self.switch.as_ref().is_none_or(|switch| settings.switch(switch))
            && self.every.as_ref().is_none_or(|every| every.seconds(settings).is_some())
    }

    /// What does not go together in it.
    fn misplaced(&self, manifest: &Manifest) -> Vec<String> {
        let mut wrong = Vec::new();
        let timed = self.every.is_some() || self.once.is_some() || self.until.is_some() || self.after > 0;
        if (timed || self.octoprint.is_some()) && !self.is_pinned() {
            wrong.push("every, once, after, until and octoprint need `on`".into());
        }
        if self.every.is_some() && (!self.is_on_tick() || self.once.is_some()) {
            wrong.push("`every` needs `on = [\"tick\"]`, and no `once`".into());
        }
        if (self.after > 0 || self.until.is_some()) && (self.once.is_none() || !self.is_on_tick()) {
            wrong.push("`after` and `until` need `once` and `on = [\"tick\"]`".into());
        }
        let events = self.on.iter().filter(|cause| *cause != TICK).chain(&self.once).chain(&self.until);
        let unseen = events.filter(|event| !manifest.sees.iter().any(|sees| sees.event == **event));
        wrong.extend(unseen.map(|event| format!("the event {event} is not listed under `sees`")));
        wrong
    }
}

impl RequestRules {
    pub(crate) fn new(declared: &Says, manifest: &Manifest, patterns: &mut Patterns, wrong: &mut Vec<String>) -> Self {
        let name = &declared.request;
        let mut fail = |reason: String| wrong.push(format!("request {name}: {reason}"));
        let (prefix, rest) = name.split_once('{').map_or((name.as_str(), None), |(prefix, rest)| (prefix, Some(rest)));
        let sources = |from: &[String], fail: &mut dyn FnMut(String)| -> Vec<Source> {
            let found = from.iter().map(|text| Source::parse(text, manifest));
            found.filter_map(|source| source.map_err(&mut *fail).ok()).collect()
        };
        let variable = match (rest.map(|rest| rest.split_once('}')), &declared.variable) {
            (None, None) => None,
            (Some(Some((_, suffix))), Some(variable)) => {
                let from = sources(&variable.from, &mut fail);
                let rule = CompiledRule::new(&variable.rule, patterns).map_err(&mut fail).ok();
                rule.map(|rule| Variable { rule, from, suffix: suffix.into() })
            }
            _ => {
                fail("a name with a variable in '{' and '}' needs a rule for it, and only such a name".into());
                None
            }
        };
        let mut fields = Vec::new();
        for (i, field) in declared.fields.iter().enumerate() {
            let exclusive =
                |other: &Field| other.octoprint.zip(field.octoprint).is_some_and(|(one, two)| one.exclude(two));
            if declared.fields[..i].iter().any(|other| other.name == field.name && !exclusive(other)) {
                fail(format!("the field {} is listed twice", field.name));
            }
            let pins = !field.from.is_empty()
                || field.unknown.is_some()
                || field.grows
                || field.condition.is_some()
                || field.octoprint.is_some();
            if pins && (!declared.is_pinned() || field.from.is_empty()) {
                fail(format!(
                    "field {}: what the host is to make of it needs `from`, and `on` of its request",
                    field.name
                ));
            }
            let mut fail = |reason: String| fail(format!("field {}: {reason}", field.name));
            let from = sources(&field.from, &mut fail);
            if field.grows && !matches!(from.as_slice(), [Source::Event { .. }]) {
                fail("only what one event says can grow".into());
            }
            let rule = CompiledRule::new(&field.rule, patterns);
            if let (Some(unknown), Ok(rule)) = (&field.unknown, &rule)
                && !rule.fits(unknown)
            {
                fail(format!("its word for what is not known, {unknown}, does not fit its rule"));
            }
            fields.extend(rule.map_err(fail).map(|rule| FieldRules { rule, from }));
        }
        for reason in declared.misplaced(manifest) {
            wrong.push(format!("request {name}: {reason}"));
        }
        Self { prefix: prefix.into(), variable, declared: declared.clone(), fields }
    }

    /// Whether this is the name of such a request.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        match &self.variable {
            None => name == self.prefix,
            Some(variable) => name
                .strip_prefix(self.prefix.as_str())
                .and_then(|rest| rest.strip_suffix(variable.suffix.as_str()))
                .is_some_and(|value| variable.rule.fits(value)),
        }
    }

    /// Fields must come in the declared order, each at most once: order and repetition could carry a message.
    pub(crate) fn check(&self, fields: &[(String, String)]) -> Result<(), String> {
        let mut positions = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let from = positions.last().map_or(0, |last| last + 1);
            let is_it = |(_, field): &(usize, &Field)| field.name == *name;
            let found = self.declared.fields.iter().enumerate().skip(from).find(is_it);
            let Some((at, _)) = found else {
                let listed = self.declared.fields.iter().any(|field| field.name == *name);
                return Err(if listed {
                    format!("the field {name} is repeated or out of order")
                } else {
                    "it has a field that the manifest does not declare".into()
                });
            };
            if !self.fields[at].rule.fits(value) {
                return Err(format!("the value of {name} does not fit its rule"));
            }
            positions.push(at);
        }
        // One with a condition may be missing for that; the host knows when.
        let mut required = self.declared.fields.iter().filter(|field| !field.optional && field.octoprint.is_none());
        match required.find(|field| !fields.iter().any(|(name, _)| *name == field.name)) {
            Some(field) => Err(format!("the field {} is missing", field.name)),
            None => Ok(()),
        }
    }

    /// The request's own switch, and those of the fields that it has.
    pub(crate) fn check_switches(&self, request: &Request, settings: &Settings) -> Result<(), Refused> {
        let sent = |field: &&Field| request.fields.iter().any(|(name, _)| *name == field.name);
        let fields = self.declared.fields.iter().filter(sent).filter_map(|field| field.switch.as_ref());
        match self.declared.switch.iter().chain(fields).find(|switch| !settings.switch(switch)) {
            Some(switch) => Err(Refused { reason: format!("the setting {switch} is off"), undeclared: false }),
            None => Ok(()),
        }
    }
}

impl Rule {
    /// The most characters of a value.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.max_length.unwrap_or(limits::VALUE_CHARS)
    }
}

impl CompiledRule {
    pub(crate) fn new(rule: &Rule, patterns: &mut Patterns) -> Result<Self, String> {
        if rule.constant.is_none() && rule.one_of.is_none() && rule.pattern.is_none() && rule.max_length.is_none() {
            return Err("it needs const, enum, pattern or max_length".into());
        }
        Ok(Self { rule: rule.clone(), pattern: rule.pattern.as_deref().map(|text| patterns.get(text)).transpose()? })
    }

    pub(crate) fn fits(&self, value: &str) -> bool {
        let rule = &self.rule;
        let longest = rule.longest();
        rule.constant.as_ref().is_none_or(|constant| constant == value)
            && rule.one_of.as_ref().is_none_or(|values| values.iter().any(|one| one == value))
            && (value.len() <= longest || value.chars().count() <= longest)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value))
    }
}

/// The patterns compiled so far: a manifest repeats a few of them over and over.
#[derive(Default)]
pub(crate) struct Patterns(HashMap<String, Regex>);

impl Patterns {
    /// Compile a pattern that the whole value must match; matching takes time in proportion to the value's length.
    pub(crate) fn get(&mut self, text: &str) -> Result<Regex, String> {
        if let Some(known) = self.0.get(text) {
            return Ok(known.clone());
        }
        if text.len() > limits::PATTERN_TEXT {
            return Err(format!("a pattern has {} bytes; the limit is {}", text.len(), limits::PATTERN_TEXT));
        }
        let build =
            |text: &str| RegexBuilder::new(text).size_limit(limits::PATTERN).dfa_size_limit(limits::PATTERN).build();
        // It must be valid alone: with an unbalanced parenthesis it would be another pattern inside ours.
        let alone = if text.contains(['(', ')']) { build(text).map(drop) } else { Ok(()) };
        let pattern = alone.and_then(|()| build(&format!(r"\A(?:{text})\z")));
        let pattern = pattern.map_err(|error| format!("the pattern {text:?} cannot be used: {error}"))?;
        self.0.insert(text.into(), pattern.clone());
        Ok(pattern)
    }
}
