//! Runs a small program for its output: no shell, no input, no environment but what says where programs and their
//! libraries are, and a bound on time and on bytes. What the output means is not known here.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use subprocess::{Communicator, Exec, ExitStatus, Process, Redirection};

/// What a program may use up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From its start to its end.
    pub(super) time: Duration,
    /// Of output, with what goes to standard error.
    pub(super) bytes: usize,
}

/// Why there is no output.
#[derive(Debug)]
pub(super) enum RunError {
    /// There is no such program.
    Missing,
    /// It could not be started or watched.
    Io(io::Error),
    /// It took too long, and was killed.
    Late,
    /// It took too long, was killed, and is still there: it hangs in the kernel. Whoever keeps it can ask it later
    /// whether it has gone.
    Stuck(Process),
    /// It wrote too much, and was killed.
    Flood,
    /// It ended with an error, having written this.
    Exit(ExitStatus, Written),
}

/// What a program wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// To its standard output.
    pub(super) out: Vec<u8>,
    /// To its standard error.
    pub(super) err: Vec<u8>,
}

impl Written {
    fn len(&self) -> usize {
        self.out.len() + self.err.len()
    }
}

/// How long to wait for output before asking whether the program has ended: a process that it started may keep the
/// output open for longer.
const READ: Duration = Duration::from_millis(20);
/// How long a killed program may take to go.
const GRACE: Duration = Duration::from_millis(500);

/// Where a Raspberry Pi's firmware had its libraries until 2021. Their programs find them by a setting of the system's,
/// which a container does not have.
const FIRMWARE: &str = "/opt/vc/lib";

/// Run the program, looked up in `PATH` if it is a bare name, and return what it wrote. Takes no longer than the limit and
/// half a second.
pub(super) fn run(program: &Path, arguments: &[&str], limits: Limits) -> Result<Written, RunError> {
    let deadline = Instant::now() + limits.time;
    let (process, output) = start(program, arguments).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RunError::Missing,
        _ => RunError::Io(error),
    })?;
    match watch(&process, output, deadline, limits.bytes) {
        // Whoever was started with SIGCHLD ignored is not told how it ended.
        Ok((status, output)) if status.success() || status.code().is_none() && status.signal().is_none() => Ok(output),
        Ok((status, output)) => Err(RunError::Exit(status, output)),
        Err(failure) => Err(if end(&process) { failure } else { RunError::Stuck(process) }),
    }
}

fn start(program: &Path, arguments: &[&str]) -> io::Result<(Process, Communicator)> {
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty());
    if path.is_none() && program.parent() == Some(Path::new("")) {
        // It would be taken from the working folder.
        return Err(io::ErrorKind::NotFound.into());
    }
    let command = Exec::cmd(program).args(arguments.iter().copied()).env_clear();
    let libraries = libraries(std::env::var_os(LIBRARIES), Path::new(FIRMWARE));
    let command = command.env_extend(path.map(|path| ("PATH", path)));
    let command = command.env_extend(libraries.map(|libraries| (LIBRARIES, libraries)));
    let command = command.stdin(Redirection::Null).stdout(Redirection::Pipe).stderr(Redirection::Pipe);
    // Detached: else dropping a process waits for it, even for one that hangs in the kernel.
    let mut job = command.detached().start()?;
    let output = job.communicate()?;
    let process = job.processes.pop().ok_or(io::ErrorKind::NotFound)?;
    Ok((process, output))
}

const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// Where its libraries are: where they are for us, and with the firmware if that folder is there.
fn libraries(ours: Option<OsString>, firmware: &Path) -> Option<OsString> {
    let ours = ours.filter(|ours| !ours.is_empty());
    if !firmware.is_dir() {
        return ours;
    }
    let mut all = ours.map_or_else(OsString::new, |mut ours| {
        ours.push(":");
        ours
    });
    all.push(firmware);
    Some(all)
}

/// Read until the program has ended. Nothing that it or its children do holds us up for longer than the deadline: neither
/// silence, nor a flood, nor a grandchild that keeps the output open.
fn watch(
    process: &Process,
    mut output: Communicator,
    deadline: Instant,
    limit: usize,
) -> Result<(ExitStatus, Written), RunError> {
    let mut written = Written::default();
    loop {
        // Ask first, read afterwards: what it wrote before it ended is then there to be read.
        let ended = process.poll();
        let wait = if ended.is_some() { Duration::ZERO } else { READ };
        output = output.limit_time(wait).limit_size(limit + 1 - written.len());
        let is_closed = match output.read_to(&mut written.out, &mut written.err) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => false,
            Err(error) => return Err(RunError::Io(error)),
            Ok(()) if written.len() > limit => return Err(RunError::Flood),
            Ok(()) => true,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let ended = match ended {
            None if is_closed => process.wait_timeout(left).map_err(RunError::Io)?,
            ended => ended,
        };
        match ended {
            Some(status) => return Ok((status, written)),
            None if left.is_zero() || is_closed => return Err(RunError::Late),
            None => {}
        }
    }
}

