//! What `throttle.rs` makes of a program's answers, with scripts in place of `vcgencmd`.

use super::*;
use crate::system::test_folder::TestFolder;
use std::fs;
use std::path::Path;
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

fn program(path: &Path) -> CommandLine {
    path.to_str().unwrap().into()
}

/// The answers to two queries of a script of those lines, and what was logged.
fn twice(lines: &str) -> ([Option<u32>; 2], Vec<(Level, String)>) {
    let folder = TestFolder::new();
    let throttle = VcGenCmd::new(program(&folder.script(lines)));
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
        ("while :; do echo throttled=0x0; done", "it printed more than 4096 bytes"),
    ] {
        let start = Instant::now();
        let (answers, log) = twice(lines);
        assert!(start.elapsed() < Duration::from_secs(9), "{lines}");
        assert_eq!(answers, [None; 2], "{lines}");
        assert_eq!(log.len(), 1, "{lines}: {log:?}");
        let (level, text) = &log[0];
        assert_eq!(*level, Level::WARN);
        assert!(text.contains("program get_throttled`: ") && text.contains(what), "{lines}: {text}");
    }
}

#[test]
fn what_it_says_on_standard_error_is_shown_and_leads_to_the_advice() {
    let missing = "error while loading shared libraries: libvcos.so: cannot open shared object file";
    for (lines, what, advice) in [
        (
            format!("echo '{missing}' >&2; exit 127"),
            format!("printed nothing, and as an error {missing:?}"),
            "; set LD_LIBRARY_PATH for",
        ),
        ("echo off; echo why >&2".into(), r#"it printed "off", and as an error "why""#.into(), "group 'video'"),
        ("echo off; exit 255".into(), r#"printed "off"; run"#.into(), "group 'video'"),
        (
            "exec sleep 10".into(),
            "it took longer than a second".into(),
            "by hand as the user that glassbox runs as. It",
        ),
    ] {
        let (answers, log) = twice(&lines);
        assert_eq!((answers, log.len()), ([None; 2], 1), "{lines}: {log:?}");
        assert!(log[0].1.contains(&what) && log[0].1.contains(advice), "{lines}: {log:?}");
    }
    // An answer is an answer, whatever is said besides.
    assert_eq!(twice("echo ignored >&2; echo throttled=0x1"), ([Some(1); 2], vec![]));
}

#[test]
fn runs_a_command_line_with_arguments() {
    let folder = TestFolder::new();
    let path = folder.script(r#"[ "$*" = "-n vcgencmd get_throttled" ] && echo throttled=0x8"#);
    let line = format!("{} -n vcgencmd", path.display());
    assert_eq!(VcGenCmd::new(line.as_str().into()).query(), Some(8));
}

#[test]
fn a_program_that_cannot_be_run_is_named() {
    let folder = TestFolder::new();
    folder.file("program", "no script");
    let log = Log::default();
    let throttle = VcGenCmd::new(program(&folder.path().join("program")));
    tracing::subscriber::with_default(log.clone(), || assert_eq!(throttle.query(), None));
    let said = log.0.lock().unwrap();
    assert_eq!(said.len(), 1);
    assert!(said[0].1.contains("it could not be run (Permission denied"), "{said:?}");
}

#[test]
fn long_output_is_cut_in_the_log() {
    let (_, log) = twice("printf '%01000d' 0");
    assert!(log[0].1.contains(&format!("printed {:?};", "0".repeat(SHOWN))), "{log:?}");
}

#[test]
fn recovers_when_the_program_does() {
    let folder = TestFolder::new();
    let throttle = VcGenCmd::new(program(&folder.script("cat \"${0%/*}/answer\"")));
    folder.file("answer", "garbage");
    assert_eq!(throttle.query(), None);
    folder.file("answer", "throttled=0x4\n");
    assert_eq!(throttle.query(), Some(4));
}

#[test]
fn a_missing_program_is_silent_and_not_looked_for_again_until_later() {
    let folder = TestFolder::new();
    let log = Log::default();
    let mut throttle = VcGenCmd::new(program(&folder.path().join("program")));
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
    let throttle = VcGenCmd::new(program(&folder.script("touch \"$0.ran\"; echo throttled=0x2")));
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
