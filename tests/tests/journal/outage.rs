//! A journal that cannot be written for a while, and one that is changed while its host runs.

use crate::support::{Bytes, Clock, Folder, entry, rules, whats};
use glassbox_journal::{Journal, JournalEntry, What};
use std::fs;
use std::process::Command;

fn reasons(folder: &Folder) -> Vec<String> {
    let gaps = Bytes::read(&folder.journal()).values().into_iter().filter(|line| line["what"] == "gap");
    gaps.map(|line| line["reason"].as_str().unwrap().to_string()).collect()
}

#[test]
fn what_was_lost_is_counted() {
    let folder = Folder::new();
    let journal = folder.open(&Clock::new());
    journal.write(&entry(0));
    // A file in place of the folder: nothing can be written, whoever runs this.
    let away = folder.journal().with_extension("away");
    fs::rename(folder.journal(), &away).unwrap();
    fs::write(folder.journal(), "").unwrap();
    (1..4).for_each(|number| journal.write(&entry(number)));
    fs::remove_file(folder.journal()).unwrap();
    fs::rename(&away, folder.journal()).unwrap();
    journal.write(&entry(4));
    journal.write(&entry(5));
    assert_eq!(whats(&folder.journal()), ["sent", "gap", "sent", "sent"]);
    let expected = "3 entries could not be written since 2026-07-27T10:00:00.001Z: Not a directory (os error 20)";
    assert_eq!(reasons(&folder), [expected]);
    assert_eq!(folder.verify().unwrap().lines, 4);
}

#[test]
fn what_was_lost_at_the_end_is_said_at_the_end() {
    let folder = Folder::new();
    let journal = Journal::at(&folder.journal(), rules(&Clock::new(), 1000, 10_000));
    fs::write(folder.journal(), "").unwrap();
    journal.write(&entry(0));
    fs::remove_file(folder.journal()).unwrap();
    drop(journal);
    assert_eq!(whats(&folder.journal()), ["gap"]);
    let reason = &reasons(&folder)[0];
    assert!(reason.starts_with("1 entry could not be written since 2026-07-27T10:00:00.000Z: "), "{reason}");
}

#[test]
fn a_journal_that_is_removed_under_a_host_is_missed() {
    let folder = Folder::new();
    let journal = folder.open(&Clock::new());
    (0..5).for_each(|number| journal.write(&entry(number)));
    let earlier = Bytes::read(&folder.journal());
    fs::remove_dir_all(folder.journal()).unwrap();
    journal.write(&entry(5));
    assert_eq!(whats(&folder.journal()), ["gap", "sent"]);
    let lost = "the lines up to number 5 that this host wrote are no longer here";
    assert_eq!(reasons(&folder), [lost]);

    // Also where an older journal takes its place, sound in itself.
    (6..12).for_each(|number| journal.write(&entry(number)));
    fs::remove_dir_all(folder.journal()).unwrap();
    earlier.write(&folder.journal());
    journal.write(&entry(12));
    assert_eq!(whats(&folder.journal())[5..], ["gap", "sent"]);
    assert_eq!(reasons(&folder), [lost.replace('5', "8")]);
    assert_eq!(folder.verify().unwrap().lines, 7);
}

#[test]
fn a_journal_that_is_changed_under_a_host_is_put_aside() {
    let folder = Folder::new();
    let journal = folder.open(&Clock::new());
    (0..3).for_each(|number| journal.write(&entry(number)));
    let file = folder.file("2026-07-27.jsonl");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    journal.write(&entry(3));
    assert_eq!(whats(&folder.journal()), ["gap", "sent"]);
    assert_eq!(
        reasons(&folder),
        ["the journal before this one is broken and is kept in broken-1: 2026-07-27.jsonl, line 3: number 3 should \
          follow here: the head records that line, and it is gone"]
    );
    fs::remove_file(folder.file("head")).unwrap();
    journal.write(&entry(4));
    assert_eq!(whats(&folder.journal()), ["gap", "sent"]);
    assert!(reasons(&folder)[0].ends_with("kept in broken-2: head: it is missing, though there are lines"));
}

/// Not a test: it may not write files of more than 1536 bytes, which is how a full disk looks, until
/// it is let.
#[test]
#[ignore = "started by another test"]
fn child_on_a_full_disk() {
    let Some(folder) = std::env::var_os("GLASSBOX_TEST_JOURNAL") else { return };
    let journal = Journal::open_with(folder.as_ref(), rules(&Clock::new(), 1 << 20, 8 << 20)).unwrap();
    (0..8).for_each(|number| journal.write(&entry(number)));
    println!("full: {}", fs::read(journal.folder().join("2026-07-27.jsonl")).unwrap().len());
    let let_go =
        Command::new("prlimit").args(["--fsize=unlimited", "--pid", &std::process::id().to_string()]).status().unwrap();
    assert!(let_go.success());
    journal.write(&entry(8));
    journal.write(&JournalEntry { what: What::Stopped, ..JournalEntry::default() });
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_entries_and_nothing_else() {
    let folder = Folder::new();
    let output = Command::new("sh")
        .arg("-c")
        // Blocks of 512 bytes. Without the trap the kernel would end the process.
        .arg("trap '' XFSZ; ulimit -S -f 3; exec \"$0\" --exact outage::child_on_a_full_disk --ignored --nocapture")
        .arg(std::env::current_exe().unwrap())
        .env("GLASSBOX_TEST_JOURNAL", folder.journal())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    let lines = Bytes::read(&folder.journal()).lines();
    // What was written of a line that did not fit was taken back at once.
    let whole: usize = lines[..5].iter().map(|(_, line)| line.len()).sum();
    assert!(out.contains(&format!("full: {whole}\n")), "{out}");
    assert_eq!(whats(&folder.journal()), ["sent", "sent", "sent", "sent", "sent", "gap", "sent", "stopped"]);
    assert!(reasons(&folder)[0].starts_with("3 entries could not be written since "), "{:?}", reasons(&folder));
    assert!(reasons(&folder)[0].ends_with(": File too large (os error 27)"), "{:?}", reasons(&folder));
    assert_eq!(folder.verify().unwrap().lines, 8);
}
