//! What enters in which form, one test for each.

use super::*;
use serde_json::json;

#[track_caller]
fn entered(how: Enters, value: &Value) -> Value {
    enter(how, value, "salt").unwrap_or_default()
}

#[test]
fn what_is_not_listed_does_not_enter_and_what_is_enters_as_listed() {
    let field = |name: &str, enters| SeenField { name: name.into(), enters, control: None, grows_by: None };
    let border = Border::new(&[
        field("path", Some(Enters::SaltedSha1)),
        field("origin", None),
        field("os.id", None),
        field("time", Some(Enters::WholeSeconds)),
    ]);
    let cut = |payload: Value, salt: &str| {
        let entered = border.enter(&payload, salt);
        Value::Object(border.payload(entered.values.iter().map(|(number, value)| (*number, value))))
    };
    let payload =
        json!({"name": "x", "path": "a.gcode", "origin": "local", "os": {"id": "linux", "x": 1}, "time": 12.9});
    // printf 'a.gcodesalt' | sha1sum
    let hash = "51ad1a599619b7bd4bc293a65bf69d073ebe8a73";
    let found = cut(payload.clone(), "salt");
    assert_eq!(found["path"], hash);
    assert_eq!(found["origin"], "local");
    assert_eq!(found["os"], json!({"id": "linux"}));
    assert_eq!(found["time"], 12);
    assert_eq!(found.as_object().map(Map::len), Some(4));
    assert_eq!(cut(payload, "")["path"], Value::Null, "never without a salt");
    let odd = cut(json!({"path": ["a"], "origin": {"a": 1}, "os": "linux", "time": "12"}), "salt");
    assert_eq!(odd, json!({"path": null, "origin": null, "time": null}));
    assert_eq!(cut(json!({"origin": ["local"]}), "salt"), json!({"origin": null}));
}

#[test]
fn a_hash_is_that_of_text_and_salt() {
    // As `printf '%s' abc | sha1sum` prints it.
    assert_eq!(enter(Enters::SaltedSha1, &json!("a"), "bc"), Some(json!("a9993e364706816aba3e25717850c26c9cd0d89d")));
    assert_eq!(enter(Enters::SaltedSha1, &json!(""), "abc"), Some(json!("a9993e364706816aba3e25717850c26c9cd0d89d")));
    assert_eq!(entered(Enters::SaltedSha1, &json!(7)), Value::Null);
}

#[test]
fn of_a_byte_that_is_no_text_the_hash_is_known_and_nothing_is_seen() {
    let mut name = String::from("t");
    crate::text::push_byte(&mut name, 0xe4);
    // printf 't\xe4salt' | sha1sum
    assert_eq!(entered(Enters::SaltedSha1, &json!(name)), "ff7e42353c5021348515db09836edaca201eec7f");
    let field = SeenField { name: "origin".into(), enters: None, control: None, grows_by: None };
    let seen = Border::new(&[field]).enter(&json!({"origin": name}), "salt");
    assert_eq!(seen.values, [(0, json!("t\u{fffd}"))]);
    assert_eq!(entered(Enters::NamesAndVersions, &json!([{"key": name}])), "t\u{fffd}:?");
    assert_eq!(entered(Enters::ErrorText, &json!(name)), error_text("t\u{fffd}").as_str());
}

#[test]
fn of_a_port_only_the_kind_enters() {
    for kept in ["", "VIRTUAL", "AUTO", "/dev/ttyUSB0", "/dev/ttyACM12", "/dev/ttyAMA0", "/dev/serial0", "COM3"] {
        assert_eq!(port_kind(kept), kept);
    }
    for (port, kind) in [
        ("/dev/serial/by-id/usb-Prusa_i3_MK3_CZPX1234-if00", "/dev/serial/by-id"),
        ("/dev/serial/by-id", "/dev/serial/by-id"),
        ("network", "network"),
        ("/dev/serial/by-path/pci-0000", "other"),
        ("socket://192.168.1.5:8000", "network"),
        ("rfc2217://anna@printer.home", "network"),
        ("192.168.1.5", "network"),
        ("printer.fritz.box:23", "network"),
        ("/dev/annas_printer", "other"),
        ("/dev/ttyUSB0/anna", "other"),
        ("/dev/ttyUSB1234", "other"),
        ("/dev/cu.usbserial-A50285BI", "other"),
        ("anna", "other"),
        ("auto", "other"),
    ] {
        assert_eq!(port_kind(port), kind, "{port}");
    }
    assert_eq!(entered(Enters::PortKind, &json!(["/dev/ttyUSB0"])), Value::Null);
    assert_eq!(entered(Enters::PortKind, &json!(7)), Value::Null);
}

#[test]
fn a_time_enters_in_whole_seconds() {
    for (value, seconds) in
        [(json!(1), json!(1)), (json!(2793.9), json!(2793)), (json!(1e14), json!(100_000_000_000_000_u64))]
    {
        assert_eq!(entered(Enters::WholeSeconds, &value), seconds);
    }
    for value in [json!(0.9), json!(0), json!(-5), json!(1e15), json!("7"), json!(true), json!([7])] {
        assert_eq!(entered(Enters::WholeSeconds, &value), Value::Null, "{value}");
    }
}

#[test]
fn a_list_of_plugins_enters_as_a_text() {
    let list = json!([
        {"key": "Display_Progress", "version": "1.0+A", "author": "anna"},
        {"key": "x", "version": ""},
        {"key": "y"},
        {"key": "n", "version": 2.5},
        {"key": ["l"], "version": 1},
        {"version": "1"},
        "z",
        {"key": "k".repeat(257), "version": "1"},
        {"key": "v", "version": "1".repeat(257)},
    ]);
    assert_eq!(entered(Enters::NamesAndVersions, &list), "display_progress:1.0+a,x:?,y:?,n:2.5,v:?");
    assert_eq!(entered(Enters::NamesAndVersions, &json!([])), "");
    assert_eq!(entered(Enters::NamesAndVersions, &json!({"key": "x"})), Value::Null);
    let many = Value::Array(vec![json!({"key": "k".repeat(200), "version": "1"}); 1000]);
    let text = entered(Enters::NamesAndVersions, &many);
    let length = text.as_str().unwrap().len();
    assert!((16_000..=LIST_BYTES).contains(&length), "{length}");
}

#[test]
fn of_a_list_only_words_enter() {
    let list = json!(["Print_1", "two words", "", 7, null, "ä", "w".repeat(65), "x.y-z"]);
    assert_eq!(entered(Enters::Words, &list), "print_1,x.y-z");
    let many = entered(Enters::Words, &Value::Array(vec![json!("a"); 300]));
    assert_eq!(many.as_str().unwrap().split(',').count(), 200);
    assert_eq!(entered(Enters::Words, &json!("a")), Value::Null);
}

#[test]
fn an_error_may_be_a_number() {
    assert_eq!(entered(Enters::ErrorText, &json!(1e-7)), 1e-7);
    for other in [json!({"a": 1}), json!(123_456_789_012_u64), json!(null)] {
        assert_eq!(entered(Enters::ErrorText, &other), Value::Null, "{other}");
    }
}
