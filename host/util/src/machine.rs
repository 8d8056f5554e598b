//! What a machine has too little of, or does not allow: errors that say nothing about the file that was being read or
//! written, and so are not mended there.

use std::error::Error;
use std::io::{self, ErrorKind};

/// The system's numbers for: interrupted, input and output failed, no memory, too many open files (of the machine, and of
/// this process). They are the same on all systems like Unix.
const NUMBERS: [i32; 5] = [4, IO, 12, FILES_OF_MACHINE, FILES];
const IO: i32 = 5;
const FILES_OF_MACHINE: i32 = 23;
const FILES: i32 = 24;

/// Whether this is about the machine at this moment, and says nothing about the file.
pub fn is_machines(error: &io::Error) -> bool {
    let passes = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::StaleNetworkFileHandle);
    passes || number(error).is_some_and(|number| NUMBERS.contains(&number))
}

/// The system's number of an error; none if it is not the system's.
fn number(error: &io::Error) -> Option<i32> {
    if cfg!(unix) { error.raw_os_error() } else { None }
}

/// What to do about it, if somewhere in this error the machine is short of something, or refuses to write at all.
///
/// ```
/// use std::io::{Error, ErrorKind};
///
/// let full = Error::from(ErrorKind::StorageFull);
/// assert_eq!(glassbox_util::machine::advice(&full), Some("make room on the disk"));
/// assert_eq!(glassbox_util::machine::advice(&Error::other("odd")), None);
/// ```
pub fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(advice) = error.downcast_ref().and_then(advice_for) {
            return Some(advice);
        }
        cause = error.source();
    }
    None
}

fn advice_for(error: &io::Error) -> Option<&'static str> {
    // One that was given more words has the system's own inside.
    if let Some(advice) = error.get_ref().and_then(|inner| advice(inner)) {
        return Some(advice);
    }
    match error.kind() {
        ErrorKind::StorageFull => Some("make room on the disk"),
        ErrorKind::QuotaExceeded => Some("make room within this user's quota on the disk"),
        ErrorKind::ReadOnlyFilesystem => {
            Some("have its file system mounted so that it can be written, or choose another place for it")
        }
        ErrorKind::FileTooLarge => {
            Some("raise the limit on the size of files with 'ulimit -f', or LimitFSIZE for a service")
        }
        ErrorKind::StaleNetworkFileHandle => {
            Some("see that the machine that has the file can be reached, and try again")
        }
        _ => match number(error)? {
            IO => Some("see what the kernel's log says about the disk (dmesg), and try again"),
            FILES => Some("raise the limit of open files with 'ulimit -n', or LimitNOFILE for a service"),
            FILES_OF_MACHINE => Some("end something else on this machine, which has too many files open (fs.file-max)"),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_lacks_is_found_wherever_it_is() {
        let disk = || io::Error::from_raw_os_error(28);
        let worded = io::Error::other(io::Error::from_raw_os_error(FILES));
        let nested = anyhow::Error::from(disk()).context("writing a").context("outside");
        assert!(advice(&*Box::<dyn Error + Send + Sync>::from(nested)).is_some_and(|advice| advice.contains("room")));
        assert!(advice(&worded).is_some_and(|advice| advice.contains("'ulimit -n'")));
        assert!(advice(&io::Error::from_raw_os_error(30)).is_some_and(|advice| advice.contains("mounted")));
        assert_eq!(advice(&io::Error::from(ErrorKind::NotFound)), None);
    }

    #[test]
    fn a_file_is_not_to_blame_for_what_the_machine_lacks() {
        for number in NUMBERS {
            assert!(is_machines(&io::Error::from_raw_os_error(number)), "{number}");
        }
        // Nothing there, not allowed, a link that leads in a circle; and what we say ourselves.
        for number in [2, 13, 40] {
            assert!(!is_machines(&io::Error::from_raw_os_error(number)), "{number}");
        }
        assert!(!is_machines(&io::Error::other("it is too large")));
    }
}
