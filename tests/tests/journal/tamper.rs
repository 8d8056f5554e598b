//! Whatever is changed is found, and named; and what cannot be found.

use crate::support::{Bytes, Clock, Folder, MORNING, entry};
use glassbox_journal::chain::{self, Head, Link};
use proptest::prelude::*;

type Lines = Vec<(usize, Vec<u8>)>;

/// Cleanly closed, in four files.
fn journal() -> Bytes {
    let journal = Bytes::of(12);
    assert!(journal.check().is_ok() && journal.files.len() >= 4, "{}", journal.files.len());
    journal
}

#[track_caller]
fn broken(journal: &Bytes, what: &str) -> String {
    match journal.check() {
        Ok(found) => panic!("{what} was not found: {found:?}"),
        Err(broken) => broken.to_string(),
    }
}

#[test]
fn any_altered_byte_is_found() {
    let journal = journal();
    for at in 0..journal.head.len() {
        for byte in *b"+- 09afAF\n\0\xff" {
            let mut altered = journal.clone();
            altered.head[at] = byte;
            if byte != journal.head[at] {
                broken(&altered, &format!("byte {at} of the head: {byte}"));
            }
        }
    }
    for file in 0..journal.files.len() {
        for at in 0..journal.files[file].1.len() {
            let byte = journal.files[file].1[at];
            for other in [byte ^ 1, byte ^ 2, byte ^ 0x20, byte ^ 0x80, b'\n', b' ', b'0', 0]
                .map(|other| (other != byte).then_some(other))
            {
                let Some(other) = other else { continue };
                let mut altered = journal.clone();
                altered.files[file].1[at] = other;
                broken(&altered, &format!("byte {at} of file {file}: {other}"));
            }
        }
    }
}

#[test]
fn any_removed_or_added_byte_is_found() {
    let journal = journal();
    for file in 0..journal.files.len() {
        for at in 0..=journal.files[file].1.len() {
            for byte in [b'\n', b' ', b'x', b'{'] {
                let mut altered = journal.clone();
                altered.files[file].1.insert(at, byte);
                // At the very end it may be the beginning of a line that a host writes just now.
                if (file, at, byte) != (journal.files.len() - 1, journal.files[file].1.len(), b'{') {
                    broken(&altered, &format!("{byte} put in at {at} of file {file}"));
                }
            }
            if at < journal.files[file].1.len() {
                let mut altered = journal.clone();
                altered.files[file].1.remove(at);
                broken(&altered, &format!("byte {at} of file {file} removed"));
            }
        }
    }
    for at in 0..journal.head.len() {
        let mut altered = journal.clone();
        altered.head.truncate(at);
        broken(&altered, &format!("a head of {at} bytes"));
    }
}

#[test]
fn lines_that_are_removed_moved_or_repeated_are_found() {
    let journal = journal();
    let lines = journal.lines();
    for i in 0..lines.len() {
        let mut removed = lines.clone();
        removed.remove(i);
        broken(&journal.with(&removed), &format!("line {i} removed"));
        for j in 0..lines.len() {
            let mut repeated = lines.clone();
            repeated.insert(j, (lines[j].0, lines[i].1.clone()));
            broken(&journal.with(&repeated), &format!("line {i} again at {j}"));
            if i < j {
                let mut swapped = lines.clone();
                (swapped[i].1, swapped[j].1) = (lines[j].1.clone(), lines[i].1.clone());
                broken(&journal.with(&swapped), &format!("lines {i} and {j} swapped"));
                let mut gone = lines.clone();
                gone.drain(i..=j);
                broken(&journal.with(&gone), &format!("lines {i} to {j} removed"));
            }
        }
    }
}

#[test]
fn a_line_that_is_put_in_and_chained_well_is_found() {
    let journal = journal();
    let lines = journal.lines();
    for i in 0..=lines.len() {
        let before = if i == 0 {
            "0".repeat(64)
        } else {
            glassbox_util::text::hex(&chain::hash(&lines[i - 1].1[..lines[i - 1].1.len() - 1]))
        };
        let line =
            format!("{{\"n\":{},\"t\":\"2026-07-27T10:00:00.000Z\",\"what\":\"sent\",\"prev\":\"{before}\"}}\n", i + 1);
        let mut more = lines.clone();
        more.insert(i, (lines[i.min(lines.len() - 1)].0, line.into_bytes()));
        let forged = journal.with(&more);
        if i < lines.len() {
            broken(&forged, &format!("a line put in at {i}"));
        } else {
            // Behind what the head knows, it is as if a host had been killed before it wrote the head.
            assert_eq!(forged.check().unwrap().behind, 1);
        }
    }
}

