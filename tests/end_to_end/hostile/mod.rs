//! Hostile and broken components: whatever is dropped into the plugin folder, the host says what is
//! wrong with it in words, its other plugin keeps sending, and nothing undeclared leaves. One folder
//! of `tests/hostile/` is one case.

mod case;
mod make;
mod place;

use crate::support::{ENVIRONMENT, Home, LONG, Output, PRINT, Process, STARTED, program, receiver};
use case::{Case, Stage};
use glassbox_audit::conformance::RecordedRequest;
use glassbox_audit::conformance::receiver::Receiver;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// A text in a payload that must never be sent.
const SECRET: &str = "secret-part";
const SECRET_PRINT: &str =
    r#"{"event":"PrintStarted","payload":{"path":"secret-part.gcode","name":"secret-part.gcode","origin":"local"}}"#;

/// The plugin's id, where it has not made one itself.
const ID: &str = "4711abcd-4711-4711-8711-4711abcd4711";
const TRACKING_ID: &str = "0b5e4f7e-2f0a-4c8e-9d7c-0123456789ab";

/// How long the good plugin's report may take once the hostile one has done what it does.
const SOON: Duration = Duration::from_secs(10);

/// Each is a test of its own, so that one can be picked and they run side by side.
macro_rules! cases {
    ($($name:ident)*) => {
        const CASES: &[&str] = &[$(stringify!($name)),*];
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*
    };
}

cases! {
    answer_that_is_none
    answer_that_is_not_aligned
    asks_for_everything
    cache_cut
    cache_damaged
    cache_file_foreign
    cache_file_open
    cache_folder_open
    cache_pipe
    components_in_one_another
    components_inside
    core_module
    cut_off_at_1_percent
    cut_off_at_30_percent
    cut_off_at_95_percent
    damaged_manifest
    endless_device
    everything_wrong
    field_missing
    field_twice
    fields_out_of_order
    forged_log_line
    forged_request_name
    garbage_handover
    header_in_the_user_agent
    hidden_words
    huge_handover
    huge_repetitions
    huge_request
    hundred_megabytes
    link_to_itself
    link_to_outside
    long_function
    long_message
    loop_at_the_start
    loop_in_load
    loop_in_on_event
    loop_in_on_tick
    loop_in_restore
    loop_in_save
    loop_in_schema
    loops_and_variables
    manifest_of_a_megabyte
    manifest_of_another
    manifest_with_a_deep_array
    manifest_with_a_deep_key
    manifest_with_a_deep_path
    manifest_with_a_path
    many_fields
    many_functions
    many_instances
    many_patterns
    many_results
    many_types
    memory_bomb_in_load
    memory_bomb_in_on_event
    memory_for_compiling
    memory_too_large
    missing_exports
    misspelt_manifest
    much_code
    name_in_capitals
    name_of_dots
    name_that_climbs
    name_that_forges_a_line
    name_that_is_no_text
    name_too_long
    name_with_a_space
    named_pipe
    nested_loops
    newer_contract
    no_manifest
    odd_server
    older_contract
    pattern_made_to_be_slow
    pattern_that_breaks_out
    realloc_beyond_memory
    recursion_in_load
    recursion_in_on_event
    request_name_of_dots
    request_to_another_host
    request_to_another_path
    request_with_another_method
    send_in_load
    send_in_restore
    send_in_save
    send_in_schema
    send_while_loading
    setting_in_the_name
    setting_in_the_user_agent
    string_beyond_memory
    string_of_a_gigabyte
    string_that_is_no_text
    table_growth
    table_too_large
    ten_thousand_patterns
    ten_thousand_requests
    text
    tick_in_the_past
    tracker_inside
    trap_at_the_start
    trap_in_load
    trap_in_on_event
    trap_in_on_tick
    trap_in_restore
    trap_in_save
    trap_in_schema
    two_claim_one_name
    two_manifests
    two_memories
    types_to_compare
    undeclared_field
    undeclared_request
    unknown_interface
    value_that_does_not_fit
    vector_instructions
    wasi_cli
    wasi_filesystem
    wasi_random
    wasi_sockets
    wrong_export_types
    wrong_import_types
}

