//! What happens in a day of an OctoPrint: all that its users do, and what goes wrong.

use super::server::{LATER, OctoPrint};
use super::{Both, count, wait_long};
use crate::octoprint::follow;
use crate::proxy::proxy;
use crate::support::{Home, LONG, SILENCE, receiver};
use glassbox::home::identity;
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::json;

/// What must have been reported in the course of it.
pub const KINDS: [&str; 16] = [
    "ping",
    "pong",
    "startup",
    "shutdown",
    "printer_connected",
    "print_started",
    "print_done",
    "print_failed",
    "print_cancelled",
    "commerror_firmware",
    "commerror_timeout",
    "install_plugin",
    "uninstall_plugin",
    "enable_plugin",
    "disable_plugin",
    "achievement_unlocked",
];

fn gcode(lines: u32, pause: u32) -> String {
    (0..lines).map(|i| format!("G1 X{} F6000\nG4 P{pause}\n", i % 100)).collect()
}

const LONG_ONE: &str = "long.gcode";

/// Do something, and wait until both have reported it.
#[track_caller]
fn reported(both: &Both, kind: &str, by: impl FnOnce(&OctoPrint)) {
    let before = count(&both.theirs.requests(), kind);
    by(&both.octoprint);
    both.wait_for(kind, before + 1);
}

#[track_caller]
fn print_to_the_end(both: &Both, path: &str) {
    reported(both, "print_done", |octoprint| octoprint.print(path));
    both.octoprint.wait_for_state("Operational");
}

fn print_long(octoprint: &OctoPrint) {
    octoprint.wait_for_state("Operational");
    octoprint.print(LONG_ONE);
    octoprint.wait_for_state("Printing");
}

pub fn prints(both: &Both) {
    let octoprint = &both.octoprint;
    both.both_ping(octoprint.closed());
    octoprint.connect();
    both.wait_for("printer_connected", 1);
    both.agree("the printer was connected");

    octoprint.upload("", "short one.gcode", &gcode(20, 1));
    octoprint.upload("", LONG_ONE, &gcode(5000, 100));
    print_to_the_end(both, "short one.gcode");
    // It takes a second and more.
    let awkward = octoprint.upload("Öfen & Co", "Größe #1 50% +ä'ß=?.gcode", &gcode(15, 100));
    assert!(["#", "%", " ", "ö", "/"].iter().all(|part| awkward.contains(part)), "{awkward}");
    print_to_the_end(both, &awkward);
    both.agree("two prints");

    print_long(octoprint);
    both.both_ping("PRINTING");
    octoprint.job("pause", "pause");
    octoprint.wait_for_state("Paused");
    both.both_ping("PAUSED");
    octoprint.job("pause", "resume");
    both.both_ping("PRINTING");
    // First that it was cancelled, then that it failed.
    reported(both, "print_failed", |octoprint| octoprint.job("cancel", ""));
    octoprint.wait_for_state("Operational");
    both.agree("a print was paused and cancelled");
}

pub fn errors(both: &Both) {
    let octoprint = &both.octoprint;
    print_long(octoprint);
    reported(both, "print_failed", |octoprint| octoprint.say("!!DEBUG:trigger_fatal_error_marlin"));
    octoprint.wait_until_closed();
    both.wait_for("commerror_firmware", 1);
    both.both_ping(octoprint.failed());
    both.agree("the firmware failed in a print");

    for way in ["drop_connection", "action_disconnect"] {
        octoprint.connect();
        print_long(octoprint);
        reported(both, "print_failed", |octoprint| octoprint.say(&format!("!!DEBUG:{way}")));
        octoprint.wait_until_closed();
        both.agree(way);
    }

    // For this connection, as long as it takes to see that the printer does not answer any more.
    let patience = |seconds: f64, times: u32| {
        let serial = json!({"timeoutCommunication": seconds, "maxTimeoutsPrinting": times});
        octoprint.order("api/settings", &json!({"serial": serial}));
    };
    patience(2.0, 1);
    octoprint.connect();
    patience(30.0, 5);
    print_long(octoprint);
    reported(both, "print_failed", |octoprint| octoprint.say("!!DEBUG:go_awol"));
    octoprint.wait_until_closed();
    both.wait_for("commerror_timeout", 1);
    both.agree("the printer fell silent in a print");

    octoprint.connect();
    octoprint.order("api/connection", &json!({"command": "disconnect"}));
    octoprint.wait_until_closed();
    reported(both, "printer_connected", OctoPrint::connect);
    both.agree("the printer was connected again");
}

pub fn plugins(both: &Both) {
    let octoprint = &both.octoprint;
    for plugin in ["zebra", "nameless"] {
        octoprint.plugin("disable", plugin);
        octoprint.plugin("enable", plugin);
    }
    both.wait_for("enable_plugin", 2);
    octoprint.send_file("plugin/pluginmanager/upload_file", "", "later.py", LATER);
    both.wait_for("install_plugin", 1);
    octoprint.plugin("uninstall", "later");
    both.wait_for("uninstall_plugin", 1);
    both.agree("plugins came and went");
}

