//! The format of recordings: whatever crosses the boundary is read back as it was, and a damaged file is
//! refused in words.
#![allow(missing_docs)]

use glassbox::record::{
    Call, Ending, Header, HostCall, Load, Moment, RecordedCall, Recording, Restore, Returned, SentRequest, Start, end,
    header, lines,
};
use glassbox_sandbox::capabilities::Machine;
use glassbox_sandbox::{Handover, HeardAgain, Method, Request};
use proptest::prelude::*;

/// Texts as components and events bring them: JSON and what only looks like it.
fn text() -> impl Strategy<Value = String> {
    let known = [
        "null",
        "1",
        "1.0",
        "1e3",
        "\"text\"",
        "{}",
        "[1]",
        r#"{"a":1,"a":2}"#,
        r#"{"a": 1}"#,
        "{\"a\":\"\n\"}",
        "1],[2",
        r#"{"b":0.1,"a":[null,"x"]}"#,
        "123456789012345678901234567890",
        "-0.0",
        "\u{0}\u{1b}[2J",
    ];
    prop_oneof![
        any::<String>(),
        prop::sample::select(known.to_vec()).prop_map(Into::into),
        any::<f64>().prop_map(|number| format!("{{\"number\":{number}}}")),
        (1..300_usize).prop_map(|deep| "[".repeat(deep) + &"]".repeat(deep)),
    ]
}

fn maybe<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(of)
}

fn restore() -> impl Strategy<Value = Restore> {
    let heard = (text(), text(), any::<u64>());
    let heard = heard.prop_map(|(name, payload, age_ms)| HeardAgain { name, payload, age_ms });
    (prop::collection::vec(heard, 0..4), text(), any::<u64>(), maybe(text()))
        .prop_map(|(heard, state, age_ms, due)| Restore { heard, state, age_ms, due })
}

fn call() -> impl Strategy<Value = (Call, Returned)> {
    let start = (text(), maybe(text()), text(), maybe(text()), maybe(any::<u64>())).prop_map(
        |(plugin, octoprint, digest, veto, after)| Call::Start(Start { plugin, octoprint, digest, veto, after }),
    );
    let done =
        (maybe(any::<u64>()), maybe(text())).prop_map(|(next_tick, message)| Returned::Done { next_tick, message });
    let (done, names) = (done.boxed(), prop::collection::vec(text(), 0..4));
    let (loaded, restored) = (prop::result::maybe_ok(Just(()), text()), prop::result::maybe_ok(Just(()), text()));
    let good = prop_oneof![
        start.prop_map(|call| (call, Returned::Started)),
        (text(), text(), loaded).prop_map(|(document, shown, returned)| {
            (Call::Load(Load { document, shown }), Returned::Loaded(returned))
        }),
        (restore(), restored).prop_map(|(restore, returned)| (Call::Restore(restore), Returned::Restored(returned))),
        (text(), text(), done.clone()).prop_map(|(name, payload, returned)| (Call::Event { name, payload }, returned)),
        text().prop_map(|name| (Call::Heard { name }, Returned::Heard)),
        (names, done).prop_map(|(due, returned)| (Call::Tick { due }, returned)),
        (text(), any::<usize>())
            .prop_map(|(state, dropped)| (Call::Save, Returned::Saved(Handover { state, dropped }))),
    ];
    (good, maybe(text())).prop_map(|((call, returned), failed)| (call, failed.map_or(returned, Returned::Failed)))
}

fn machine() -> impl Strategy<Value = Machine> {
    let frequency = prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(0.1 + 0.2)];
    let numbers = (maybe(any::<u32>()), maybe(any::<u32>()), maybe(frequency), maybe(any::<u64>()));
    (maybe(text()), maybe(text()), numbers, maybe(text()), maybe(text()), maybe(text())).prop_map(
        |(os, platform, (bits, cores, frequency_mhz, memory_bytes), pi_model, octopi_version, octopiuptodate_build)| {
            Machine {
                os,
                platform,
                bits,
                cores,
                frequency_mhz,
                memory_bytes,
                pi_model,
                octopi_version,
                octopiuptodate_build,
            }
        },
    )
}

