//! The arrows between rooms and between crates are those that host/ARCHITECTURE.md allows.
#![allow(missing_docs)]

use glassbox_tests::workspace;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a table of ARCHITECTURE.md allows: from each row's first cell to those that its third names.
type Allowed = BTreeMap<String, BTreeSet<String>>;

fn tables() -> [Allowed; 2] {
    let text = std::fs::read_to_string(workspace().join("host/ARCHITECTURE.md")).unwrap();
    ["## Crates", "## Rooms of `host/src`"].map(|heading| {
        let (_, after) = text.split_once(heading).expect(heading);
        let section = after.split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(String::from).collect::<BTreeSet<_>>();
        let row = |line: &str| {
            let cells: Vec<_> = line.split(" | ").collect();
            assert_eq!(cells.len(), 3, "{line}");
            (names(cells[0]).pop_first().unwrap(), names(cells[2]))
        };
        rows.map(row).collect()
    })
}

/// All paths in a file that begin at its crate's root, at a module above it, or in the library: each as it is
/// seen from the root. What stands in comments and texts is none; what stands in macros is.
fn paths(source: &str, module: &[&str]) -> Vec<Vec<String>> {
    let tokens: TokenStream = source.parse().expect("Rust");
    let mut found = Vec::new();
    walk(tokens, &module.iter().map(ToString::to_string).collect::<Vec<_>>(), &mut found);
    found
}

