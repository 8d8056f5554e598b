//! The rules for a request, compiled: its name, its fields, and what a value may be. What the host makes of a pinned
//! request is in `pins.rs`.

use crate::gate::Request;
use crate::manifest::{Field, Manifest, Rule, Says};
use crate::pins::{Source, ThrottleFact};
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
    pub(crate) variable: Option<ValueRules>,
    /// The rest of the name.
    pub(crate) suffix: String,
    pub(crate) declared: Says,
    /// One for each declared field.
    pub(crate) fields: Vec<ValueRules>,
}

/// The rules for a value: what it may be, and where it is from.
#[derive(Debug)]
pub(crate) struct ValueRules {
    rule: Rule,
    pattern: Option<Regex>,
    /// Nothing if it is free or constant.
    pub(crate) from: Vec<Source>,
}

impl Says {
    /// Whether the host makes it itself, and only that passes.
    pub fn is_pinned(&self) -> bool {
        !self.on.is_empty()
    }

    /// Whether a tick is an occasion for it.
    pub fn is_on_tick(&self) -> bool {
        self.on.iter().any(|cause| cause == TICK)
    }

    pub(crate) fn is_for(&self, release: Release) -> bool {
        self.octoprint.is_none_or(|versions| versions.include(release))
    }

    /// Whether the settings let it be reported: its switch is on, and its rhythm is not "never".
    pub(crate) fn is_on(&self, settings: &Settings) -> bool {
        self.switch.as_ref().is_none_or(|switch| settings.switch(switch))
            && (self.every.is_none() || self.interval(settings).is_some())
    }

    /// What does not go together in it.
    fn misplaced(&self, manifest: &Manifest) -> Vec<String> {
        let (every, once, waits) = (self.every.is_some(), self.once.is_some(), self.after > 0 || self.until.is_some());
        let unpinned = (every || once || waits || self.octoprint.is_some()) && !self.is_pinned();
        let checks = [
            (unpinned, "every, once, after, until and octoprint need `on`"),
            (every && (self.on != [TICK] || once), "`every` needs `on = [\"tick\"]`, and no `once`"),
            (waits && (!once || !self.is_on_tick()), "`after` and `until` need `once` and `on = [\"tick\"]`"),
        ];
        let mut wrong: Vec<String> = checks.iter().filter(|check| check.0).map(|check| check.1.into()).collect();
        let events = self.on.iter().filter(|cause| *cause != TICK).chain(&self.once).chain(&self.until);
        let unseen = events.filter(|event| !manifest.sees.iter().any(|sees| sees.event == **event));
        wrong.extend(unseen.map(|event| format!("the event {event} is not listed under `sees`")));
        wrong
    }
}

impl Says {
    /// Whether a field goes together with its rules and the request.
    fn check_field(&self, field: &Field, rules: &ValueRules) -> Result<(), String> {
        let conditions = field.grows || field.condition.is_some() || field.octoprint.is_some();
        let pins = !field.from.is_empty() || field.unknown.is_some() || conditions;
        if pins && (!self.is_pinned() || field.from.is_empty()) {
            return Err("what the host is to make of it needs `from`, and `on` of its request".into());
        }
        if field.grows && !matches!(rules.from.as_slice(), [Source::Event { .. }]) {
            return Err("only what one event says can grow".into());
        }
        match &field.unknown {
            Some(unknown) if !rules.fits(unknown) => {
                Err(format!("its word for what is not known, {unknown}, does not fit its rule"))
            }
            _ => Ok(()),
        }
    }
}

