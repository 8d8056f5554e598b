//! What the tracker remembers between two calls. The host shows it to the next instance again; only the two flags are
//! handed over.

use crate::environment::Environment;
use crate::throttling::Reading;
use serde_json::{Map, Value};

/// All that the tracker remembers, except for the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// When the server started, in milliseconds of the host's clock; none until it has said so.
    pub server_start: Option<i64>,
    /// The printer's state as it was last reported: none if it never was, or was null.
    pub printer_state: Option<Value>,
    /// The printer connection that was last made.
    pub connection: Option<Connection>,
    /// Whether that is still to be reported.
    pub connection_waits: bool,
    /// The print that was last started.
    pub job: Option<Job>,
    /// Whether it is running, and was reported.
    pub printing: bool,
    /// The last communication error.
    pub last_error: Option<CommError>,
    /// What OctoPrint last reported about throttling.
    pub throttling: Option<Reading>,
    /// What is known about the tracked OctoPrint.
    pub environment: Environment,
}

impl State {
    /// The two flags, as JSON.
    pub fn save(&self) -> String {
        let Self { connection_waits, printing, .. } = self;
        format!(r#"{{"connection_waits":{connection_waits},"printing":{printing}}}"#)
    }

    /// Take over the two flags. What is missing or no flag is off.
    pub fn restore(&mut self, saved: &Map<String, Value>) {
        let flag = |key| saved.get(key).and_then(Value::as_bool).unwrap_or(false);
        // Nothing can be said of what is not shown.
        self.connection_waits = flag("connection_waits") && self.connection.is_some();
        self.printing = flag("printing") && self.job.is_some();
    }

    /// Forget what belongs to one run of the server.
    pub fn end_server_run(&mut self) {
        *self = Self { environment: std::mem::take(&mut self.environment), ..Self::default() };
    }
}

/// A printer connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    /// Name of the printer connector; only OctoPrint 1.12 and later have those.
    pub connector: Value,
    /// The kind of the serial port, as the host shows it.
    pub port: Value,
    /// Baud rate.
    pub baudrate: Value,
}

/// A print. If OctoPrint 2.1 loses the printer's connection during a print, its event names only the connector; the rest is
/// known from here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job {
    /// Where the file is stored: `local`, `sdcard` or `printer`.
    pub origin: Value,
    /// The hash of the file's path, as the host shows it.
    pub file: Value,
}

/// A communication error, as a hash: it only matters whether the same one comes again.
#[derive(Clone, Debug, PartialEq)]
pub struct CommError {
    /// A hash of its reason and text.
    pub hash: u64,
    /// When it happened, in milliseconds of the host's clock.
    pub at: i64,
}
