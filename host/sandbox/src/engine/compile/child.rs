//! The process that compiles one component: this program, started once more with [`ARGUMENT`]. It takes the component on its
//! standard input, and puts a line about itself and the compiled code on its standard output. It limits itself before it
//! reads anything; how long it takes in all is watched from outside.

use super::{Failure, Needed, here};
use crate::engine::config::{Purpose, Room, is_limited};
use crate::limits::{self, COMPILE_MEMORY, COMPILE_PATIENCE, COMPILE_TIME, COMPILED, COMPONENT};
use nix::libc::{SIGABRT, SIGSEGV, SIGXCPU};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, rlim_t, setrlimit};
use nix::sys::time::TimeValLike;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use subprocess::{Exec, ExecExt, ExitStatus, Redirection};

/// What tells a process that it is to compile.
const ARGUMENT: &str = "--compile-component";

/// Begins an answer: without it, something else than this program was started.
const MARK: &str = "glassbox compiled";

/// What the process writes about a failure: some lines.
const COMPLAINT: usize = 16 << 10;

/// The end status of a process that says what is wrong with the component.
const WRONG: u8 = 3;

/// Whether the program calls [`compile_if_asked`] where it begins.
static OFFERED: AtomicBool = AtomicBool::new(false);

/// To be called by a program where it begins, before it looks at its arguments. If this process was started to compile a
/// component, it does so, and this is the status to end with. Otherwise components are compiled by such processes from now
/// on.
#[must_use]
pub fn compile_if_asked() -> Option<ExitCode> {
    // Not all that people give is UTF-8.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != ARGUMENT) {
        OFFERED.store(true, Ordering::SeqCst);
        return None;
    }
    let asked = arguments.next().and_then(|asked| serde_json::from_str(asked.to_str()?).ok());
    Some(asked.map_or(ExitCode::from(2), |(purpose, room)| answer(purpose, room)))
}

pub(super) fn is_offered() -> bool {
    OFFERED.load(Ordering::SeqCst)
}

/// What the process does.
fn answer(purpose: Purpose, room: Room) -> ExitCode {
    limit();
    let mut bytes = Vec::new();
    if io::stdin().take(COMPONENT as u64 + 1).read_to_end(&mut bytes).is_err() {
        return ExitCode::from(2);
    }
    let compiled = here(purpose, room, &bytes).map(|code| (0, code));
    let (status, text) = compiled.unwrap_or_else(|reasons| (WRONG, reasons.join("\n").into_bytes()));
    let used = getrusage(UsageWho::RUSAGE_SELF).ok();
    let time = used.map_or(0, |used| (used.user_time() + used.system_time()).num_milliseconds());
    let memory = used.map_or(0, |used| used.max_rss());
    let mut out = io::stdout();
    // How it ends and how long the text is, for a parent that is not told: one that was started with SIGCHLD ignored.
    let written = writeln!(out, "{MARK} {time} {memory} {status} {}", text.len())
        .and_then(|()| out.write_all(&text))
        .and_then(|()| out.flush());
    if written.is_ok() { ExitCode::from(status) } else { ExitCode::from(2) }
}

/// Limit this process: its time, its memory, and that it ends with whoever started it. What the system does not let us
/// limit, it does not; then there are the limits on the component, and the parent's patience.
fn limit() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let set = |what, most: rlim_t| {
        let Ok((_, hard)) = getrlimit(what) else { return };
        // At the hard limit of time it would be killed without a reason.
        let _ = setrlimit(what, most.min(hard), hard);
    };
    let memory = rlim_t::from(COMPILE_MEMORY);
    set(Resource::RLIMIT_CORE, 0);
    set(Resource::RLIMIT_CPU, u32::try_from(COMPILE_TIME.as_secs()).map_or(rlim_t::MAX, rlim_t::from));
    // What it allocates; on some systems only the other one is heeded, which also counts the program itself.
    set(Resource::RLIMIT_DATA, memory);
    if let Some(own) = address_space() {
        set(Resource::RLIMIT_AS, own.saturating_add(memory));
    }
}

/// The address space that this process has by now, in bytes, if the system says.
fn address_space() -> Option<rlim_t> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<rlim_t>().ok()?.checked_mul(1024)
}

/// Have a component compiled.
pub(super) fn compile(purpose: Purpose, room: Room, bytes: &[u8]) -> Result<(Vec<u8>, Needed), Failure> {
    let none = |error: io::Error| Failure::NoProcess(format!("the system starts no process for it: {error}"));
    // This very program, even if another version has taken its place on the disk.
    let program = std::path::PathBuf::from("/proc/self/exe");
    let program = if program.exists() { program } else { std::env::current_exe().map_err(none)? };
    let mut job = Exec::cmd(program)
        .arg0("glassbox")
        .args([ARGUMENT, &serde_json::json!((purpose, room)).to_string()])
        .stdin(bytes.to_vec())
        .stdout(Redirection::Pipe)
        .stderr(Redirection::Null)
        // A Ctrl-C at the terminal is for us.
        .setpgid()
        .detached()
        .start()
        .map_err(none)?;
    let deadline = Instant::now() + COMPILE_PATIENCE;
    let mut answer = Vec::new();
    let read = job.communicate().and_then(|communicator| {
        communicator.limit_time(COMPILE_PATIENCE).limit_size(COMPILED + COMPLAINT).read_to(&mut answer, io::sink())
    });
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
    let Ok(Some(status)) = job.wait_timeout(left) else {
        // One that hangs in the kernel is not waited for.
        let _ = job.kill();
        let _ = job.wait_timeout(Duration::from_secs(1));
        return Err(wrong(format!("compiling it was not done after {} s", COMPILE_PATIENCE.as_secs())));
    };
    understand(status, &answer, read)
}

