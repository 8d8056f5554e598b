//! The comparison itself, on what two trackers could have said: each difference on the list is
//! explained, and a fault that is planted is found. Needs no OctoPrint.

use super::compare::{Comparison, Why, compare};
use super::server::ID;
use glassbox_audit::conformance::RecordedRequest;
use std::collections::BTreeMap;

fn request(kind: &str, fields: &str) -> RecordedRequest {
    let (method, query, body) = if kind == "pong" { ("POST", "", fields) } else { ("GET", fields, "") };
    RecordedRequest {
        method: method.into(),
        path: format!("/track/{ID}/{kind}/"),
        query: query.into(),
        body: body.into(),
        user_agent: "OctoPrint/1.11.8".into(),
    }
}

/// A day as OctoPrint's tracker and ours tell it, with every difference that is on the list.
fn a_day() -> (Vec<RecordedRequest>, Vec<RecordedRequest>) {
    let said = |who: &str| {
        let (theirs, ours) = (who == "theirs", who == "ours");
        let only = |is: bool, kind: &str, fields: &str| is.then(|| request(kind, fields));
        let both = |kind: &str, fields: &str| Some(request(kind, fields));
        let all = [
            only(theirs, "achievement_unlocked", "achievement=early"),
            only(theirs, "ping", "octoprint_uptime=5&printer_state=OFFLINE"),
            only(ours, "ping", "octoprint_uptime=0&printer_state=OFFLINE"),
            only(theirs, "pong", "plugins=a%3A1%2Cb%3A%3F&achievements=early"),
            only(ours, "pong", "plugins=a%3A1%2Cb%3A%3F&achievements=early"),
            both("startup", "version=1.11.8"),
            both("print_started", "origin=local&file=one"),
            both("achievement_unlocked", "achievement=x"),
            both("achievement_unlocked", "achievement=y"),
            both("print_done", "origin=local&file=one&elapsed=5"),
            both("print_started", "origin=local&file=two"),
            only(ours, "ping", "octoprint_uptime=60&printer_state=PRINTING"),
            only(theirs, "ping", "octoprint_uptime=66&printer_state=OPERATIONAL"),
            both("print_cancelled", "origin=local&file=two"),
            only(theirs, "webui_load", "browser_name=a&browser_version=1&os_name=b&os_version=2"),
            only(theirs, "disable_plugin", "plugin=b&plugin_version=None"),
            only(ours, "disable_plugin", "plugin=b"),
            both("disable_plugin", "plugin=a&plugin_version=1"),
            only(ours, "shutdown", ""),
            only(theirs, "pong", "plugins=a%3A1&achievements=early%2Cx%2Cy"),
            only(ours, "pong", "plugins=a%3A1&achievements=early%2Cy%2Cx"),
            both("startup", "version=1.11.8"),
        ];
        all.into_iter().flatten().collect()
    };
    (said("theirs"), said("ours"))
}

fn compared(theirs: &[RecordedRequest], ours: &[RecordedRequest]) -> Comparison {
    let unlocked = [("early", 1), ("x", 7), ("y", 7)].map(|(name, at)| (name.to_string(), at));
    compare(theirs, ours, &BTreeMap::from(unlocked))
}

#[test]
fn every_difference_on_the_list_is_explained() {
    let (theirs, ours) = a_day();
    let Comparison { same, reasons, unexplained } = compared(&theirs, &ours);
    assert_eq!(unexplained, Vec::<String>::new());
    assert_eq!(same, 10);
    let all =
        [Why::ShutdownIsSent, Why::UnlockedBeforeWeCame, Why::UnlockedInOneSecond, Why::WebPage, Why::Null, Why::Pings];
    assert_eq!(reasons, all.map(|why| (why, 1)).into());
}

/// Whatever is left out or said twice is found, wherever it stands; but pings may be fewer or more.
#[test]
fn a_request_that_is_missing_or_sent_twice_is_found() {
    let (theirs, ours) = a_day();
    // What stands on one side only needs nothing on the other.
    let may_be_missing = |request: &RecordedRequest| {
        ["ping", "webui_load", "shutdown"].contains(&request.kind()) || request.query == "achievement=early"
    };
    for i in 0..ours.len() {
        let mut fewer = ours.clone();
        let gone = fewer.remove(i);
        assert_eq!(compared(&theirs, &fewer).unexplained.is_empty(), may_be_missing(&gone), "without {gone}");
        let mut more = ours.clone();
        more.insert(i, gone.clone());
        assert_eq!(compared(&theirs, &more).unexplained.is_empty(), gone.kind() == "ping", "twice {gone}");
    }
    for i in 0..theirs.len() {
        let mut fewer = theirs.clone();
        let gone = fewer.remove(i);
        assert_eq!(compared(&fewer, &ours).unexplained.is_empty(), may_be_missing(&gone), "theirs without {gone}");
    }
    let none: Vec<_> = ours.iter().filter(|request| request.kind() != "ping").cloned().collect();
    assert_eq!(compared(&theirs, &none).unexplained.len(), 1, "no ping at all");
}

