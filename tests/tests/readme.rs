//! The README says what is so.
#![allow(missing_docs)]

use glassbox_sandbox::describe;
use glassbox_tests::{TRACKING, workspace};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn the_table_of_what_is_recorded_is_the_manifests() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- policy -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- /policy -->").unwrap();
    let expected = describe::as_markdown(TRACKING.policy.manifest());
    assert_eq!(table.trim(), expected.trim(), "run: glassbox policy --markdown, and put it into the README");
}

#[test]
fn what_a_manifest_can_say_is_all_there() {
    fn keys(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => object.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                keys(value, found);
            }),
            Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("### What a manifest can say\n").unwrap();
    let (reference, _) = rest.split_once("\n## ").unwrap();
    // The tracker's manifest says nearly everything that can be said.
    let manifest = TRACKING.policy.manifest();
    let mut said = BTreeSet::from(["const".to_string()]);
    keys(&serde_json::to_value(manifest).unwrap(), &mut said);
    let hardware = serde_json::to_value(&manifest.capabilities.hardware).unwrap();
    said.extend(hardware.as_array().unwrap().iter().map(|field| field.as_str().unwrap().into()));
    let named = |key: &str| [format!("`{key}`"), format!("`{key} ="), format!("[{key}]")];
    let unnamed = |key: &&String| !named(key).iter().any(|name| reference.contains(name));
    let missing: Vec<_> = said.iter().filter(unnamed).collect();
    assert_eq!(missing, [""; 0]);
    assert!(said.len() > 30, "{said:?}");
}

#[test]
fn nothing_in_the_tree_is_longer_than_it_should_be() {
    fn walk(folder: &std::path::Path, long: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, long);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                if lines > 420 {
                    long.push(format!("{}: {lines} lines", path.display()));
                }
            }
        }
    }
    let mut long = Vec::new();
    ["guest", "host", "tests", "examples"].iter().for_each(|part| walk(&workspace().join(part), &mut long));
    assert_eq!(long, [""; 0]);
}

#[test]
fn the_trusted_core_can_be_read_in_an_afternoon() {
    let folder = workspace().join("host/sandbox/src");
    let files = std::fs::read_dir(folder).unwrap().flatten();
    // What it is believed for is the code; its own tests stand at the files' ends.
    let code = |text: String| text.split("#[cfg(test)]").next().unwrap_or_default().to_string();
    let text: String = files.map(|file| code(std::fs::read_to_string(file.path()).unwrap())).collect();
    let code = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
    // About 1,500: what is more must be worth it.
    assert!(code <= 1550, "{code} lines of code");
}
