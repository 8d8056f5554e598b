//! `journal`, the command: journals as a host writes them, as a table, as JSON, while they grow, and checked.

use crate::support::{Home, LONG, on_terminal, workspace};
use glassbox_journal::{Journal, JournalEntry, JournalRequest, Rules, What};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// 2026-07-27T10:15:02.104Z, in milliseconds.
const BEGIN: u64 = 1_785_147_302_104;

const HEADING: &str = "time (UTC)               plugin    what         event -> report: reason\n";

fn folder(home: &Home) -> PathBuf {
    home.root().join("journal")
}

/// A journal with small files, each entry so many milliseconds after the one before.
fn journal(home: &Home, pause: u64) -> Journal {
    let time = AtomicU64::new(BEGIN);
    let now = move || SystemTime::UNIX_EPOCH + Duration::from_millis(time.fetch_add(pause, Ordering::SeqCst));
    Journal::open_with(&folder(home), Rules { file: 1000, total: 50_000, now: Box::new(now) }).unwrap()
}

fn entry(what: What, plugin: &str, event: &str, name: &str, fields: &[(&str, &str)]) -> JournalEntry {
    let fields = fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let path = format!("/track/{{id}}/{name}/");
    let request = JournalRequest { name: name.into(), method: "GET".into(), path, fields };
    JournalEntry {
        what,
        plugin: plugin.into(),
        event: Some(event.into()),
        request: Some(request),
        ..JournalEntry::default()
    }
}

/// What the journal's document shows.
fn example(home: &Home) -> Journal {
    let journal = journal(home, 287);
    let print = [("origin", "local"), ("file", "b44986aa01e436f3e1043c14f835436322477b3b")];
    let queued = entry(What::Queued, "tracking", "PrintStarted", "print_started", &print);
    journal.write(&queued);
    journal.write(&JournalEntry { what: What::Sent, status: Some(200), ..queued });
    let place = entry(What::Blocked, "weather", "PrintDone", "print_done", &[]);
    journal.write(&JournalEntry { reason: Some("it has a field that the manifest does not declare".into()), ..place });
    let ping = entry(What::Dropped, "tracking", "tick", "ping", &[("octoprint_uptime", "3600")]);
    journal.write(&JournalEntry { reason: Some("no connection: Connection refused".into()), ..ping });
    journal
}

#[test]
fn the_table_is_that_of_the_document() {
    let home = Home::new();
    example(&home);
    let out = home.run(&["journal"]).good();
    assert!(out.starts_with(HEADING) && out.lines().count() == 5, "{out}");
    assert_eq!(home.run(&["journal"]).good(), out, "the command's former name");
    let document = fs::read_to_string(workspace("host/docs/journal.md")).unwrap();
    assert!(document.contains(&format!("```text\n{out}```\n")), "put this into host/docs/journal.md:\n{out}");
    assert!(!out.contains('\u{1b}'), "colour is for terminals");
}

