//! What is mounted where. Only Linux tells; elsewhere nothing is known of it.

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
pub(super) use linux::{mounts, wait};

#[cfg(target_os = "linux")]
mod linux {
    use super::Mount;
    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::ffi::OsString;
    use std::fs::File;
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::ffi::OsStringExt;
    use std::time::Duration;

    /// How long after a change the mounts are looked at.
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

    /// Wait until something is mounted or unmounted, and call this; again and again, until it returns false. Takes no
    /// processor time meanwhile.
    pub(in super::super) fn wait(mut on_change: impl FnMut() -> bool) {
        let Ok(table) = File::open(TABLE) else { return };
        loop {
            let mut changed = [PollFd::new(table.as_fd(), PollFlags::POLLPRI)];
            match poll(&mut changed, PollTimeout::NONE) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            }
            // Several often come together.
            std::thread::sleep(SETTLE);
            if !on_change() {
                return;
            }
        }
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
            match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
                Some(byte) => (out.push(byte), rest = &after[3..]).1,
                None => (out.push(*first), rest = after).1,
            }
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
            assert!(mounts().is_ok_and(|all| all.iter().any(|mount| mount.at == std::path::Path::new("/"))));
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mounts() -> std::io::Result<Vec<Mount>> {
    Ok(Vec::new())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn wait(_: impl FnMut() -> bool) {}