fn asked() -> impl Strategy<Value = HostCall> {
    let method = prop_oneof![Just(Method::Get), Just(Method::Post)];
    let request = (method, text(), prop::collection::vec((text(), text()), 0..4), text())
        .prop_map(|(method, name, fields, user_agent)| Request { method, name, fields, user_agent });
    let sent = (request, maybe(any::<u64>()), maybe(text())).prop_map(|(request, room, refused)| SentRequest {
        request,
        room,
        refused,
    });
    prop_oneof![
        sent.prop_map(HostCall::Send),
        machine().prop_map(|machine| HostCall::Probe(Box::new(machine))),
        any::<Option<u32>>().prop_map(HostCall::Query),
        any::<u64>().prop_map(HostCall::Lost),
    ]
}

fn recorded() -> impl Strategy<Value = RecordedCall> {
    let moment = (0..1_000_000_000_000_000_u64, any::<u64>(), any::<bool>()).prop_map(|(t, clock, made_up)| Moment {
        t,
        clock,
        made_up,
    });
    (any::<u64>(), moment, call(), prop::collection::vec(asked(), 0..4), maybe(any::<u64>())).prop_map(
        |(instance_id, moment, (call, returned), asked, fuel)| RecordedCall {
            instance_id,
            moment,
            call,
            asked,
            returned,
            fuel,
        },
    )
}

