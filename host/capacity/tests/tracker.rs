//! The bundled tracker's manifest: pinned as a whole, so that no bit can be hidden in what it says.
#![allow(missing_docs)]

use glassbox_capacity::{Capacity, as_markdown};
use glassbox_sandbox::manifest::UserAgent;
use glassbox_sandbox::{Manifest, Policy};
use std::collections::BTreeSet;

const TRACKER: &str = include_str!("../../../guest/tracker.toml");

fn capacity(text: &str) -> Capacity {
    of(&Manifest::parse(text).unwrap())
}

fn of(manifest: &Manifest) -> Capacity {
    Policy::new(manifest.clone()).unwrap();
    Capacity::of(manifest)
}

/// `TRACKER` without its pins, as a manifest was written before there were any.
fn unpinned() -> Manifest {
    let mut manifest = Manifest::parse(TRACKER).unwrap();
    manifest.capabilities.user_agent = UserAgent::Pattern("OctoPrint/[0-9A-Za-z.+_-]{1,64}".into());
    let mut names = BTreeSet::new();
    manifest.says.retain(|says| names.insert(says.request.clone()));
    for says in &mut manifest.says {
        says.on.clear();
        (says.every, says.once, says.after, says.until, says.octoprint) = (None, None, 0, None, None);
        says.variable.iter_mut().for_each(|variable| variable.from.clear());
        let mut names = BTreeSet::new();
        says.fields.retain(|field| names.insert(field.name.clone()));
        for field in &mut says.fields {
            field.from.clear();
            (field.unknown, field.condition, field.octoprint, field.grows) = (None, None, None, false);
        }
    }
    manifest
}

#[test]
fn nothing_can_be_hidden_in_what_it_says() {
    let policy = Policy::new(Manifest::parse(TRACKER).unwrap()).unwrap();
    assert_eq!(glassbox_describe::free::all(&policy), [""; 0]);
    let capacity = capacity(TRACKER);
    assert_eq!(capacity.reports.len(), 22);
    for report in &capacity.reports {
        let forms = if report.request == "printer_connected" { 2 } else { 1 };
        assert_eq!((report.values, report.forms, report.at_will), (0.0, forms, false), "{report:?}");
    }
    assert_eq!(
        capacity.to_string(),
        "  printer_connected: 1.6 bits in whether and in which form it is sent\n  \
         each other report: 1 bit in whether it is sent, and none in what it says\n  \
         in a day: 97 bits for ping and pong, and 1 bit to 1.6 bits for each further report\n  \
         in a call that it makes slow, or that fails: 6.6 bits more; the journal shows each\n"
    );
}

#[test]
fn without_pins_a_day_has_room_for_gigabits() {
    let before = of(&unpinned());
    let bits = |request: &str| before.reports.iter().find(|report| report.request == request).unwrap().values;
    // As measured on the prototype: a list of plugins and one of achievements fill a whole request.
    assert!((262_144.0..263_000.0).contains(&bits("pong")), "{}", bits("pong"));
    assert!((5_300.0..6_000.0).contains(&bits("print_started")), "{}", bits("print_started"));
    assert!((22.6e9..22.9e9).contains(&before.day.at_will), "{}", before.day.at_will);
    let after = capacity(TRACKER);
    let changes = after.changes_from(&before);
    assert_eq!(changes.len(), 23, "{changes:?}");
    assert!(changes[5].starts_with("print_started: 5,") && changes[5].ends_with(" bits -> 1 bit"), "{}", changes[5]);
    assert!(changes[22].starts_with("in a day: 22.8 Gbit for what it sends at will -> 97 bits"), "{}", changes[22]);
    assert_eq!(after.changes_from(&after), [""; 0]);
}

#[test]
fn each_thing_that_is_free_can_hide_something() {
    let before = capacity(TRACKER);
    for (from, to, request) in [
        (r#"from = "PrintStarted.path", "#, "", "print_started"),
        ("on = [\"PrintDone\"]", "on = [\"tick\"]", "print_done"),
        (r#"from = "Error.reason", "#, "", "commerror_{reason}"),
        (
            "{ text = \"OctoPrint/{}\", from = \"environment.octoprint.version\", pattern = '[0-9A-Za-z.+_-]{1,64}', unknown = \"unknown\" }",
            "'O.*'",
            "shutdown",
        ),
    ] {
        assert!(TRACKER.contains(from), "{from}");
        let after = capacity(&TRACKER.replacen(from, to, 1));
        let bits = |capacity: &Capacity| {
            capacity.reports.iter().find(|report| report.request == request).map(glassbox_capacity::Report::bits)
        };
        assert!(bits(&after) > bits(&before), "{to}: {after:?}");
        assert!(after.changes_from(&before).iter().any(|change| change.starts_with(request)));
    }
}

#[test]
fn policy_fits_on_three_screens_and_the_table_shows_what_could_hide() {
    let manifest = Manifest::parse(TRACKER).unwrap();
    let text = glassbox_describe::in_words(&manifest);
    assert!(text.lines().count() <= 150, "{} lines", text.lines().count());
    assert_eq!(text.matches("FREE").count(), 1, "only in the sentence that says what it means: {text}");
    let table = as_markdown(&manifest);
    for row in [
        "| `ping` | `octoprint_uptime`, `printer_state` | `ping=0` | 1 bit |",
        "| `shutdown` | only that it happened | `events.startup` | 1 bit |",
        "| `printer_connected` | `printer_connector`, `firmware_name`, `printer_port`, `printer_baudrate` | `events.printer` | 1.6 bits |",
    ] {
        assert!(table.lines().any(|line| line == row), "{row}: {table}");
    }
    let free =
        as_markdown(&Manifest::parse(&TRACKER.replacen(r#"from = "webui_load.browser_name", "#, "", 1)).unwrap());
    assert!(free.contains("| `webui_load` | `browser_name` (free), `browser_version`"), "{free}");
}

#[test]
fn what_shares_a_name_is_counted_with_all_its_occasions() {
    // Of the pings, one is sent on an event as well.
    let other = "[[says]]\nrequest = \"ping\"\nmethod = \"GET\"\non = [\"PrinterStateChanged\"]\nfields = []\n";
    let none = "plugin.name = \"p\"\ncapabilities.user_agent = 'P'\n[[sees]]\nevent = \"PrinterStateChanged\"\nfields = []\n[[says]]\n\
                request = \"ping\"\nmethod = \"GET\"\non = [\"tick\"]\nevery = { setting = \"ping\", default = 900 }\nfields = []\n";
    assert_eq!(capacity(none).day.to_string(), "96 bits for ping");
    let day = capacity(&format!("{none}{other}")).day.to_string();
    assert_eq!(day, "96 bits for ping, and 1 bit for each further report");
    // It is sent on one of three events, or on none.
    let three = TRACKER.replacen("on = [\"FirmwareData\"]", "on = [\"FirmwareData\", \"PrinterStateChanged\"]", 1);
    let report = |manifest: &str| {
        let all = capacity(manifest).reports;
        all.into_iter().find(|report| report.request == "printer_connected").unwrap()
    };
    assert_eq!((report(TRACKER).forms, report(&three).forms), (2, 3));
    assert!((report(&three).sent - 2.0).abs() < 1e-9);
    // After another event, too: the name is all that it waits by.
    let other = three.replacen("once = \"Connected\"\nafter", "once = \"PrintStarted\"\nafter", 1);
    assert_eq!(report(&other).forms, 3);
}
