//! The script, which tests write over its marker: when the puppet stops being honest (`always`, `clock`, ..), what it does
//! then, and a number. And what it has seen so far, by which it decides.

use crate::bindings::glassbox::tracker::http;
use crate::tracker::Heard;

/// The marker, and after it the script, padded with spaces.
static MARKER: [u8; 48] = *b"puppet-script-isnever                           ";

/// When, and what.
pub struct Script {
    /// Since when it is not honest.
    pub when: &'static str,
    /// What it does.
    pub bend: &'static str,
    /// How much of it.
    pub number: u64,
}

/// What the tests have written.
pub fn script() -> Script {
    // `black_box`: the compiler must not use the constant's value, as tests overwrite it.
    let marker: &'static [u8] = std::hint::black_box(&MARKER);
    let mut words = std::str::from_utf8(&marker[16..]).unwrap_or_default().split_whitespace();
    let mut word = || words.next().unwrap_or_default();
    Script { when: word(), bend: word(), number: word().parse().unwrap_or_default() }
}

/// What this instance has seen so far.
#[derive(Default)]
pub struct Seen {
    /// Events.
    pub events: u64,
    /// What it was shown last that says anything.
    pub shown: String,
    /// What it has sent while it was honest.
    pub sent: Vec<http::Request>,
    /// What the clock shows.
    pub now: u64,
    /// When OctoPrint's run began.
    pub started: u64,
    loaded_at: u64,
    time_moved: bool,
    texts: String,
    again: bool,
    age: bool,
    key: bool,
}

impl Seen {
    pub fn load(&mut self, document: &str, now: u64) {
        self.loaded_at = now;
        self.key = document.contains("a_key_of_tomorrow");
    }

    pub fn restore(&mut self, heard: &[Heard], state: &str, age_ms: u64, now: u64) {
        self.again = !heard.is_empty() || state != "{}";
        self.age = age_ms > 0;
        heard.iter().for_each(|heard| self.texts += &heard.payload);
        let start = heard.iter().find(|heard| heard.name == "octoprint_started");
        self.started = start.map_or(0, |start| now.saturating_sub(start.age_ms * 1_000_000));
    }

    pub fn call(&mut self, shown: &str, before: u64, after: u64) {
        self.now = after;
        self.time_moved |= after != before;
        self.texts += shown;
        if !shown.is_empty() {
            self.shown = shown.into();
        }
    }

    pub fn sent_before(&mut self, requests: Vec<http::Request>) {
        self.sent.extend(requests);
    }

    /// Whether it is time not to be honest.
    pub fn fires(&self) -> bool {
        match script().when {
            "always" => true,
            "clock" => self.time_moved,
            "later" => self.now != self.loaded_at,
            "61st" => self.events >= 61,
            "again" => self.again,
            "age" => self.age,
            "key" => self.key,
            "linux" => self.texts.contains("Linux-"),
            "cyrillic" => self.texts.contains('\u{434}'),
            _ => false,
        }
    }
}
