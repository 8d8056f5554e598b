//! The plugin without a host: what is counted, when it is sent, and what is handed over.

use super::*;

/// Names and values of a summary.
type Sent = Vec<(String, String)>;

const ON: &str = r#"{"interval": 60}"#;

fn plugin(settings: &str) -> PrintHours {
    let mut plugin = PrintHours::default();
    plugin.load(settings).unwrap();
    plugin
}

fn tick(plugin: &mut PrintHours, seconds: u64) -> (Option<Sent>, Option<u64>) {
    let mut sent = None;
    let next = plugin.on_tick(seconds * SECOND, |fields| {
        sent = Some(fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect());
    });
    (sent, next)
}

fn summary(done: u64, failed: u64, cancelled: u64, hours: &str) -> Option<Sent> {
    let fields = [("done", done.to_string()), ("failed", failed.to_string()), ("cancelled", cancelled.to_string())];
    let fields = fields.into_iter().chain([("hours", hours.to_string())]);
    Some(fields.map(|(name, value)| (name.to_string(), value)).collect())
}

#[test]
fn prints_are_counted_by_how_they_ended_and_sent_once() {
    let mut plugin = plugin(ON);
    let mut event = |name: &str, payload: &str| plugin.on_event(name, payload, 5 * SECOND).unwrap();
    assert_eq!(event("Startup", "null"), None);
    assert_eq!(event("PrintDone", r#"{"time": 5400}"#), Some(65 * SECOND));
    event("PrintDone", r#"{"time": 1800.5}"#);
    event("PrintCancelled", r#"{"time": 60, "reason": "cancelled"}"#);
    event("PrintFailed", r#"{"time": 60, "reason": "cancelled"}"#);
    event("PrintFailed", r#"{"time": 3600, "reason": "error"}"#);
    assert_eq!(tick(&mut plugin, 64), (None, Some(65 * SECOND)));
    assert_eq!(tick(&mut plugin, 65), (summary(2, 1, 1, "3.0"), None));
    assert_eq!(tick(&mut plugin, 66), (None, None));
}

#[test]
fn without_a_print_no_tick_is_asked_for() {
    let mut plugin = plugin(ON);
    assert_eq!(tick(&mut plugin, 1_000_000), (None, None));
    let cancelled = r#"{"time": 60, "reason": "cancelled"}"#;
    assert_eq!(plugin.on_event("PrintFailed", cancelled, 0).unwrap(), None);
    assert_eq!(plugin.save(0), "{}");
}

#[test]
fn impossible_times_are_not_counted_but_their_prints_are() {
    let mut plugin = plugin(ON);
    for time in ["null", "-5", "1e300", "\"long\"", "[]", "{}", "true"] {
        plugin.on_event("PrintDone", &format!("{{\"time\": {time}}}"), 0).unwrap();
    }
    for payload in ["null", "[]", "3", "\"PrintDone\""] {
        plugin.on_event("PrintDone", payload, 0).unwrap();
    }
    assert!(plugin.on_event("PrintDone", "{", 0).is_err());
    assert_eq!(tick(&mut plugin, 60).0, summary(11, 0, 0, "0.0"));
}

#[test]
fn bad_settings_are_named_and_change_nothing() {
    let mut plugin = plugin(ON);
    plugin.on_event("PrintDone", "{}", 0).unwrap();
    for (settings, key) in [
        (r#"{"interval": 0}"#, "interval"),
        (r#"{"interval": 1.5}"#, "interval"),
        (r#"{"interval": "60"}"#, "interval"),
        (r#"{"interval": 31622401}"#, "interval"),
    ] {
        let reason = plugin.load(settings).unwrap_err();
        assert!(reason.starts_with(key), "{reason}");
    }
    assert!(plugin.load("{").is_err());
    assert_eq!(tick(&mut plugin, 60).0, summary(1, 0, 0, "0.0"));
}

#[test]
fn the_next_version_carries_on_whatever_its_clock_says() {
    let mut old = plugin(ON);
    old.on_event("PrintDone", r#"{"time": 7200}"#, 1000 * SECOND).unwrap();
    let state = old.save(1020 * SECOND);
    for (age, now, due) in [(0, 3, 43), (15, 5000, 5025), (40, 0, 0), (100_000, 7, 7)] {
        let mut new = plugin(ON);
        new.restore(&state, age * SECOND, now * SECOND).unwrap();
        assert_eq!(new.next_tick(), Some(due * SECOND));
        assert_eq!(tick(&mut new, due).0, summary(1, 0, 0, "2.0"));
    }
}

#[test]
fn a_shorter_interval_is_not_waited_for_longer_than_it_is() {
    let mut old = plugin(ON);
    old.on_event("PrintDone", "{}", 0).unwrap();
    let mut new = plugin(r#"{"interval": 20}"#);
    new.restore(&old.save(0), 0, 0).unwrap();
    assert_eq!(tick(&mut new, 20).0, summary(1, 0, 0, "0.0"));
}

#[test]
fn what_a_state_lacks_was_not_counted() {
    for state in ["[]", "7", "{}", r#"{"done": 1}"#] {
        let mut plugin = plugin(ON);
        plugin.restore(state, 0, 0).unwrap();
        assert_eq!(plugin.next_tick(), None, "{state}");
    }
    assert!(plugin(ON).restore("{", 0, 0).is_err());
    // Edited by hand, with the largest numbers: it must not panic.
    let mut plugin = plugin(ON);
    let most = u64::MAX;
    let state = format!(r#"{{"done":{most},"failed":{most},"cancelled":{most},"seconds":{most},"left":{most}}}"#);
    plugin.restore(&state, 0, most).unwrap();
    plugin.on_event("PrintDone", "{}", most).unwrap();
    assert_eq!(plugin.next_tick(), Some(most));
}