#[test]
fn files_that_are_cut_removed_renamed_or_swapped_are_found() {
    let journal = journal();
    for file in 0..journal.files.len() {
        for length in 0..journal.files[file].1.len() {
            let mut cut = journal.clone();
            cut.files[file].1.truncate(length);
            broken(&cut, &format!("file {file} cut at {length}"));
        }
        let mut gone = journal.clone();
        gone.files.remove(file);
        broken(&gone, &format!("file {file} removed"));
        for name in ["2026-07-26.jsonl", "2026-07-28.jsonl", "2026-07-27-99.jsonl", "2026-07-27-0.jsonl", "x.jsonl"] {
            let mut renamed = journal.clone();
            renamed.files[file].0 = name.into();
            broken(&renamed, &format!("file {file} renamed to {name}"));
        }
        for other in 0..file {
            let mut swapped = journal.clone();
            let bytes = swapped.files[file].1.clone();
            swapped.files[file].1 = std::mem::replace(&mut swapped.files[other].1, bytes);
            broken(&swapped, &format!("files {file} and {other} swapped"));
        }
    }
    let mut twice = journal.clone();
    twice.files.push(journal.files[0].clone());
    broken(&twice, "a file that is there twice");
    let mut none = journal.clone();
    none.files.clear();
    broken(&none, "no file at all");
}

#[test]
fn what_is_wrong_is_said_in_words_and_with_its_place() {
    let journal = journal();
    let lines = journal.lines();
    let changed = |change: &dyn Fn(&mut Lines)| {
        let mut lines = lines.clone();
        change(&mut lines);
        broken(&journal.with(&lines), "it")
    };
    let altered = changed(&|lines| {
        let text = String::from_utf8(lines[1].1.clone()).unwrap();
        lines[1].1 = text.replace("\"status\":200", "\"status\":404").into_bytes();
    });
    assert_eq!(altered, "2026-07-27.jsonl, line 3: its prev is not the hash of number 2: one of the two was altered");
    let removed = changed(&|lines| drop(lines.remove(1)));
    assert_eq!(
        removed,
        "2026-07-27.jsonl, line 2: it has number 3 and follows number 1: lines between them are gone, or a number was altered"
    );
    let moved = changed(&|lines| lines.swap(1, 2));
    assert!(moved.starts_with("2026-07-27.jsonl, line 2: it has number 3 and follows number 1: "), "{moved}");
    let repeated = changed(&|lines| lines.insert(1, lines[0].clone()));
    assert_eq!(
        repeated,
        "2026-07-27.jsonl, line 2: it has number 1 and follows number 1: it was inserted or moved, or a number was altered"
    );
    let cut = changed(&|lines| drop(lines.pop()));
    assert_eq!(
        cut,
        "2026-07-27-4.jsonl, line 3: number 12 should follow here: the head records that line, and it is gone"
    );
    let cut = changed(&|lines| lines.truncate(lines.len() - 2));
    assert_eq!(
        cut,
        "2026-07-27-4.jsonl, line 2: numbers 11 to 12 should follow here: the head records those lines, and they are gone"
    );
    let last = changed(&|lines| {
        let text = String::from_utf8(lines[11].1.clone()).unwrap();
        lines[11].1 = text.replace("tracking", "tracker").into_bytes();
    });
    assert_eq!(
        last,
        "2026-07-27-4.jsonl, line 3: its hash is not the one that the head records: one of the two was altered"
    );
    let none = changed(&|lines| lines[4].1 = b"# a remark\n".to_vec());
    assert_eq!(none, "2026-07-27-2.jsonl, line 2: it is not a line of the journal: it does not begin with its number");
    let secret = changed(&|lines| lines[4].1 = b"{\"n\":\"my secret\"}\n".to_vec());
    assert!(!secret.contains("secret") && secret.contains("n, t or prev is missing or of the wrong kind"), "{secret}");

    let mut first = journal.clone();
    first.files.remove(0);
    let gone =
        "2026-07-27-2.jsonl, line 1: it has number 4, but the journal begins with 1: the lines before it are gone";
    assert_eq!(broken(&first, "it"), gone);
    let mut head = journal.clone();
    head.head[9] = b'x';
    assert_eq!(broken(&head, "it"), "head: it is not what a host writes: it was altered or cut");
}