pub fn switches(both: &Both) {
    let octoprint = &both.octoprint;
    both.set(&json!({"events": {"commerror": false, "printer": false}}));
    print_long(octoprint);
    reported(both, "print_failed", |octoprint| octoprint.say("!!DEBUG:trigger_fatal_error_marlin"));
    octoprint.wait_until_closed();
    octoprint.connect();
    // What is heard of the new connection comes after it is there, and before what a print brings:
    // both have heard it now, and not only once it is reported again.
    print_to_the_end(both, "short one.gcode");
    both.agree("the printer's events were switched off");

    both.set(&json!({"events": {"commerror": true, "printer": true, "printjob": false}}));
    octoprint.print("short one.gcode");
    wait_long("printed", || octoprint.get("api/job").is_some_and(|job| job["progress"]["completion"] == json!(100.0)));
    octoprint.wait_for_state("Operational");
    both.agree("the print's events were switched off");

    both.set(&json!({"enabled": false, "events": {"printjob": true}}));
    // What was under way has arrived.
    std::thread::sleep(SILENCE);
    let said = || [&both.theirs, &both.ours].map(|receiver: &Receiver| receiver.requests().len());
    let before = said();
    print_long(octoprint);
    octoprint.job("cancel", "");
    octoprint.wait_for_state("Operational");
    octoprint.plugin("disable", "zebra");
    octoprint.plugin("enable", "zebra");
    std::thread::sleep(SILENCE);
    assert_eq!(said(), before, "tracking was switched off");
    both.set(&json!({"enabled": true}));
    // No second start.
    print_to_the_end(both, "short one.gcode");
    both.agree("tracking was switched off and on");
}

/// What the page in a browser does when it is loaded.
pub fn a_page_is_loaded(both: &Both) {
    let browser = json!({"browser_name": "Firefox", "browser_version": "140.0", "os_name": "Linux", "os_version": "x"});
    let order = json!({"command": "track", "event": "webui_load", "payload": browser});
    both.octoprint.order("api/plugin/tracking", &order);
    wait_long("the page was loaded", || count(&both.theirs.requests(), "webui_load") == 1);
    both.agree("a page was loaded");
}

/// The host starts again within a run of the server, and within a print.
pub fn we_start_again(both: &mut Both) {
    reported(both, "print_started", print_long);
    both.agree("a print started");
    both.stop_host();
    both.start_host();
    both.both_ping("PRINTING");
    // First that it was cancelled, then that it failed.
    reported(both, "print_failed", |octoprint| octoprint.job("cancel", ""));
    both.octoprint.wait_for_state("Operational");
    both.agree("we were started again");
}

/// The server starts again while the host runs.
pub fn it_starts_again(both: &mut Both) {
    both.set(&json!({"events": {"achievements": false}}));
    both.octoprint.stop();
    both.host().wait_for_log("cannot listen to OctoPrint");
    both.octoprint.start();
    wait_long("its server was restarted", || both.host().log().contains("; its server was restarted"));
    both.wait_for("startup", 2);
    both.both_ping(both.octoprint.closed());
    both.agree("the server was started again");
    both.set(&json!({"events": {"achievements": true}}));
}

/// The server starts again while the host does not run, and connects its printer by itself.
pub fn it_starts_and_connects_while_we_are_away(both: &mut Both) {
    let before = count(&both.theirs.requests(), "printer_connected");
    both.stop_host();
    both.octoprint
        .order("api/settings", &json!({"serial": {"autoconnect": true, "port": "VIRTUAL", "baudrate": 115_200}}));
    both.octoprint.stop();
    both.octoprint.start();
    wait_long("its printer was connected", || count(&both.theirs.requests(), "printer_connected") > before);
    both.octoprint.wait_for_state("Operational");
    both.start_host();
    both.wait_for("startup", 3);
    both.both_ping("OPERATIONAL");
    both.agree("the server was started again, and connected its printer");
    print_to_the_end(both, "short one.gcode");
    both.agree("one more print");
}

/// Another host hears it through a proxy, below a path; nothing is different for that.
pub fn another_hears_it_through_a_proxy(both: &Both) {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let mut settings = both.home.settings();
    settings["server"] = receiver.url().into();
    home.write_settings(settings.to_string());
    // The same installation, or it would say other hashes.
    let (id, salt) = both.home.identity();
    identity::keep(&glassbox::home::Home::at(home.root()), "tracking", &id, &salt).unwrap();
    let host = follow(&home, &proxy(&both.octoprint.url()));
    wait_long("it is heard", || count(&receiver.requests(), "startup") == 1);
    print_to_the_end(both, "short one.gcode");
    both.agree("a print that another heard, too");
    let last = |receiver: &Receiver| receiver.requests().into_iter().rfind(|request| request.kind() == "print_done");
    wait_long("the other has heard it", || last(&receiver) == last(&both.ours));
    host.signal("TERM");
    host.wait(LONG).log();
}