fn walk(tokens: TokenStream, module: &[String], found: &mut Vec<Vec<String>>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if let [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..] = &tokens[at..]
            && word == "mod"
            && body.delimiter() == Delimiter::Brace
        {
            let inner: Vec<_> = module.iter().cloned().chain([name.to_string()]).collect();
            walk(body.stream(), &inner, found);
            at += 3;
            continue;
        }
        match &tokens[at] {
            TokenTree::Ident(word) => {
                let start = match word.to_string().as_str() {
                    "crate" | "glassbox" => Some(Vec::new()),
                    "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
                    "self" => Some(module.to_vec()),
                    _ => None,
                };
                match start {
                    Some(start) => at = tree(&tokens, at + 1, &start, found),
                    None => at += 1,
                }
            }
            TokenTree::Group(group) => {
                walk(group.stream(), module, found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Follow a path, and all branches of one in braces, from the token after its first word on. Returns where it ends.
fn tree(tokens: &[TokenTree], mut at: usize, start: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = start.to_vec();
    while let [TokenTree::Punct(one), TokenTree::Punct(two), next, ..] = &tokens[at..] {
        if one.as_char() != ':' || two.as_char() != ':' {
            break;
        }
        match next {
            TokenTree::Ident(word) if word == "super" => drop(path.pop()),
            TokenTree::Ident(word) if word == "self" => {}
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Punct(star) if star.as_char() == '*' => path.push("*".into()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                branches(group.stream(), &path, found);
                return at + 3;
            }
            _ => break,
        }
        at += 3;
    }
    if let [TokenTree::Ident(word), ..] = &tokens[at..]
        && word == "as"
        && path.is_empty()
    {
        path.push("(another name for the root)".into());
    }
    found.push(path);
    at
}

fn branches(tokens: TokenStream, start: &[String], found: &mut Vec<Vec<String>>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    for branch in tokens.split(comma).filter(|branch| !branch.is_empty()) {
        let mut path = start.to_vec();
        match &branch[0] {
            TokenTree::Ident(word) if word == "self" => {}
            TokenTree::Ident(word) if word == "super" => drop(path.pop()),
            TokenTree::Group(group) => {
                branches(group.stream(), &path, found);
                continue;
            }
            first => path.push(first.to_string()),
        }
        tree(branch, 1, &path, found);
    }
}

/// What a file of `host/src` does that it must not: `file` is below that folder.
fn wrong(allowed: &Allowed, file: &str, source: &str) -> Vec<String> {
    let mut module: Vec<_> = file.trim_end_matches(".rs").split('/').collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(last)) {
        module.pop();
    }
    let room = module.first().copied().unwrap_or_default();
    let mut wrong = Vec::new();
    for path in paths(source, &module) {
        let Some(first) = path.first() else { continue };
        if !allowed.contains_key(first) {
            // The one thing that the library has at its root.
            if first != "VERSION" {
                wrong.push(format!("{file}: {first} is not a room, so nobody can see where it leads"));
            }
        } else if !room.is_empty() && first != room && !allowed.get(room).is_some_and(|may| may.contains(first)) {
            wrong.push(format!("{file}: the room '{room}' must not use '{first}' ({})", path.join("::")));
        }
    }
    let reexports =
        |line: &&str| line.trim_start().starts_with("pub use") || line.trim_start().starts_with("pub(crate) use");
    if room.is_empty() && source.lines().any(|line| reexports(&line)) {
        wrong.push(format!("{file}: it re-exports something, and a path through it names no room"));
    }
    if source.contains("extern crate") {
        wrong.push(format!("{file}: 'extern crate' gives a crate another name"));
    }
    wrong
}

fn sources(folder: &Path, below: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            sources(&entry.path(), &format!("{name}/"), found);
        } else if name.ends_with(".rs") {
            found.push((name, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let [_, allowed] = tables();
    let mut files = Vec::new();
    sources(&workspace().join("host/src"), "", &mut files);
    let all: Vec<_> = files.iter().flat_map(|(file, source)| wrong(&allowed, file, source)).collect();
    assert_eq!(all, [""; 0]);
    // Every room is in the table, and every row of it is a room.
    let rooms: BTreeSet<_> =
        files.iter().map(|(file, _)| file.split('/').next().unwrap().trim_end_matches(".rs")).collect();
    let rooms: Vec<_> = rooms.into_iter().filter(|room| !["lib", "main"].contains(room)).collect();
    assert_eq!(rooms, allowed.keys().map(String::as_str).collect::<Vec<_>>());
    assert!(files.len() > 100, "{}", files.len());
}

/// Whether one of these words is in the code of a file, and not just in its comments and texts.
fn has_word(tokens: TokenStream, words: &[&str]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => words.iter().any(|one| word == one),
        TokenTree::Group(group) => has_word(group.stream(), words),
        _ => false,
    })
}

#[test]
fn three_rooms_make_connections() {
    const WORDS: [&str; 8] =
        ["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixDatagram", "ToSocketAddrs", "ureq", "tungstenite"];
    let mut files = Vec::new();
    sources(&workspace().join("host"), "", &mut files);
    let connect = files.iter().filter(|(_, source)| has_word(source.parse().expect("Rust"), &WORDS));
    let connect: Vec<_> = connect.map(|(file, _)| file.as_str()).collect();
    let may = |file: &str| {
        let rooms = ["src/net/", "src/delivery/", "src/sources/"];
        // The receiver of the demo and of the tests only listens.
        // The collector is another program: it has nothing of the host in it, and the host nothing of it.
        rooms.iter().any(|room| file.starts_with(room))
            || file == "audit/src/conformance/receiver.rs"
            || file.starts_with("collector/src/server/")
            // Its demo talks to itself.
            || file == "collector/src/client.rs"
    };
    let others: Vec<_> = connect.iter().filter(|file| !may(file)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(connect.len() > 8, "{connect:?}");
    assert!(has_word("fn f() { g(std::net::TcpStream::connect(x)) }".parse().unwrap(), &WORDS));
    assert!(!has_word("// TcpStream\nconst X: &str = \"ureq\";".parse().unwrap(), &WORDS));
}

#[test]
fn arrows_go_one_way() {
    for allowed in tables() {
        let mut left = allowed.clone();
        // Take away whatever uses nothing that is left, until nothing is.
        while !left.is_empty() {
            let names: BTreeSet<_> = left.keys().cloned().collect();
            let before = left.len();
            left.retain(|_, may| may.iter().any(|other| names.contains(other)));
            assert!(left.len() < before, "a circle: {left:?}");
        }
        let named: BTreeSet<_> = allowed.values().flatten().collect();
        assert!(named.iter().all(|name| allowed.contains_key(*name)), "{named:?}");
    }
}

#[test]
fn crates_use_only_the_crates_they_may() {
    let [allowed, _] = tables();
    let mut seen = BTreeSet::new();
    for (name, may) in &allowed {
        let folder = if name == "glassbox" { "host".into() } else { format!("host/{name}") };
        let manifest = std::fs::read_to_string(workspace().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let tables = ["dependencies", "build-dependencies"].iter().filter_map(|table| manifest.get(*table)?.as_table());
        for used in tables.flat_map(toml::Table::keys).filter_map(|used| used.strip_prefix("glassbox-")) {
            assert!(may.contains(used), "{name} uses {used}, and ARCHITECTURE.md does not say that it may");
        }
        seen.insert(name.clone());
    }
    let folders = std::fs::read_dir(workspace().join("host")).unwrap().flatten();
    let crates = folders.filter(|entry| entry.path().join("Cargo.toml").exists());
    for name in crates.map(|entry| entry.file_name().into_string().unwrap()) {
        assert!(seen.contains(&name), "{name} is not in the table of crates");
    }
}

#[test]
fn a_forbidden_arrow_is_seen_however_it_is_written() {
    let [_, allowed] = tables();
    let fine = "use crate::net::Address;\nuse super::Event;\n// use crate::plugins::worker;\nconst T: &str = \"crate::cli\";\
                fn f() { let x: crate::home::Home = self::g(); x.crate_plugins(); }";
    assert_eq!(wrong(&allowed, "events/router.rs", fine), [""; 0]);
    for planted in [
        "use crate::plugins::worker;",
        "use crate::{home::Home, plugins::{context, worker}};",
        "use crate::{home, sources as s};",
        "use super::super::plugins::worker;",
        "use super::{super::plugins::worker, Event};",
        "mod tests { use super::super::super::plugins::worker; }",
        "fn f() { crate::plugins::worker::start() }",
        "fn f() { println!(\"{}\", crate::plugins::worker::NAME) }",
        "fn f(x: crate::plugins::context::OctoPrint) {}",
        "pub use crate::plugins::context::OctoPrint;",
        "pub(crate) use crate::plugins::context as c;",
        "use crate::{self as root};",
        "use crate as root; fn f() { root::plugins::start() }",
        "use crate::*;",
        "use crate::OctoPrint;",
        "extern crate self as other;",
    ] {
        assert_ne!(wrong(&allowed, "events/router.rs", planted), [""; 0], "{planted}");
    }
    // A re-export at the root would hide where a path leads.
    assert_ne!(wrong(&allowed, "lib.rs", "pub mod plugins;\npub use plugins::context::OctoPrint;"), [""; 0]);
    assert_ne!(wrong(&allowed, "sources/mqtt/client.rs", "use glassbox::delivery::SendQueue;"), [""; 0]);
    assert_ne!(wrong(&allowed, "net/mod.rs", "use super::home::Home;"), [""; 0]);
}
