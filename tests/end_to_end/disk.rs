//! The disk is full for a while: the host goes on and says so once, and the journal says what is missing
//! from it.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, Process, Program, SILENCE, START, STARTED, kinds, receiver};
use serde_json::json;
use std::fs;
use std::process::Command;

/// The running host, which the signal for a file that grows too large does not kill. A full disk is simulated by
/// such a limit: the error is a different one, but every write fails in the same way.
fn start(home: &Home) -> Process {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
    let host = home.command(&["run", "--events", "-", "-v"]).into_command();
    shell.arg(host.get_program()).args(host.get_args());
    for (name, value) in host.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let process = Program::from(shell).start();
    process.wait_for_log(" tracking: ");
    process
}

/// The largest file that the host may write: `0:` for none, `unlimited:` for any.
fn room(host: &Process, most: &str) {
    let limit = Command::new("prlimit").arg(format!("--fsize={most}")).args(["--pid", &host.id().to_string()]).status();
    assert!(limit.is_ok_and(|status| status.success()), "prlimit is a part of util-linux");
}

#[test]
fn a_full_disk_stops_no_report() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut host = start(&home);
    host.send(ENVIRONMENT);
    host.send(STARTED);
    assert_eq!(kinds(&receiver, 3).len(), 3);
    let settings = home.settings();
    room(&host, "0:");
    for count in 4..8 {
        host.send(PRINT);
        assert_eq!(kinds(&receiver, count).len(), count);
    }
    host.wait_for_log("the journal in ");
    host.wait_for_log("its state cannot be saved");
    room(&host, "unlimited:");
    host.send(PRINT);
    host.wait_for_log("the journal can be written again");
    host.close();
    let log = host.wait(LONG).log();
    for message in ["the journal in ", "its state cannot be saved", "the journal can be written again"] {
        assert_eq!(log.matches(message).count(), 1, "{log}");
    }
    assert_eq!(home.settings(), settings);
    let out = home.run(&["journal", "--json"]).good();
    assert_eq!(out.matches("\"what\":\"gap\"").count(), 1, "{out}");
    assert!(home.run(&["journal", "--verify"]).good().starts_with("sound: "));
}

#[test]
fn an_id_that_cannot_be_kept_is_not_used() {
    let receiver = receiver();
    let home = Home::new();
    home.grant();
    let mut host = start(&home);
    host.send(ENVIRONMENT);
    host.send(STARTED);
    room(&host, "0:");
    let settings = json!({"enabled": true, "server": receiver.url()}).to_string();
    home.write_settings(&settings);
    host.wait_for_log("writing ");
    host.send(PRINT);
    assert!(receiver.wait_for(1, SILENCE).is_empty());
    assert_eq!(fs::read_to_string(home.settings_file()).unwrap(), settings, "nothing was written over");
    // There is room again, and the user says it again.
    room(&host, "unlimited:");
    home.write_settings(settings + "\n");
    assert_eq!(kinds(&receiver, 3), START);
    host.close();
    // It is not tried again and again: our own attempt to write does not count as a change.
    let log = host.wait(LONG).log();
    assert!(log.matches("File too large").count() < 10, "{log}");
}
