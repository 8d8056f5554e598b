//! Several OctoPrints in one host: each has its own plugins with settings, id and state, and none affects
//! another.

use crate::support::{Home, LONG, Process, SILENCE, START, names, receiver, wait_until};
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::octoprints::{OctoPrints, key, name};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A home with this configuration, in which nobody has opted in.
fn home(config: &str) -> Home {
    let home = Home::new();
    home.grant();
    write_config(&home, config);
    home
}

fn write_config(home: &Home, config: &str) {
    let file = home.0.write("home/glassbox.toml", config);
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn all(home: &Home, command: &str, more: &[&str]) -> String {
    home.command(&[command, "tracking", "--octoprint", "all"]).args(more).run().good()
}

fn opted_in(octoprints: &OctoPrints, receiver: &Receiver) -> Home {
    let home = home(&octoprints.entries());
    all(&home, "opt-in", &[]);
    all(&home, "settings", &[&format!("server={}", receiver.url())]);
    home
}

fn settings(home: &Home, number: usize) -> Value {
    let file = home.root().join(format!("settings/{}/tracking.json", name(number)));
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn id(home: &Home, number: usize) -> String {
    settings(home, number)["unique_id"].as_str().unwrap_or_default().into()
}

/// What was reported so far, by id.
fn reported(receiver: &Receiver, count: usize) -> BTreeMap<String, Vec<String>> {
    let requests = receiver.wait_for(count, LONG);
    assert_eq!(requests.len(), count, "{:?}", names(&requests));
    let mut by_id = BTreeMap::<_, Vec<_>>::new();
    for request in requests {
        let id = request.path.split('/').nth(2).unwrap().to_string();
        by_id.entry(id).or_default().push(request.kind().to_string());
    }
    by_id
}

fn print(octoprints: &OctoPrints, number: usize, event: &str) {
    octoprints.event(number, event, &json!({"path": format!("{number}.gcode"), "origin": "local", "time": 5}));
}

fn stop(host: Process) -> String {
    host.signal("TERM");
    host.wait(LONG).log()
}

#[test]
fn each_has_its_own_id_settings_and_state() {
    let (octoprints, receiver) = (OctoPrints::start(6), receiver());
    let home = opted_in(&octoprints, &receiver);
    let out = home.run(&["opt-out", "tracking", "--octoprint", "shop-4"]).good();
    assert!(out.starts_with("You have opted out of 'tracking' for shop-4. Nothing is sent any more"), "{out}");
    let only = ["settings", "tracking", "events.printjob=false", "--octoprint", "shop-5"];
    home.run(&only).good();

    let host = home.command(&["run", "-v"]).start();
    assert!(octoprints.wait_for_listeners(6, LONG), "{}", host.log());
    let expected = START.map(String::from).to_vec();
    assert!(reported(&receiver, 15).values().all(|reports| *reports == expected));
    (0..6).for_each(|number| print(&octoprints, number, "PrintStarted"));
    let by_id = reported(&receiver, 19);
    let ids: BTreeSet<_> = [0, 1, 2, 3, 5].iter().map(|number| id(&home, *number)).collect();
    assert_eq!((by_id.keys().cloned().collect::<BTreeSet<_>>(), ids.len()), (ids, 5));
    assert_eq!((id(&home, 4).as_str(), by_id[&id(&home, 5)].len()), ("", 3), "an id for nothing, or a print");
    // What one hears, the others do not.
    print(&octoprints, 2, "PrintDone");
    assert_eq!(reported(&receiver, 20)[&id(&home, 2)][3..], ["print_started", "print_done"]);
    // Opting one out takes effect at once, and for that one only.
    home.run(&["opt-in", "tracking", "--octoprint", "shop-4"]).good();
    home.run(&["settings", "tracking", "events.printjob=false", "--octoprint", "shop-0"]).good();
    assert_eq!(reported(&receiver, 23)[&id(&home, 4)], expected);
    wait_until("shop-0 took its settings", || {
        host.log().matches("INFO shop-0/tracking: reports are sent").count() == 2
    });
    print(&octoprints, 0, "PrintDone");
    print(&octoprints, 1, "PrintDone");
    assert_eq!(reported(&receiver, 24)[&id(&home, 1)].last().unwrap(), "print_done");
    let before: Vec<_> = (0..6).map(|number| id(&home, number)).collect();
    stop(host);

    // Each carries on where it was; one server was restarted meanwhile.
    octoprints.start_anew(3);
    let host = home.command(&["run", "-v"]).start();
    assert!(octoprints.wait_for_listeners(6, LONG), "{}", host.log());
    let by_id = reported(&receiver, 28);
    assert_eq!(by_id[&before[3]][4..], ["shutdown", "ping", "pong", "startup"]);
    print(&octoprints, 2, "PrintCancelled");
    assert_eq!(reported(&receiver, 29)[&before[2]].last().unwrap(), "print_cancelled");
    assert_eq!((0..6).map(|number| id(&home, number)).collect::<Vec<_>>(), before);
    stop(host);
}

#[test]
fn one_that_is_away_or_refuses_the_key_disturbs_no_other() {
    let (octoprints, receiver) = (OctoPrints::start(5), receiver());
    let entries = octoprints.entries().replace(&key(1), "WRONGKEYWRONGKEY");
    let nobody = format!("http://127.0.0.1:{}", crate::support::dead_port());
    let home = home(&entries.replace(&format!("{}\"", octoprints.url(2)), &format!("{nobody}\"")));
    all(&home, "opt-in", &[]);
    all(&home, "settings", &[&format!("server={}", receiver.url())]);
    octoprints.set_down(3, true);
    let host = home.command(&["run"]).start();
    host.wait_for_log("WARN shop-1: ");
    host.wait_for_log(&format!("WARN shop-2: cannot listen to OctoPrint at {nobody}, trying again"));
    host.wait_for_log("WARN shop-3: ");
    assert_eq!(reported(&receiver, 6).len(), 2);
    assert!(host.log().contains("does not accept the API key (it answered 403)"), "{}", host.log());
    print(&octoprints, 4, "PrintStarted");
    assert_eq!(reported(&receiver, 7)[&id(&home, 4)].last().unwrap(), "print_started");
    // It comes, and the others do not notice.
    octoprints.set_down(3, false);
    host.wait_for_log("INFO shop-3: hears OctoPrint 1.11.8");
    assert_eq!(reported(&receiver, 10)[&id(&home, 3)].len(), 3);
    std::thread::sleep(SILENCE);
    assert_eq!(receiver.requests().len(), 10);
    let log = stop(host);
    assert_eq!(log.matches("hears OctoPrint again").count(), 0, "{log}");
}

#[test]
fn one_whose_settings_are_damaged_is_named_and_the_others_run() {
    let (octoprints, receiver) = (OctoPrints::start(3), receiver());
    let home = opted_in(&octoprints, &receiver);
    let file = home.0.write("home/settings/shop-1/tracking.json", "{");
    let host = home.command(&["run"]).start();
    host.wait_for_log(&format!("ERROR shop-1: the settings file {} is damaged", file.display()));
    assert_eq!(reported(&receiver, 6).len(), 2);
    // Once it is fixed, it runs at once.
    fs::write(&file, json!({"enabled": true, "server": receiver.url()}).to_string()).unwrap();
    assert_eq!(reported(&receiver, 9)[&id(&home, 1)].len(), 3);
    let log = stop(host);
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    let journal = home.run(&["journal", "--octoprint", "shop-1"]).good();
    assert!(journal.contains("shop-1/tracking  refused "), "{journal}");
}

#[test]
fn a_grant_is_for_all() {
    let (octoprints, receiver) = (OctoPrints::start(3), receiver());
    let home = opted_in(&octoprints, &receiver);
    let host = home.command(&["run"]).start();
    assert_eq!(reported(&receiver, 9).len(), 3);
    home.run(&["revoke", "tracking"]).good();
    host.wait_for_log("its grant was revoked, and it was stopped");
    (0..3).for_each(|number| print(&octoprints, number, "PrintStarted"));
    std::thread::sleep(SILENCE);
    assert_eq!(receiver.requests().len(), 9);
    home.grant();
    wait_until("all run again", || host.log().matches("/tracking: reports are sent").count() == 6);
    let log = stop(host);
    assert_eq!(log.matches("its grant was revoked").count(), 1, "{log}");
}

#[test]
fn the_journal_and_the_commands_say_whose_it_is() {
    let (octoprints, receiver) = (OctoPrints::start(3), receiver());
    let home = opted_in(&octoprints, &receiver);
    home.run(&["opt-out", "tracking", "--octoprint", "shop-2"]).good();
    let host = home.command(&["run"]).start();
    assert_eq!(reported(&receiver, 6).len(), 2);
    print(&octoprints, 1, "PrintStarted");
    reported(&receiver, 7);
    let table = || home.run(&["journal", "--octoprint", "shop-1"]).good();
    wait_until("it was written down", || {
        table().contains("shop-1/tracking  sent         PrintStarted -> print_started")
    });
    assert!(!table().contains("shop-0"), "{}", table());
    let json = home.run(&["journal", "--json"]).good();
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sent = |of: &str| lines.iter().filter(|line| line["octoprint"] == of && line["what"] == "sent").count();
    assert_eq!((sent("shop-0"), sent("shop-1"), sent("shop-2")), (3, 4, 0));
    assert_eq!(lines[0]["octoprint"], Value::Null, "the host itself is nobody's");
    home.run(&["journal", "--verify"]).good();

    let status = home.run(&["status"]).good();
    assert!(status.contains("shop-1/tracking: reports are sent while the host runs: "), "{status}");
    assert!(
        status
            .contains("4 sent, 0 failed, 0 dropped, 0 blocked (glassbox journal --plugin tracking --octoprint shop-1)")
    );
    assert!(status.contains("is not true (glassbox opt-in tracking --octoprint shop-2)"), "{status}");
    let status = home.run(&["status", "--octoprint", "shop-2"]).good();
    assert!(!status.contains("shop-1"), "{status}");
    let list = home.run(&["list"]).good();
    assert!(
        list.contains("    shop-0, shop-1: reports are sent") && list.contains("    shop-2: nothing is sent"),
        "{list}"
    );
    stop(host);
}

#[test]
fn a_command_that_is_about_one_must_know_which() {
    let octoprints = OctoPrints::start(12);
    let home = home(&octoprints.entries());
    let place = home.root().join("glassbox.toml");
    let place = place.display();
    let some = "shop-0, shop-1, shop-2, shop-3, shop-4, shop-5, shop-6, shop-7 and 4 more";
    let which = format!(
        "which OctoPrint is meant? {place} names 12 of them: {some}; give one with --octoprint NAME, or '--octoprint all'"
    );
    for command in ["opt-in", "settings"] {
        assert_eq!(home.run(&[command, "tracking"]).error(), which);
        let error = home.run(&[command, "tracking", "--octoprint", "shop-99"]).error();
        assert_eq!(error, format!("{place} has no OctoPrint called 'shop-99'; it has {some}"));
    }
    // Whoever wanted to opt out must know that they have not.
    for octoprint in [&[] as &[&str], &["--octoprint", "shop-99"]] {
        let error = home.command(&["opt-out", "tracking"]).args(octoprint).run().error();
        assert!(error.contains("; nothing was changed, and reports go on while a host runs; "), "{error}");
        assert!(error.ends_with("stop the host, or start it with the environment variable DO_NOT_TRACK=1"), "{error}");
    }
    assert!(!home.root().join("settings/tracking.json").exists());
    let out = all(&home, "opt-in", &[]);
    assert!(out.contains("\nYou have opted in to 'tracking' for all 12 OctoPrints. "), "{out}");
    assert!(out.ends_with("Take it back with: glassbox opt-out tracking --octoprint all\n"), "{out}");
    assert!((0..12).all(|number| settings(&home, number)["enabled"] == true));
    let shown = all(&home, "settings", &["ping=60"]);
    assert!(shown.contains("shop-11:\nping = 60\n"), "{shown}");
}

#[test]
fn who_adds_a_second_one_keeps_what_the_first_had() {
    let (octoprints, receiver) = (OctoPrints::start(2), receiver());
    let home = Home::opted_in(&receiver.url());
    let first = octoprints.entry(0, None, &key(0));
    write_config(&home, &first);
    let host = home.command(&["run"]).start();
    reported(&receiver, 3);
    stop(host);
    let id = home.settings()["unique_id"].clone();

    write_config(&home, &(first.clone() + &octoprints.entry(1, Some("shop-1"), &key(1))));
    let error = home.run(&["opt-in", "tracking"]).error();
    assert!(error.contains(" names 2 of them: octoprint, shop-1; give one"), "{error}");
    home.run(&["opt-in", "tracking", "--octoprint", "shop-1"]).good();
    home.run(&["settings", "tracking", &format!("server={}", receiver.url()), "--octoprint", "shop-1"]).good();
    let host = home.command(&["run"]).start();
    assert_eq!(reported(&receiver, 6).len(), 2);
    assert!(octoprints.wait_for_listeners(2, LONG));
    print(&octoprints, 0, "PrintStarted");
    assert_eq!(reported(&receiver, 7)[id.as_str().unwrap()].last().unwrap(), "print_started");
    stop(host);
    assert_eq!(home.settings()["unique_id"], id);
    // Who then gives the first one a name is told what to do.
    write_config(&home, &octoprints.entries());
    let status = home.run(&["status"]).good();
    let moved = home.root().join("settings/shop-0");
    assert!(
        status.contains("belong to no OctoPrint, as all have a name now") && status.contains(moved.to_str().unwrap())
    );
}

#[test]
fn those_that_cannot_be_told_apart_are_refused() {
    let octoprints = OctoPrints::start(3);
    let (one, two) = (octoprints.url(0), octoprints.url(1));
    let error = |names: [Option<&str>; 2]| {
        let entry = |number: usize| octoprints.entry(number, names[number], &key(number));
        home(&(entry(0) + &entry(1))).run(&["run"]).error()
    };
    let same = error([Some("mk3"), Some("mk3")]);
    assert!(
        same.ends_with(&format!("two [[octoprint]] entries, {one} and {two}, are named 'mk3'; rename one")),
        "{same}"
    );
    let without = error([None, None]);
    assert!(
        without.contains(&format!("of {one} and {two} have no name; of several, each needs a name of its own")),
        "{without}"
    );
    for names in [[None, Some("octoprint")], [Some("octoprint"), None]] {
        assert!(error(names).ends_with("is called 'octoprint', and so is another; rename that"));
    }
    for wrong in ["all", "Shop 1", ""] {
        assert!(error([Some("mk3"), Some(wrong)]).contains(&format!("and not 'all'; that of {two} is not")), "{wrong}");
    }
    let twice = octoprints.entry(0, Some("a"), &key(0)) + &octoprints.entry(0, Some("b"), &key(0));
    let twice = home(&twice).run(&["run"]).error();
    assert!(twice.ends_with(&format!("two [[octoprint]] entries have the url {one}; remove one")), "{twice}");
    let keyless = format!("[[octoprint]]\nname = \"mk3\"\nurl = \"{one}\"\n");
    let keyless = home(&keyless).run(&["run"]).error();
    assert!(keyless.starts_with("the [[octoprint]] entry 'mk3' of "), "{keyless}");
}

#[test]
fn what_runs_can_be_switched_off_whatever_the_configuration_says_by_now() {
    let (octoprints, receiver) = (OctoPrints::start(2), receiver());
    let home = opted_in(&octoprints, &receiver);
    let host = home.command(&["run", "-v"]).start();
    assert!(octoprints.wait_for_listeners(2, LONG), "{}", host.log());
    reported(&receiver, 2 * START.len());
    for config in [octoprints.entry(0, Some("renamed"), &key(0)), String::new(), "octoprint = [".into()] {
        write_config(&home, &config);
        let status = home.run(&["status"]).good();
        for number in [0, 1] {
            assert!(status.contains(&format!("\n{}/tracking: ", name(number))), "{config}: {status}");
        }
        // Which one is meant? Nothing is done before that is clear.
        if !config.contains("= [") {
            let message = home.run(&["opt-out", "tracking"]).error();
            assert!(message.contains("which OctoPrint is meant?") && message.contains("reports go on"), "{message}");
        }
    }
    write_config(&home, "");
    all(&home, "opt-out", &[]);
    let before = receiver.requests().len();
    for number in [0, 1] {
        print(&octoprints, number, "PrintStarted");
    }
    assert_eq!(receiver.wait_for(before + 1, SILENCE).len(), before);
    stop(host);
    assert_eq!(receiver.requests().len(), before);
}
