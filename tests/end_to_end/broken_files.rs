//! Broken files in the home: each is named, with advice, and everything else works.

use crate::support::{ENVIRONMENT, Home, Output, PRINT, STARTED, kinds, program, receiver};
use glassbox::home::BUNDLED;
use serde_json::json;
use std::fs;

/// A name, a content, and what is said of it; a directory has no content.
fn broken() -> Vec<(&'static str, Option<Vec<u8>>, &'static str)> {
    let other = "\n  - it does not export on-event\n  - it does not export on-tick\n";
    vec![
        ("big", Some(vec![0; 5 << 20]), "big.wasm: it has more than 4 MiB, which is the limit"),
        (
            "core",
            Some(b"\0asm\x01\0\0\0".to_vec()),
            "the file is a core module, not a component; encode it with wit-component",
        ),
        ("empty", Some(Vec::new()), "the file is empty"),
        ("folder", None, "folder.wasm: Is a directory (os error 21)"),
        ("half", Some(BUNDLED[..BUNDLED.len() / 2].to_vec()), "the file is damaged or cut off: unexpected end-of-file"),
        ("other", Some(b"\0asm\x0d\0\x01\0".to_vec()), other),
        ("renamed", Some(BUNDLED.to_vec()), "but the file is 'renamed.wasm'; rename the file"),
        ("text", Some(b"(component)".to_vec()), "the file is not WebAssembly"),
    ]
}

fn with_broken_plugins(home: &Home) {
    for (name, content, _) in broken() {
        match content {
            Some(content) => fs::write(home.plugin(name), content).unwrap(),
            None => fs::create_dir(home.plugin(name)).unwrap(),
        }
    }
}

/// What is said of a plugin: from its name to that of the next one.
fn said<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("plugin '{name}' ")).unwrap_or_else(|| panic!("{name} is not named in:\n{text}"));
    let rest = &text[start..];
    &rest[..rest[1..].find("plugin '").map_or(rest.len(), |end| end + 1)]
}

#[test]
fn broken_plugins_are_listed_with_what_is_wrong() {
    let home = Home::new();
    with_broken_plugins(&home);
    // What is wrong is indented below the name.
    let out = home.run(&["list"]).good().replace("\n    ", "\n");
    for (name, _, reason) in broken() {
        assert!(out.contains(&format!("{name}  not loaded\nplugin '{name}' ")), "{out}");
        if ["half", "empty", "text"].contains(&name) {
            assert!(said(&out, name).contains("(copy it again if it is damaged; or get one built "), "{out}");
        }
        assert!(said(&out, name).contains(reason), "{name}: {}", said(&out, name));
    }
    assert!(out.contains("tracking  OctoPrint's anonymous usage tracking\n"), "{out}");
}

#[test]
fn a_run_goes_on_with_the_good_plugin() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    with_broken_plugins(&home);
    let input = format!("{ENVIRONMENT}\n{STARTED}\n{PRINT}\n");
    let log = home.command(&["run", "--events", "-"]).run_with(input.as_bytes()).log();
    assert_eq!(kinds(&receiver, 5)[3], "print_started");
    for (name, _, reason) in broken() {
        assert!(log.contains(&format!("ERROR plugin '{name}' ")), "{log}");
        assert!(said(&log, name).contains(reason), "{name}: {}", said(&log, name));
    }
    // The journal has neither the home's path nor a line for each reason; people are shown the path, on one line.
    for command in ["status", "journal"] {
        let out = home.run(&[command]).good();
        assert!(out.contains(&format!("cannot be read: {}: ", home.plugin("folder").display())), "{out}");
        assert!(!out.contains("{home}") && !out.contains("\\u{a}"), "{out}");
    }
}

#[test]
fn an_audit_says_what_is_wrong() {
    let home = Home::new();
    with_broken_plugins(&home);
    for (name, content, reason) in broken() {
        let output = program(&["audit", "--quick"]).arg(home.plugin(name)).run();
        let text = format!("{}{}", output.out, output.err);
        match name {
            // An auditor may give the file any name.
            "renamed" => assert_eq!(output.status, Some(0), "{text}"),
            "big" | "folder" => {
                let message = output.error();
                assert!(message.starts_with("the component cannot be read: ") && message.contains(reason), "{message}");
            }
            _ => {
                assert_eq!(output.status, Some(1), "{text}");
                assert!(said(&output.out, name).contains(reason), "{text}");
                assert!(text.contains(&format!("size     {} bytes\n", content.unwrap().len())), "{text}");
            }
        }
    }
}

