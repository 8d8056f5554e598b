//! The Raspberry Pi's throttle state, from its own tool: `vcgencmd get_throttled`. What the bits mean, and when to ask,
//! is decided by the tracker.

use super::process::{Limits, RunError, run};
use glassbox_sandbox::capabilities::Throttle;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use subprocess::Process;

/// It answers within milliseconds, with 20 bytes; what exceeds this is broken.
const LIMITS: Limits = Limits { time: Duration::from_secs(1), bytes: 1024 };

/// How long a program that was missing is not looked for again.
const RETRY: Duration = Duration::from_secs(5 * 60);

/// How much of unexpected output is shown in the log, in characters.
const SHOWN: usize = 80;

/// Read what `vcgencmd get_throttled` prints (raspberrypi/utils, and the Raspberry Pi documentation), for example
/// `throttled=0x50005`: exactly that, with one to eight hexadecimal digits of either case. ASCII white space around it
/// does not matter. Anything else is none.
#[must_use]
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
    program: PathBuf,
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
    /// Use this program: a path, or a bare name that is looked up in `PATH`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), retry: RETRY, state: Mutex::default() }
    }
}

impl Throttle for VcGenCmd {
    fn query(&self) -> Option<u32> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.hopeless(self.retry) {
            return None;
        }
        match ask(&self.program) {
            Ok(None) => state.missing = Some(Instant::now()),
            Ok(mask) => return mask,
            Err(error) => {
                state.warn(&self.program, &error);
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
    Printed(Vec<u8>),
}

/// Ask this program once: the mask, or none where there is no such program.
///
/// # Errors
/// When it fails, prints something else, or takes longer than a second.
pub fn ask(program: &Path) -> Result<Option<u32>, ThrottleError> {
    match run(program, &["get_throttled"], LIMITS) {
        Ok(output) => match parse(&String::from_utf8_lossy(&output)) {
            None => Err(Problem::Printed(output).into()),
            mask => Ok(mask),
        },
        Err(RunError::Missing) => Ok(None),
        Err(error) => Err(Problem::Run(error).into()),
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
    fn warn(&mut self, program: &Path, error: &ThrottleError) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                "no throttle state from `{} get_throttled`: {error}. Run it by hand as the user that glassbox \
                 runs as; it should print something like throttled=0x0, and that user may have to be in the group \
                 `video`. Until it answers, throttling is not reported. This is logged only once.",
                program.display()
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

/// Output in quotes, with control characters escaped, and not more than a line of it.
fn shown(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let start: String = text.trim_ascii().chars().take(SHOWN).collect();
    if start.is_empty() { "nothing".into() } else { format!("{start:?}") }
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
mod process_tests {
    use super::super::test_folder::TestFolder;
    use super::*;
    use std::fs;
    use std::sync::Arc;
    use subprocess::Exec;
    use tracing::field::{Field, Visit};
    use tracing::{Event, Level, Metadata, Subscriber, span};

    /// Everything that is logged, as text.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<(Level, String)>>>);

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            struct Text(String);
            impl Visit for Text {
                fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
                    self.0 = format!("{value:?}");
                }
            }
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push((*event.metadata().level(), text.0));
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    /// The answers to two queries of a script of those lines, and what was logged.
    fn twice(lines: &str) -> ([Option<u32>; 2], Vec<(Level, String)>) {
        let folder = TestFolder::new();
        let throttle = VcGenCmd::new(folder.script(lines));
        let log = Log::default();
        let answers = tracing::subscriber::with_default(log.clone(), || [throttle.query(), throttle.query()]);
        let logged = log.0.lock().unwrap().clone();
        (answers, logged)
    }

    #[test]
    fn answers_and_asks_as_the_tool_wants_to_be_asked() {
        let (answers, log) = twice(r#"[ "$*" = get_throttled ] && echo throttled=0x50005"#);
        assert_eq!((answers, log), ([Some(0x50005); 2], vec![]));
    }

    #[test]
    fn answers_though_a_background_child_keeps_the_output_open() {
        let start = Instant::now();
        assert_eq!(twice("sleep 5 & echo throttled=0x1"), ([Some(1); 2], vec![]));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[test]
    fn warns_once_whatever_is_wrong() {
        for (lines, what) in [
            ("printf 'VCHI initialization\\033 failed\\n'", r#"it printed "VCHI initialization\u{1b} failed""#),
            ("printf '\\377\\376'", "it printed \"\u{fffd}\u{fffd}\""),
            ("true", "it printed nothing"),
            ("echo throttled=0x0; exit 1", r#"it ended with exit code 1 and printed "throttled=0x0""#),
            ("kill -9 $$", "it ended with signal 9 and printed nothing"),
            // What the tool itself says where it may not ask, or the firmware does not know.
            (
                r#"echo "Can't open device file: /dev/vcio"; exit 255"#,
                r#"it ended with exit code 255 and printed "Can't open device file: /dev/vcio""#,
            ),
            (
                r#"echo 'error=1 error_msg="Command not registered"'"#,
                r#"it printed "error=1 error_msg=\"Command not registered\"""#,
            ),
            ("while :; do printf .; sleep 0.1; done", "it took longer than a second"),
            ("exec sleep 10", "it took longer than a second"),
            ("while :; do echo throttled=0x0; done", "it printed more than 1024 bytes"),
        ] {
            let start = Instant::now();
            let (answers, log) = twice(lines);
            assert!(start.elapsed() < Duration::from_secs(9), "{lines}");
            assert_eq!(answers, [None; 2], "{lines}");
            assert_eq!(log.len(), 1, "{lines}: {log:?}");
            let (level, text) = &log[0];
            assert_eq!(*level, Level::WARN);
            assert!(text.contains("program get_throttled`: ") && text.contains(what), "{lines}: {text}");
            assert!(text.contains("group `video`"), "{text}");
        }
    }

    #[test]
    fn a_program_that_cannot_be_run_is_named() {
        let folder = TestFolder::new();
        folder.file("program", "no script");
        let log = Log::default();
        let throttle = VcGenCmd::new(folder.path().join("program"));
        tracing::subscriber::with_default(log.clone(), || assert_eq!(throttle.query(), None));
        let said = log.0.lock().unwrap();
        assert_eq!(said.len(), 1);
        assert!(said[0].1.contains("it could not be run (Permission denied"), "{said:?}");
    }

    #[test]
    fn long_output_is_cut_in_the_log() {
        let (_, log) = twice("printf '%01000d' 0");
        assert!(log[0].1.contains(&format!("printed {:?}.", "0".repeat(SHOWN))), "{log:?}");
    }

    #[test]
    fn recovers_when_the_program_does() {
        let folder = TestFolder::new();
        let throttle = VcGenCmd::new(folder.script("cat \"${0%/*}/answer\""));
        folder.file("answer", "garbage");
        assert_eq!(throttle.query(), None);
        folder.file("answer", "throttled=0x4\n");
        assert_eq!(throttle.query(), Some(4));
    }

    #[test]
    fn a_missing_program_is_silent_and_not_looked_for_again_until_later() {
        let folder = TestFolder::new();
        let log = Log::default();
        let mut throttle = VcGenCmd::new(folder.path().join("program"));
        tracing::subscriber::with_default(log.clone(), || {
            assert_eq!(throttle.query(), None);
            folder.script("echo throttled=0x2");
            assert_eq!(throttle.query(), None);
            assert_eq!(throttle.retry, Duration::from_secs(300));
            throttle.retry = Duration::ZERO;
            assert_eq!(throttle.query(), Some(2));
        });
        assert!(log.0.lock().unwrap().is_empty());
    }

    #[test]
    fn starts_nothing_while_one_that_cannot_be_killed_is_there() {
        let folder = TestFolder::new();
        let throttle = VcGenCmd::new(folder.script("touch \"$0.ran\"; echo throttled=0x2"));
        // Stands in for a process that hangs in the kernel, which no test can make.
        throttle.state.lock().unwrap().stuck = Some(Exec::cmd("sleep").arg("30").start().unwrap().processes.remove(0));
        assert_eq!(throttle.query(), None);
        assert!(!fs::exists(folder.path().join("program.ran")).unwrap());

        let state = throttle.state.lock().unwrap();
        let stuck = state.stuck.as_ref().unwrap();
        stuck.kill().unwrap();
        stuck.wait().unwrap();
        drop(state);
        assert_eq!(throttle.query(), Some(2));
    }
}
