//! The comparison of two versions as plain text, for people.

use super::{Behaviour, Changes, Side, Versions};
use glassbox_sandbox::printable;
use std::fmt;

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        side(f, "old", &self.old)?;
        side(f, "new", &self.new)?;
        if self.old.digest == self.new.digest {
            writeln!(f, "         the same bytes")?;
        }
        changes(f, "touches", "the same imports and exports", &self.touches)?;
        changes(f, "manifest", "it asks for the same as the old version", &self.manifest)?;
        self.flow.iter().try_for_each(|flow| write!(f, "{flow}"))?;
        self.behaviour.iter().try_for_each(|behaviour| write!(f, "{behaviour}"))?;
        let failed = self.old.error.is_some() || self.new.error.is_some();
        writeln!(
            f,
            "\nverdict  {}",
            match self.more {
                true if failed => "not everything could be compared",
                true => "the new version sees or says something new",
                false if self.behaviour.is_empty() && self.flow.is_none() => {
                    "the new version asks for nothing new; what it does was not examined"
                }
                false => "the new version sees and says nothing new",
            }
        )
    }
}

fn side(f: &mut fmt::Formatter<'_>, name: &str, side: &Side) -> fmt::Result {
    writeln!(f, "{name:8} {}", printable(&side.file, usize::MAX))?;
    writeln!(f, "         {} bytes, sha256 {}", side.size, side.digest)?;
    side.error.iter().try_for_each(|error| writeln!(f, "         it cannot be loaded: {error}"))
}

pub(super) fn changes(f: &mut fmt::Formatter<'_>, name: &str, none: &str, changes: &Changes) -> fmt::Result {
    if changes.more.is_empty() && changes.less.is_empty() {
        return writeln!(f, "{name:8} {none}");
    }
    writeln!(f, "{name}")?;
    changes.more.iter().try_for_each(|what| writeln!(f, "  + {}", printable(what, 500)))?;
    changes.less.iter().try_for_each(|what| writeln!(f, "  - {}", printable(what, 500)))
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\ncorpus {}\n\n  {:>4} of {} cases: the same bytes",
            self.corpus.display(),
            self.same,
            self.cases
        )?;
        for group in &self.groups {
            let sign = if group.change.is_more() { '+' } else { '-' };
            let event = printable(&group.event, 64);
            writeln!(f, "  {:>4} {sign} {event}: {}", group.cases, printable(&group.change.to_string(), 400))?;
            writeln!(f, "         for example {}", printable(&group.example.case, 200))?;
            for (what, requests) in [("old", &group.example.old), ("new", &group.example.new)] {
                if requests.is_empty() {
                    writeln!(f, "           {what}: nothing")?;
                }
                requests
                    .iter()
                    .try_for_each(|one| writeln!(f, "           {what}: {}", printable(&one.to_string(), 2000)))?;
            }
        }
        Ok(())
    }
}