#[test]
fn every_folder_is_a_case() {
    let entries = fs::read_dir(case::folder()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<_> = folders.map(|folder| folder.file_name().into_string().unwrap()).collect();
    names.sort();
    let mut cases = CASES.to_vec();
    cases.sort_unstable();
    assert_eq!(names, cases);
    assert!(cases.len() >= 30);
}

fn run(name: &str) {
    let case = Case::read(name);
    let receiver = receiver();
    let home = Home::new();
    let settings = json!({"enabled": true, "server": receiver.url(), "unique_id": TRACKING_ID});
    home.write_settings(settings.to_string());
    home.grant();
    place::place(&case, &home);
    // As it is in the message; there is no other path in it.
    let plugins = home.root().join("plugins").display().to_string();
    let case = Case { expected: case.expected.trim_end().replace("{plugins}", &plugins), ..case };
    if !case.file.is_empty() {
        opt_in(&case, &home, &receiver);
        listed(&case, &home);
        audited(&case, &home);
    }
    ran(&case, &home, &receiver);
    kept(&case, &home);
    left(&case, &receiver.requests());
}

/// What is said once of a message that has a line for the plugin, and lines for what is wrong.
#[track_caller]
fn says(case: &Case, text: &str) {
    assert!(text.contains(&case.expected), "{}: expected\n{}\nin\n{text}", case.about, case.expected);
}

fn opt_in(case: &Case, home: &Home, receiver: &Receiver) {
    let plugin = case.plugin();
    let mut settings = json!({"server": receiver.url(), "unique_id": ID});
    for (key, value) in &case.settings {
        settings[key] = serde_json::to_value(value).unwrap();
    }
    settings.as_object_mut().unwrap().retain(|_, value| value != "");
    let is_name = glassbox_sandbox::manifest::is_name(plugin);
    if is_name {
        fs::write(home.root().join("settings").join(plugin).with_extension("json"), settings.to_string()).unwrap();
    }
    let output = home.run(&["opt-in", plugin]);
    match case.stage {
        Stage::Read | Stage::Check => {
            assert_eq!(output.status, Some(2), "{}{}", output.out, output.err);
            // An invalid name may mean something else on the command line.
            if is_name {
                says(case, &output.err);
            }
        }
        _ => {
            let out = output.good();
            assert!(out.contains(&case.shown), "{}: expected\n{}\nin\n{out}", case.about, case.shown);
        }
    }
}

fn listed(case: &Case, home: &Home) {
    let out = home.run(&["list"]).good();
    assert!(out.contains("tracking  OctoPrint's anonymous usage tracking\n"), "{out}");
    match case.stage {
        // It is indented below its name.
        Stage::Read | Stage::Check | Stage::Compile => {
            let plain = |text: &str| text.lines().map(str::trim_start).collect::<Vec<_>>().join("\n");
            assert!(
                plain(&out).contains(&plain(&case.expected)),
                "{}: expected\n{}\nin\n{out}",
                case.about,
                case.expected
            );
        }
        _ => assert!(out.contains("    reports are sent while the host runs: "), "{out}"),
    }
}

fn audited(case: &Case, home: &Home) {
    // What it is, and whether it starts; what it would do takes a minute.
    let output = program(&["audit", "--quick"]).arg(place::file(case, home)).run();
    let Output { status, out, err } = &output;
    // An auditor may give the file any name, so that its name is not checked.
    let reasons = case.expected.split_once(":").map_or(case.expected.as_str(), |(_, reasons)| reasons).trim();
    match (&case.audit, case.stage) {
        (Some(nothing), _) if nothing.is_empty() => drop(output.good()),
        (Some(reason), _) => assert!(*status == Some(1) && out.contains(reason), "expected\n{reason}\nin\n{out}{err}"),
        (None, Stage::Read) => {
            assert!(*status == Some(2) && err.contains("the component cannot be read: "), "{out}{err}")
        }
        (None, Stage::Check | Stage::Compile | Stage::Start | Stage::Schema) => {
            assert!(*status == Some(1) && out.contains(reasons), "expected\n{reasons}\nin\n{out}{err}");
        }
        (None, Stage::Run | Stage::Nothing) => drop(output.good()),
    }
    if case.stage == Stage::Schema {
        says(case, &home.run(&["settings", case.plugin()]).error());
    }
}

/// The host runs, the hostile plugin does what it does, and then the good one has something to say.
fn ran(case: &Case, home: &Home, receiver: &Receiver) {
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    let events = case.events.clone().unwrap_or_else(|| vec![SECRET_PRINT.into()]);
    events.iter().for_each(|event| host.send(event));
    if !matches!(case.stage, Stage::Schema) {
        host.wait_for_log(&case.expected);
    }
    wait_for_prints(case, &host, receiver, 1, LONG);
    host.send(PRINT);
    wait_for_prints(case, &host, receiver, 2, SOON);
    if case.signal {
        host.signal("TERM");
    } else {
        host.close();
    }
    let log = host.wait(LONG).log();
    assert!(log.contains(" reports sent, "), "{log}");
}

/// Wait for so many prints in the good plugin's reports.
fn wait_for_prints(case: &Case, host: &Process, receiver: &Receiver, count: usize, longest: Duration) {
    let end = Instant::now() + longest;
    let tracked =
        |requests: &[RecordedRequest]| requests.iter().filter(|request| request.kind() == "print_started").count();
    while tracked(&receiver.requests()) < count {
        assert!(Instant::now() < end, "{}: the good plugin is not heard:\n{}", case.about, host.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The user's settings are as they were, and the journal says what was tried.
fn kept(case: &Case, home: &Home) {
    let journal = home.run(&["journal", "--json"]).good();
    assert!(journal.contains(&case.journal), "{}: expected\n{}\nin\n{journal}", case.about, case.journal);
    assert!([ID, TRACKING_ID, SECRET].iter().all(|secret| !journal.contains(secret)), "{journal}");
    home.run(&["journal", "--verify"]).good();
    let file = home.root().join("settings").join(case.plugin()).with_extension("json");
    if case.settings_after.is_empty() && case.absent_after.is_empty() {
        return;
    }
    let settings: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    for (key, value) in &case.settings_after {
        assert_eq!(settings[key], serde_json::to_value(value).unwrap(), "{key}: {settings}");
    }
    for key in &case.absent_after {
        assert_eq!(settings.get(key), None, "{key}: {settings}");
    }
}

/// Only what may leave has left: the good plugin's reports, and those of the other one that it declares.
fn left(case: &Case, requests: &[RecordedRequest]) {
    let mut others = BTreeMap::new();
    let mut tracked = Vec::new();
    for request in requests {
        let RecordedRequest { method, path, query, body, user_agent } = request;
        let (of_tracking, of_other) = (format!("/track/{TRACKING_ID}/"), format!("/track/{ID}/"));
        let whole = format!("{method} {path}?{query} {body} {user_agent}");
        assert_eq!(whole.matches(TRACKING_ID).count() + whole.matches(ID).count(), 1, "an id in its place: {whole}");
        assert!(!whole.contains(SECRET), "{whole}");
        if path.starts_with(&of_tracking) {
            assert_eq!(user_agent, "OctoPrint/1.11.8");
            tracked.push(request.kind());
        } else {
            assert!(path.starts_with(&of_other), "{whole}");
            assert_eq!((user_agent.as_str(), method.as_str(), body.as_str()), ("Misfit/1", "GET", ""));
            *others.entry(format!("{}?{query}", request.kind())).or_insert(0) += 1;
        }
    }
    assert_eq!(tracked, ["ping", "pong", "startup", "print_started", "print_started", "shutdown"]);
    assert_eq!(others, case.leaves, "{}", case.about);
}

/// A home with the component of a case, which was granted what it asks for.
pub fn home_with(name: &str) -> Home {
    let (case, home) = (Case::read(name), Home::new());
    place::place(&case, &home);
    home.run(&["opt-in", case.plugin()]);
    let _ = fs::remove_dir_all(home.root().join("cache"));
    home
}
