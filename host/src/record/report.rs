//! The comparison of two versions as a release's reviewer reads it: by the name of the request, what is
//! the same, what changed, and what only one of them says.

use super::crossing::SHOWN;
use glassbox_sandbox::{Request, printable};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// So many examples of a change are shown.
const EXAMPLES: usize = 3;

/// What another version did otherwise.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The digests of what was recorded.
    pub recorded: BTreeSet<String>,
    /// And of the other version.
    pub other: String,
    /// Events that both were given.
    pub events: usize,
    /// Ticks that the recorded and the other version had.
    pub ticks: (usize, usize),
    /// By the request's name.
    pub kinds: BTreeMap<String, Kind>,
    /// Requests of the other version that the gate refused: name, reason, and how often.
    pub refused: BTreeMap<(String, String), usize>,
    /// Its failures: the line of the event, and how often.
    pub failures: BTreeMap<String, (usize, usize)>,
    /// Events that it does not see.
    pub unseen: BTreeSet<String>,
    /// What else a reviewer should know.
    pub notes: BTreeSet<String>,
}

/// Requests of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// The same in both.
    pub same: usize,
    /// Sent by both, with a difference.
    pub changed: usize,
    /// Sent by the recorded version only.
    pub only_recorded: usize,
    /// Sent by the other version only.
    pub only_other: usize,
    /// Each changed part: how often, and some examples.
    pub changes: BTreeMap<String, (usize, Vec<String>)>,
    /// Examples of those that only one sent.
    pub examples: Vec<String>,
}

impl Comparison {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_same(&self) -> bool {
        let same = |kind: &Kind| kind.changed + kind.only_recorded + kind.only_other == 0;
        self.kinds.values().all(same) && self.refused.is_empty() && self.failures.is_empty() && self.unseen.is_empty()
    }

    /// What was sent because of one event: pair by pair, those of the same name in their order.
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
                        kind.example(format!("not sent any more: line {line}, {event}:{}", fields(was)));
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
            return writeln!(f, "the other version says the same");
        }
        writeln!(
            f,
            "where the other version asks the host otherwise, it was given the next recorded answer of that kind, then the \
             last one known"
        )
    }
}

fn times(count: usize) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}
