//! Damaged JSON, as events and answers may come in: none costs more than itself, and what Python's `json` writes that is
//! no JSON costs nothing at all.
#![allow(missing_docs)]

use glassbox::sources::jsonl::{JsonLine, Lines};
use glassbox_util::json::repaired;
use glassbox_util::text::without_bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What may be put anywhere: halves of pairs, what Python writes for numbers, bytes that are no text, control characters.
const PIECES: [&[u8]; 18] = [
    br"\udce4",
    br"\ud83d",
    br"\ud83d\ude00",
    br"\u",
    br"\",
    b"\"",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"\xe4",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\t",
    b"{",
    b"]",
    b",",
    b"\xef\xb7\x9e",
];

fn document() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![any::<String>(), "[a-z/.]{0,12}"];
    (text.clone(), text, any::<f64>(), any::<i64>()).prop_map(|(path, name, time, size)| {
        json!({"event": "PrintDone", "payload": {"path": path, "name": name, "time": time, "size": size, "list": [name]}})
            .to_string()
            .into_bytes()
    })
}

/// A document that was damaged in a few places: something was put in, cut out, or changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let wound = (any::<prop::sample::Index>(), 0..PIECES.len(), any::<u8>(), 0..3);
    (document(), prop::collection::vec(wound, 0..6)).prop_map(|(mut document, wounds)| {
        for (at, piece, byte, what) in wounds {
            let at = at.index(document.len());
            match what {
                0 => drop(document.splice(at..at, PIECES[piece].iter().copied())),
                1 => document[at] = byte,
                _ if document.len() > 1 => drop(document.remove(at)),
                _ => {}
            }
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_costs_more_than_its_own_line(lines in prop::collection::vec(damaged(), 1..6)) {
        let good = br#"{"event":"PrintStarted","payload":{"path":"a"}}"#;
        let mut input = Vec::new();
        for line in &lines {
            // A line feed would make two of one.
            input.extend(line.iter().filter(|byte| **byte != b'\n'));
            input.extend([b"\n", &good[..], b"\n"].concat());
        }
        let mut found = Lines::new(input.as_slice());
        let mut intact = 0;
        while let Some(line) = found.next_line().unwrap() {
            match line {
                JsonLine::Event(event, payload) if event == "PrintStarted" => {
                    prop_assert_eq!(payload, r#"{"path":"a"}"#);
                    intact += 1;
                }
                JsonLine::Event(_, payload) => {
                    prop_assert!(serde_json::from_str::<Value>(&payload).is_ok(), "{}", payload);
                }
                JsonLine::Bad(..) => {}
            }
        }
        prop_assert_eq!(intact, lines.len());
    }

    #[test]
    fn a_repair_is_bounded_and_done_once(document in damaged()) {
        let once = repaired(&document).into_owned();
        prop_assert!(once.len() <= 6 * document.len(), "{} of {}", once.len(), document.len());
        let twice = repaired(once.as_bytes());
        prop_assert_eq!(&*twice, &once);
        // What was JSON is left alone.
        if let Ok(strict) = serde_json::from_slice::<Value>(&document) {
            prop_assert_eq!(serde_json::from_str::<Value>(&once).unwrap(), strict);
        }
    }

    #[test]
    fn what_python_writes_loses_nothing_else(name in "[^\"]{0,20}", at in any::<prop::sample::Index>(), low in 0xd800..0xe000_u32, number in 0..4_usize) {
        let number = ["NaN", "Infinity", "-Infinity", "1e999"][number];
        let escaped: Vec<String> = name.chars().map(|c| json!(c.to_string()).to_string().trim_matches('"').into()).collect();
        let at = at.index(escaped.len() + 1);
        let half = format!("\\u{low:04x}");
        let text = escaped[..at].concat() + &half + &escaped[at..].concat();
        let document = format!("{{\"path\":\"ok\",\"name\":\"{text}\",\"time\":{number},\"size\":3}}");
        let read: Value = serde_json::from_str(&repaired(document.as_bytes())).unwrap();
        let before: String = name.chars().take(at).collect();
        let after: String = name.chars().skip(at).collect();
        prop_assert_eq!(&*without_bytes(read["name"].as_str().unwrap()), format!("{before}\u{fffd}{after}"));
        prop_assert_eq!((&read["path"], &read["time"], &read["size"]), (&json!("ok"), &json!(null), &json!(3)));
    }
}
