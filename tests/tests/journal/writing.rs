//! What is written is what can be read, in order, in files of bounded size, whatever the clock does
//! and whoever else writes.

use crate::support::{Bytes, Clock, DAY, Folder, MORNING, entry, rules};
use glassbox_journal::chain::LINE;
use glassbox_journal::{Journal, JournalEntry, JournalRequest, Reader, What, redact};
use proptest::prelude::*;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{0,20}", any::<String>(), "[\\PC\u{0}-\u{1f}\u{80}-\u{9f}\u{202a}-\u{202e}]{0,9}"]
}

fn request() -> impl Strategy<Value = JournalRequest> {
    let fields = prop::collection::vec((text(), text()), 0..6);
    (text(), text(), text(), fields).prop_map(|(name, method, path, fields)| JournalRequest {
        name,
        method,
        path,
        fields,
    })
}

fn any_entry() -> impl Strategy<Value = JournalEntry> {
    let what = prop::sample::select(vec![What::Queued, What::Blocked, What::RolledBack, What::Loaded]);
    let option = || prop::option::of(text());
    (what, option(), text(), option(), option(), prop::option::of(request()), any::<Option<u16>>(), option()).prop_map(
        |(what, octoprint, plugin, component, event, request, status, reason)| JournalEntry {
            what,
            octoprint,
            plugin,
            component,
            event,
            request,
            status,
            reason,
            count: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_hangs_together_and_can_be_read(entries in prop::collection::vec((any_entry(), 0..4 * DAY, any::<bool>()), 1..20)) {
        let (folder, clock) = (Folder::new(), Clock::new());
        let mut journal = folder.open(&clock);
        for (entry, time, reopen) in &entries {
            clock.set(MORNING + time);
            if *reopen {
                journal = folder.open(&clock);
            }
            journal.write(entry);
        }
        prop_assert_eq!(folder.verify().unwrap().lines, entries.len() as u64);
        let bytes = Bytes::read(&folder.journal());
        for ((number, line), (entry, ..)) in bytes.values().iter().enumerate().zip(&entries) {
            prop_assert_eq!(&line["n"], &json!(number + 1));
            prop_assert_eq!(&serde_json::from_value::<JournalEntry>(line.clone()).unwrap(), entry);
        }
        for (_, line) in bytes.lines() {
            let text = String::from_utf8(line).unwrap();
            prop_assert!(!text[..text.len() - 1].contains(|c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)), "{}", text);
        }
    }

    #[test]
    fn no_secret_gets_past_scrub(before in text(), after in text(), encode in prop::collection::vec(0..4, 36)) {
        let id = "1f0e8d3c-1111-4222-8333-abcdefabcdef";
        let encoded: String = id.chars().zip(encode).map(|(c, how)| match how {
            0 => c.to_string(),
            1 => c.to_uppercase().to_string(),
            2 => format!("%{:02x}", c as u8),
            _ => format!("%{:02X}", c.to_ascii_uppercase() as u8),
        }).collect();
        let entry = JournalEntry {
            event: Some(format!("{before}{encoded}")),
            request: Some(JournalRequest { path: format!("/track/{encoded}/x"), fields: vec![(encoded.clone(), format!("{before}{encoded}{after}"))], ..JournalRequest::default() }),
            reason: Some(format!("{encoded}{after}")),
            ..JournalEntry::default()
        };
        let redacted = entry.redacted(&[("{id}", id)]);
        prop_assert_eq!(redacted.reason.as_deref(), Some(&*format!("{{id}}{}", redact(&after, &[("{id}", id)]))));
        let request = redacted.request.unwrap();
        prop_assert_eq!(&request.path, "/track/{id}/x");
        prop_assert_eq!(&request.fields[0].0, "{id}");
        let value = &request.fields[0].1;
        prop_assert!(value.contains("{id}") && !value.contains(&encoded), "{}", value);
        let event = redacted.event.unwrap();
        prop_assert!(event.ends_with("{id}"), "{}", event);
    }
}

#[test]
fn a_line_says_what_is_known_and_no_more() {
    let folder = Folder::new();
    let journal = folder.open(&Clock::new());
    journal.write(&JournalEntry { what: What::RolledBack, plugin: "tracking".into(), ..JournalEntry::default() });
    journal.write(&entry(7));
    let lines = Bytes::read(&folder.journal()).lines();
    let zeros = "0".repeat(64);
    let first = format!(
        r#"{{"n":1,"t":"2026-07-27T10:00:00.000Z","what":"rolled-back","plugin":"tracking","prev":"{zeros}"}}"#
    );
    assert_eq!(lines[0].1, format!("{first}\n").into_bytes());
    let second = String::from_utf8(lines[1].1.clone()).unwrap();
    let expected = r#"{"n":2,"t":"2026-07-27T10:00:00.001Z","what":"sent","plugin":"tracking","event":"PrintStarted","request":{"name":"print_started","method":"GET","path":"/track/{id}/print_started/","fields":[["number","7"]]},"status":200,"prev":""#;
    assert!(second.starts_with(expected), "{second}");
    let mode = std::fs::metadata(folder.journal()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(journal.folder(), folder.journal());
}

fn names(folder: &Folder) -> Vec<String> {
    Bytes::read(&folder.journal()).files.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_clock_that_jumps_changes_neither_order_nor_chain() {
    let (folder, clock) = (Folder::new(), Clock::new());
    let journal = Journal::open_with(&folder.journal(), rules(&clock, 700, 1 << 20)).unwrap();
    let at = |time: u64, count: usize| {
        clock.set(time);
        (0..count).for_each(|number| journal.write(&entry(number)));
        folder.verify().unwrap();
    };
    at(MORNING, 1);
    at(MORNING + DAY, 1);
    // Back: the same file, and the next one when that is full. Back before all time, too.
    at(MORNING, 1);
    at(0, 1);
    at(MORNING + DAY, 1);
    at(MORNING + 2 * DAY, 1);
    // Beyond what a clock should ever show.
    at(u64::MAX / 2, 1);
    let expected =
        ["2026-07-27", "2026-07-28", "2026-07-28-2", "2026-07-29", "9999-12-30"].map(|date| format!("{date}.jsonl"));
    assert_eq!(names(&folder), expected);
    let numbers: Vec<_> = Bytes::read(&folder.journal()).values().iter().map(|line| line["n"].clone()).collect();
    assert_eq!(numbers, (1..=7).map(|n| json!(n)).collect::<Vec<_>>());
    // A restart changes nothing about that.
    drop(journal);
    let journal = Journal::open_with(&folder.journal(), rules(&clock, 700, 1 << 20)).unwrap();
    clock.set(MORNING);
    journal.write(&entry(8));
    assert_eq!(names(&folder)[4..], ["9999-12-30.jsonl"]);
    assert_eq!(folder.verify().unwrap().lines, 8);
}

#[test]
fn files_and_all_of_them_have_a_largest_size_and_the_chain_goes_on() {
    let (folder, clock) = (Folder::new(), Clock::new());
    let journal = Journal::open_with(&folder.journal(), rules(&clock, 1000, 4000)).unwrap();
    for number in 0..200_u64 {
        clock.set(MORNING + number * DAY / 50);
        journal.write(&entry(number as usize));
        let found = folder.verify().unwrap();
        assert_eq!(found.last.as_ref().unwrap().0, number + 1);
        let bytes = Bytes::read(&folder.journal());
        let sizes: Vec<_> = bytes.files.iter().map(|(_, bytes)| bytes.len()).collect();
        assert!(sizes.iter().all(|size| *size <= 1000) && sizes.iter().sum::<usize>() <= 4000, "{sizes:?}");
    }
    let found = folder.verify().unwrap();
    assert!(found.first.as_ref().unwrap().0 > 180 && found.files >= 3, "{found:?}");
    // The oldest file that is left is missed if somebody else removes it.
    std::fs::remove_file(folder.file(&names(&folder)[0])).unwrap();
    let broken = folder.verify().unwrap_err().to_string();
    assert!(broken.ends_with(": the lines before it are gone"), "{broken}");
}

#[test]
fn a_line_has_a_largest_size() {
    let folder = Folder::new();
    let journal = Journal::open(&folder.journal()).unwrap();
    let long = |fields: usize, text: &str| {
        let mut entry = entry(0);
        entry.request.as_mut().unwrap().fields = vec![(text.into(), text.into()); fields];
        entry.reason = Some(text.into());
        entry.plugin = text.into();
        entry
    };
    // As much as the gate lets through is kept whole.
    journal.write(&long(60, &"x".repeat(250)));
    journal.write(&long(1, &"ä\u{1}".repeat(20_000)));
    journal.write(&long(2000, &"\u{1}".repeat(200)));
    journal.write(&long(100_000, ""));
    let bytes = Bytes::read(&folder.journal());
    let values = bytes.values();
    assert!(bytes.lines().iter().all(|(_, line)| line.len() <= LINE + 1));
    assert_eq!(values[0]["request"]["fields"][59][1], "x".repeat(250));
    let reason = values[1]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("ä\u{1}ä") && reason.ends_with("...[58977 more bytes]"),
        "{}",
        &reason[reason.len() - 40..]
    );
    for (line, fields) in [(2, 2000), (3, 100_000)] {
        let last = values[line]["request"]["fields"].as_array().unwrap().last().unwrap();
        assert_eq!(last, &json!(["...", format!("and {} more", fields - 64)]));
    }
    assert_eq!(folder.verify().unwrap().lines, 4);
}

#[test]
fn many_threads_and_several_handles_write_one_chain() {
    let folder = Folder::new();
    let clock = Clock::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Two handles, as two processes would have them, each with a clone.
        let writers: Vec<_> = [folder.open(&clock), folder.open(&clock)]
            .into_iter()
            .flat_map(|journal| [journal.clone(), journal])
            .map(|journal| scope.spawn(move || (0..50).for_each(|number| journal.write(&entry(number)))))
            .collect();
        // Somebody checks and somebody reads meanwhile.
        let checker = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                folder.verify().unwrap();
            }
        });
        let reader = scope.spawn(|| {
            let (mut reader, mut numbers) = (Reader::new(folder.journal()), Vec::new());
            let mut last = false;
            while !last {
                last = done.load(Ordering::SeqCst);
                reader
                    .read(|line| {
                        numbers.push(serde_json::from_slice::<serde_json::Value>(line).unwrap()["n"].as_u64().unwrap());
                        Ok(())
                    })
                    .unwrap();
            }
            numbers
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::SeqCst);
        checker.join().unwrap();
        assert_eq!(reader.join().unwrap(), (1..=200).collect::<Vec<_>>());
    });
    let found = folder.verify().unwrap();
    assert_eq!((found.lines, found.behind), (200, 0));
    assert_eq!(crate::support::whats(&folder.journal()), vec!["sent"; 200]);
}

