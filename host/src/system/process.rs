//! Runs a small program for its output: no shell, no input, no environment but `PATH`, and a bound on
//! time and on bytes. What the output means is not known here.
//!
//! There is no thread. Output comes over a socket pair in place of a pipe, since the standard library
//! can wait for a socket for a limited time, so that nothing that the program or its children do can
//! hold us up: neither silence, nor a flood, nor a grandchild that keeps the output open.

use std::io;
use std::process::{Child, ExitStatus};
use std::time::Duration;

#[cfg(unix)]
pub(super) use unix::run;

/// What a program may use up.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(unix), expect(dead_code))]
pub(super) struct Limits {
    /// From its start to its end.
    pub(super) time: Duration,
    /// Of output.
    pub(super) bytes: usize,
}

/// Why there is no output.
#[derive(Debug)]
#[cfg_attr(not(unix), expect(dead_code))]
pub(super) enum Failure {
    /// There is no such program.
    Missing,
    /// It did not start, or was lost sight of.
    Io(io::Error),
    /// It took too long, and was killed.
    Late,
    /// It took too long, was killed, and is still there: it hangs in the kernel. Whoever keeps the
    /// child can ask it later whether it has gone.
    Stuck(Child),
    /// It wrote too much, and was killed.
    Flood,
    /// It ended with an error, having written this.
    Exit(ExitStatus, Vec<u8>),
}

/// Elsewhere there are none of the programs that this is for.
#[cfg(not(unix))]
pub(super) fn run(_: &std::path::Path, _: &[&str], _: Limits) -> Result<Vec<u8>, Failure> {
    Err(Failure::Missing)
}

