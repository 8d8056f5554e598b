//! The Raspberry Pi's throttle state, from its own tool: `vcgencmd get_throttled`. What the bits mean, and when to ask,
//! is decided by the tracker.

use super::command_line::CommandLine;
use super::process::{Limits, RunError, Written, run};
use glassbox_sandbox::capabilities::Throttle;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use subprocess::Process;

/// It answers within milliseconds, with 20 bytes, and the system may have something to say of its libraries; what exceeds
/// this is broken.
const LIMITS: Limits = Limits { time: Duration::from_secs(1), bytes: 4096 };

/// How long a program that was missing is not looked for again.
const RETRY: Duration = Duration::from_secs(5 * 60);

/// How much of unexpected output is shown in the log, in characters; and of what goes to standard error, which tells the
/// reason.
const SHOWN: usize = 80;
const SHOWN_ERROR: usize = 200;

/// What it is asked.
const QUERY: &str = "get_throttled";

/// Read what `vcgencmd get_throttled` prints (raspberrypi/utils, and the Raspberry Pi documentation), for example
/// `throttled=0x50005`: exactly that, with one to eight hexadecimal digits of either case. ASCII white space around it
/// does not matter. Anything else is none.
pub fn parse(output: &str) -> Option<u32> {
    let digits = output.trim_ascii().strip_prefix("throttled=0x")?;
    // Checked here, as the standard library would also accept a sign and any number of leading zeros.
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

/// Asks `vcgencmd`, the Raspberry Pi's own tool.
///
/// If there is no such program, there is no answer and nothing in the log, and it is not tried again for 5 minutes. If it
/// fails, prints something else or takes longer than a second, there is no answer either, and a warning in the log the
/// first time. A query starts one process and waits for it.
#[derive(Debug)]
pub struct VcGenCmd {
    command: CommandLine,
    retry: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When it was last found to be missing.
    missing: Option<Instant>,
    /// A process that could not be killed: no other is started while it is there, or they would pile up.
    stuck: Option<Process>,
    warned: bool,
}

impl VcGenCmd {
    /// Use this program: a path, or a bare name that is looked up in `PATH`; with arguments if it needs any.
    pub fn new(command: CommandLine) -> Self {
        Self { command, retry: RETRY, state: Mutex::default() }
    }

    /// The program that is asked.
    pub fn command(&self) -> &CommandLine {
        &self.command
    }
}

impl Throttle for VcGenCmd {
    fn query(&self) -> Option<u32> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.hopeless(self.retry) {
            return None;
        }
        match ask(&self.command) {
            Ok(None) => state.missing = Some(Instant::now()),
            Ok(mask) => return mask,
            Err(error) => {
                state.warn(&self.command, &error);
                if let ThrottleError(Problem::Run(RunError::Stuck(process))) = error {
                    state.stuck = Some(process);
                }
            }
        }
        None
    }
}

/// Why the program gave no answer although it is there.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ThrottleError(#[from] Problem);

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{}", described(.0))]
    Run(RunError),
    #[error("it printed {}", shown(.0))]
    Printed(Written),
}

/// Ask this program once: the mask, or none where there is no such program.
///
/// # Errors
/// When it fails, prints something else, or takes longer than a second.
pub fn ask(command: &CommandLine) -> Result<Option<u32>, ThrottleError> {
    let (program, arguments) = command.with(QUERY);
    match run(program, &arguments, LIMITS) {
        Ok(written) => match parse(&String::from_utf8_lossy(&written.out)) {
            None => Err(Problem::Printed(written).into()),
            mask => Ok(mask),
        },
        Err(RunError::Missing) => Ok(None),
        Err(error) => Err(Problem::Run(error).into()),
    }
}

/// The whole command line, for people.
pub fn query(command: &CommandLine) -> String {
    let (program, arguments) = command.with(QUERY);
    format!("{} {}", program.display(), arguments.join(" "))
}

impl ThrottleError {
    /// What to do about it, as an instruction.
    pub fn advice(&self, command: &CommandLine) -> String {
        let by_hand = format!("run '{}' by hand as the user that glassbox runs as", query(command));
        let (Problem::Run(RunError::Exit(_, written)) | Problem::Printed(written)) = &self.0 else {
            return by_hand;
        };
        // As glibc's loader of programs says it, and musl's.
        if String::from_utf8_lossy(&written.err).contains("shared librar") {
            return "set LD_LIBRARY_PATH for glassbox to the folder of its libraries, such as /opt/vc/lib".into();
        }
        format!("{by_hand}; that user may have to be in the group 'video'")
    }
}

impl State {
    /// Whether it is of no use to start another process now.
    fn hopeless(&mut self, retry: Duration) -> bool {
        if let Some(process) = &self.stuck {
            if process.poll().is_none() {
                return true;
            }
            self.stuck = None;
        }
        self.missing.is_some_and(|since| since.elapsed() < retry)
    }

    /// Log it, once: a query every half minute must not fill the log.
    fn warn(&mut self, command: &CommandLine, error: &ThrottleError) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                "no throttle state from `{}`: {error}; {}. It should print something like throttled=0x0. Until it \
                 answers, throttling is not reported. This is logged only once.",
                query(command),
                error.advice(command)
            );
        }
    }
}

fn described(error: &RunError) -> String {
    match error {
        RunError::Missing => "it is not there".into(),
        RunError::Io(error) => format!("it could not be run ({error})"),
        RunError::Late => "it took longer than a second".into(),
        RunError::Stuck(_) => "it took longer than a second and cannot be killed".into(),
        RunError::Flood => format!("it printed more than {} bytes", LIMITS.bytes),
        RunError::Exit(status, output) => format!("it ended with {status} and printed {}", shown(output)),
    }
}

/// Output in quotes, with control characters escaped, and not more than a line of it; and what went to standard error.
fn shown(written: &Written) -> String {
    let start = |output: &[u8], most| {
        let text = String::from_utf8_lossy(output);
        let start: String = text.trim_ascii().chars().take(most).collect();
        (!start.is_empty()).then(|| format!("{start:?}"))
    };
    let out = start(&written.out, SHOWN).unwrap_or_else(|| "nothing".into());
    match start(&written.err, SHOWN_ERROR) {
        Some(err) => format!("{out}, and as an error {err}"),
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_the_tool_prints() {
        for (output, mask) in [
            ("throttled=0x0", 0),
            ("throttled=0x50005\n", 0x50005),
            (" \t\r\nthrottled=0x50005 \r\n", 0x50005),
            ("throttled=0xE000f", 0xe000f),
            ("throttled=0x00000001", 1),
            ("throttled=0xffffffff", u32::MAX),
        ] {
            assert_eq!(parse(output), Some(mask), "{output:?}");
        }
    }

    #[test]
    fn parses_nothing_else() {
        for output in [
            "",
            "throttled=",
            "throttled=0x",
            "throttled=0x ",
            "throttled=0x100000000",
            "throttled=0x000000001",
            "throttled=0x+1",
            "throttled=0x-1",
            "throttled=0x1_0",
            "throttled=0xg",
            "throttled=0x1 2",
            "throttled=0x1\nthrottled=0x2",
            "throttled= 0x1",
            "throttled=0X1",
            "Throttled=0x1",
            "throttled=1",
            "0x1",
            "xthrottled=0x1",
            "throttled=0x1\0",
            "\u{a0}throttled=0x1",
            "throttled=0x\u{661}",
            "error=1 error_msg=\"Command not registered\"",
        ] {
            assert_eq!(parse(output), None, "{output:?}");
        }
    }
}

#[cfg(all(test, unix))]
#[path = "throttle_test.rs"]
mod process_tests;