/// In every request: another value, one field more or less, fields in another order, another
/// method, path or user agent.
#[test]
fn a_request_that_is_another_is_found() {
    let (theirs, ours) = a_day();
    let fields = |request: &mut RecordedRequest, change: &dyn Fn(&mut Vec<&str>)| {
        let form = if request.method == "POST" { &mut request.body } else { &mut request.query };
        let text = form.clone();
        let mut parts: Vec<_> = text.split('&').collect();
        change(&mut parts);
        *form = parts.join("&");
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&mut RecordedRequest));
    let changes: [Change; 8] = [
        ("another value", &|request| fields(request, &|parts| parts[0] = "version=2")),
        ("a value is longer", &|request| fields(request, &|parts| *parts.last_mut().unwrap() = "elapsed=55")),
        ("a field more", &|request| fields(request, &|parts| parts.push("more=1"))),
        ("a field less", &|request| fields(request, &|parts| parts.truncate(parts.len() - 1))),
        ("another order", &|request| fields(request, &|parts| parts.reverse())),
        ("another method", &|request| request.method = "PUT".into()),
        ("another path", &|request| request.path = request.path.replace(ID, "other")),
        ("another user agent", &|request| request.user_agent += "x"),
    ];
    let mut found = 0;
    for i in 0..ours.len() {
        for (what, change) in changes {
            let mut other = ours.clone();
            change(&mut other[i]);
            if other[i] == ours[i] {
                continue;
            }
            assert_ne!(compared(&theirs, &other).unexplained, Vec::<String>::new(), "{what} in {}", ours[i]);
            found += 1;
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn another_order_is_found() {
    let (theirs, ours) = a_day();
    let place = |query: &str| ours.iter().position(|request| request.query == query).unwrap();
    for (one, other) in [
        ("origin=local&file=one", "origin=local&file=two"),
        ("achievement=x", "achievement=y"),
        ("plugin=b", "plugin=a&plugin_version=1"),
    ] {
        let mut swapped = ours.clone();
        swapped.swap(place(one), place(other));
        assert_ne!(compared(&theirs, &swapped).unexplained, Vec::<String>::new(), "{one}");
    }
}

/// What is near to a reason, and not one.
#[test]
fn a_reason_holds_for_what_it_is_about_only() {
    let unexplained = |their: &str, our: &str, change: &dyn Fn(&mut RecordedRequest)| {
        let (mut theirs, mut ours) = a_day();
        for (said, at) in [(&mut theirs, their), (&mut ours, our)] {
            said.iter_mut().filter(|said| !at.is_empty() && said.to_string().contains(at)).for_each(change);
        }
        !compared(&theirs, &ours).unexplained.is_empty()
    };
    let replace = |from: &'static str, to: &'static str| {
        move |request: &mut RecordedRequest| {
            request.query = request.query.replace(from, to);
            request.body = request.body.replace(from, to);
        }
    };
    // An achievement that was unlocked while we heard, and one of which our pong does not tell.
    let (mut theirs, ours) = a_day();
    theirs.push(request("achievement_unlocked", "achievement=early"));
    assert!(!compared(&theirs, &ours).unexplained.is_empty());
    assert!(unexplained("achievement=early", "", &replace("early", "never")));
    // Achievements of different seconds.
    assert!(unexplained("", "achievements=early%2Cy", &replace("early%2Cy%2Cx", "y%2Cx%2Cearly")));
    assert!(unexplained("", "achievements=early%2Cy", &replace("early%2Cy%2Cx", "early%2Cy")));
    // A version that is known, and a plugin that has one.
    assert!(unexplained("plugin_version=None", "", &replace("None", "1.0")));
    assert!(unexplained("plugins=a%3A1%2Cb", "plugins=a%3A1%2Cb", &replace("b%3A%3F", "b%3A1")));
    assert!(unexplained("", "disable_plugin/?plugin=b ", &replace("plugin=b", "plugin=b&plugin_version=None1")));
    // A shutdown with something in it, and one too many.
    assert!(unexplained("", "shutdown", &|request| request.query = "a=b".into()));
    let (theirs, mut ours) = a_day();
    ours.push(request("shutdown", ""));
    assert!(!compared(&theirs, &ours).unexplained.is_empty());
    // What the web page says comes from nobody else.
    assert!(unexplained("", "shutdown", &|request| request.path = request.path.replace("shutdown", "webui_load")));
    // Pings that say something else.
    for odd in ["octoprint_uptime=-1&printer_state=A", "octoprint_uptime=1", "octoprint_uptime=1&printer_state=None"] {
        assert!(unexplained("", "PRINTING", &|request| request.query = odd.into()), "{odd}");
    }
}
