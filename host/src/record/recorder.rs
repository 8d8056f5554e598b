//! Where the calls of a plugin go: into the recording, if there is one, and on a failure into a file
//! beside its state.

use super::crossing::{Call, Passage};
use super::format::{self, Header};
use super::redact::Redactor;
use super::ring::Ring;
use super::sink::{Sink, write_privately};
use glassbox_sandbox::{Plugin, Policy};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Records one plugin at one OctoPrint; clones are the same.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    octoprint: Option<String>,
    /// For the log.
    label: String,
    sink: Option<Sink>,
    scrubber: Option<Mutex<Redactor>>,
    trap_file: PathBuf,
    since: Instant,
    lives: AtomicU64,
}

impl Recorder {
    /// Keeps the last calls, and writes them to `trap_file` after a failure; all go into the recording.
    #[must_use]
    pub fn new(octoprint: Option<&str>, label: &str, sink: Option<Sink>, trap_file: PathBuf) -> Self {
        Self(Arc::new(Inner {
            octoprint: octoprint.map(Into::into),
            label: label.into(),
            scrubber: sink.as_ref().filter(|sink| sink.scrubs()).map(|_| Mutex::default()),
            since: sink.as_ref().map_or_else(Instant::now, Sink::since),
            sink,
            trap_file,
            lives: AtomicU64::new(0),
        }))
    }

    pub(super) fn octoprint(&self) -> Option<String> {
        self.0.octoprint.clone()
    }

    pub(super) fn next_life(&self) -> u64 {
        let own = || self.0.lives.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.sink.as_ref().map_or_else(own, Sink::next_life)
    }

    /// Microseconds since the recording began.
    pub(super) fn elapsed(&self) -> u64 {
        u64::try_from(self.0.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A call was made.
    pub(super) fn keep(&self, plugin: &Arc<Plugin>, passage: &Passage) {
        let Some(sink) = self.0.sink.as_ref().filter(|sink| sink.takes()) else { return };
        let Some(cut) = cut(&plugin.policy, passage) else { return };
        let cut = match &self.0.scrubber {
            None => cut,
            Some(scrubber) => scrubber.lock().unwrap_or_else(PoisonError::into_inner).stand_in(plugin, &cut),
        };
        sink.write(&format::lines(&cut));
    }

    /// A call failed: it and those before it are kept where somebody finds them.
    pub(super) fn trapped(&self, plugin: &Arc<Plugin>, ring: &Ring) {
        let mut text = format::header(&Header::new(false, true));
        for passage in ring.passages().filter_map(|passage| cut(&plugin.policy, &passage)) {
            text.push_str(&format::lines(&passage));
        }
        text.push_str(&format::end("stopped"));
        let file = &self.0.trap_file;
        match write_privately(file, text.as_bytes()) {
            Ok(()) => tracing::warn!(
                plugin = self.0.label,
                "a call failed; the last calls are in {0}, and 'glassbox replay {0}' makes them again",
                file.display()
            ),
            Err(error) => tracing::warn!(plugin = self.0.label, "the calls before a failure are not kept: {error:#}"),
        }
    }
}

/// Without what the component did not see; none if it saw nothing of it.
fn cut(policy: &Policy, passage: &Passage) -> Option<Passage> {
    let mut passage = passage.clone();
    if let Call::Event { name, payload } = &mut passage.call {
        *payload = policy.cut(name, payload).ok()??;
    }
    Some(passage)
}
