//! The bundled component against the contract in `wit/`: what it imports, exports and weighs. And one that asks for
//! more than the contract has.
#![allow(missing_docs)]

use glassbox::home::BUNDLED;
use glassbox_sandbox::inspect;
use glassbox_tests::{SANDBOX, TRACKING, workspace};
use std::collections::BTreeSet;

/// Names of the world's imports and exports, read from the WIT file.
fn world() -> (BTreeSet<String>, BTreeSet<String>) {
    let wit = std::fs::read_to_string(workspace().join("wit/tracker.wit")).unwrap();
    let (_, world) = wit.split_once("world tracker {").unwrap();
    // An interface of this package is imported by its bare name, a function with its type.
    let full = |name: &str| match name {
        "on-event" | "on-tick" => name.to_string(),
        other if other.contains('/') => other.to_string(),
        interface => format!("glassbox:tracker/{interface}@2.0.0"),
    };
    let names = |keyword: &str| -> BTreeSet<String> {
        let items = world.lines().filter_map(|line| line.trim().strip_prefix(keyword));
        items.map(|rest| full(rest.trim_end_matches(';').split(": func").next().unwrap().trim())).collect()
    };
    (names("import "), names("export "))
}

#[test]
fn the_tracker_imports_the_four_interfaces_and_nothing_else() {
    let found = inspect("tracking", BUNDLED).unwrap();
    let (imports, exports) = world();
    assert_eq!(imports.len(), 4);
    assert_eq!(found.imports.into_iter().collect::<BTreeSet<_>>(), imports);
    assert_eq!(found.exports.into_iter().collect::<BTreeSet<_>>(), exports);
    assert_eq!(found.differences, [""; 0]);
}

#[test]
fn who_asks_for_random_bytes_is_refused() {
    let outsider = include_bytes!(concat!(env!("OUT_DIR"), "/outsider.wasm"));
    let found = inspect("outsider", outsider).unwrap();
    let [difference] = found.differences.as_slice() else { panic!("{:?}", found.differences) };
    assert!(difference.starts_with("it imports wasi:random/random@0.2."), "{difference}");
    assert!(difference.ends_with(", which no tracker may use"), "{difference}");
    let refused = SANDBOX.prepare("outsider", outsider).err().unwrap();
    assert_eq!(refused.reasons, [difference.as_str()]);
}

#[test]
fn the_tracker_is_small() {
    assert!(BUNDLED.len() <= 200_000, "{} bytes", BUNDLED.len());
}

#[test]
fn no_path_of_the_machine_is_in_it() {
    let text = String::from_utf8_lossy(BUNDLED);
    let workspace = workspace();
    assert!(!text.contains(workspace.to_str().unwrap()));
    if let Some(home) = std::env::home_dir() {
        assert!(!text.contains(&format!("{}/.", home.display())));
    }
}

#[test]
fn its_manifest_lists_every_event_and_request() {
    let manifest = TRACKING.policy.manifest();
    let requests: BTreeSet<_> = manifest.says.iter().map(|says| says.request.as_str()).collect();
    let all = "ping pong startup shutdown printer_connected print_started print_done print_failed print_cancelled \
               commerror_{reason} install_plugin uninstall_plugin enable_plugin disable_plugin update_successful \
               update_failed system_throttled system_unthrottled printer_safety_warning achievement_unlocked \
               slicing_started webui_load";
    assert_eq!(requests, all.split_whitespace().collect());
    // Nothing that names a person or a file is among what it sees, but for the path that is hashed.
    for sees in &manifest.sees {
        for field in ["owner", "user", "name", "username", "remoteAddress", "size"] {
            let firmware = sees.event == "FirmwareData" && field == "name";
            assert!(firmware || !sees.fields.iter().any(|seen| seen.name == field), "{} sees {field}", sees.event);
        }
    }
}
