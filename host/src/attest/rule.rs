//! The rule by which attestations count. Of each key, the newest statement about a component counts; statements that
//! it has not signed, that are about another component, or that have expired do not. What a statement is made of is in
//! [`super::statement`].

use super::dsse::Envelope;
use super::statement::Statement;
use super::trusted_keys::TrustedKeys;
use crate::home::config::audit_policy::Minimum;
use glassbox_sandbox::printable;
use jiff::{SignedDuration, Timestamp};

/// How much an auditor's clock may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// The most reasons that are shown.
const SHOWN: usize = 8;

/// What is to be vouched for, and at which time.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// The SHA-256 of its component, in lower-case hexadecimal digits.
    pub digest: &'a str,
    /// The current time.
    pub now: Timestamp,
}

/// Who vouches for a component, and how many must; and whether it is refused for what it asks. By default nobody has to
/// vouch, and nothing is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouching {
    /// How many keys are required to vouch for it.
    pub needed: usize,
    /// The names of the keys that vouch for it, and until when.
    pub by: Vec<(String, Timestamp)>,
    /// Why other keys or attestations do not count, for people.
    pub notes: Vec<String>,
    /// Whether an attestation would count later, since it is from the future: perhaps our clock is not set yet.
    pub early: bool,
    /// Why the operator's rule refuses it, whoever vouches, for people.
    pub refused: Option<String>,
}

/// The newest statement of one key.
struct Newest {
    line: usize,
    time: Timestamp,
    expires: Timestamp,
    fails: Option<String>,
    misses: Option<String>,
}

impl Vouching {
    /// Whether the component may be loaded.
    pub fn is_enough(&self) -> bool {
        self.refused.is_none() && self.by.len() >= self.needed
    }

    /// Why the component is not loaded and what to do about it, for people; none if it may be loaded.
    pub fn advice(&self, plugin: &str) -> Option<String> {
        if self.is_enough() {
            return None;
        }
        if let Some(refused) = &self.refused {
            return Some(refused.clone());
        }
        let (by, needed) = (self.by.len(), self.needed);
        let file = format!("plugins/{plugin}.wasm.intoto.jsonl");
        let mut text = format!(
            "waiting: [policy] in glassbox.toml requires {needed} of its keys to vouch for it, and {by} {}; their \
             attestations belong in {file} ('glassbox audit --sign' writes it)",
            if by == 1 { "does" } else { "do" }
        );
        for note in self.notes.iter().take(SHOWN) {
            text += &format!("\n      - {}", printable(note, 300));
        }
        if self.notes.len() > SHOWN {
            text += &format!("\n      - and {} more", self.notes.len() - SHOWN);
        }
        Some(text)
    }

    /// Who vouches for it, in words; none if nobody has to, or too few do.
    pub fn in_words(&self) -> Option<String> {
        let by: Vec<_> = self.by.iter().map(|(name, until)| format!("{name} until {}", day(*until))).collect();
        (self.needed > 0 && self.is_enough()).then(|| format!("vouched for by {}", by.join(", ")))
    }
}

/// Find out who vouches for the subject in the numbered lines of a file, with audits of at least `minimum`. The caller fills in how many are required.
pub fn judge(lines: &[(usize, String)], keys: &TrustedKeys, minimum: &Minimum, subject: &Subject) -> Vouching {
    let mut vouching = Vouching::default();
    let mut newest: Vec<Option<Newest>> = keys.known.iter().map(|_| None).collect();
    for (number, line) in lines {
        match verify(line, keys, subject) {
            Err(reason) => vouching.notes.push(format!("line {number}: {reason}")),
            Ok((by, statement)) => {
                for key in by {
                    let found = Newest {
                        line: *number,
                        time: statement.predicate.time,
                        expires: statement.predicate.expires,
                        fails: statement.fails(),
                        misses: statement.misses(minimum),
                    };
                    vouching.consider(found, &mut newest[key], subject.now);
                }
            }
        }
    }
    for ((name, _), newest) in keys.known.iter().zip(newest) {
        match newest {
            None => vouching.notes.push(format!("{name}: no valid attestation of this component")),
            Some(Newest { line, fails: Some(fails), .. }) => {
                vouching.notes.push(format!("{name}: the newest report (line {line}) {fails}"));
            }
            Some(Newest { line, expires, .. }) if expires <= subject.now => {
                vouching.notes.push(format!("{name}: its attestation (line {line}) expired on {}", day(expires)));
            }
            Some(Newest { line, misses: Some(misses), .. }) => {
                vouching.notes.push(format!("{name}: its attestation (line {line}) {misses}"));
            }
            Some(newest) => vouching.by.push((name.clone(), newest.expires)),
        }
    }
    vouching
}

impl Vouching {
    /// Keep the newest statement of a key. One that says that the component fails counts even if it is from the future.
    fn consider(&mut self, found: Newest, newest: &mut Option<Newest>, now: Timestamp) {
        if found.fails.is_none() && found.time.duration_since(now) > AHEAD {
            self.early = true;
            let time = day(found.time);
            self.notes.push(format!("line {}: it is from the future ({time}), or the clock here is wrong", found.line));
            return;
        }
        // Of two with the same time, the worse one counts.
        let rank = |one: &Newest| (one.time, one.fails.is_some(), std::cmp::Reverse(one.expires));
        if newest.as_ref().is_none_or(|before| rank(before) < rank(&found)) {
            *newest = Some(found);
        }
    }
}

/// The statement in a line, if it is about the subject, and the indices of the keys that signed it. Nothing in the line
/// is trusted before a signature is found to be valid.
fn verify(line: &str, keys: &TrustedKeys, subject: &Subject) -> Result<(Vec<usize>, Statement), String> {
    let (body, by) = Envelope::parse(line)?.open(keys.known.iter().map(|(_, key)| key))?;
    if by.is_empty() {
        return Err("it is not signed with any of the keys, or was altered".into());
    }
    let statement = Statement::parse(&body)?;
    let file = format!("{}.wasm", subject.plugin);
    let said = &statement.predicate.plugin;
    if said != subject.plugin {
        return Err(format!("it is about the plugin '{}'", printable(said, 64)));
    }
    let about = |digest: &str| statement.subject.iter().any(|one| one.digest.sha256 == digest && one.name == file);
    if !about(subject.digest) {
        return Err("it is about another component: the digest or the name differs".into());
    }
    Ok((by, statement))
}

/// The date of a time, in UTC, as `2026-07-27`.
fn day(time: Timestamp) -> String {
    time.to_string().chars().take_while(|c| *c != 'T').collect()
}