#[test]
fn rewriting_all_lines_and_the_head_is_not_found() {
    // That is what `glassbox journal --verify` says that it cannot show.
    let journal = journal();
    let mut forged = journal.clone();
    forged.files.truncate(1);
    let lines = forged.lines();
    let (number, line) = (lines.len() as u64, &lines[lines.len() - 1].1);
    let head = Head::parse(&journal.head).unwrap();
    let last = Link { number, hash: chain::hash(&line[..line.len() - 1]) };
    forged.head = Head { last, ..head }.to_text().into_bytes();
    assert_eq!(forged.check().unwrap().lines, number);
}

#[test]
fn files_in_front_of_the_first_line_that_is_kept_are_on_their_way_out() {
    let mut journal = journal();
    let second = journal.lines().iter().find(|(file, _)| *file == 1).unwrap().1.clone();
    let chained = chain::Chained::parse(&second[..second.len() - 1]).unwrap();
    let head = Head::parse(&journal.head).unwrap();
    let first = Link { number: chained.number, hash: chained.prev };
    journal.head = Head { first, ..head }.to_text().into_bytes();
    let found = journal.check().unwrap();
    assert_eq!((found.stale, found.lines, found.first.as_ref().map(|first| first.0)), (1, 9, Some(4)));
    journal.files.remove(0);
    assert_eq!(journal.check().unwrap().lines, 9);
    journal.files.remove(0);
    broken(&journal, "a file that is kept, removed");
}

fn damaged() -> impl Strategy<Value = (Vec<(String, Vec<u8>)>, Vec<u8>)> {
    let sound = Bytes::of(6);
    let bytes = move |change: Vec<(usize, u8)>, mut bytes: Vec<u8>| {
        for (at, byte) in change {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        bytes
    };
    let line = prop_oneof![
        any::<Vec<u8>>(),
        any::<String>().prop_map(String::into_bytes),
        (any::<u64>(), any::<String>(), any::<String>()).prop_map(|(n, t, prev)| {
            let json = serde_json::json!({"n": n, "t": t, "prev": prev});
            format!("{json}\n").into_bytes()
        }),
        Just("{\"n\":18446744073709551615,\"t\":\"2026-07-27T\",\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}\n".into()),
    ];
    let name = prop_oneof![
        Just("2026-07-27.jsonl".to_string()),
        Just("2026-07-27-4294967295.jsonl".into()),
        Just("9999-99-99.jsonl".into()),
        any::<String>(),
    ];
    let garbage =
        prop::collection::vec((name, prop::collection::vec(line, 0..4).prop_map(|lines| lines.concat())), 0..4);
    let head = prop_oneof![
        any::<Vec<u8>>(),
        (any::<u64>(), any::<u64>()).prop_map(|(last, first)| {
            let link = |number| Link { number, hash: chain::NOTHING };
            Head { last: link(last), first: link(first) }.to_text().into_bytes()
        }),
        Just(Head::NEW.to_text().into_bytes()),
    ];
    let change = || prop::collection::vec((any::<usize>(), any::<u8>()), 0..3);
    let altered = (change(), change()).prop_map(move |(first, last)| {
        let mut sound = sound.clone();
        let count = sound.files.len();
        sound.files[0].1 = bytes(first, sound.files[0].1.clone());
        sound.files[count - 1].1 = bytes(last, sound.files[count - 1].1.clone());
        (sound.files, sound.head)
    });
    prop_oneof![(garbage, head), altered]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_check_fail_itself((files, head) in damaged()) {
        let _ = Bytes { files, head }.check();
    }
}

#[test]
fn a_new_journal_is_sound() {
    let folder = Folder::new();
    assert_eq!(folder.verify().unwrap().lines, 0);
    let clock = Clock::new();
    clock.set(MORNING);
    let journal = folder.open(&clock);
    assert_eq!(folder.verify().unwrap().lines, 0);
    journal.write(&entry(0));
    assert_eq!(folder.verify().unwrap().lines, 1);
}