#[test]
fn damaged_settings_are_named_with_what_to_do() {
    let damages: [(Option<&[u8]>, &str); 10] = [
        (Some(b"{\"enabled\": true, \"serv"), "EOF while parsing a string at line 1 column 23"),
        (Some(b"[true]"), "invalid type: sequence, expected a map at line 1 column 0"),
        (Some(&[b' '; 1 << 20]), "it has more than 65536 bytes, which is the limit"),
        (Some(b"{\"enabled\": \"\xff\"}"), "it is not UTF-8 but probably Latin-1, as of line 1; save it as UTF-8"),
        (None, "it is a folder"),
        (Some(b""), "it is empty"),
        (Some(&[0; 99]), "there is nothing but zeros in it"),
        (Some(b"\xff\xfe{\0}\0"), "it is UTF-16; save it as UTF-8"),
        (Some(b"{\"enabled\":false,\"enabled\":true}"), "the key 'enabled' is there twice at line 1 column 32"),
        (Some(b"{\"enabled\":true,\"events\":{\"a\":1,\"a\":2}}"), "the key 'a' is there twice at line 1 column 38"),
    ];
    let home = Home::new();
    home.grant();
    let file = home.settings_file();
    let advice = "fix it, or run 'glassbox opt-in' or 'opt-out', which move it aside and start a new one";
    let message = |reason: &str| format!("the settings file {} is damaged: {reason}; {advice}", file.display());
    for (i, (content, reason)) in damages.into_iter().enumerate() {
        let _ = fs::remove_file(&file);
        match content {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::create_dir(&file).unwrap(),
        }
        let out = home.run(&["status"]).good();
        let expected = format!(
            "tracking: nothing is sent: the settings file {} is damaged: {reason} (fix it, or start over with: glassbox opt-in tracking)\n",
            file.display()
        );
        assert!(out.contains(&expected), "{out}");
        assert_eq!(home.run(&["settings", "tracking"]).error(), message(reason));
        let run = home.run(&["run", "--events", "-"]);
        assert!(run.err.contains(&format!("ERROR {}\n", message(reason))), "{}", run.err);
        assert_eq!(run.status, Some(2));
        let untouched = content.is_none_or(|content| fs::read(&file).unwrap() == content);
        assert!(untouched, "showing and running change nothing");

        let out = home.run(&["opt-in", "tracking"]).good();
        let aside = file.with_extension(format!("json.damaged-{}", i + 1));
        let expected = format!(
            "The settings file was damaged; it is kept as {}, and a new one begun, with every setting at its default.\nYou have opted in",
            aside.display()
        );
        assert!(out.contains(&expected), "{out}");
        assert_eq!(home.settings(), json!({"enabled": true}));
        match content {
            Some(content) => assert!(fs::read(aside).unwrap() == content, "kept byte for byte"),
            None => assert!(aside.is_dir()),
        }
    }
}

fn errors(outputs: impl IntoIterator<Item = Output>, expected: &str) {
    for output in outputs {
        assert_eq!(output.error(), expected);
    }
}

#[test]
fn a_home_that_cannot_be_made_is_an_error() {
    let home = Home::new();
    let file = home.0.write("file", "");
    for (root, reason) in [
        (file.clone(), "File exists (os error 17)"),
        (file.join("below"), "Not a directory (os error 20)"),
        ("/proc/glassbox/home".into(), "No such file or directory (os error 2)"),
    ] {
        // Only Linux has such a folder.
        if root.starts_with("/proc") && !fs::exists("/proc/self").unwrap() {
            continue;
        }
        let message = program(&["init", "--home"]).arg(&root).run().error();
        let advice = "choose another home with --home, or make it writable";
        assert_eq!(message, format!("making the folder {}: {reason}; {advice}", root.display()));
    }
}

#[test]
fn a_home_that_is_not_there_is_an_error() {
    let home = Home::new();
    let root = home.0.path("nowhere");
    let run = |arguments: &[&str]| program(arguments).arg("--home").arg(&root).run();
    let expected = format!("there is no glassbox home at {}; run 'glassbox init' to make one", root.display());
    let commands: [&[&str]; 6] = [
        &["list"],
        &["status"],
        &["settings", "tracking"],
        &["opt-in", "tracking"],
        &["opt-out", "tracking"],
        &["run", "--events", "-"],
    ];
    errors(commands.map(run), &expected);
    assert!(!root.exists());
}

#[test]
fn a_wrong_configuration_is_named_with_its_line() {
    let home = Home::new();
    home.grant();
    let file = home.root().join("glassbox.toml");
    for (content, line, reason) in [
        ("# mine\nvcgencmd = 3\n", 2, "invalid type: integer `3`, expected a program, with arguments if it needs any"),
        ("vcgencmd = \"", 1, "invalid basic string, expected `\"`"),
        (
            "\n\nplugins = []\n",
            3,
            "unknown field `plugins`, expected one of `vcgencmd`, `ca_file`, `policy`, `octoprint`, `mqtt`",
        ),
    ] {
        fs::write(&file, content).unwrap();
        let message = home.run(&["run", "--events", "-"]).error();
        assert_eq!(message, format!("{}, line {line}: {reason}; fix it, or remove the file", file.display()));
    }
    fs::remove_file(&file).unwrap();
    home.run(&["run", "--events", "-"]).log();
    fs::create_dir(&file).unwrap();
    let message = home.run(&["run", "--events", "-"]).error();
    assert_eq!(message, format!("reading {}: Is a directory (os error 21)", file.display()));
}
