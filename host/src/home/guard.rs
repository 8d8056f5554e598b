//! What keeps two hosts from one home where files cannot be locked: the file `run.pid`, which says which process the
//! host is, and when that began. It is there while the host runs. One that is left by a host that was killed is
//! recognized, as no such process is there; where that cannot be known, as it is another machine's or another
//! container's, it is watched for a while: a host that runs touches its file every few seconds.

use glassbox_util::files::{open_own_with, read_bounded};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// How often a host that runs touches its file.
pub(super) const TOUCH: Duration = Duration::from_secs(5);

/// How long the file of an unknown host is watched: it missed three touches.
const WATCHED: Duration = Duration::from_secs(16);

/// After it made the file, a host looks again whether it still is its own: two may have removed an old one at once.
const SETTLED: Duration = Duration::from_millis(200);

/// The largest file, in bytes.
const LARGEST: usize = 4 << 10;

/// A process, as others can recognize it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
struct Process {
    pid: u32,
    /// When it began, in the system's ticks since it was booted.
    began: Option<u64>,
    /// In which boot of which machine.
    boot: Option<String>,
    /// In which container.
    namespace: Option<String>,
}

impl Process {
    fn own() -> Self {
        let pid = std::process::id();
        Self { pid, began: began(pid), boot: boot(), namespace: namespace() }
    }

    /// Whether it is there; none if that cannot be known from here.
    fn is_there(&self) -> Option<bool> {
        let is_near = self.boot.is_some() && self.boot == boot() && self.namespace == namespace();
        (is_near && self.began.is_some()).then(|| began(self.pid) == self.began)
    }
}

fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().into())
}

fn namespace() -> Option<String> {
    Some(fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned())
}

fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before that may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    // A zombie has ended.
    (fields.next()? != "Z").then(|| fields.nth(18)?.parse().ok())?
}

/// The guard of a home, while its host runs.
pub(super) struct Guard {
    file: PathBuf,
    own: Process,
    touched: Instant,
}

impl Guard {
    /// Take the guard; none if another host has it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(super) fn take(home: &Path) -> io::Result<Option<Self>> {
        let (file, own) = (file(home), Process::own());
        loop {
            match open_own_with(&file, File::options().write(true).create_new(true)) {
                Ok(mut made) => {
                    made.write_all(&serde_json::to_vec(&own)?)?;
                    sleep(SETTLED);
                    let guard = Self { file, own, touched: Instant::now() };
                    return Ok(guard.is_own().then_some(guard));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if is_held(home, WATCHED) {
                        return Ok(None);
                    }
                    match fs::remove_file(&file) {
                        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                        _ => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether nobody has taken it from us.
    pub(super) fn is_own(&self) -> bool {
        read(&self.file).is_some_and(|process| process == self.own)
    }

    /// How long until it is to be touched.
    pub(super) fn time_until_touch(&self) -> Duration {
        TOUCH.saturating_sub(self.touched.elapsed())
    }

    /// Tell other machines that we are here, if it is time to.
    pub(super) fn touch(&mut self) {
        if self.time_until_touch().is_zero() {
            self.touched = Instant::now();
            // If that fails, another machine may take it; here we are seen all the same.
            let _ = File::options().write(true).open(&self.file).and_then(|file| file.set_modified(SystemTime::now()));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.is_own() {
            let _ = fs::remove_file(&self.file);
        }
    }
}

/// Whether a host has the guard of this home. One of which that cannot be known is watched for so long, and then has
/// ended; with no time for that, it is there.
pub(super) fn is_held(home: &Path, longest: Duration) -> bool {
    let file = file(home);
    let touched = || fs::symlink_metadata(&file).and_then(|found| found.modified()).ok();
    let (first, end) = (touched(), Instant::now() + longest);
    loop {
        let Some(now) = touched() else { return false };
        // One that has just been made has nothing in it yet.
        match read(&file).and_then(|process| process.is_there()) {
            Some(is_there) => return is_there,
            None if longest.is_zero() || Some(now) != first => return true,
            None if Instant::now() >= end => return false,
            None => sleep(Duration::from_millis(200)),
        }
    }
}

/// Remove what a host has left that has ended.
pub(super) fn forget(home: &Path) {
    // If that fails, it is looked at again at the next start.
    let _ = fs::remove_file(file(home));
}

fn file(home: &Path) -> PathBuf {
    home.join("run.pid")
}

fn read(file: &Path) -> Option<Process> {
    serde_json::from_slice(&read_bounded(file, LARGEST).ok()?).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use glassbox_tests::Folder;

    fn left(home: &Path, process: &Process) {
        fs::write(file(home), serde_json::to_vec(process).unwrap()).unwrap();
    }

    #[test]
    fn one_host_has_it_and_one_that_was_killed_has_not() {
        let folder = Folder::new("guard");
        let home = &folder.0;
        assert!(!is_held(home, Duration::ZERO));
        let guard = Guard::take(home).unwrap().expect("nobody has it");
        assert!(is_held(home, Duration::ZERO));
        assert!(Guard::take(home).unwrap().is_none());
        drop(guard);
        assert!(!is_held(home, Duration::ZERO) && !file(home).exists());

        // Its number is another process's by now: ours began at another time.
        let own = Process::own();
        left(home, &Process { began: own.began.map(|began| began - 1), ..own.clone() });
        assert!(!is_held(home, Duration::ZERO));
        drop(Guard::take(home).unwrap().expect("it was left"));
        left(home, &Process { pid: u32::MAX, ..own.clone() });
        assert!(!is_held(home, Duration::ZERO));

        // Of another machine nothing is known, but that it touches its file or does not.
        left(home, &Process { boot: Some("another".into()), ..own });
        assert!(is_held(home, Duration::ZERO));
        assert!(!is_held(home, Duration::from_millis(300)));
        let touch = || File::options().write(true).open(file(home)).unwrap().set_modified(SystemTime::UNIX_EPOCH);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                sleep(Duration::from_millis(300));
                touch().unwrap();
            });
            assert!(is_held(home, Duration::from_secs(60)));
        });
    }

    #[test]
    fn a_guard_that_was_taken_away_is_left_to_who_has_it() {
        let folder = Folder::new("guard-taken");
        let guard = Guard::take(&folder.0).unwrap().expect("nobody has it");
        left(&folder.0, &Process::default());
        assert!(!guard.is_own());
        drop(guard);
        assert!(file(&folder.0).exists());
    }
}
