//! The comparison of two versions as a release's reviewer reads it: for each name of a request, what is the same, what
//! changed, and what only one of them sends.

use super::crossing::SHOWN;
use glassbox_sandbox::{Request, printable};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The most examples that are shown of a change.
const EXAMPLES: usize = 3;

/// What another version did differently.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The digests of the versions that were recorded.
    pub recorded: BTreeSet<String>,
    /// The digest of the other version.
    pub other: String,
    /// Number of events that both were given.
    pub events: usize,
    /// Number of ticks that the recorded and the other version had.
    pub ticks: (usize, usize),
    /// Requests by their names.
    pub kinds: BTreeMap<String, Kind>,
    /// How often the gate refused a request of the other version, by its name and the reason.
    pub refused: BTreeMap<(String, String), usize>,
    /// Failures of the other version by their reasons: the line of the first one's event, and how many.
    pub failures: BTreeMap<String, (usize, usize)>,
    /// Events that the other version does not see.
    pub unseen: BTreeSet<String>,
    /// What else a reviewer should know.
    pub notes: BTreeSet<String>,
}

/// Requests of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// How many are the same in both versions.
    pub same: usize,
    /// How many were sent by both, with a difference.
    pub changed: usize,
    /// How many were sent by the recorded version only.
    pub only_recorded: usize,
    /// How many were sent by the other version only.
    pub only_other: usize,
    /// How often each part changed, with some examples.
    pub changes: BTreeMap<String, (usize, Vec<String>)>,
    /// Examples of those that only one sent.
    pub examples: Vec<String>,
}

impl Comparison {
    /// Whether the other version sends exactly the same.
    pub fn is_same(&self) -> bool {
        let same = |kind: &Kind| kind.changed + kind.only_recorded + kind.only_other == 0;
        self.kinds.values().all(same) && self.refused.is_empty() && self.failures.is_empty() && self.unseen.is_empty()
    }

    /// Add what was sent because of one event. Requests of the same name are compared pair by pair, in their order.
    pub(super) fn add(&mut self, event: &str, recorded: &[(usize, Request)], other: &[Request]) {
        let names = recorded.iter().map(|(_, request)| request).chain(other).map(|request| &request.name);
        for name in names.collect::<BTreeSet<_>>() {
            let kind = self.kinds.entry(printable(name, SHOWN)).or_default();
            let mut was = recorded.iter().filter(|(_, request)| request.name == *name);
            let mut is = other.iter().filter(|request| request.name == *name);
            loop {
                match (was.next(), is.next()) {
                    (Some((_, was)), Some(is)) if was == is => kind.same += 1,
                    (Some((line, was)), Some(is)) => kind.change(*line, event, was, is),
                    (Some((line, was)), None) => {
                        kind.only_recorded += 1;
                        kind.example(format!("no longer sent: line {line}, {event}:{}", fields(was)));
                    }
                    (None, Some(is)) => {
                        kind.only_other += 1;
                        kind.example(format!("new: at {event}:{}", fields(is)));
                    }
                    (None, None) => break,
                }
            }
        }
    }
}

impl Kind {
    fn change(&mut self, line: usize, event: &str, was: &Request, is: &Request) {
        self.changed += 1;
        let mut differs = |what: String, was: Option<&str>, is: Option<&str>| {
            if was != is {
                let (count, examples) = self.changes.entry(what).or_default();
                *count += 1;
                if examples.len() < EXAMPLES {
                    examples.push(format!("line {line}, {event}: {} -> {}", shown(was), shown(is)));
                }
            }
        };
        let value = |request: &'_ Request, field: &str| {
            request.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value.clone())
        };
        let names: BTreeSet<_> = was.fields.iter().chain(&is.fields).map(|(name, _)| name.as_str()).collect();
        for name in &names {
            differs(
                format!("the field {}", printable(name, SHOWN)),
                value(was, name).as_deref(),
                value(is, name).as_deref(),
            );
        }
        differs("the user agent".into(), Some(&was.user_agent), Some(&is.user_agent));
        differs("the method".into(), Some(&was.method.to_string()), Some(&is.method.to_string()));
        let order =
            |request: &Request| request.fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
        let both = |request: &Request| names.iter().all(|name| value(request, name).is_some());
        if both(was) && both(is) {
            differs("the order of the fields".into(), Some(&order(was)), Some(&order(is)));
        }
    }

    fn example(&mut self, example: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(example);
        }
    }
}

fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "nothing".into(), |value| format!("'{}'", printable(value, SHOWN)))
}

fn fields(request: &Request) -> String {
    let field = |(name, value): &(String, String)| format!(" {}={}", printable(name, SHOWN), printable(value, SHOWN));
    request.fields.iter().map(field).collect()
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recorded: Vec<_> = self.recorded.iter().map(|digest| crate::home::short_digest(digest)).collect();
        writeln!(f, "recorded  {}", printable(&recorded.join(", "), SHOWN))?;
        writeln!(f, "other     {}", crate::home::short_digest(&self.other))?;
        let (had, made) = self.ticks;
        writeln!(
            f,
            "{} events; {had} ticks when it was recorded, {made} as the other version asks for them\n",
            self.events
        )?;
        writeln!(f, "{:28} {:>6} {:>8} {:>14} {:>11}", "request", "same", "changed", "only recorded", "only other")?;
        for (name, kind) in &self.kinds {
            let Kind { same, changed, only_recorded, only_other, .. } = kind;
            writeln!(f, "{name:28} {same:>6} {changed:>8} {only_recorded:>14} {only_other:>11}")?;
        }
        for (name, kind) in &self.kinds {
            kind.write(f, name)?;
        }
        self.write_rest(f)
    }
}

impl Kind {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        for (what, (count, examples)) in &self.changes {
            writeln!(f, "\n{name}: {what} is different {}", times(*count))?;
            examples.iter().try_for_each(|example| writeln!(f, "  {example}"))?;
        }
        if !self.examples.is_empty() {
            writeln!(f, "\n{name}: sent by one of them only")?;
        }
        self.examples.iter().try_for_each(|example| writeln!(f, "  {example}"))
    }
}

impl Comparison {
    fn write_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for ((name, why), count) in &self.refused {
            writeln!(f, "refused {}: {name}, {}", times(*count), printable(why, SHOWN))?;
        }
        for (reason, (line, count)) in &self.failures {
            writeln!(f, "it failed {}, first at line {line}: {reason}", times(*count))?;
        }
        for event in &self.unseen {
            writeln!(f, "it does not see {event}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
        if self.is_same() {
            return writeln!(f, "the other version sends the same");
        }
        writeln!(
            f,
            "where the other version asks the host for something else, it was given the next recorded answer of that kind, \
             then the last one known"
        )
    }
}

fn times(count: usize) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}