/// Kill it; false if it has not gone after a while. What it started itself lives on, and gets a broken pipe as soon as it
/// writes.
fn end(process: &Process) -> bool {
    // An error means that it has ended by itself.
    let _ = process.kill();
    !matches!(process.wait_timeout(GRACE), Ok(None))
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::test_folder::TestFolder;
    use super::*;
    use std::path::Path;
    use std::time::Instant;

    /// More time than a busy machine needs.
    const LIMITS: Limits = Limits { time: Duration::from_secs(10), bytes: 1024 };
    /// Time to start, and then to be late.
    const SHORT: Limits = Limits { time: Duration::from_millis(700), bytes: 1024 };

    fn script(lines: &str) -> Result<Vec<u8>, RunError> {
        let folder = TestFolder::new();
        run(&folder.script(lines), &["one", "two words"], LIMITS).map(|written| written.out)
    }

    #[test]
    fn gives_the_output_and_passes_arguments_as_they_are() {
        assert_eq!(script(r#"printf '%s|' "$@"; echo error >&2"#).unwrap(), b"one|two words|");
        assert_eq!(script("true").unwrap(), b"");
        let folder = TestFolder::new();
        let written = run(&folder.script("echo error >&2; echo done; echo again >&2"), &[], LIMITS).unwrap();
        assert_eq!((&written.out[..], &written.err[..]), (&b"done\n"[..], &b"error\nagain\n"[..]));
    }

    #[test]
    fn gives_all_output_up_to_the_limit_and_no_more() {
        assert_eq!(script("printf '%01024d' 0").unwrap().len(), 1024);
        assert!(matches!(script("printf '%01025d' 0"), Err(RunError::Flood)));
        assert!(matches!(script("printf '%01025d' 0 >&2"), Err(RunError::Flood)));
    }

    #[test]
    fn has_no_input_and_only_paths_in_its_environment() {
        let environment = run(Path::new("env"), &[], LIMITS).unwrap().out;
        let environment = String::from_utf8(environment).unwrap();
        let mut lines: Vec<_> = environment.lines().collect();
        lines.sort_unstable();
        let path = format!("PATH={}", std::env::var("PATH").unwrap());
        let libraries = libraries(std::env::var_os(LIBRARIES), Path::new(FIRMWARE));
        let libraries = libraries.map(|libraries| format!("{LIBRARIES}={}", libraries.to_str().unwrap()));
        let expected: Vec<_> = libraries.iter().map(String::as_str).chain([path.as_str()]).collect();
        assert_eq!(lines, expected);
        assert_eq!(run(Path::new("cat"), &[], LIMITS).unwrap().out, b"");
    }

    #[test]
    fn libraries_are_where_ours_are_and_with_the_firmware() {
        let folder = TestFolder::new();
        let (there, nowhere) = (folder.path(), Path::new("/nowhere"));
        let with = |ours: Option<&str>, firmware| {
            libraries(ours.map(Into::into), firmware).map(|found| found.to_str().unwrap().to_string())
        };
        let firmware = there.to_str().unwrap();
        assert_eq!((with(None, nowhere), with(Some(""), nowhere)), (None, None));
        assert_eq!(with(Some("/a:/b"), nowhere).as_deref(), Some("/a:/b"));
        assert_eq!((with(None, there).as_deref(), with(Some(""), there).as_deref()), (Some(firmware), Some(firmware)));
        assert_eq!(with(Some("/a:/b"), there), Some(format!("/a:/b:{firmware}")));
    }

    #[test]
    fn tells_missing_from_failing() {
        assert!(matches!(run(Path::new("/nowhere/program"), &[], LIMITS), Err(RunError::Missing)));
        assert!(matches!(run(Path::new("glassbox-no-such-program"), &[], LIMITS), Err(RunError::Missing)));
        let folder = TestFolder::new();
        let plain = folder.file("plain", "not executable");
        assert!(matches!(run(&plain, &[], LIMITS), Err(RunError::Io(_))));
        let Err(RunError::Exit(status, written)) = script("echo why; echo because >&2; exit 3") else { panic!() };
        let written = (&written.out[..], &written.err[..]);
        assert_eq!((status.code(), written), (Some(3), (&b"why\n"[..], &b"because\n"[..])));
        assert!(matches!(script("kill -9 $$"), Err(RunError::Exit(..))));
    }

    #[test]
    fn kills_and_reaps_what_takes_too_long() {
        let folder = TestFolder::new();
        let pid = folder.path().join("pid");
        // Silent; with its output closed, so that there is nothing to wait for; with a little to read
        // again and again.
        for lines in ["exec sleep 10", "exec sleep 10 >&-", "while :; do printf x; sleep 0.01; done"] {
            let program = folder.script(&format!("echo $$ > '{}'; {lines}", pid.display()));
            let start = Instant::now();
            assert!(matches!(run(&program, &[], SHORT), Err(RunError::Late)), "{lines}");
            let took = start.elapsed();
            assert!(took >= SHORT.time && took < Duration::from_secs(5), "{lines}: {took:?}");
            // A process that was killed but not waited for would still be listed.
            let pid = std::fs::read_to_string(&pid).unwrap();
            let listed = std::process::Command::new("kill").args(["-0", pid.trim()]).output().unwrap();
            assert!(!listed.status.success(), "{lines}");
        }
    }

    #[test]
    fn a_flood_is_cut_off_at_once() {
        let start = Instant::now();
        assert!(matches!(script("while :; do echo throttled=0x0; done"), Err(RunError::Flood)));
        assert!(matches!(script("exec yes"), Err(RunError::Flood)));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_background_child_that_keeps_the_output_open_does_not_hold_us_up() {
        let start = Instant::now();
        assert_eq!(script("sleep 5 & echo done").unwrap(), b"done\n");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
