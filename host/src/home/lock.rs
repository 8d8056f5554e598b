//! One host for each home: whether one runs, and how it keeps others away.

use super::Home;
use anyhow::{Context, Result};
use glassbox_util::Advised;
use std::fs;
use std::path::PathBuf;

impl Home {
    /// Whether a host runs with this home.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let looked = fs::File::open(self.lock_file()).map(|file| file.try_lock_shared());
        matches!(looked, Ok(Err(fs::TryLockError::WouldBlock)))
    }

    fn lock_file(&self) -> PathBuf {
        self.root().join("run.lock")
    }

    /// Have the home to ourselves, as the one host that runs with it, until the file is dropped.
    ///
    /// # Errors
    /// When another host has it, or the file cannot be made.
    pub fn lock(&self) -> Result<fs::File> {
        let file = self.lock_file();
        let lock = fs::File::create(&file).with_context(|| format!("writing {}", file.display()))?;
        let mut locked = lock.try_lock();
        for _ in 0..5 {
            // Somebody may just be looking whether a host runs.
            if matches!(locked, Err(fs::TryLockError::WouldBlock)) {
                std::thread::sleep(std::time::Duration::from_millis(20));
                locked = lock.try_lock();
            }
        }
        match locked {
            Ok(()) => Ok(lock),
            Err(fs::TryLockError::WouldBlock) => {
                let what = format!("another glassbox runs with the home {}", self.root().display());
                Err(Advised::new(what, "stop it, or choose another home with --home").into())
            }
            Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", file.display())),
        }
    }
}
