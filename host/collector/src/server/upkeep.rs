//! What has to be done from time to time, by one thread that wakes up once a minute: a day may have ended, the manifest may
//! have changed, and every hour the exports are made.

use super::answer::Service;
use crate::config::Config;
use crate::door::Door;
use crate::exports;
use crate::log;
use crate::store::Store;
use crate::thread::vital;
use anyhow::{Context, Result};
use jiff::Timestamp;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// A minute is early enough for a changed manifest and for a day's end, and seldom enough to cost nothing.
const EVERY: Duration = Duration::from_secs(60);

pub(super) struct Upkeep {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Upkeep {
    pub(super) fn start(config: &Config, store: &Store, service: &Arc<Service>) -> Result<Self> {
        let (stop, stopped) = channel();
        let (config, store, service) = (config.clone(), store.clone(), Arc::clone(service));
        let thread = vital("upkeep", move || run(&config, &store, &service, &stopped)).context("starting a thread")?;
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) {
        // It fails only if the thread is gone, and then the process ends.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

fn run(config: &Config, store: &Store, service: &Service, stopped: &Receiver<()>) {
    let mut manifest = config.manifest.as_deref().map(Watched::new);
    let (mut exported, mut today) = (None, None);
    loop {
        let now = Timestamp::now();
        let day = now.as_second().div_euclid(86_400);
        if today != Some(day) {
            today = Some(day);
            service.keeper.day(now);
        }
        if let Some(door) = manifest.as_mut().and_then(Watched::look) {
            *service.door.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(door);
        }
        let hour = now.as_second().div_euclid(3600);
        // Those that could not be made, and those that somebody has removed, are made a minute later.
        if exported != Some(hour) || exports::age(&store.exports(), now).is_none() {
            service.keeper.commit();
            match exports::publish(config, store, now) {
                Ok(_) => exported = Some(hour),
                Err(error) => log(format_args!("the exports could not be made: {error:#}")),
            }
        }
        match stopped.recv_timeout(EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The manifest's file, and when it was changed as it was looked at last.
struct Watched<'a> {
    file: &'a Path,
    changed: Option<SystemTime>,
}

impl<'a> Watched<'a> {
    /// As it was read at the start.
    fn new(file: &'a Path) -> Self {
        Self { file, changed: modified(file) }
    }

    /// The door by a file that has changed since it was looked at last, if that can be used.
    fn look(&mut self) -> Option<Door> {
        let found = modified(self.file);
        if found == self.changed {
            return None;
        }
        self.changed = found;
        match Door::read(Some(self.file)) {
            Ok(door) => {
                log(format_args!("took the changed manifest {}", self.file.display()));
                Some(door)
            }
            Err(error) => {
                log(format_args!("the changed manifest is not taken, the one before stays: {error:#}"));
                None
            }
        }
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::Watched;
    use crate::door::OCTOPRINT;
    use std::fs;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_changed_manifest_is_taken_once_and_a_broken_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("manifest.toml");
        let mut at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut write = |text: &str| {
            fs::write(&file, text).unwrap();
            at += Duration::from_secs(1);
            fs::File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
        };
        write(OCTOPRINT);
        let mut watched = Watched::new(&file);
        assert!(watched.look().is_none(), "nothing has changed");
        write(&OCTOPRINT.replace("name = \"octoprint\"", "name = \"another\""));
        assert_eq!(watched.look().unwrap().manifest().plugin.name, "another");
        assert!(watched.look().is_none(), "it is taken");
        // No TOML, a rule that is none, cut off, nothing, too large, and no file at all.
        let half = &OCTOPRINT[..OCTOPRINT.len() / 2 + 7];
        let broken = ["[[", &OCTOPRINT.replace("[0-9a-f]{40}", "[0-9a-f"), half, "", &"#".repeat(1 << 20)];
        for text in broken {
            write(text);
            assert!(watched.look().is_none(), "{text:.80}");
        }
        fs::remove_file(&file).unwrap();
        assert!(watched.look().is_none());
        write(OCTOPRINT);
        assert_eq!(watched.look().unwrap().manifest().plugin.name, "octoprint", "and then it goes on");
    }
}
