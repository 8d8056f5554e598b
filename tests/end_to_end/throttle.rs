//! The Raspberry Pi's throttle state, from a stand-in for `vcgencmd` to the reports of a running host.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, START, STARTED, kinds, names, receiver, wait_until};
use glassbox_audit::conformance::RecordedRequest;
use glassbox_audit::conformance::receiver::Receiver;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// A host whose `vcgencmd` is this script; the answers that it reads lie beside it.
fn start(script: &str) -> (Receiver, Home, Process) {
    start_with(script, "")
}

/// The same, with arguments for it in the configuration.
fn start_with(script: &str, arguments: &str) -> (Receiver, Home, Process) {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let program = home.0.write("vcgencmd", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    home.0.write("home/glassbox.toml", format!("vcgencmd = \"{}{arguments}\"\n", program.display()));
    home.0.write("answer", "throttled=0x0\n");
    let host = home.command(&["run", "--events", "-", "-v"]).env("LD_LIBRARY_PATH", "/nowhere/opt/vc/lib");
    let mut host = host.start();
    host.wait_for_log(" tracking: ");
    host.send(ENVIRONMENT);
    host.send(STARTED);
    (receiver, home, host)
}

fn throttled(request: &RecordedRequest) -> [Option<String>; 3] {
    ["throttled_now", "throttled_past", "throttled_mask"].map(|name| request.value(name))
}

#[test]
fn a_print_says_what_the_machine_suffers_from() {
    let (receiver, home, mut host) = start(r#"[ "$*" = get_throttled ] && cat "${0%/*}/answer""#);
    // The first answer is reported as well, now or a moment later.
    assert_eq!(names(&receiver.wait_for(3, LONG))[..3], START);
    let text = |value: &str| Some(value.to_string());
    // Nothing, an issue now, one in the past only, and all bits: each print asks again.
    for (mask, expected) in [
        ("0x0", [None, None, None]),
        ("0x50005", [text("True"), text("True"), text("327685")]),
        ("0xe0000", [text("False"), text("True"), text("917504")]),
        ("0xFFFFFFFF", [text("True"), text("True"), text("4294967295")]),
    ] {
        home.0.write("answer", format!("throttled={mask}\n"));
        let before = receiver.requests().len();
        host.send(PRINT);
        let is_print = |request: &&RecordedRequest| request.kind() == "print_started";
        wait_until("the print", || receiver.requests()[before..].iter().any(|r| is_print(&r)));
        let requests = receiver.requests();
        assert_eq!(throttled(requests[before..].iter().find(is_print).unwrap()), expected, "{mask}");
    }
    host.close();
    host.wait(LONG).log();
}

#[test]
fn a_query_that_fails_costs_its_fields_and_one_line() {
    let (receiver, _home, mut host) = start("echo 'VCHI initialization failed'; exit 255");
    assert_eq!(kinds(&receiver, 3), START);
    for count in [4, 5] {
        host.send(PRINT);
        let requests = receiver.wait_for(count, LONG);
        assert_eq!(requests[count - 1].kind(), "print_started");
        assert_eq!(throttled(&requests[count - 1]), [None, None, None]);
    }
    host.close();
    let log = host.wait(LONG).log();
    assert_eq!(log.matches("no throttle state from").count(), 1, "{log}");
    assert!(log.contains(r#"it ended with exit code 255 and printed "VCHI initialization failed""#), "{log}");
}

#[test]
fn it_runs_as_it_needs_to_and_what_it_says_of_itself_is_shown() {
    // As the tools of the firmware do where their libraries are not found, and with a program before it.
    let script = r#"case "$LD_LIBRARY_PATH $*" in
        */opt/vc/lib*" -n vcgencmd get_throttled") echo throttled=0x50000;;
        *) echo "error while loading shared libraries: libvcos.so" >&2; exit 127;;
    esac"#;
    for (arguments, expected) in [(" -n vcgencmd", Some("327680")), ("", None)] {
        let (receiver, _home, mut host) = start_with(script, arguments);
        host.send(PRINT);
        let is_print = |request: &&RecordedRequest| request.kind() == "print_started";
        wait_until("the print", || receiver.requests().iter().any(|r| is_print(&r)));
        let requests = receiver.requests();
        let [_, _, mask] = throttled(requests.iter().find(is_print).unwrap());
        assert_eq!(mask.as_deref(), expected, "{arguments}");
        host.close();
        let log = host.wait(LONG).log();
        let said = r#"printed nothing, and as an error "error while loading shared libraries: libvcos.so"; set LD_LIB"#;
        assert_eq!(log.contains(said), expected.is_none(), "{log}");
    }
}
