//! An event, and the names of those that Glassbox itself knows.

/// Tells a new run of the server.
pub const STARTED: &str = "octoprint_started";
/// Tells what is known of the server.
pub const ENVIRONMENT: &str = "environment";
/// Ends a run of the server.
pub const STOPPING: &str = "octoprint_stopping";
/// Tells what a browser is, when OctoPrint's page asks its tracker to.
pub const WEBUI_LOAD: &str = "webui_load";
/// Tells the printer's state, which is asked for long after it changed.
pub const PRINTER: &str = "PrinterStateChanged";

/// An event: its name, its payload as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// As on OctoPrint's bus, or one of Glassbox's own.
    pub name: String,
    /// JSON text; `null` for none.
    pub payload: String,
    /// The host made it up for a plugin that came late, or for a stream that begins in the middle.
    pub made_up: bool,
}