#[cfg(unix)]
mod unix {
    use super::{Failure, Limits};
    use std::io::{self, ErrorKind, Read as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::process::{Child, Command, ExitStatus, Stdio};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    /// How long to wait for output before asking whether the program has ended. Only a program that
    /// does neither makes us wait this long.
    const READ: Duration = Duration::from_millis(20);
    /// How long to sleep before asking again, when there is no output to wait for.
    const NAP: Duration = Duration::from_millis(1);
    /// How long a killed program may take to go.
    const GRACE: Duration = Duration::from_millis(500);

    /// Run the program, looked up in `PATH` if it is a bare name, and return what it wrote to its
    /// standard output. Takes no longer than the limit and half a second.
    pub(crate) fn run(program: &Path, arguments: &[&str], limits: Limits) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + limits.time;
        let (mut child, mut pipe) = start(program, arguments).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::Missing,
            _ => Failure::Io(error),
        })?;
        match watch(&mut child, &mut pipe, deadline, limits.bytes) {
            Ok((status, output)) if status.success() => Ok(output),
            Ok((status, output)) => Err(Failure::Exit(status, output)),
            Err(failure) => Err(end(child).map_or(failure, Failure::Stuck)),
        }
    }

    /// The program and our end of its output. Its own end is closed here, or there would be no end of
    /// file.
    fn start(program: &Path, arguments: &[&str]) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(READ))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.stdin(Stdio::null()).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
        Ok((command.spawn()?, ours))
    }

    /// Read until the program has ended.
    fn watch(
        child: &mut Child,
        pipe: &mut UnixStream,
        deadline: Instant,
        limit: usize,
    ) -> Result<(ExitStatus, Vec<u8>), Failure> {
        let mut output = Vec::new();
        let mut open = true;
        loop {
            // Ask first, read afterwards: what it wrote before it ended is then there to be read.
            let ended = child.try_wait().map_err(Failure::Io)?;
            if ended.is_some() {
                pipe.set_nonblocking(true).map_err(Failure::Io)?;
            }
            // Once while it runs, so that the time is checked however slowly it drips; until nothing is
            // left when it has ended, whoever else may still hold the output open.
            while open {
                match read(pipe, &mut output).map_err(Failure::Io)? {
                    Read::Some if output.len() > limit => return Err(Failure::Flood),
                    Read::Some if ended.is_some() => {}
                    Read::Some | Read::NotYet => break,
                    Read::End => open = false,
                }
            }
            match ended {
                Some(status) => return Ok((status, output)),
                None if Instant::now() >= deadline => return Err(Failure::Late),
                None if !open => sleep(NAP),
                None => {}
            }
        }
    }

    enum Read {
        Some,
        NotYet,
        End,
    }

    fn read(pipe: &mut UnixStream, output: &mut Vec<u8>) -> io::Result<Read> {
        let mut part = [0; 256];
        match pipe.read(&mut part) {
            Ok(0) => Ok(Read::End),
            Ok(length) => {
                output.extend_from_slice(&part[..length]);
                Ok(Read::Some)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(Read::NotYet),
                ErrorKind::Interrupted => Ok(Read::Some),
                _ => Err(error),
            },
        }
    }

    /// Kill it and wait until it has gone; returned if it does not go. What it started itself lives
    /// on, and gets a broken pipe as soon as it writes.
    fn end(mut child: Child) -> Option<Child> {
        // An error means that it has ended by itself.
        let _ = child.kill();
        let deadline = Instant::now() + GRACE;
        while let Ok(None) = child.try_wait() {
            if Instant::now() >= deadline {
                return Some(child);
            }
            sleep(NAP);
        }
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::scratch::Folder;
    use super::*;
    use std::path::Path;
    use std::time::Instant;

    /// More time than a busy machine needs.
    const LIMITS: Limits = Limits { time: Duration::from_secs(10), bytes: 1024 };
    /// Time to start, and then to be late.
    const SHORT: Limits = Limits { time: Duration::from_millis(700), bytes: 1024 };

    fn script(lines: &str) -> Result<Vec<u8>, Failure> {
        let folder = Folder::new();
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
        assert!(matches!(script("printf '%01025d' 0"), Err(Failure::Flood)));
    }

    #[test]
    fn has_no_input_and_only_path_in_its_environment() {
        let environment = run(Path::new("env"), &[], LIMITS).unwrap();
        assert_eq!(environment, format!("PATH={}\n", std::env::var("PATH").unwrap()).into_bytes());
        assert_eq!(run(Path::new("cat"), &[], LIMITS).unwrap(), b"");
    }

    #[test]
    fn tells_missing_from_failing() {
        assert!(matches!(run(Path::new("/nowhere/program"), &[], LIMITS), Err(Failure::Missing)));
        assert!(matches!(run(Path::new("glassbox-no-such-program"), &[], LIMITS), Err(Failure::Missing)));
        let folder = Folder::new();
        let plain = folder.file("plain", "not executable");
        assert!(matches!(run(&plain, &[], LIMITS), Err(Failure::Io(_))));
        let Err(Failure::Exit(status, output)) = script("echo why; exit 3") else { panic!() };
        assert_eq!((status.code(), output.as_slice()), (Some(3), &b"why\n"[..]));
        assert!(matches!(script("kill -9 $$"), Err(Failure::Exit(..))));
    }

    #[test]
    fn kills_and_reaps_what_takes_too_long() {
        let folder = Folder::new();
        let pid = folder.path().join("pid");
        // Silent; with its output closed, so that there is nothing to wait for; with a little to read
        // again and again.
        for lines in ["exec sleep 10", "exec sleep 10 >&-", "while :; do printf x; sleep 0.01; done"] {
            let program = folder.script(&format!("echo $$ > '{}'; {lines}", pid.display()));
            let start = Instant::now();
            assert!(matches!(run(&program, &[], SHORT), Err(Failure::Late)), "{lines}");
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
        assert!(matches!(script("while :; do echo throttled=0x0; done"), Err(Failure::Flood)));
        assert!(matches!(script("exec yes"), Err(Failure::Flood)));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_background_child_that_keeps_the_output_open_does_not_hold_us_up() {
        let start = Instant::now();
        assert_eq!(script("sleep 5 & echo done").unwrap(), b"done\n");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
