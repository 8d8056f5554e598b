//! Runs a small program for its output: no shell, no input, no environment but `PATH`, and a bound on time and on bytes.
//! What the output means is not known here.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use subprocess::{Communicator, Exec, ExitStatus, Process, Redirection};

/// What a program may use up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From its start to its end.
    pub(super) time: Duration,
    /// Of output.
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
    Exit(ExitStatus, Vec<u8>),
}

/// How long to wait for output before asking whether the program has ended: a process that it started may keep the
/// output open for longer.
const READ: Duration = Duration::from_millis(20);
/// How long a killed program may take to go.
const GRACE: Duration = Duration::from_millis(500);

/// Run the program, looked up in `PATH` if it is a bare name, and return what it wrote to its standard output. Takes no
/// longer than the limit and half a second.
pub(super) fn run(program: &Path, arguments: &[&str], limits: Limits) -> Result<Vec<u8>, RunError> {
    let deadline = Instant::now() + limits.time;
    let (process, output) = start(program, arguments).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RunError::Missing,
        _ => RunError::Io(error),
    })?;
    match watch(&process, output, deadline, limits.bytes) {
        Ok((status, output)) if status.success() => Ok(output),
        Ok((status, output)) => Err(RunError::Exit(status, output)),
        Err(failure) => Err(if end(&process) { failure } else { RunError::Stuck(process) }),
    }
}

fn start(program: &Path, arguments: &[&str]) -> io::Result<(Process, Communicator)> {
    // Without PATH a bare name would be taken from the working folder.
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty()).ok_or(io::ErrorKind::NotFound)?;
    let command = Exec::cmd(program).args(arguments.iter().copied()).env_clear().env("PATH", path);
    let command = command.stdin(Redirection::Null).stdout(Redirection::Pipe).stderr(Redirection::Null);
    // Detached: else dropping a process waits for it, even for one that hangs in the kernel.
    let mut job = command.detached().start()?;
    let output = job.communicate()?;
    let process = job.processes.pop().ok_or(io::ErrorKind::NotFound)?;
    Ok((process, output))
}

/// Read until the program has ended. Nothing that it or its children do holds us up for longer than the deadline: neither
/// silence, nor a flood, nor a grandchild that keeps the output open.
fn watch(
    process: &Process,
    mut output: Communicator,
    deadline: Instant,
    limit: usize,
) -> Result<(ExitStatus, Vec<u8>), RunError> {
    let mut written = Vec::new();
    loop {
        // Ask first, read afterwards: what it wrote before it ended is then there to be read.
        let ended = process.poll();
        let wait = if ended.is_some() { Duration::ZERO } else { READ };
        output = output.limit_time(wait).limit_size(limit + 1 - written.len());
        let is_closed = match output.read_to(&mut written, io::sink()) {
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
        run(&folder.script(lines), &["one", "two words"], LIMITS)
    }

    #[test]
    fn gives_the_output_and_passes_arguments_as_they_are() {
        assert_eq!(script(r#"printf '%s|' "$@"; echo error >&2"#).unwrap(), b"one|two words|");
        assert_eq!(script("true").unwrap(), b"");
    }

    #[test]
    fn gives_all_output_up_to_the_limit_and_no_more() {
        assert_eq!(script("printf '%01024d' 0").unwrap().len(), 1024);
        assert!(matches!(script("printf '%01025d' 0"), Err(RunError::Flood)));
    }

    #[test]
    fn has_no_input_and_only_path_in_its_environment() {
        let environment = run(Path::new("env"), &[], LIMITS).unwrap();
        assert_eq!(environment, format!("PATH={}\n", std::env::var("PATH").unwrap()).into_bytes());
        assert_eq!(run(Path::new("cat"), &[], LIMITS).unwrap(), b"");
    }

    #[test]
    fn tells_missing_from_failing() {
        assert!(matches!(run(Path::new("/nowhere/program"), &[], LIMITS), Err(RunError::Missing)));
        assert!(matches!(run(Path::new("glassbox-no-such-program"), &[], LIMITS), Err(RunError::Missing)));
        let folder = TestFolder::new();
        let plain = folder.file("plain", "not executable");
        assert!(matches!(run(&plain, &[], LIMITS), Err(RunError::Io(_))));
        let Err(RunError::Exit(status, output)) = script("echo why; exit 3") else { panic!() };
        assert_eq!((status.code(), output.as_slice()), (Some(3), &b"why\n"[..]));
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
