//! Watches the home's folders, and tells the supervisor in which of them something changed; for settings also
//! whose, as there may be hundreds of OctoPrints. What changed, the supervisor finds out by reading the files,
//! which also is where rapid changes are debounced.
//!
//! The system notifies of changes ([`notifications`]), also of those of the way to the home ([`way`]), but not of all: not
//! of what another machine does to a shared folder, not of what happens behind a link or under a file that is mounted. Where there may be such changes ([`unseen`]), the files are
//! also read every five seconds and compared ([`fingerprint`]). Elsewhere nothing wakes an idle host.

mod fingerprint;
pub mod limits;
mod notifications;
pub mod unseen;
mod way;

use super::messages::{Control, Folder};
use crate::home::Home;
use anyhow::{Context, Result, anyhow};
use fingerprint::Fingerprints;
use glassbox_util::files::make_folder;
use glassbox_util::{Once, no_thread};
use limits::Trouble;
use notifications::Notifications;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use way::Way;

/// How often files are compared, where changes may come without notification.
pub const PERIOD: Duration = Duration::from_secs(5);

/// Whether links on the way to the home can be watched here.
pub const CAN_WATCH_LINKS: bool = cfg!(target_os = "linux");

/// The stack of a thread of the watcher, in bytes.
const STACK: usize = 256 << 10;

/// All folders that are watched, in the order of [`Folder`].
const FOLDERS: [Folder; 5] = [Folder::Plugins, Folder::Grants, Folder::Settings, Folder::Keys, Folder::Root];

/// Watches a home until it is dropped.
pub struct HomeWatcher(Sender<Wake>);

/// What wakes the watcher's own thread.
enum Wake {
    /// Something changed, or was mounted: folders may have been replaced, and there may be links where there were none.
    Look,
    /// This folder, or one in it, may not be watched any more.
    Lost(Folder),
    /// The host ends.
    End,
}

impl HomeWatcher {
    /// Begin to watch, and send [`Control::Changed`] for each change. `homes` are the OctoPrints' views of the home.
    ///
    /// # Errors
    /// When a folder cannot be made, or the system has no thread for it.
    pub fn start(home: &Home, homes: &[Home], control: &Sender<Control>) -> Result<Self> {
        // A folder that is made later would not be noticed.
        homes.iter().try_for_each(|home| make_folder(&home.settings_folder()))?;
        let needed = FOLDERS.iter().filter(|folder| **folder != Folder::Keys);
        needed.map(|folder| folder.path(home)).try_for_each(|path| make_folder(&path))?;
        // Notifications name files by absolute paths.
        let home = Home::at(std::path::absolute(home.root()).context("finding the home")?);
        let (wake, woken) = channel();
        let links_are_watched = Arc::<AtomicBool>::default();
        let mut watcher = Watcher::new(home, control.clone(), wake.clone(), links_are_watched.clone());
        // The folders come first, where not enough notifications are left for both.
        watcher.notifications.renew(&watcher.home);
        let way = Way::new(watcher.home.root(), &links_are_watched);
        // All is in place before this returns, so that no change from then on is missed.
        watcher.look();
        let thread = |name: &str| std::thread::Builder::new().name(name.into()).stack_size(STACK);
        let on_change = wake.clone();
        thread("watcher: way")
            .spawn(move || way.wait(|| on_change.send(Wake::Look).is_ok()))
            .and_then(|_| thread("watcher").spawn(move || watcher.run(&woken)))
            .map_err(|error| anyhow!("watching the home's files: {}", no_thread(&error)))?;
        Ok(Self(wake))
    }
}

/// What keeps this process from being notified of changes in a home; none if nothing does.
pub fn trouble(home: &Home) -> Option<Trouble> {
    let mut notifications = Notifications::new(home, &channel().0, channel().0);
    notifications.renew(home);
    notifications.trouble().cloned()
}

impl Drop for HomeWatcher {
    fn drop(&mut self) {
        let _ = self.0.send(Wake::End);
    }
}

/// The watcher's own thread.
struct Watcher {
    home: Home,
    control: Sender<Control>,
    notifications: Notifications,
    /// Whether those on the way to the home are, or there are none.
    links_are_watched: Arc<AtomicBool>,
    /// What the files were when they were last compared, or at the start.
    known: Fingerprints,
    /// Why files are compared, and when next; none if notifications come of all changes.
    polling: Option<(String, Instant)>,
    said: Once,
}

impl Watcher {
    fn new(home: Home, control: Sender<Control>, wake: Sender<Wake>, links_are_watched: Arc<AtomicBool>) -> Self {
        let known = Fingerprints::take(&home);
        let notifications = Notifications::new(&home, &control, wake);
        Self { home, control, notifications, links_are_watched, known, polling: None, said: Once::default() }
    }

    fn run(mut self, woken: &Receiver<Wake>) {
        loop {
            let wake = match &self.polling {
                None => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some((_, due)) => woken.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            // One look is enough for all that happened at once.
            for wake in std::iter::once(wake).chain(woken.try_iter().map(Ok)) {
                match wake {
                    Ok(Wake::End) | Err(RecvTimeoutError::Disconnected) => return,
                    Ok(Wake::Lost(folder)) => self.notifications.lost(folder),
                    Ok(Wake::Look) | Err(RecvTimeoutError::Timeout) => {}
                }
            }
            for folder in self.look() {
                let _ = self.control.send(Control::Changed(folder, None));
            }
        }
    }

    /// Watch folders that were replaced, decide whether files must be compared, and do so if it is time. Returns the
    /// folders in which something changed of which there was no notification.
    fn look(&mut self) -> Vec<Folder> {
        let mut changed = self.notifications.renew(&self.home);
        let trouble = self.notifications.trouble().map(Trouble::to_string);
        let why = trouble.clone().or_else(|| {
            unseen::why(&self.home, self.links_are_watched.load(Ordering::SeqCst)).map(|why| why.to_string())
        });
        match trouble {
            None => self.said.forget(),
            Some(trouble) if self.said.is_new(&trouble) => {
                let seconds = PERIOD.as_secs();
                tracing::warn!("{trouble}; until then the files are looked at every {seconds} s");
            }
            Some(_) => {}
        }
        let now = Instant::now();
        let is_due = self.polling.as_ref().is_some_and(|(_, due)| *due <= now);
        // Also once when it begins, as something may have changed unseen before, and once more when it ends.
        if is_due || why.is_some() != self.polling.is_some() {
            // A file that was wrong for a moment has told plugins to stop, and is the same as before.
            let _ = self.control.send(Control::LookAgain);
            let fingerprints = Fingerprints::take(&self.home);
            changed.extend(
                self.known.different(&fingerprints).filter(|folder| !changed.contains(folder)).collect::<Vec<_>>(),
            );
            self.known = fingerprints;
        }
        if why.as_ref() != self.polling.as_ref().map(|(why, _)| why) {
            tracing::trace!("whether files are looked at every 5 s, and why: {why:?}");
        }
        let due = match &self.polling {
            Some((_, due)) if !is_due => *due,
            _ => now + PERIOD,
        };
        self.polling = why.map(|why| (why, due));
        changed
    }
}

impl Folder {
    fn path(self, home: &Home) -> PathBuf {
        match self {
            Self::Plugins => home.plugins(),
            Self::Grants => home.grants(),
            Self::Settings => home.settings_folder(),
            Self::Keys => home.root().join("keys"),
            Self::Root => home.root().to_path_buf(),
        }
    }
}