#[test]
fn a_reader_that_checks_while_the_oldest_files_go_is_not_misled() {
    let (folder, clock) = (Folder::new(), Clock::new());
    let journal = Journal::open_with(&folder.journal(), rules(&clock, 600, 1800)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let checker = scope.spawn(|| {
            let mut checks = 0;
            while !done.load(Ordering::SeqCst) {
                folder.verify().unwrap();
                checks += 1;
            }
            checks
        });
        (0..1000).for_each(|number| journal.write(&entry(number)));
        done.store(true, Ordering::SeqCst);
        assert!(checker.join().unwrap() > 0);
    });
}

#[test]
fn a_reader_sees_that_a_journal_was_begun_anew() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.journal());
    let mut read = || {
        let mut lines = Vec::new();
        let anew = reader.read(|line| {
            lines.push(line.len());
            Ok(())
        });
        (anew.unwrap(), lines.len())
    };
    assert_eq!(read(), (false, 0), "there is no folder yet");
    let journal = folder.open(&Clock::new());
    let write = |count: usize| (0..count).for_each(|number| journal.write(&entry(number)));
    write(5);
    assert_eq!(read(), (false, 5));
    assert_eq!(read(), (false, 0));
    write(2);
    assert_eq!(read(), (false, 2));
    let begin = || std::fs::remove_dir_all(folder.journal()).unwrap();
    // Shorter, as long, and longer than what was read; each begins with an entry that says so.
    for count in [1, 6, 20] {
        begin();
        write(count);
        assert_eq!(read(), (true, count + 1), "{count}");
        assert_eq!(read(), (false, 0));
        write(1);
        assert_eq!(read(), (false, 1));
    }
}