#[test]
fn json_is_the_lines_as_they_are() {
    let home = Home::new();
    example(&home);
    let out = home.run(&["journal", "--json"]).good();
    let mut files: Vec<_> = fs::read_dir(folder(&home)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    // Alphabetically, the second file would come before the first.
    files.sort_by_key(|path| path.as_os_str().len());
    assert_eq!(files.len(), 2);
    let lines: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(out, lines);
}

#[test]
fn what_is_not_asked_for_is_left_out() {
    let home = Home::new();
    let journal = journal(&home, 60_000);
    for plugin in ["tracking", "weather"].repeat(10) {
        journal.write(&entry(What::Sent, plugin, "tick", "ping", &[]));
    }
    let count = |arguments: &[&str]| {
        let out = home.command(&["journal", "--json"]).args(arguments).run().good();
        out.lines().count()
    };
    assert_eq!(count(&[]), 20);
    assert_eq!(count(&["--since", "2026-07-27"]), 20);
    assert_eq!(count(&["--since", "2026-07-27 10:25:02.105"]), 9);
    assert_eq!(count(&["--since", "2026-07-27T12:25:02.104+02:00"]), 10);
    assert_eq!(
        count(&["--since", "now"]),
        if SystemTime::now() < SystemTime::UNIX_EPOCH + Duration::from_millis(BEGIN) { 20 } else { 0 }
    );
    assert_eq!(count(&["--since", "100 years"]), 20);
    assert_eq!(count(&["--plugin", "weather"]), 10);
    assert_eq!(count(&["--plugin", "weather", "--since", "2026-07-27T10:25:02.104"]), 5);
    assert_eq!(count(&["--plugin", "weath"]), 0);
    let out = home.run(&["journal", "--plugin", "weath"]).good();
    assert_eq!(out, format!("no entry matches ({})\n", folder(&home).display()));

    let output = home.run(&["journal", "--since", "yesteryear"]);
    let said = "error: invalid value 'yesteryear' for '--since <WHEN>': give a date (2026-07-27), a time (10:30, ";
    assert!(output.status == Some(2) && output.err.starts_with(said), "{}", output.err);
    assert_eq!(home.run(&["journal", "--verify", "--json"]).status, Some(2));
}

#[test]
fn a_home_without_a_journal() {
    let home = Home::new();
    let nothing = format!("there is no journal yet; 'glassbox run' writes it ({})\n", folder(&home).display());
    assert_eq!(home.run(&["journal"]).good(), nothing);
    assert_eq!(home.run(&["journal", "--json"]).good(), "");
    let out = home.run(&["journal", "--verify"]).good();
    assert!(out.starts_with("the journal is empty: nothing was ever written to it, or all of it is gone\n"), "{out}");
    fs::remove_dir_all(home.root()).unwrap();
    let message = home.run(&["journal"]).error();
    assert!(message.starts_with("there is no glassbox home at "), "{message}");
}

#[test]
fn following_goes_over_files_and_ends_on_a_signal() {
    let home = Home::new();
    let process = home.command(&["journal", "--follow"]).start();
    let journal = journal(&home, 3_600_000);
    for number in 0..12 {
        let number = number.to_string();
        journal.write(&entry(What::Sent, "tracking", "tick", "ping", &[("number", &number)]));
        process.wait_for_out(&format!(" tick -> ping number={number}\n"));
    }
    assert!(folder(&home).join("2026-07-27-2.jsonl").exists(), "there is more than one file");
    // Not INT: it is ignored by the tests and what they start if a script runs them in the background.
    process.signal("TERM");
    let output = process.wait(LONG);
    assert!(output.out.starts_with(HEADING) && output.out.lines().count() == 13, "{}", output.out);
    assert_eq!((output.status, output.err.as_str()), (None, ""));
}

#[test]
fn following_shows_a_journal_that_was_begun_anew() {
    let home = Home::new();
    let journal = example(&home);
    let process = home.command(&["journal", "--follow", "--json"]).start();
    process.wait_for_out("Connection refused");
    fs::remove_dir_all(folder(&home)).unwrap();
    journal.write(&entry(What::Sent, "tracking", "tick", "ping", &[]));
    process.wait_for_out("the lines up to number 4 that this host wrote are no longer here");
    process.wait_for_out("\"n\":2,\"t\":\"2026-07-27T10:15:03.539Z\",\"what\":\"sent\"");
    process.wait_for_log("a new journal was begun");
}

#[test]
fn following_ends_when_nobody_reads_any_more() {
    let home = Home::new();
    example(&home);
    let mut command = home.command(&["journal", "--follow"]).into_command();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..5 {
        reader.read_line(&mut String::new()).unwrap();
    }
    // All is printed, and nothing more comes.
    drop(reader);
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < LONG, "it goes on though nobody reads");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_terminal_gets_colour_unless_it_is_not_wanted() {
    let home = Home::new();
    example(&home);
    let arguments = format!("--home '{}' log", home.root().display());
    let out = on_terminal(&arguments, "");
    assert!(out.contains("\u{1b}[31mblocked    \u{1b}[0m  PrintDone -> print_done"), "{out}");
    assert!(out.contains("\u{1b}[32msent       \u{1b}[0m  "), "{out}");
    assert!(!on_terminal(&arguments, "1").contains('\u{1b}'));
}

#[test]
fn a_sound_journal_is_called_so_with_what_that_does_not_show() {
    let home = Home::new();
    let journal = example(&home);
    let out = home.run(&["journal", "--verify"]).good();
    let sound = "sound: 4 lines in 2 files, number 1 (2026-07-27T10:15:02.104Z) to 4 (2026-07-27T10:15:02.965Z)\n";
    assert!(out.starts_with(sound), "{out}");
    let head = fs::read_to_string(folder(&home).join("head")).unwrap();
    let hash = head.lines().next().unwrap().split(' ').next_back().unwrap();
    assert!(out.contains(&format!("\nlast line: number 4, SHA-256 {hash}\n")), "{out}");
    assert!(out.contains("\nChecked: ") && out.contains("\nWhat this cannot show: whoever owns this machine"), "{out}");
    assert!(!out.contains("Not cleanly closed") && !out.contains("were removed by the host"), "{out}");

    // A host that was killed, or is writing just now.
    let file = folder(&home).join("2026-07-27-2.jsonl");
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend(b"{\"n\":5,\"t\":\"2026-07-2");
    fs::write(&file, bytes).unwrap();
    let output = home.run(&["journal", "--verify"]);
    assert_eq!(output.status, Some(3), "{}", output.out);
    let out = output.out;
    assert!(
        out.contains("Not cleanly closed: 0 lines after what the head knows, 21 bytes of an incomplete line"),
        "{out}"
    );
    assert_eq!(home.run(&["journal"]).good().lines().count(), 5);

    // Enough to reach the journal's limit.
    (0..400).for_each(|_| journal.write(&entry(What::Sent, "tracking", "tick", "ping", &[])));
    let out = home.run(&["journal", "--verify"]).good();
    assert!(out.contains("\nLines before number ") && out.contains(" were removed by the host: "), "{out}");
}

#[test]
fn a_line_that_somebody_appended_and_a_renamed_file_do_not_pass_for_sound() {
    let home = Home::new();
    let journal = Journal::open(&folder(&home)).unwrap();
    journal.write(&entry(What::Sent, "tracking", "tick", "ping", &[]));
    drop(journal);
    home.run(&["journal", "--verify"]).good();
    let mut files = fs::read_dir(folder(&home)).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|extension| extension == "jsonl")).unwrap();
    let sound = fs::read_to_string(&file).unwrap();

    // It fits the line before it, but no host has it in the head.
    let last = sound.trim_end();
    let hash = glassbox_sandbox::digest(last.as_bytes());
    let (before, _) = last.split_once("\"prev\"").unwrap();
    let forged = before.replacen("\"n\":1,", "\"n\":2,", 1) + &format!("\"prev\":\"{hash}\"}}\n");
    fs::write(&file, format!("{sound}{forged}")).unwrap();
    let output = home.run(&["journal", "--verify"]);
    assert_eq!(output.status, Some(3), "{}", output.out);
    assert!(output.out.contains("Not cleanly closed: 1 line after what the head knows"), "{}", output.out);

    fs::write(&file, sound).unwrap();
    fs::rename(&file, file.with_file_name("2999-01-01.jsonl")).unwrap();
    let output = home.run(&["journal", "--verify"]);
    assert_eq!(output.status, Some(1), "{}", output.out);
    assert!(output.out.contains("it was renamed"), "{}", output.out);
}

