//! Whether attestations are enough. Of each key its newest word about a component counts, and nothing
//! that anybody else said in its name, about another component, or for another time.

use super::dsse::Envelope;
use super::statement::Statement;
use super::trusted_keys::TrustedKeys;
use glassbox_sandbox::printable;
use jiff::{SignedDuration, Timestamp};

/// An auditor's clock may be ahead of ours by so much.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// More reasons are not told.
const TOLD: usize = 8;

/// What is to be vouched for, and when.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// The digest of its component.
    pub digest: &'a str,
    /// The time now.
    pub now: Timestamp,
}

/// How a component stands with what is required. By default nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouching {
    /// How many are required.
    pub needed: usize,
    /// The keys that vouch for it, by name, and until when.
    pub by: Vec<(String, Timestamp)>,
    /// Why others do not.
    pub notes: Vec<String>,
    /// Whether something would count at a later time: perhaps our clock is not right yet.
    pub early: bool,
}

/// What one key says.
struct Word {
    line: usize,
    time: Timestamp,
    expires: Timestamp,
    fails: Option<String>,
}

impl Vouching {
    /// Whether it may be loaded.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.by.len() >= self.needed
    }

    /// What somebody has to do; none if nothing.
    #[must_use]
    pub fn advice(&self, plugin: &str) -> Option<String> {
        if self.is_enough() {
            return None;
        }
        let (by, needed) = (self.by.len(), self.needed);
        let file = format!("plugins/{plugin}.wasm.intoto.jsonl");
        let mut text = format!(
            "waiting: [policy] in glassbox.toml requires {needed} of its keys to vouch for it, and {by} {}; what they say \
             belongs into {file} ('glassbox audit --sign' writes it)",
            if by == 1 { "does" } else { "do" }
        );
        for note in self.notes.iter().take(TOLD) {
            text += &format!("\n      - {}", printable(note, 300));
        }
        if self.notes.len() > TOLD {
            text += &format!("\n      - and {} more", self.notes.len() - TOLD);
        }
        Some(text)
    }

    /// Who vouches for it, in words; none where nobody has to.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let by: Vec<_> = self.by.iter().map(|(name, until)| format!("{name} until {}", day(*until))).collect();
        (self.needed > 0 && self.is_enough()).then(|| format!("vouched for by {}", by.join(", ")))
    }
}

/// Judge the lines of a file. How many are required the caller knows.
#[must_use]
pub fn judge(lines: &[(usize, String)], keys: &TrustedKeys, subject: &Subject) -> Vouching {
    let mut vouching = Vouching::default();
    let mut newest: Vec<Option<Word>> = keys.known.iter().map(|_| None).collect();
    for (number, line) in lines {
        match hear(line, keys, subject) {
            Err(reason) => vouching.notes.push(format!("line {number}: {reason}")),
            Ok((by, statement)) => {
                for key in by {
                    let word = Word {
                        line: *number,
                        time: statement.predicate.time,
                        expires: statement.predicate.expires,
                        fails: statement.fails(),
                    };
                    vouching.hear(word, &mut newest[key], subject.now);
                }
            }
        }
    }
    for ((name, _), word) in keys.known.iter().zip(newest) {
        match word {
            None => vouching.notes.push(format!("{name}: says nothing that counts about this component")),
            Some(Word { line, fails: Some(fails), .. }) => {
                vouching.notes.push(format!("{name}: the newest report (line {line}) {fails}"));
            }
            Some(Word { line, expires, .. }) if expires <= subject.now => {
                vouching.notes.push(format!("{name}: what it says (line {line}) has expired on {}", day(expires)));
            }
            Some(word) => vouching.by.push((name.clone(), word.expires)),
        }
    }
    vouching
}

impl Vouching {
    /// Keep what is newest. A no counts whatever its date is.
    fn hear(&mut self, word: Word, newest: &mut Option<Word>, now: Timestamp) {
        if word.fails.is_none() && word.time.duration_since(now) > AHEAD {
            self.early = true;
            let time = day(word.time);
            self.notes.push(format!("line {}: it is from the future ({time}), or the clock here is wrong", word.line));
            return;
        }
        // Of two from the same moment the worse counts.
        let rank = |word: &Word| (word.time, word.fails.is_some(), std::cmp::Reverse(word.expires));
        if newest.as_ref().is_none_or(|before| rank(before) < rank(&word)) {
            *newest = Some(word);
        }
    }
}

/// What a line says about the subject, and which keys say it. Nothing in it is believed before that.
fn hear(line: &str, keys: &TrustedKeys, subject: &Subject) -> Result<(Vec<usize>, Statement), String> {
    let (body, by) = Envelope::parse(line)?.open(keys.known.iter().map(|(_, key)| key))?;
    if by.is_empty() {
        return Err("none of the keys has signed it, or it was altered since".into());
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

/// The day of a moment, in UTC.
fn day(time: Timestamp) -> String {
    time.to_string().chars().take_while(|c| *c != 'T').collect()
}
