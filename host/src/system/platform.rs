//! The name of the platform on Linux, as Python's `platform.platform()` makes it and OctoPrint reports it, for example
//! `Linux-6.1.21-v8+-aarch64-with-glibc2.31`. Source: `Lib/platform.py` of Python 3.

use super::hardware::clean;
use super::process::{Limits, run};
use std::path::Path;
use std::time::Duration;

/// What `getconf` may use up.
const GETCONF: Limits = Limits { time: Duration::from_secs(1), bytes: 1024 };

/// The version of the C library, for example `2.36`; none if it is not glibc.
pub(super) fn glibc() -> Option<String> {
    let output = run(Path::new("getconf"), &["GNU_LIBC_VERSION"], GETCONF).ok()?;
    clean(String::from_utf8_lossy(&output.out).trim().strip_prefix("glibc ")?)
}

/// The name, from the kernel's release, the processor's name and glibc's version: joined by `-`, without characters that
/// are awkward in file names, and without the word `unknown`.
pub(super) fn linux(release: &str, machine: &str, libc: Option<&str>) -> String {
    let mut name = format!("Linux-{release}-{machine}");
    if let Some(version) = libc {
        name += &format!("-with-glibc{version}");
    }
    let name = name.replace(' ', "_").replace(['/', '\\', ':', ';', '"', '(', ')'], "-").replace("unknown", "");
    name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_is_tidied_as_python_does() {
        assert_eq!(linux("5.10.0", "armv7l", Some("2.31")), "Linux-5.10.0-armv7l-with-glibc2.31");
        assert_eq!(linux("5.10.0 (a/b)", "unknown", None), "Linux-5.10.0_-a-b");
    }
}
