//! Events from a file or a pipe, one on each line: for other programs, for tests, and to try things out. The format
//! of a line is in `lines.rs`.

mod lines;

pub use lines::{JsonLine, LINE, Lines, entries, parse};

use crate::events::Router;
use crate::events::event::{ENVIRONMENT, Event, STARTED};
use anyhow::{Context, Result};
use std::io::BufRead;

/// Read events until the input ends, and hand them to every plugin. Malformed lines are logged and ignored.
///
/// # Errors
/// When the input cannot be read.
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
                    // A stream of nothing but bus events: the server is running, and that is all we know.
                    made_up(ENVIRONMENT, "{}");
                    made_up(STARTED, "{\"uptime\": 0}");
                }
                router.deliver(Event { name, payload, made_up: false });
            }
        }
    }
    Ok(())
}
