//! Where the calls of a plugin go: into the recording, if there is one; and after a failure, the last of them into a
//! file beside the plugin's state.

use super::crossing::RecordedCall;
use super::format::{self, Header};
use super::redact::Redactor;
use super::ring::Ring;
use super::sink::Sink;
use glassbox_sandbox::Plugin;
use glassbox_util::files::{make_folder, write_own};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Records the instances of one plugin for one OctoPrint. Clones share everything.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    octoprint: Option<String>,
    /// What the plugin is called in the log.
    label: String,
    sink: Option<Sink>,
    redactor: Option<Mutex<Redactor>>,
    trap_file: PathBuf,
    since: Instant,
    instance_ids: AtomicU64,
}

impl Recorder {
    /// A recorder that writes all calls to `sink`, if there is one, and the last calls before a failure to `trap_file`.
    pub fn new(octoprint: Option<&str>, label: &str, sink: Option<Sink>, trap_file: PathBuf) -> Self {
        Self(Arc::new(Inner {
            octoprint: octoprint.map(Into::into),
            label: label.into(),
            redactor: sink.as_ref().filter(|sink| sink.redacts()).map(|_| Mutex::default()),
            since: sink.as_ref().map_or_else(Instant::now, Sink::since),
            sink,
            trap_file,
            instance_ids: AtomicU64::new(0),
        }))
    }

    pub(super) fn octoprint(&self) -> Option<String> {
        self.0.octoprint.clone()
    }

    pub(super) fn next_instance_id(&self) -> u64 {
        let own = || self.0.instance_ids.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.sink.as_ref().map_or_else(own, Sink::next_instance_id)
    }

    /// Microseconds since the recording began.
    pub(super) fn elapsed(&self) -> u64 {
        u64::try_from(self.0.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Write a call to the recording.
    pub(super) fn keep(&self, plugin: &Arc<Plugin>, recorded: &RecordedCall) {
        let Some(sink) = self.0.sink.as_ref().filter(|sink| sink.takes()) else { return };
        sink.write(&match &self.0.redactor {
            None => format::lines(recorded),
            Some(redactor) => {
                format::lines(&redactor.lock().unwrap_or_else(PoisonError::into_inner).stand_in(plugin, recorded))
            }
        });
    }

    /// A call failed: write it and the calls before it to the trap file.
    pub(super) fn trapped(&self, ring: &Ring) {
        let mut text = format::header(&Header::new(false, true));
        ring.calls().for_each(|recorded| text.push_str(&format::lines(&recorded)));
        text.push_str(&format::end("stopped"));
        let file = &self.0.trap_file;
        let folder = file.parent().map_or(Ok(()), make_folder);
        match folder.and_then(|()| write_own(file, text.as_bytes())) {
            Ok(()) => tracing::warn!(
                plugin = self.0.label,
                "a call failed; the last calls are in {0}, and 'glassbox replay {0}' repeats them",
                file.display()
            ),
            Err(error) => {
                tracing::warn!(plugin = self.0.label, "the calls before a failure could not be saved: {error:#}")
            }
        }
    }
}
