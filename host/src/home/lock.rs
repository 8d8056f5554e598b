//! The two locks of a home: that of the running host, which is also how others see that one runs and what they must
//! know of it; and that of the settings, held while they are changed. Nobody but the home's owner can hold them. Where files
//! cannot be locked, other files stand in for the locks: `guard.rs`, and `StandIn` of `glassbox_util`.

use super::guard::{self, Guard};
use super::{Home, check_name, make_folder};
use anyhow::{Context, Result};
use glassbox_util::Advised;
use glassbox_util::files::{StandIn, cannot_lock, is_at, open_own, open_own_with, read_bounded, renew_own};
use glassbox_util::machine::advice;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait for the settings' lock: whoever has it reads and writes one file.
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest description of a running host, in bytes: the names of hundreds of OctoPrints.
const LARGEST: usize = 64 << 10;

/// What others must know about the running host; it is kept in the file that the host locks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct RunningHost {
    /// Its process.
    pub pid: u32,
    /// The variable in its own environment that forbids sending, if there is one.
    pub veto: Option<String>,
    /// The names of its OctoPrints, whatever `glassbox.toml` says by now; none for one without a name.
    pub octoprints: Vec<Option<String>>,
}

/// The lock of the running host, until it is dropped.
pub struct HostLock {
    home: Home,
    about: RunningHost,
    file: File,
    /// What stands in for it where files cannot be locked.
    guard: Option<Guard>,
}

/// The lock of the settings, until it is dropped.
pub(super) enum SettingsLock {
    /// A file that is locked.
    File {
        /// It is unlocked when it is closed.
        _file: File,
    },
    /// Where files cannot be locked.
    StandIn {
        /// It is removed when this is dropped.
        _held: StandIn,
    },
}

impl HostLock {
    /// How long until [`Self::renew`] is to be called, whether anything has changed or not; none for never.
    pub fn time_until_renewal(&self) -> Option<Duration> {
        self.guard.as_ref().map(Guard::time_until_touch)
    }

    /// See that it is where others look for it, and says what it should: somebody may have removed the file, or written
    /// to it.
    ///
    /// # Errors
    /// When another host has taken its place, or nothing can be written to it.
    pub fn renew(&mut self) -> Result<()> {
        let path = self.home.lock_file();
        if let Some(guard) = &mut self.guard {
            guard.touch();
            if !guard.is_own() && self.home.root().is_dir() {
                // Let go of first: what it would remove later is the new one, which says the same.
                self.guard = None;
                self.guard = self.home.guard()?;
            }
        }
        if is_at(&path, &self.file) {
            return match self.home.running_host() {
                Some(Ok(about)) if about == self.about => Ok(()),
                _ => self.write(),
            };
        }
        match self.home.lock(&self.about) {
            Ok(lock) => *self = lock,
            Err(error) if self.home.is_running() => return Err(error),
            // The home is out of reach, and with it every yes. It is tried again when something changes.
            Err(_) => {}
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let text = serde_json::to_string(&self.about)? + "\n";
        let mut write = || {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(text.as_bytes())
        };
        write().with_context(|| format!("writing {}", self.home.lock_file().display()))
    }
}

impl Home {
    fn lock_file(&self) -> PathBuf {
        self.root().join("run.lock")
    }

    /// Whether a host runs with this home. Where that cannot be found out, one may.
    pub fn is_running(&self) -> bool {
        guard::is_held(self.root(), Duration::ZERO) || self.is_locked()
    }

    fn is_locked(&self) -> bool {
        // For reading only: the home may be on a disk that cannot be written.
        match open_own_with(&self.lock_file(), File::options().read(true)) {
            Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
            Err(error) => error.kind() == ErrorKind::PermissionDenied,
        }
    }

    /// What is known about the host that runs with this home; none if none runs.
    ///
    /// # Errors
    /// Inside, why that cannot be read though one runs, in words.
    pub fn running_host(&self) -> Option<Result<RunningHost, String>> {
        let mut about = Err(String::new());
        // One that has just started has the lock a moment before it has written.
        for pause in [0, 20, 100] {
            sleep(Duration::from_millis(pause));
            if !self.is_running() {
                return None;
            }
            let read = read_bounded(&self.lock_file(), LARGEST).map_err(|error| error.to_string());
            about = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
            if about.is_ok() {
                break;
            }
        }
        Some(about.map_err(|reason| format!("{} says nothing about it: {reason}", self.lock_file().display())))
    }

