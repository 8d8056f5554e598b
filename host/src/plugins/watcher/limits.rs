//! The limits on notifications that other programs of the same user may have used up: which one it is, and how it is
//! raised.

use glassbox_util::no_thread;
use std::fmt;
use std::io::ErrorKind;

/// Why there are no notifications, or not for all folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is missing, and why.
    pub what: String,
    /// How to mend it.
    pub advice: String,
}

impl Trouble {
    /// What an error of the watcher means.
    pub(super) fn new(error: &notify::Error) -> Self {
        let number = match &error.kind {
            notify::ErrorKind::MaxFilesWatch => return Self::limit("max_user_watches", 524_288),
            notify::ErrorKind::Io(error) if error.kind() == ErrorKind::WouldBlock => {
                if let Err(refused) = std::thread::Builder::new().spawn(|| {}) {
                    return Self::no_thread(&refused);
                }
                error.raw_os_error()
            }
            notify::ErrorKind::Io(error) => error.raw_os_error(),
            _ => None,
        };
        match number {
            // It stands for two limits. Where files cannot be opened either, it is that of files.
            Some(EMFILE) if is_out_of_files() => Self {
                what: "the system does not notify this program of changes: its limit of open files is used up".into(),
                advice: "raise it with 'ulimit -n', or LimitNOFILE for a service".into(),
            },
            Some(EMFILE) => Self::limit("max_user_instances", 512),
            Some(EACCES) => Self {
                what: format!("the system does not notify this program of changes: {error}"),
                advice: "make the folders in the home readable for the user that glassbox runs as".into(),
            },
            _ => Self {
                what: format!("the system does not notify this program of changes: {error}"),
                advice:
                    "to have them noticed at once, run it where inotify works: this kernel, or the container's seccomp \
                         profile, may not allow it"
                        .into(),
            },
        }
    }

    /// The watcher was given no thread.
    fn no_thread(error: &std::io::Error) -> Self {
        let words = no_thread(error);
        let (what, advice) = words.split_once("; ").unwrap_or((&words, "lift that limit"));
        Self { what: format!("the system does not notify this program of changes: {what}"), advice: advice.into() }
    }

    /// This limit of inotify is used up; it should be `enough` at least.
    fn limit(name: &str, enough: u64) -> Self {
        let now = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}"));
        let now = now.ok().and_then(|text| text.trim().parse::<u64>().ok());
        let enough = now.map_or(enough, |now| enough.max(now.saturating_mul(2)));
        let now = now.map_or_else(String::new, |now| format!(" (it is {now})"));
        Self {
            what: format!(
                "the system does not notify this program of changes: other programs have used up fs.inotify.{name}{now}"
            ),
            advice: format!(
                "run 'sudo sysctl fs.inotify.{name}={enough}'; to keep that, put the line 'fs.inotify.{name}={enough}' into \
                 /etc/sysctl.d/60-inotify.conf"
            ),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.advice)
    }
}

/// It may not be read: the same number on all systems like Unix.
const EACCES: i32 = 13;

#[cfg(unix)]
const EMFILE: i32 = nix::libc::EMFILE;
#[cfg(not(unix))]
const EMFILE: i32 = 24;

/// Whether this process cannot open as many files as a watcher needs, with some to spare.
fn is_out_of_files() -> bool {
    let open: Result<Vec<_>, _> = (0..8).map(|_| std::fs::File::open("/")).collect();
    open.is_err_and(|error| error.raw_os_error() == Some(EMFILE))
}
