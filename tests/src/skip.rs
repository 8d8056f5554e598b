//! What a test does that needs a tool which this machine lacks.

use std::ffi::OsStr;
use std::io::Write;
use std::panic::Location;

/// Where this variable is set and not empty, as in `.ci/run`, a test that would be skipped fails.
const NO_SKIP: &str = "GLASSBOX_TEST_NO_SKIP";

/// Where this variable names a file, a line is added to it for each test that is skipped.
const SKIPS: &str = "GLASSBOX_SKIPS";

/// Say that the test which calls this, or a part of it, is skipped, and why: `skipped: TEST: WHY`. Whoever
/// runs the tests sees it, though libtest hides what a passing test prints. The caller returns afterwards.
///
/// ```no_run
/// # use std::process::Command;
/// if Command::new("openssl").arg("version").output().is_err() {
///     return glassbox_tests::skip("openssl is not installed");
/// }
/// ```
///
/// # Panics
/// When `GLASSBOX_TEST_NO_SKIP` is set, or when the file that `GLASSBOX_SKIPS` names cannot be written.
#[track_caller]
pub fn skip(why: &str) {
    let thread = std::thread::current();
    // libtest names a test's thread after it, but for one test at a time it uses the main thread.
    let test = thread.name().filter(|name| *name != "main").map_or_else(|| Location::caller().to_string(), Into::into);
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let line = format!("skipped: {test}: {why}\n");
    // Not eprint!, which libtest captures.
    let _ = std::io::stderr().write_all(line.as_bytes());
    note(&line, set(SKIPS).as_deref(), set(NO_SKIP).is_some());
}

fn note(line: &str, file: Option<&OsStr>, forbidden: bool) {
    if let Some(file) = file {
        let opened = std::fs::File::options().append(true).create(true).open(file);
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("{SKIPS}: {}: {error}", file.display()));
    }
    assert!(!forbidden, "nothing may be skipped where {NO_SKIP} is set");
}

#[cfg(test)]
mod tests {
    use super::note;

    #[test]
    fn a_skipped_test_is_listed_and_fails_where_it_must() {
        let folder = crate::Folder::new("skip");
        let file = folder.0.join("skips");
        let passes =
            |line: &str, forbidden| std::panic::catch_unwind(|| note(line, Some(file.as_os_str()), forbidden)).is_ok();
        assert!(passes("skipped: one\n", false) && !passes("skipped: two\n", true));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "skipped: one\nskipped: two\n");
    }
}
