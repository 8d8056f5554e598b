//! The way to the home: what is mounted on it and below, and the symbolic links that lead to it. Any of them may come to
//! lead elsewhere, which no notification for a folder tells. Only Linux can be asked; elsewhere nothing is known of it.

use std::path::PathBuf;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The folder or the file that it covers.
    pub(super) at: PathBuf,
    /// The file system's name: `ext4`, `nfs4`, `fuse.sshfs`.
    pub(super) kind: String,
}

#[cfg(target_os = "linux")]
pub(super) use linux::{Way, mounts};

#[cfg(target_os = "linux")]
mod linux {
    use super::Mount;
    use glassbox_util::files::links;
    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    use std::ffi::OsString;
    use std::fs::File;
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::ffi::OsStringExt;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// How long after a change the way is looked at.
    const SETTLE: Duration = Duration::from_millis(200);

    const TABLE: &str = "/proc/self/mountinfo";

    /// All mounts, in the order in which they were made.
    ///
    /// # Errors
    /// When the system does not say.
    pub(in super::super) fn mounts() -> io::Result<Vec<Mount>> {
        let text = std::fs::read(TABLE)?;
        Ok(text.split(|byte| *byte == b'\n').filter_map(parse).collect())
    }

    /// The way to a home, while it is watched.
    pub(in super::super) struct Way {
        root: PathBuf,
        table: Option<File>,
        /// Watches the links themselves.
        links: Option<Inotify>,
        /// Whether it does, or there are none.
        is_watched: Arc<AtomicBool>,
    }

    impl Way {
        /// Watch the way to this folder; `is_watched` says whether its links are.
        pub(in super::super) fn new(root: &Path, is_watched: &Arc<AtomicBool>) -> Self {
            let table = File::open(TABLE).ok();
            let mut way = Self { root: root.into(), table, links: None, is_watched: is_watched.clone() };
            way.watch_links();
            way
        }

        /// Wait until something on the way changes, and call this; again and again, until it returns false. Takes no
        /// processor time meanwhile.
        pub(in super::super) fn wait(mut self, mut on_change: impl FnMut() -> bool) {
            loop {
                let table = self.table.iter().map(|table| PollFd::new(table.as_fd(), PollFlags::POLLPRI));
                let links = self.links.iter().map(|links| PollFd::new(links.as_fd(), PollFlags::POLLIN));
                let mut both: Vec<_> = table.chain(links).collect();
                // Links that cannot be watched now can be when another program ends.
                let retry = PollTimeout::try_from(super::super::PERIOD).unwrap_or(PollTimeout::MAX);
                let longest = if self.is_watched.load(Ordering::SeqCst) { PollTimeout::NONE } else { retry };
                match poll(&mut both, longest) {
                    _ if both.is_empty() => return,
                    Ok(_) => {}
                    Err(Errno::EINTR) => continue,
                    Err(_) => return self.is_watched.store(false, Ordering::SeqCst),
                }
                // Several changes often come together.
                std::thread::sleep(SETTLE);
                // Before it is looked at, so that no change is missed between the two.
                self.watch_links();
                if !on_change() {
                    return;
                }
            }
        }

        fn watch_links(&mut self) {
            let links = links(&self.root);
            let watched = if links.is_empty() { Ok(None) } else { watch(&links).map(Some) };
            self.is_watched.store(watched.is_ok(), Ordering::SeqCst);
            self.links = watched.ok().flatten();
        }
    }

    fn watch(links: &[PathBuf]) -> nix::Result<Inotify> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        // A link is replaced by removing it, by moving another one over it, or by moving it away.
        let gone = AddWatchFlags::IN_ATTRIB | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        for link in links {
            inotify.add_watch(link, gone | AddWatchFlags::IN_DONT_FOLLOW)?;
        }
        Ok(inotify)
    }

    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`: the fifth word, and the one after the dash.
    fn parse(line: &[u8]) -> Option<Mount> {
        let mut words = line.split(|byte| *byte == b' ');
        let at = unescaped(words.nth(4)?);
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        Some(Mount { at: OsString::from_vec(at).into(), kind: String::from_utf8_lossy(kind).into_owned() })
    }

    /// Blanks and the like are written as a backslash and three octal digits.
    fn unescaped(word: &[u8]) -> Vec<u8> {
        let (mut out, mut rest) = (Vec::new(), word);
        while let Some((first, after)) = rest.split_first() {
            let code = after.get(..3).filter(|_| *first == b'\\').and_then(|code| std::str::from_utf8(code).ok());
            let byte = code.and_then(|code| u8::from_str_radix(code, 8).ok());
            out.push(byte.unwrap_or(*first));
            rest = if byte.is_some() { &after[3..] } else { after };
        }
        out
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_line_of_the_table_is_understood() {
            let mount = |line: &str| parse(line.as_bytes()).map(|mount| (mount.at, mount.kind));
            let found = |at: &str, kind: &str| Some((at.into(), kind.into()));
            assert_eq!(
                mount("36 35 98:0 /mnt1 /home/pi rw,noatime master:1 shared:7 - ext3 /dev/root rw"),
                found("/home/pi", "ext3")
            );
            assert_eq!(mount(r"1 2 0:1 / /a\040b\134040c\ rw - fuse.x y rw"), found(r"/a b\040c\", "fuse.x"));
            assert_eq!(mount("36 35 98:0 / /mnt rw"), None);
            assert_eq!(mount(""), None);
            assert!(mounts().is_ok_and(|all| all.iter().any(|mount| mount.at == Path::new("/"))));
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{Way, mounts};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::Mount;
    use glassbox_util::files::links;
    use std::io;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    pub(in super::super) fn mounts() -> io::Result<Vec<Mount>> {
        Ok(Vec::new())
    }

    pub(in super::super) struct Way;

    impl Way {
        pub(in super::super) fn new(root: &Path, is_watched: &Arc<AtomicBool>) -> Self {
            is_watched.store(links(root).is_empty(), Ordering::SeqCst);
            Self
        }

        pub(in super::super) fn wait(self, _: impl FnMut() -> bool) {}
    }
}