fn written(calls: &[RecordedCall]) -> String {
    let head = header(&Header::new(false, false));
    head + &calls.iter().map(lines).collect::<String>() + &end("stopped")
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(calls in prop::collection::vec(recorded(), 0..5)) {
        let read = Recording::parse(&written(&calls)).unwrap();
        prop_assert_eq!(&read.ending, &Ending::Stopped);
        let again: Vec<_> = read.calls.into_iter().map(|(_, recorded)| recorded).collect();
        // As text: what is not a number is not the same as itself.
        prop_assert_eq!(format!("{again:?}"), format!("{calls:?}"));
    }

    #[test]
    fn a_torn_end_is_told_and_left_out(calls in prop::collection::vec(recorded(), 1..4), at in any::<prop::sample::Index>()) {
        let text = written(&calls);
        let first = text.find('\n').unwrap() + 1;
        let mut cut = first + at.index(text.len() - first);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let read = Recording::parse(&text[..cut]).unwrap();
        prop_assert!(matches!(read.ending, Ending::Torn(_)));
        let whole = format!("{:?}", &calls[..read.calls.len()]);
        let read: Vec<_> = read.calls.into_iter().map(|(_, recorded)| recorded).collect();
        prop_assert_eq!(format!("{read:?}"), whole);
    }

    #[test]
    fn a_damaged_one_is_refused_or_read_but_never_a_panic(
        calls in prop::collection::vec(recorded(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = written(&calls).into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        match Recording::parse(&String::from_utf8_lossy(&bytes)) {
            Ok(read) => for (_, recorded) in read.calls {
                let _ = (recorded.call.to_string(), recorded.returned.to_string());
            },
            Err(error) => {
                let text = format!("{error:#}");
                prop_assert!(text.contains("line ") || text.contains("empty"), "{}", text);
            }
        }
    }
}

#[test]
fn what_is_no_recording_is_refused_in_words() {
    let refused = |text: &str| format!("{:#}", Recording::parse(text).unwrap_err());
    assert_eq!(refused(""), "it is empty, or its first line is not complete");
    assert_eq!(refused("{\"event\":\"PrintDone\"}\n"), "line 1: 'n' is missing");
    assert_eq!(refused(&end("full")), "line 1: it is not the first line of a recording");
    let head = header(&Header::new(false, false));
    // Older ones, in which trackers kept what they had heard, and a newer one.
    for version in [1, 2, 4] {
        let other = head.replace("_recording\":3,", &format!("_recording\":{version},"));
        assert_eq!(
            refused(&other),
            format!(
                "line 1: it is of version {version} of the format, and this program reads version 3: replay it with the \
                 glassbox that made it"
            )
        );
    }
    let after = |lines: &str| refused(&format!("{head}{lines}\n"));
    assert_eq!(after(r#"{"n":1,"asks":"throttle.query","answer":1}"#), "line 2: it belongs to no call");
    assert_eq!(after(r#"{"n":1,"t":1,"clock":1,"asks":"clock.now","answer":1}"#), "line 2: its 'asks' is not known");
    assert_eq!(after(r#"{"n":1,"t":-1,"clock":1,"call":"on-tick","due":[]}"#), "line 2: 't' is not a time");
    let tick = |due: &str| after(&format!(r#"{{"n":1,"t":1,"clock":1,"call":"on-tick"{due}}}"#));
    assert_eq!(tick(""), "line 2: 'due' is missing");
    assert_eq!(tick(r#","due":"ping""#), "line 2: 'due' is not a list");
    assert_eq!(tick(r#","due":["ping",1]"#), "line 2: 'due' is not a list of names");
    let again = |heard: &str| {
        after(&format!(
            r#"{{"n":1,"t":1,"clock":1,"call":"handover.restore","heard":{heard},"state":{{}},"age_ms":1}}"#
        ))
    };
    assert_eq!(again("{}"), "line 2: 'heard' is not a list");
    assert_eq!(again("[1]"), "line 2: 'heard' is not a list of events");
    assert_eq!(again(r#"[{"name":"PrintStarted","payload":{}}]"#), "line 2: 'age_ms' is missing");
    // As they are written, in an order in which they are not.
    let [tick, _] = call_and_return(Call::Tick { due: Vec::new() }, Returned::Done { next_tick: None, message: None });
    assert_eq!(after(&format!("{tick}\n{tick}")), "line 3: the call before this one does not end");
    let [_, saved] = call_and_return(Call::Save, Returned::Saved(Handover { state: "{}".into(), dropped: 0 }));
    assert_eq!(after(&format!("{tick}\n{saved}")), "line 3: that is not how on-tick ends");
    assert_eq!(after(&format!("{}{tick}", end("full"))), "line 3: there is something after the end");
}

#[test]
fn what_was_heard_and_what_is_due_is_written_for_people_to_read() {
    let payload = r#"{"octoprint":{"version":"1.11.8"}}"#;
    let environment = HeardAgain { name: "environment".into(), payload: payload.into(), age_ms: 61_500 };
    let due = r#"{"every_in_ms":{"ping":900000},"once_in_ms":{"printer_connected":null}}"#;
    let restore =
        Restore { heard: vec![environment], state: r#"{"printing":true}"#.into(), age_ms: 20, due: Some(due.into()) };
    let saved = |dropped| Returned::Saved(Handover { state: r#"{"printing":true}"#.into(), dropped });
    let done = Returned::Done { next_tick: None, message: None };
    let heard = format!(r#"[{{"name":"environment","payload":{payload},"age_ms":61500}}]"#);
    let restored = format!(r#""heard":{heard},"state":{{"printing":true}},"age_ms":20,"due":{due}"#);
    for (call, returned, [first, last]) in [
        (
            Call::Restore(restore),
            Returned::Restored(Ok(())),
            [restored.as_str(), r#"{"n":1,"returns":"handover.restore"}"#],
        ),
        (
            Call::Tick { due: vec!["ping".into(), "printer_connected".into()] },
            done.clone(),
            [r#""call":"on-tick","due":["ping","printer_connected"]}"#, r#"{"n":1,"returns":"on-tick"}"#],
        ),
        (Call::Tick { due: Vec::new() }, done, [r#""call":"on-tick","due":[]}"#, ""]),
        (
            Call::Heard { name: "Disconnected".into() },
            Returned::Heard,
            [r#""call":"heard","name":"Disconnected"}"#, r#"{"n":1,"returns":"heard"}"#],
        ),
        (Call::Save, saved(0), ["", r#"{"n":1,"returns":"handover.save","state":{"printing":true}}"#]),
        (Call::Save, saved(2), ["", r#"{"n":1,"returns":"handover.save","state":{"printing":true},"dropped":2}"#]),
    ] {
        let lines = call_and_return(call.clone(), returned.clone());
        assert!(lines[0].contains(first) && lines[1].contains(last), "{lines:?}");
        let text = format!("{}{}\n{}\n", header(&Header::new(false, false)), lines[0], lines[1]);
        let [(_, read)] = Recording::parse(&text).unwrap().calls.try_into().unwrap();
        assert_eq!((read.call, read.returned), (call, returned));
    }
}

/// The two lines of a call that asks for nothing.
fn call_and_return(call: Call, returned: Returned) -> [String; 2] {
    let moment = Moment { t: 1_500_000_000, clock: 1, made_up: false };
    let text = lines(&RecordedCall { instance_id: 1, moment, call, asked: Vec::new(), returned, fuel: None });
    let lines: Vec<_> = text.lines().map(Into::into).collect();
    lines.try_into().unwrap()
}
