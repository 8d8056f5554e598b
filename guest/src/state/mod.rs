//! What the tracker remembers between two calls, and hands over to the next version of the
//! component or the next run of the host.

mod throttle;

pub use self::throttle::{Reading, Throttle, mask as throttle_mask};

use crate::environment::Environment;
use crate::saved::{Reader, Writer, object};
use crate::time::Instant;
use serde_json::Value;

/// All that the tracker remembers, except for the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// When the server started; none until it has said so.
    pub server_start: Option<Instant>,
    /// Whether `ping`, `pong` and `startup` were sent for this run of the server.
    pub start_reported: bool,
    /// When the next ping is due.
    pub next_ping: Option<Instant>,
    /// When the next pong is due.
    pub next_pong: Option<Instant>,
    /// OctoPrint's word for the printer's state.
    pub printer_state: Option<String>,
    /// A connection whose firmware is not known yet.
    pub connection: Option<PendingConnection>,
    /// The print that is running, if its start was reported.
    pub job: Option<PrintJob>,
    /// The last communication error.
    pub last_error: Option<CommError>,
    /// What is known about throttling.
    pub throttle: Throttle,
    /// What is known about the tracked OctoPrint.
    pub environment: Environment,
}

impl State {
    /// Write the state for the next instance, as JSON.
    pub fn save(&self, now: Instant) -> String {
        let writer = Writer::new(now);
        object(vec![
            ("server_start_ns", writer.instant(self.server_start)),
            ("start_reported", self.start_reported.into()),
            ("next_ping_ns", writer.instant(self.next_ping)),
            ("next_pong_ns", writer.instant(self.next_pong)),
            ("printer_state", self.printer_state.clone().into()),
            ("connection", self.connection.as_ref().map(|pending| pending.save(&writer)).into()),
            ("job", self.job.as_ref().map(PrintJob::save).into()),
            ("last_error", self.last_error.as_ref().map(|error| error.save(&writer)).into()),
            ("throttle", self.throttle.save(&writer)),
            ("environment", self.environment.save()),
        ])
        .to_string()
    }

    /// Read a state that was saved `age` nanoseconds ago. What it lacks is not known.
    ///
    /// # Errors
    /// When the text is not a JSON object.
    pub fn restore(text: &str, now: Instant, age: Instant) -> Result<Self, String> {
        let saved: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let saved = saved.as_object().ok_or("the saved state is not a JSON object")?;
        let saved = Reader::new(saved, now.saturating_sub(age));
        Ok(Self {
            server_start: saved.instant("server_start_ns"),
            start_reported: saved.flag("start_reported"),
            next_ping: saved.instant("next_ping_ns"),
            next_pong: saved.instant("next_pong_ns"),
            printer_state: saved.text("printer_state"),
            connection: saved.part("connection").map(|part| PendingConnection::restore(&part)),
            job: saved.part("job").and_then(|part| PrintJob::restore(&part)),
            last_error: saved.part("last_error").and_then(|part| CommError::restore(&part)),
            throttle: saved.part("throttle").map(|part| Throttle::restore(&part)).unwrap_or_default(),
            environment: saved.part("environment").map(|part| Environment::restore(&part)).unwrap_or_default(),
        })
    }

    /// Forget what belongs to one run of the server.
    pub fn end_server_run(&mut self) {
        *self = Self { environment: std::mem::take(&mut self.environment), ..Self::default() };
    }

    /// Whether the tracker has to query throttling itself: OctoPrint does not watch it, and has
    /// never reported it.
    pub fn polls_throttle(&self) -> bool {
        !self.environment.reports_throttling() && !self.throttle.from_octoprint
    }

    /// Remember the answer to a throttle query. The first answer counts as a change.
    pub fn note_throttle(&mut self, reading: Reading) {
        if self.polls_throttle() && self.throttle.last != Some(reading) {
            self.throttle.last = Some(reading);
            self.throttle.unreported = true;
            self.throttle.unanswered = false;
        }
    }
}

/// A printer connection whose firmware is not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingConnection {
    /// Name of the printer connector; only OctoPrint 1.12 and later have those.
    pub connector: Option<String>,
    /// Name of the serial port.
    pub port: Option<String>,
    /// Baud rate, as OctoPrint writes it.
    pub baudrate: Option<String>,
    /// When it is reported without firmware.
    pub deadline: Option<Instant>,
}

impl PendingConnection {
    fn save(&self, writer: &Writer) -> Value {
        object(vec![
            ("connector", self.connector.clone().into()),
            ("port", self.port.clone().into()),
            ("baudrate", self.baudrate.clone().into()),
            ("deadline_ns", writer.instant(self.deadline)),
        ])
    }

    fn restore(saved: &Reader) -> Self {
        Self {
            connector: saved.text("connector"),
            port: saved.text("port"),
            baudrate: saved.text("baudrate"),
            deadline: saved.instant("deadline_ns"),
        }
    }
}

/// The print that is running, as it was reported. If OctoPrint 2.1 loses the printer's connection
/// during a print, its event names only the connector; the rest is known from here.
#[derive(Clone, Debug, PartialEq)]
pub struct PrintJob {
    /// Where the file is stored: `local`, `sdcard` or `printer`.
    pub origin: Option<String>,
    /// The hash of the file's path, as the host shows it.
    pub file: String,
}

impl PrintJob {
    fn save(&self) -> Value {
        object(vec![("origin", self.origin.clone().into()), ("file", self.file.clone().into())])
    }

    fn restore(saved: &Reader) -> Option<Self> {
        Some(Self { origin: saved.text("origin"), file: saved.text("file")? })
    }
}

/// A communication error, as a hash: it only matters whether the same one comes again.
#[derive(Clone, Debug, PartialEq)]
pub struct CommError {
    /// A hash of its reason and text.
    pub hash: u64,
    /// When it happened.
    pub at: Instant,
}

impl CommError {
    fn save(&self, writer: &Writer) -> Value {
        object(vec![("hash", self.hash.into()), ("at_ns", writer.instant(Some(self.at)))])
    }

    fn restore(saved: &Reader) -> Option<Self> {
        Some(Self { hash: saved.object().get("hash")?.as_u64()?, at: saved.instant("at_ns")? })
    }
}
