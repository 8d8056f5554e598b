//! What has to be done from time to time, by one thread that wakes up once a minute: a day may have ended, the manifest may
//! have changed, and every hour the exports are made.

use super::answer::Service;
use crate::config::Config;
use crate::door::Door;
use crate::exports;
use crate::store::Store;
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
        let name = std::thread::Builder::new().name("upkeep".into());
        let thread = name.spawn(move || run(&config, &store, &service, &stopped)).context("starting a thread")?;
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) {
        // It fails only if the thread is gone.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            eprintln!("the thread for upkeep has panicked");
        }
    }
}

fn run(config: &Config, store: &Store, service: &Service, stopped: &Receiver<()>) {
    let manifest = config.manifest.as_deref();
    let mut changed = manifest.and_then(modified);
    let (mut exported, mut today) = (None, None);
    loop {
        let now = Timestamp::now();
        let day = now.as_second().div_euclid(86_400);
        if today != Some(day) {
            today = Some(day);
            service.keeper.day(now);
        }
        if let Some(file) = manifest {
            let found = modified(file);
            if found != changed {
                changed = found;
                match Door::read(Some(file)) {
                    Ok(door) => {
                        *service.door.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(door);
                        eprintln!("took the changed manifest {}", file.display());
                    }
                    Err(error) => eprintln!("the changed manifest is not taken, the one before stays: {error:#}"),
                }
            }
        }
        let hour = now.as_second().div_euclid(3600);
        if exported != Some(hour) {
            exported = Some(hour);
            service.keeper.commit();
            if let Err(error) = exports::publish(config, store, now) {
                eprintln!("the exports could not be made: {error:#}");
            }
        }
        match stopped.recv_timeout(EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}