fn wrong(reason: String) -> Failure {
    Failure::Component(vec![reason])
}

fn understand(status: ExitStatus, answer: &[u8], read: io::Result<()>) -> Result<(Vec<u8>, Needed), Failure> {
    let (seconds, memory) = (COMPILE_TIME.as_secs(), COMPILE_MEMORY >> 20);
    if let Some(signal) = status.signal() {
        let (reason, would_again) = match signal {
            SIGXCPU => (format!("compiling it takes more than {seconds} s of the processor's time"), true),
            // An allocation that fails ends a Rust program like that. Where somebody limits us, it may have had less.
            SIGABRT => (format!("compiling it takes more than {memory} MiB of memory"), !is_limited()),
            SIGSEGV => ("compiling it takes more stack than a compiler has".into(), false),
            _ => (format!("the process that compiled it was killed (signal {signal}), as when memory is short"), false),
        };
        return Err(if would_again { Failure::Limit(reason) } else { wrong(reason) });
    }
    let foreign = || Failure::NoProcess(format!("another program was started for it, which ended with {status}"));
    read.map_err(|error| Failure::NoProcess(format!("the process for it was not understood: {error}")))?;
    let end = answer.iter().position(|byte| *byte == b'\n').ok_or_else(foreign)?;
    let head = std::str::from_utf8(&answer[..end]).ok().and_then(|head| head.strip_prefix(MARK)).ok_or_else(foreign)?;
    let mut numbers = head.split_whitespace().map(|number| number.parse::<u64>().unwrap_or_default());
    let (time, memory) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let rest = answer[end + 1..].to_vec();
    let told = numbers.next().zip(numbers.next()).filter(|(_, length)| *length == rest.len() as u64);
    match status.code().or_else(|| u32::try_from(told?.0).ok()) {
        Some(0) if rest.len() > limits::COMPILED => {
            Err(wrong(format!("its compiled code has more than {} MiB", COMPILED >> 20)))
        }
        Some(0) => Ok((rest, Needed { time: Duration::from_millis(time), memory: memory << 10 })),
        Some(status) if status == u32::from(WRONG) => {
            Err(Failure::Component(String::from_utf8_lossy(&rest).lines().map(Into::into).collect()))
        }
        _ => Err(wrong("the compiler failed".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a script that ends like that is understood.
    fn understood(script: &str, answer: &[u8]) -> Result<(Vec<u8>, Needed), String> {
        let status = Exec::shell(script).stdout(Redirection::Null).join().unwrap();
        understand(status, answer, Ok(())).map_err(|failure| match failure {
            Failure::Component(reasons) => reasons.join("|"),
            Failure::Limit(reason) => format!("always: {reason}"),
            Failure::NoProcess(why) => format!("no process: {why}"),
        })
    }

    #[test]
    fn each_end_of_the_process_is_told_in_words() {
        let compiled = understood("exit 0", b"glassbox compiled 12 34\n\0code\n").unwrap();
        assert_eq!(compiled, (b"\0code\n".to_vec(), Needed { time: Duration::from_millis(12), memory: 34 << 10 }));
        let cases: [(&str, &[u8], &str); 8] = [
            ("kill -XCPU $$", b"", "always: compiling it takes more than 60 s of the processor's time"),
            ("kill -ABRT $$", b"glassbox compiled 1 1\n", "always: compiling it takes more than 192 MiB of memory"),
            ("kill -SEGV $$", b"", "compiling it takes more stack than a compiler has"),
            ("kill -KILL $$", b"", "the process that compiled it was killed (signal 9), as when memory is short"),
            ("exit 3", b"glassbox compiled 1 1\none\ntwo", "one|two"),
            ("exit 101", b"glassbox compiled 1 1\n", "the compiler failed"),
            // A linker that loaded us, or another program in our place, and it may well have ended well.
            (
                "exit 0",
                b"test result: ok",
                "no process: another program was started for it, which ended with exit code 0",
            ),
            (
                "exit 0",
                b"running 12 tests\n",
                "no process: another program was started for it, which ended with exit code 0",
            ),
        ];
        for (script, answer, expected) in cases {
            assert_eq!(understood(script, answer).unwrap_err(), expected, "{script}");
        }
    }

    #[test]
    fn where_nobody_says_how_it_ended_only_a_whole_answer_counts() {
        // As for a process that was started with SIGCHLD ignored.
        let job = Exec::shell("exit 0").detached().start().unwrap();
        let id = nix::unistd::Pid::from_raw(i32::try_from(job.processes[0].pid()).unwrap());
        nix::sys::wait::waitpid(id, None).unwrap();
        let status = job.wait_timeout(Duration::from_secs(10)).unwrap().unwrap();
        assert!(status.code().is_none() && status.signal().is_none());
        let understood = |answer: &[u8]| {
            understand(status, answer, Ok(())).map_err(|failure| match failure {
                Failure::Component(reasons) => reasons.join("|"),
                Failure::Limit(reason) | Failure::NoProcess(reason) => reason,
            })
        };
        assert_eq!(understood(b"glassbox compiled 12 34 0 4\ncode").unwrap().0, b"code");
        assert_eq!(understood(b"glassbox compiled 12 34 3 7\none\ntwo").unwrap_err(), "one|two");
        for part in [&b"glassbox compiled 12 34 0 5\ncode"[..], b"glassbox compiled 12 34\ncode"] {
            assert_eq!(understood(part).unwrap_err(), "the compiler failed");
        }
    }

    #[test]
    fn a_program_that_does_not_offer_it_is_never_started_for_it() {
        // As this test is one.
        assert!(!is_offered());
    }
}
