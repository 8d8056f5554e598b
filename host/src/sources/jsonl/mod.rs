//! Events from a file or a pipe, one a line: for other programs, for tests, and to try things out.

mod lines;

pub use lines::{JsonLine, LINE, Lines, parse};

use crate::events::Router;
use crate::events::event::{ENVIRONMENT, Event, STARTED};
use anyhow::{Context, Result};
use std::io::BufRead;

/// Read events and hand them to every plugin.
///
/// # Errors
/// When reading fails.
pub fn feed(input: impl BufRead, router: &Router) -> Result<()> {
    let mut lines = Lines::new(input);
    let mut first = true;
    let made_up = |name: &str, payload: &str| {
        router.deliver(Event { name: name.into(), payload: payload.into(), made_up: true });
    };
    while let Some(line) = lines.next_line().context("reading events")? {
        match line {
            JsonLine::Bad(number, reason) => tracing::warn!("ignoring line {number}: {reason}"),
            JsonLine::Event(name, payload) => {
                if std::mem::take(&mut first) && !matches!(name.as_str(), ENVIRONMENT | STARTED) {
                    // A bare stream of bus events: the server runs, and that is all we know.
                    made_up(ENVIRONMENT, "{}");
                    made_up(STARTED, "{\"uptime\": 0}");
                }
                router.deliver(Event { name, payload, made_up: false });
            }
        }
    }
    Ok(())
}
