//! An event, and the names of the events that Glassbox itself knows. What each event means is known to the plugins.

/// Made by a source: a run of OctoPrint's server has begun. The payload has `uptime`, in seconds.
pub const STARTED: &str = "octoprint_started";
/// Made by a source: what is known of the server and what it runs on.
pub const ENVIRONMENT: &str = "environment";
/// Made by a source: a run of OctoPrint's server has ended.
pub const STOPPING: &str = "octoprint_stopping";
/// What a browser is; only OctoPrint's own web page sends it, to OctoPrint's own tracker.
pub const WEBUI_LOAD: &str = "webui_load";
/// OctoPrint's event for its printer's state. A plugin may have to know it long after it changed.
pub const PRINTER: &str = "PrinterStateChanged";

/// An event: its name, and its payload as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// As on OctoPrint's bus, or one of Glassbox's own.
    pub name: String,
    /// JSON text; `null` for none.
    pub payload: String,
    /// Whether the host made it up, for a plugin that was attached late or for a stream that begins in the middle.
    pub made_up: bool,
}