    /// Lock the home for the one host that runs with it, and write down what others must know `about` it.
    ///
    /// # Errors
    /// When another host has locked it, or the file cannot be made, locked or written; with advice.
    pub fn lock(&self, about: &RunningHost) -> Result<HostLock> {
        let file = self.lock_file();
        let lock = open_lock(&file).map_err(|error| {
            let what = format!("{} cannot be used: {error}", file.display());
            // It is to blame only if the machine is not.
            Advised::new(
                what,
                advice(&error).unwrap_or(match error.kind() {
                    ErrorKind::PermissionDenied => {
                        "run glassbox as the user who owns the home, or choose another with --home"
                    }
                    _ => "check that no host runs with this home, and remove it",
                }),
            )
        })?;
        let mut locked = lock.try_lock();
        for _ in 0..5 {
            // `is_running` in another process may hold it for a moment.
            if matches!(locked, Err(TryLockError::WouldBlock)) || is_interrupted(&locked) {
                sleep(Duration::from_millis(20));
                locked = lock.try_lock();
            }
        }
        let guard = match locked {
            // Another host may be where files cannot be locked, on another machine or in a container.
            Ok(()) if guard::is_held(self.root(), guard::TOUCH * 3) => return Err(self.another_runs()),
            Ok(()) => {
                guard::forget(self.root());
                None
            }
            Err(TryLockError::WouldBlock) => return Err(self.another_runs()),
            Err(TryLockError::Error(error)) if cannot_lock(&error) => {
                tracing::warn!(
                    "files cannot be locked in {} ({error}); the file run.pid keeps a second host from it instead",
                    self.root().display()
                );
                self.guard()?
            }
            Err(TryLockError::Error(error)) => return Err(error).context(format!("locking {}", file.display())),
        };
        let mut lock = HostLock { home: self.clone(), about: about.clone(), file: lock, guard };
        lock.write()?;
        Ok(lock)
    }

    fn guard(&self) -> Result<Option<Guard>> {
        let taken =
            Guard::take(self.root()).with_context(|| format!("writing {}", self.root().join("run.pid").display()));
        taken?.map(Some).ok_or_else(|| self.another_runs())
    }

    fn another_runs(&self) -> anyhow::Error {
        let what = format!("another glassbox runs with the home {}", self.root().display());
        Advised::new(what, "stop it, or choose another home with --home").into()
    }

    /// Lock the settings folder, until the returned lock is dropped. None where nothing can be made in the folder, so
    /// that there can be no lock, though a settings file in it may be writable.
    pub(super) fn lock_settings(&self, name: &str) -> Result<Option<SettingsLock>> {
        check_name(name)?;
        make_folder(&self.settings_folder())?;
        let file = self.settings_folder().join(".lock");
        let end = Instant::now() + SETTINGS_TIMEOUT;
        loop {
            let lock = match open_private_lock(&file) {
                Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                    return Ok(None);
                }
                Err(error) => {
                    let what = format!("{} cannot be used: {error}", file.display());
                    return Err(Advised::new(what, advice(&error).unwrap_or("remove it")).into());
                }
                Ok(lock) => lock,
            };
            let held = match lock.try_lock() {
                // Somebody may have put another one in its place before we had it.
                Ok(()) => is_at(&file, &lock).then_some(SettingsLock::File { _file: lock }),
                Err(TryLockError::WouldBlock) => None,
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => None,
                Err(TryLockError::Error(error)) if cannot_lock(&error) => {
                    let held = StandIn::try_take(&file.with_extension("tmp"));
                    let held = held.with_context(|| format!("locking {}", file.display()))?;
                    held.map(|held| SettingsLock::StandIn { _held: held })
                }
                Err(TryLockError::Error(error)) => return Err(error).context(format!("locking {}", file.display())),
            };
            if held.is_some() {
                return Ok(held);
            }
            if Instant::now() >= end {
                let seconds = SETTINGS_TIMEOUT.as_secs();
                let what = format!("another process has kept {} locked for {seconds} s", file.display());
                return Err(Advised::new(what, "end that process, a glassbox that hangs, and try again").into());
            }
            sleep(Duration::from_millis(10));
        }
    }
}

/// Whether a signal came in between, as may happen where a lock is another machine's.
fn is_interrupted(locked: &Result<(), TryLockError>) -> bool {
    matches!(locked, Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted)
}

/// Open the lock of the running host, or make it; if it is ours, nobody else can hold it from now on.
fn open_lock(file: &Path) -> io::Result<File> {
    let lock = open_own(file)?;
    #[cfg(unix)]
    if !is_private(&lock.metadata()?) {
        use std::os::unix::fs::PermissionsExt;
        // It is replaced only by hand, as a host may be holding it.
        let _ = lock.set_permissions(fs::Permissions::from_mode(0o600));
    }
    Ok(lock)
}

/// Open the lock of the settings. One that others can open, who could hold it for ever, is replaced by a new one.
fn open_private_lock(file: &Path) -> io::Result<File> {
    match open_own(file) {
        Ok(lock) if is_private(&lock.metadata()?) => return Ok(lock),
        Ok(_) => {}
        // A folder cannot be replaced.
        Err(error) if file.is_dir() => return Err(error),
        Err(_) => {}
    }
    renew_own(file)
}

/// Whether it belongs to us, and nobody else can open it.
fn is_private(found: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & 0o077 == 0
    }
    #[cfg(not(unix))]
    {
        let _ = found;
        true
    }
}
