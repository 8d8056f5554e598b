//! Documents: what a `console` block shows is what the program prints. `host/docs/testing.md` says how such
//! blocks are written, and how this test writes them.

use crate::grants::with_manifest;
use crate::octoprint::follow;
use crate::push_server::PushServer;
use crate::support::{Folder, Home, LONG, receiver, shell, workspace};
use glassbox::home::BUNDLED;
use glassbox_tests::skip;
use regex::Regex;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

/// In documents, where the program's home folder is, and who takes reports.
const HOME: &str = "/home/pi";
const RECEIVER: &str = "http://127.0.0.1:8000/{id}/{event}/";

/// An audit of a corpus, by a program that is not optimised, beside other tests.
const LONGEST: Duration = Duration::from_secs(180);

/// A command of a document.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    /// The lines of the document, from 0, that say what it prints; none where that is not shown.
    shown: Option<Range<usize>>,
}

/// What to run of a document.
#[derive(Debug, Default, PartialEq)]
struct Script {
    steps: Vec<Step>,
    /// The programs without which it cannot be run.
    needs: Vec<String>,
}

fn comment<'a>(line: &'a str, what: &str) -> Option<&'a str> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.strip_prefix(what)
}

fn script(lines: &[String]) -> Script {
    let mut script = Script::default();
    let mut fence = None;
    for (number, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with("```") {
            fence = if fence.is_some() { None } else { Some(line == "```console") };
        } else if fence.is_none() {
            let hidden = comment(line, "$ ").map(|command| Step { command: command.into(), shown: None });
            script.steps.extend(hidden);
            script.needs.extend(comment(line, "needs: ").map(Into::into));
        } else if fence == Some(true) {
            match (line.strip_prefix("$ "), script.steps.last_mut()) {
                (Some(command), _) => {
                    script.steps.push(Step { command: command.into(), shown: Some(number + 1..number + 1) });
                }
                (None, Some(Step { shown: Some(shown), .. })) => shown.end = number + 1,
                (None, _) => panic!("line {}: a console block begins with '$ '", number + 1),
            }
        }
    }
    script
}

/// What may differ from run to run, made the same.
fn normalised(line: &str) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let rules = [
            (r"\b[0-9a-f]{12,}\b", "<digest>"),
            (r"\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?Z?)?", "<time>"),
            (r#""(t|clock|now|next_tick|fuel)":[0-9.]+"#, "\"$1\":<number>"),
            (r"\b\d+(\.\d+)? (bytes|KB|KiB|MB|MiB|ms|s)\b", "<size> $2"),
            (r"\b127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        ];
        rules.into_iter().map(|(pattern, instead)| (Regex::new(pattern).unwrap(), instead)).collect()
    });
    let line = line.trim_end().to_string();
    RULES.iter().fold(line, |line, (rule, instead)| rule.replace_all(&line, *instead).into_owned())
}

/// Whether a document's lines say what was printed: `...` stands for any lines, and at a line's end for any end.
fn matches(shown: &[String], printed: &[String]) -> bool {
    let same = |shown: &str, printed: &str| match shown.strip_suffix("...") {
        Some(begin) => normalised(printed).starts_with(&normalised(begin)),
        None => normalised(printed) == normalised(shown),
    };
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => (0..=printed.len()).any(|skip| matches(rest, &printed[skip..])),
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, more)| same(first, line) && matches(rest, more))
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(Into::into).collect()
}

/// The tracker as it was before it reported slicing.
fn without_slicing() -> Vec<u8> {
    let manifest = fs::read_to_string(workspace("guest/tracker.toml")).unwrap();
    let entries = manifest.split_inclusive("\n\n").filter(|entry| !entry.contains("licing"));
    with_manifest(BUNDLED, &entries.collect::<String>())
}

/// A folder as the documents have it: a home with the tracker, both versions of it beside, and the clone's files.
fn set_up() -> Home {
    let home = Home(Folder::new());
    glassbox::home::Home::at(home.0.path(".local/share/glassbox")).init().unwrap();
    home.0.write("tracking.wasm", BUNDLED);
    home.0.write("old/tracking.wasm", without_slicing());
    for folder in ["tests", "examples"] {
        symlink(workspace(folder), home.0.path(folder)).unwrap();
    }
    home
}

