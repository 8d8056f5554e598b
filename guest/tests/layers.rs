//! The files of `src` use each other in one direction only, as the crate's documentation lists it.
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

/// From top to bottom, as in `src/lib.rs`.
const LAYERS: [&[&str]; 8] = [
    &["glue"],
    &["tracker"],
    &["events"],
    &["context"],
    &["state"],
    &["environment", "throttling", "settings"],
    &["fields", "allocator"],
    &["capabilities", "python"],
];

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|layer| layer.contains(&module));
    found.unwrap_or_else(|| panic!("{module} is in no layer: add it to LAYERS and to src/lib.rs"))
}

/// Every source file below `folder`, with the module of `src` that it belongs to.
fn sources(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_string();
        if path.is_dir() {
            all.extend(sources(&path).into_iter().map(|(_, file)| (module.clone(), file)));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push((module, path));
        }
    }
    all
}

/// What a file may not use, of all that it uses.
fn forbidden(module: &str, source: &str) -> Vec<String> {
    let paths = source.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| {
        line.match_indices("crate::").map(|(at, found)| {
            let rest = &line[at + found.len()..];
            rest.split(|c: char| c != '_' && !c.is_ascii_lowercase()).next().unwrap_or_default()
        })
    });
    let mut found: Vec<_> = paths
        .filter(|used| used.is_empty() || layer(used) <= layer(module))
        .map(|used| format!("crate::{used}"))
        .collect();
    // What `super` means depends on the file; a module's own tests may use it.
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    found.extend(code.matches("super::").map(Into::into));
    found
}

#[test]
fn files_use_only_what_is_below_them() {
    let files = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    assert!(files.len() > 20);
    for (module, file) in files.into_iter().filter(|(module, _)| module != "lib") {
        let found = forbidden(&module, &fs::read_to_string(&file).unwrap());
        assert!(found.is_empty(), "{} uses {found:?}", file.display());
    }
}

#[test]
fn an_arrow_that_points_upwards_is_found() {
    for (module, line) in [
        ("throttling", "use crate::state::State;"),
        ("events", "use crate::events::throttle;"),
        ("events", "use super::throttle;"),
        ("fields", "    let throttling = crate::throttling::Reading::from_mask(0);"),
        ("state", "pub use crate::tracker::Tracker;"),
        ("context", "use crate::{fields, tracker};"),
    ] {
        assert_eq!(forbidden(module, line).len(), 1, "{module}: {line}");
    }
    assert!(forbidden("events", "use crate::context::Context;").is_empty());
}
