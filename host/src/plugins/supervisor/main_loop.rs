//! The host's main loop: receives messages and has the supervisor act on them, until the host stops.

use super::Supervisor;
use crate::plugins::messages::Control;
use anyhow::Result;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

/// Run until the host is to stop, and return why. With `deadline`, only until all plugins that were there at the
/// start are loaded, or until then; in that case none is returned.
pub fn run(supervisor: &mut Supervisor, messages: &Receiver<Control>, deadline: Option<Instant>) -> Option<Result<()>> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero() || supervisor.is_settled()) {
            return None;
        }
        let message = match supervisor.time_until_due().into_iter().chain(left).min() {
            Some(longest) => messages.recv_timeout(longest),
            None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match message {
            Ok(Control::Changed(folder, octoprint)) => supervisor.changed(folder, octoprint.as_deref()),
            Ok(Control::LookAgain) => {
                supervisor.renew_lock();
                supervisor.look_again();
            }
            Ok(Control::Loaded(answer)) => supervisor.loaded(answer),
            Ok(Control::Runs { octoprint, name, version }) => supervisor.runs(octoprint, &name, version),
            Ok(Control::RolledBack { octoprint, name, failed, version }) => {
                supervisor.rolled_back(octoprint, &name, failed, version);
            }
            Ok(Control::StartFailed { octoprint, name, digest, error }) => {
                supervisor.start_failed(octoprint, &name, digest, &error);
            }
            Ok(Control::SourceEnded(ended)) => return Some(ended),
            Ok(Control::Signal) | Err(RecvTimeoutError::Disconnected) => return Some(Ok(())),
            Err(RecvTimeoutError::Timeout) => {}
        }
        supervisor.run_due();
    }
}
