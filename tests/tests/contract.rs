//! The bundled component against the contract in `wit/`: what it imports, exports and weighs. And one that asks for
//! more than the contract has.
#![allow(missing_docs)]

use glassbox::home::BUNDLED;
use glassbox_contract::{Prepare, deny, inspect};
use glassbox_sandbox::{Instance, Memory, Stage};
use glassbox_tests::{SANDBOX, TRACKING, workspace};
use std::collections::BTreeSet;
use std::sync::Arc;

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

/// The smallest tracker, with a piece of it replaced.
fn tiny(old: &str, new: &str) -> Vec<u8> {
    let read = |name: &str| std::fs::read_to_string(workspace().join("tests/hostile").join(name)).unwrap();
    let text = read("tiny.wat");
    assert!(text.contains(old), "{old}");
    let component = wat::parse_str(text.replace(old, new)).unwrap();
    glassbox_component::embed(&component, &read("tiny.toml")).unwrap()
}

/// The words for what is wrong are not in the trusted core, which must refuse all of it without them.
#[test]
fn the_trusted_core_alone_refuses_what_is_not_in_the_contract() {
    let starts = |name: &str, bytes: &[u8]| {
        let plugin = Arc::new(SANDBOX.load(name, bytes)?);
        Instance::new(&plugin, deny(), None, Memory::default()).map(drop)
    };
    starts("tiny", &tiny(";; imports", "")).unwrap();
    let outsider = include_bytes!(concat!(env!("OUT_DIR"), "/outsider.wasm"));
    assert_eq!(starts("outsider", outsider).unwrap_err().stage, Stage::Link);
    for import in [
        // What is not in the contract, with a function of it that is asked for.
        r#"(import "wasi:filesystem/types@0.2.3" (instance (export "f" (func))))"#,
        r#"(import "glassbox:tracker/secrets@2.0.0" (instance (export "f" (func (result string)))))"#,
        r#"(import "run" (func (param "command" string)))"#,
        r#"(import "glassbox:tracker/clock@1.0.0" (instance (export "now" (func (result u64)))))"#,
        // Of the contract's interfaces, a function that they do not have, and another type.
        r#"(import "glassbox:tracker/clock@2.0.0" (instance (export "wall" (func (result u64)))))"#,
        r#"(import "glassbox:tracker/http@2.0.0" (instance (export "send" (func (param "url" string) (result string)))))"#,
        r#"(import "glassbox:tracker/throttle@2.0.0" (instance (export "query" (func (result string)))))"#,
    ] {
        assert_eq!(starts("tiny", &tiny(";; imports", import)).unwrap_err().stage, Stage::Link, "{import}");
    }
    for (old, new) in [
        (r#"(export "on-event" (func $on-event))"#, ""),
        (r#"(export "load" (func $load))"#, r#"(export "store" (func $load))"#),
        (r#"(param "document" string)"#, r#"(param "document" (list u8))"#),
        ("glassbox:tracker/handover@2.0.0", "glassbox:tracker/handover@1.0.0"),
    ] {
        starts("tiny", &tiny(old, new)).expect_err(new);
    }
    let refused = SANDBOX.load("other", &tiny(";; imports", "")).err().unwrap();
    assert_eq!((refused.stage, refused.reasons.len()), (Stage::Manifest, 1), "{refused}");
    for (bytes, reason) in [
        (&b"\0asm\x0d\0\x01\0"[..], "it has no manifest: embed one as the custom section glassbox:manifest"),
        (&vec![0; 5 << 20], "the file has 5 MiB; the limit is 4 MiB"),
    ] {
        let refused = SANDBOX.load("tiny", bytes).err().unwrap();
        assert_eq!((refused.stage, refused.reasons), (Stage::Check, vec![reason.to_string()]));
    }
    assert_eq!(SANDBOX.load("tiny", b"hello").err().unwrap().stage, Stage::Check);
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