impl RequestRules {
    pub(crate) fn new(declared: &Says, manifest: &Manifest, patterns: &mut Patterns, wrong: &mut Vec<String>) -> Self {
        let name = declared.request.as_str();
        let mut found = Vec::new();
        let (prefix, rest) = name.split_once('{').map_or((name, None), |(prefix, rest)| (prefix, Some(rest)));
        let (variable, suffix) = match (rest.map(|rest| rest.split_once('}')), &declared.variable) {
            (None, None) => (None, ""),
            (Some(Some((_, suffix))), Some(variable)) => {
                let rules = ValueRules::new(&variable.rule, &variable.from, manifest, patterns);
                (rules.map_err(|reason| found.push(reason)).ok(), suffix)
            }
            _ => {
                found.push("a name with a variable in '{' and '}' needs a rule for it, and only such a name".into());
                (None, "")
            }
        };
        let mut fields = Vec::new();
        for (i, field) in declared.fields.iter().enumerate() {
            let exclusive =
                |other: &Field| other.octoprint.zip(field.octoprint).is_some_and(|(one, two)| one.exclude(two));
            if declared.fields[..i].iter().any(|other| other.name == field.name && !exclusive(other)) {
                found.push(format!("the field {} is listed twice", field.name));
            }
            let rules = ValueRules::new(&field.rule, &field.from, manifest, patterns);
            let rules = rules.and_then(|rules| declared.check_field(field, &rules).map(|()| rules));
            fields.extend(rules.map_err(|reason| found.push(format!("field {}: {reason}", field.name))));
        }
        found.extend(declared.misplaced(manifest));
        wrong.extend(found.into_iter().map(|reason| format!("request {name}: {reason}")));
        Self { prefix: prefix.into(), variable, suffix: suffix.into(), declared: declared.clone(), fields }
    }

    /// All that it is made of, each with the number of the field that is, if it is not the name.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (Source, Option<usize>)> {
        let of_name = self.variable.iter().flat_map(|rules| &rules.from).map(|source| (source.clone(), None));
        let of_fields = self.declared.fields.iter().zip(&self.fields).enumerate().flat_map(|(i, (declared, rules))| {
            let condition = declared.condition.map(|_| Source::Throttle(ThrottleFact::Now));
            rules.from.iter().cloned().chain(condition).map(move |source| (source, Some(i)))
        });
        of_name.chain(of_fields)
    }

    /// Whether this is the name of such a request.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        match &self.variable {
            None => name == self.prefix,
            Some(rules) => name
                .strip_prefix(self.prefix.as_str())
                .and_then(|rest| rest.strip_suffix(self.suffix.as_str()))
                .is_some_and(|value| rules.fits(value)),
        }
    }

    /// Fields must come in the declared order, each at most once: order and repetition could carry a message.
    pub(crate) fn check(&self, fields: &[(String, String)]) -> Result<(), String> {
        let (mut sent, mut missing) = (fields.iter().peekable(), None);
        for (field, rules) in self.declared.fields.iter().zip(&self.fields) {
            match sent.next_if(|(name, _)| *name == field.name) {
                Some((name, value)) if !rules.fits(value) => {
                    return Err(format!("the value of {name} does not fit its rule"));
                }
                // One with a condition may be missing for that; the host knows when.
                None if !field.optional && field.octoprint.is_none() => missing = missing.or(Some(&field.name)),
                _ => {}
            }
        }
        match (sent.next(), missing) {
            (Some((name, _)), _) if self.declared.fields.iter().any(|field| field.name == *name) => {
                Err(format!("the field {name} is repeated or out of order"))
            }
            (Some(_), _) => Err("it has a field that the manifest does not declare".into()),
            (None, Some(name)) => Err(format!("the field {name} is missing")),
            (None, None) => Ok(()),
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
    pub fn longest(&self) -> usize {
        self.max_length.unwrap_or(limits::VALUE_CHARS)
    }
}

impl ValueRules {
    pub(crate) fn new(
        rule: &Rule,
        from: &[String],
        manifest: &Manifest,
        patterns: &mut Patterns,
    ) -> Result<Self, String> {
        if rule.constant.is_none() && rule.one_of.is_none() && rule.pattern.is_none() && rule.max_length.is_none() {
            return Err("it needs const, enum, pattern or max_length".into());
        }
        let pattern = rule.pattern.as_deref().map(|text| patterns.get(text)).transpose()?;
        let from = from.iter().map(|text| Source::parse(text, manifest)).collect::<Result<_, _>>()?;
        Ok(Self { rule: rule.clone(), pattern, from })
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
