//! What a running host says of each plugin's instance, in `state/NAME.running.json`, for `status` in another process:
//! which version runs, or why none does. It counts only while a host runs; that one does is in `lock.rs`.

use super::{Home, make_folder};
use anyhow::Result;
use glassbox_util::files::{read_bounded, remove, write_own};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

const ENDING: &str = ".running.json";

/// The largest file, in bytes: a digest, and a reason of a few lines.
const LARGEST: usize = 64 << 10;

/// One plugin's instance for one OctoPrint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Running {
    /// The digest of the version.
    pub digest: String,
    /// Why it does not run; none if it does.
    pub stopped: Option<String>,
    /// Which of the host's workers says so; 0 for none.
    pub worker: u64,
}

/// Held while the file is written: a worker that ends must not write over the one that takes its place.
static WRITING: Mutex<()> = Mutex::new(());

/// Say it. What was said before holds no longer, even if this cannot be written.
///
/// # Errors
/// When what was said before can be neither replaced nor removed.
pub fn write(home: &Home, name: &str, running: &Running) -> Result<()> {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    replace(home, name, running)
}

/// Say that this worker has ended, unless another one has said something since.
pub fn end(home: &Home, name: &str, worker: u64) {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(said) = read(home, name).filter(|said| said.worker == worker) {
        let ended = Running { stopped: said.stopped.or(Some("it has ended".into())), ..said };
        // If that fails, `status` says that reports are sent while none are, which does no harm.
        let _ = replace(home, name, &ended);
    }
}

fn replace(home: &Home, name: &str, running: &Running) -> Result<()> {
    let file = file(home, name);
    let written = make_folder(&home.state())
        .and_then(|()| Ok(serde_json::to_vec(running)?))
        .and_then(|json| write_own(&file, &json));
    // A full disk: with no file, `status` judges by the file in `plugins/`.
    written.or_else(|_| remove(&file).map(drop))
}

/// What was said last; none if nothing was, or it cannot be read.
pub fn read(home: &Home, name: &str) -> Option<Running> {
    serde_json::from_slice(&read_bounded(&file(home, name), LARGEST).ok()?).ok()
}

/// What an earlier host said of the instances for this OctoPrint counts no longer. A file that cannot be removed is
/// replaced when the instance starts.
pub fn forget_all(home: &Home) {
    for entry in fs::read_dir(home.state()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(ENDING) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The plugins of which something was said: that a version runs, or has run.
pub fn names(home: &Home) -> impl Iterator<Item = String> {
    let files = fs::read_dir(home.state()).into_iter().flatten().flatten();
    let names = files.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(ENDING)?.to_string()));
    let home = home.clone();
    names.filter(move |name| read(&home, name).is_some_and(|running| running.stopped.is_none()))
}

fn file(home: &Home, name: &str) -> PathBuf {
    home.state().join(name.to_string() + ENDING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_ends_leaves_the_next_ones_note_alone() {
        let root = std::env::temp_dir().join(format!("glassbox-running-{}", std::process::id()));
        let home = Home::at(root.clone());
        let says = |worker| Running { digest: format!("version {worker}"), stopped: None, worker };
        write(&home, "tracking", &says(1)).unwrap();
        write(&home, "tracking", &says(2)).unwrap();
        end(&home, "tracking", 1);
        assert_eq!(read(&home, "tracking"), Some(says(2)));
        end(&home, "tracking", 2);
        assert_eq!(read(&home, "tracking").unwrap().stopped.as_deref(), Some("it has ended"));
        fs::remove_dir_all(root).unwrap();
    }
}