/// Run a document's commands; what is wrong, and the document as it should be.
fn check(document: &Path) -> (Vec<String>, Vec<String>) {
    let mut text = lines(&fs::read_to_string(document).unwrap());
    let script = script(&text);
    let mut wrong = Vec::new();
    let is_missing = |tool: &&String| Command::new(tool).arg("version").output().is_err();
    if let Some(tool) = script.needs.iter().find(is_missing) {
        skip(&format!("{} needs {tool}", document.display()));
        return (wrong, text);
    }
    let (home, receiver) = (set_up(), receiver());
    let folder = home.0.path("");
    let folder = folder.to_str().unwrap().trim_end_matches('/');
    let mut should = Vec::new();
    for Step { command, shown } in script.steps {
        let here = command.replace(RECEIVER, &receiver.url());
        let program = shell(Path::new(folder), &format!("exec 2>&1\n{here}")).env("HOME", folder);
        let mut process = program.start();
        process.close();
        let output = process.wait(LONGEST);
        let printed = lines(&output.out.replace(folder, HOME).replace(&receiver.url(), RECEIVER));
        let Some(shown) = shown else {
            assert_eq!(output.status, Some(0), "{}: {command}\n{}", document.display(), output.out);
            continue;
        };
        // 1: a check found something.
        if !matches!(output.status, Some(0 | 1)) || !matches(&text[shown.clone()], &printed) {
            let (line, printed) = (shown.start, printed.join("\n"));
            wrong.push(format!(
                "{}, line {line}: {command} prints ({:?})\n{printed}\n",
                document.display(),
                output.status
            ));
        }
        if !matches(&text[shown.clone()], &printed) {
            should.push((shown, printed));
        }
    }
    should.into_iter().rev().for_each(|(shown, printed)| drop(text.splice(shown, printed)));
    (wrong, text)
}

/// All documents; not those that came with what is built or installed.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let is_ours = !name.to_string_lossy().starts_with('.') && name != "target" && name != "node_modules";
        if path.is_dir() && is_ours {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn documents_show_what_the_program_prints() {
    let mut all = Vec::new();
    documents(&workspace(""), &mut all);
    all.retain(|document| fs::read_to_string(document).unwrap().contains("\n```console\n"));
    assert!(all.len() >= 8, "{all:?}");
    let checked: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = all.iter().map(|document| scope.spawn(move || check(document))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut wrong = Vec::new();
    for (document, (found, text)) in all.iter().zip(checked) {
        if !found.is_empty() && std::env::var_os("GLASSBOX_WRITE_DOCS").is_some() {
            fs::write(document, text.join("\n") + "\n").unwrap();
        }
        wrong.extend(found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_status_of_an_octoprint_is_as_shown() {
    let server = PushServer::start();
    server.how().roles = vec!["status", "settings", "plugin_achievements_view", "plugin_pluginmanager_manage"];
    server.how().own_tracker = true.into();
    let home = Home::opted_in(&receiver().url());
    let host = follow(&home, &server.url());
    let status = home.run(&["status"]).good().replace(&server.url(), "http://octopi.local");
    let printed: Vec<_> = lines(&status).into_iter().skip_while(|line| !line.starts_with("octoprint: ")).collect();
    let text = fs::read_to_string(workspace("host/docs/octoprint.md")).unwrap();
    let (_, rest) = text.split_once("```text\noctoprint: ").unwrap();
    let (shown, _) = rest.split_once("```\n").unwrap();
    let shown = lines(&format!("octoprint: {shown}"));
    assert!(matches(&shown, &printed), "put this into host/docs/octoprint.md:\n{}", printed.join("\n"));
    host.signal("TERM");
    host.wait(LONG).log();
}

#[test]
fn a_document_is_read_and_compared_as_it_says() {
    let text =
        "<!-- needs: openssl -->\n<!-- $ a -->\n```console\n$ b\none\n...\n$ c\n```\n```sh\n$ d\n<!-- $ e -->\n```\n";
    let script = script(&lines(text));
    let step = |command: &str, shown| Step { command: command.into(), shown };
    assert_eq!(script.needs, ["openssl"]);
    assert_eq!(script.steps, [step("a", None), step("b", Some(4..6)), step("c", Some(7..7))]);

    let same = |shown: &str, printed: &str| matches(&lines(shown), &lines(printed));
    assert!(same("a\nb", "a  \nb") && !same("a", "a\nb") && !same("a\nb", "a") && !same("a", "b"));
    assert!(same("a\n...\nd", "a\nb\nc\nd") && same("...", "") && same("a\n...", "a") && !same("a\n...\nd", "a\nb"));
    assert!(same("a: ...", "a: b") && !same("a: ...", "b: a"));
    assert!(same("sha256 0123456789ab, 5 bytes", "sha256 ffffffffffff01, 196000 bytes"));
    assert!(!same("5 files, 0123456789a", "6 files, 0123456789a") && !same("0123456789a", "0123456789b"));
    assert!(same("at 2026-07-27T10:15:02Z, 3.5 s", "at 2030-01-01T00:00:00.123Z, 12 s"));
    assert!(same("http://127.0.0.1:1/", "http://127.0.0.1:65000/"));
}
