//! The lock of a running host, which is also how others see whether one runs: at most one host for each home.

use super::Home;
use anyhow::{Context, Result};
use glassbox_util::Advised;
use std::fs;
use std::path::PathBuf;

/// What others must know of the running host.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct RunningHost {
    /// Its process.
    pub pid: u32,
    /// The variable of its environment that forbids sending; none if there is none.
    pub veto: Option<String>,
}

impl Home {
    /// The host that runs with this home; none if none does.
    #[must_use]
    pub fn running_host(&self) -> Option<Result<RunningHost, String>> {
        self.is_running().then(|| {
            let bytes = std::fs::read(self.lock_file()).map_err(|error| error.to_string())?;
            serde_json::from_slice(&bytes).map_err(|error| error.to_string())
        })
    }

    /// Whether a host runs with this home.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let locked = fs::File::open(self.lock_file()).map(|file| file.try_lock_shared());
        matches!(locked, Ok(Err(fs::TryLockError::WouldBlock)))
    }

    fn lock_file(&self) -> PathBuf {
        self.root().join("run.lock")
    }

    /// Lock the home for the one host that runs with it, until the returned file is dropped.
    ///
    /// # Errors
    /// When another host has locked it, or the file cannot be made or locked.
    pub fn lock(&self, about: &RunningHost) -> Result<fs::File> {
        let file = self.lock_file();
        let lock = fs::File::create(&file).with_context(|| format!("writing {}", file.display()))?;
        let mut locked = lock.try_lock();
        for _ in 0..5 {
            // `is_running` in another process may hold it for a moment.
            if matches!(locked, Err(fs::TryLockError::WouldBlock)) {
                std::thread::sleep(std::time::Duration::from_millis(20));
                locked = lock.try_lock();
            }
        }
        match locked {
            Ok(()) => {
                serde_json::to_writer(&lock, about)?;
                Ok(lock)
            }
            Err(fs::TryLockError::WouldBlock) => Err(Advised::new(
                format!("another glassbox runs with the home {}", self.root().display()),
                "stop it, or choose another home with --home",
            )
            .into()),
            Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", file.display())),
        }
    }
}