#[test]
fn a_broken_journal_ends_with_status_1_and_its_place() {
    let home = Home::new();
    let journal = example(&home);
    let file = folder(&home).join("2026-07-27.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("origin\",\"local", "origin\",\"sdcard")).unwrap();
    let output = home.run(&["journal", "--verify"]);
    assert_eq!((output.status, output.err.as_str()), (Some(1), ""));
    let broken = "BROKEN: 2026-07-27.jsonl, line 2: its prev is not the hash of number 1: one of the two was altered\n";
    assert!(output.out.starts_with(broken), "{}", output.out);

    // The next host begins a new one and keeps the old one.
    drop(journal);
    example(&home);
    let out = home.run(&["journal", "--verify"]).good();
    assert!(
        out.contains(&format!(
            "\nAn earlier journal was broken, and is kept in {}/broken-1\n",
            folder(&home).display()
        )),
        "{out}"
    );
    let out = home.run(&["journal"]).good();
    assert!(out.contains("  gap          the journal before this one is broken and is kept in broken-1: "), "{out}");

    // Damaged so that it cannot be shown.
    fs::write(folder(&home).join("2026-07-27.jsonl"), "\u{1b}[2J\n").unwrap();
    let out = home.run(&["journal"]).good();
    let unreadable = format!("{HEADING}(a line that is not an entry; 'glassbox journal --verify' says more)\n");
    assert!(out.starts_with(&unreadable) && !out.contains('\u{1b}'), "{out}");
    assert_eq!(home.run(&["journal", "--verify"]).status, Some(1));
    fs::remove_file(folder(&home).join("2026-07-27.jsonl")).unwrap();
    assert_eq!(home.run(&["journal", "--verify"]).status, Some(1));
}
