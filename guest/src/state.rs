//! What the next version of the component, or the next run of the host, must know.
//!
//! Instants are nanoseconds as the host's clock counts. They are saved relative to the moment of
//! saving, so that they mean the same under another clock.

use crate::environment::Environment;
use crate::events::{commerror::Heard, connection::Pending, prints::Job, throttle::Throttle};
use serde_json::{Map, Value};

/// Nanoseconds of the host's clock; before its zero where a server started before the host did.
pub type Instant = i64;

/// Nanoseconds in a second.
pub const SECOND: Instant = 1_000_000_000;

/// All that the tracker remembers, but for the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// When the server began to run; none until it said so.
    pub server_start: Option<Instant>,
    /// Whether ping, pong and startup went out for this server run.
    pub start_reported: bool,
    /// When the next ping is due.
    pub next_ping: Option<Instant>,
    /// When the next pong is due.
    pub next_pong: Option<Instant>,
    /// OctoPrint's word for the printer's state.
    pub printer_state: Option<String>,
    /// A connection whose firmware is not known yet.
    pub connection: Option<Pending>,
    /// The print that is running, as far as it was reported.
    pub job: Option<Job>,
    /// The last communication error.
    pub last_error: Option<Heard>,
    /// Throttling, as it was last told.
    pub throttle: Throttle,
    /// What is known of the OctoPrint.
    pub environment: Environment,
}

/// A JSON object of these pairs. (`json!` would put the making of every pair into the component.)
#[inline(never)]
pub fn object(pairs: Vec<(&str, Value)>) -> Value {
    let mut object = Map::new();
    // One by one: collecting would bring a sort along.
    for (key, value) in pairs {
        object.insert(key.to_string(), value);
    }
    Value::Object(object)
}

/// Instants on their way out: relative to now, as nanoseconds.
pub struct Writer(pub Instant);

impl Writer {
    /// An instant as so many nanoseconds from now; negative in the past.
    #[inline(never)]
    pub fn instant(&self, at: Option<Instant>) -> Value {
        at.map_or(Value::Null, |at| at.saturating_sub(self.0).into())
    }
}

/// A saved object, and the moment that its instants are relative to.
pub struct Reader<'a>(pub &'a Map<String, Value>, pub Instant);

impl<'a> Reader<'a> {
    /// A part that is an object itself.
    pub fn part(&self, key: &str) -> Option<Reader<'a>> {
        Some(Reader(self.0.get(key)?.as_object()?, self.1))
    }

    /// A text.
    #[inline(never)]
    pub fn text(&self, key: &str) -> Option<String> {
        self.0.get(key)?.as_str().map(Into::into)
    }

    /// A flag; missing is false.
    #[inline(never)]
    pub fn flag(&self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// An instant.
    #[inline(never)]
    pub fn instant(&self, key: &str) -> Option<Instant> {
        self.0.get(key)?.as_i64().map(|relative| self.1.saturating_add(relative))
    }
}

impl State {
    /// The text for the next instance.
    pub fn save(&self, now: Instant) -> String {
        let writer = Writer(now);
        object(vec![
            ("server_start_ns", writer.instant(self.server_start)),
            ("start_reported", self.start_reported.into()),
            ("next_ping_ns", writer.instant(self.next_ping)),
            ("next_pong_ns", writer.instant(self.next_pong)),
            ("printer_state", self.printer_state.clone().into()),
            ("connection", self.connection.as_ref().map(|pending| pending.save(&writer)).into()),
            ("job", self.job.as_ref().map(Job::save).into()),
            ("last_error", self.last_error.as_ref().map(|heard| heard.save(&writer)).into()),
            ("throttle", self.throttle.save(&writer)),
            ("environment", self.environment.save()),
        ])
        .to_string()
    }

    /// Read a text that was saved `age` nanoseconds ago. What is missing in it is not known.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn restore(text: &str, now: Instant, age: Instant) -> Result<Self, String> {
        let saved: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let saved = saved.as_object().ok_or("the saved state is no JSON object")?;
        let saved = Reader(saved, now.saturating_sub(age));
        Ok(Self {
            server_start: saved.instant("server_start_ns"),
            start_reported: saved.flag("start_reported"),
            next_ping: saved.instant("next_ping_ns"),
            next_pong: saved.instant("next_pong_ns"),
            printer_state: saved.text("printer_state"),
            connection: saved.part("connection").map(|part| Pending::restore(&part)),
            job: saved.part("job").and_then(|part| Job::restore(&part)),
            last_error: saved.part("last_error").and_then(|part| Heard::restore(&part)),
            throttle: saved.part("throttle").map(|part| Throttle::restore(&part)).unwrap_or_default(),
            environment: saved.part("environment").map(|part| Environment::restore(&part)).unwrap_or_default(),
        })
    }

    /// Forget what belongs to one run of the server.
    pub fn end_server_run(&mut self) {
        *self = Self { environment: std::mem::take(&mut self.environment), ..Self::default() };
    }
}
