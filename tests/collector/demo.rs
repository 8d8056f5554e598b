//! The demo, as a process: what the README shows of it is what it prints, and nothing stays behind.

use crate::support::{Folder, LONG, program, wait_for, workspace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::Instant;

fn start(folder: &Folder) -> Child {
    program().arg("demo").env("TMPDIR", &folder.0).stdout(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: &mut Child) -> Option<i32> {
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(since.elapsed() < LONG, "it does not end");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn is_empty(folder: &Folder) -> bool {
    std::fs::read_dir(&folder.0).unwrap().next().is_none()
}

/// A line without what differs from run to run: numbers with a fraction, ports, times, and the folder's name.
fn normalised(line: &str, folder: &str) -> String {
    let line = line.replace(folder, "/tmp");
    let words = line.split(' ').map(|word| {
        let word = word.split_once("glassbox-collector-demo-").map_or(word.to_string(), |(before, after)| {
            format!("{before}glassbox-collector-demo-*{}", &after[after.find('/').unwrap_or(0)..])
        });
        let word = word.split_once("127.0.0.1:").map_or(word.clone(), |(before, after)| {
            format!("{before}127.0.0.1:*{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        });
        let is_fraction = word.contains('.') && word.parse::<f64>().is_ok();
        if is_fraction { "*".into() } else { word }
    });
    let line = words.collect::<Vec<_>>().join(" ");
    let cut = |line: String, key: &str| match line.split_once(key) {
        Some((before, after)) => format!("{before}{key}*{}", &after[after.find('"').unwrap_or(0)..]),
        None => line,
    };
    // The made-up fleet ends now, and what of it falls into the window depends on when that is.
    match line.strip_prefix("totals") {
        Some(rest) => format!("totals{}", rest.replace(|c: char| c.is_ascii_digit(), "")),
        None => cut(line, "\"time\":\""),
    }
}

#[test]
fn the_demo_does_what_the_readme_shows_and_leaves_nothing() {
    let folder = Folder::new("demo");
    let mut child = start(&folder);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut printed = String::new();
    while !printed.ends_with("Ctrl-C ends it, and removes the store.\n") {
        assert!(out.read_line(&mut printed).unwrap() > 0, "{printed}");
    }
    assert!(!is_empty(&folder));
    assert_eq!(interrupt(&mut child), Some(0));
    out.read_to_string(&mut printed).unwrap();
    assert!(is_empty(&folder), "the store is left behind");

    let readme = std::fs::read_to_string(workspace().join("host/collector/README.md")).unwrap();
    let (_, sample) = readme.split_once("$ cargo run -p glassbox-collector -- demo\n").unwrap();
    let (sample, _) = sample.split_once("```").unwrap();
    let temporary = folder.0.to_str().unwrap();
    let lines = |text: &str| text.lines().map(|line| normalised(line, temporary)).collect::<Vec<_>>();
    assert_eq!(lines(sample), lines(&printed), "{printed}");
}

#[test]
fn a_demo_that_is_interrupted_early_leaves_nothing() {
    let folder = Folder::new("demo-early");
    let mut child = start(&folder);
    wait_for("the store", || !is_empty(&folder));
    wait_for("its days", || {
        std::fs::read_dir(&folder.0).unwrap().flatten().any(|entry| entry.path().join("data/days").exists())
    });
    interrupt(&mut child);
    assert!(is_empty(&folder), "the store is left behind");
}
