//! The main loop of a host: hears news, and has the supervisor act on it, until the end.

use super::Supervisor;
use crate::plugins::messages::{Control, Folder};
use crate::plugins::watcher::Watch;
use anyhow::Result;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

/// Hear news until the end; with `first`, until every plugin was looked at, or until then.
pub fn listen(
    supervisor: &mut Supervisor,
    news: &Receiver<Control>,
    watch: &mut Watch,
    first: Option<Instant>,
) -> Option<Result<()>> {
    loop {
        let left = first.map(|first| first.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero() || supervisor.is_settled()) {
            return None;
        }
        let news = match supervisor.patience().into_iter().chain(left).min() {
            Some(longest) => news.recv_timeout(longest),
            None => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match news {
            Ok(Control::Changed(folder, of)) => {
                if folder == Folder::Root {
                    watch.renew();
                }
                supervisor.changed(folder, of.as_deref());
            }
            Ok(Control::Loaded(answer)) => supervisor.loaded(answer),
            Ok(Control::Runs(site, name, plugin)) => supervisor.runs(site, &name, plugin),
            Ok(Control::PutBack(site, name, bad, plugin)) => supervisor.put_back(site, &name, bad, plugin),
            Ok(Control::Unstarted(site, name, digest, error)) => supervisor.unstarted(site, &name, digest, &error),
            Ok(Control::SourceEnded(ended)) => return Some(ended),
            Ok(Control::Signal) | Err(RecvTimeoutError::Disconnected) => return Some(Ok(())),
            Err(RecvTimeoutError::Timeout) => {}
        }
        supervisor.on_time();
    }
}
