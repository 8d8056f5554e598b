//! Which changes of reports are more than what was granted, and how each is said.

use super::*;
use crate::Exceeds;
use glassbox_sandbox::Policy;

const BASE: &str = r#"
        [plugin]
        name = "p"
        [capabilities]
        http = { url = "https://a.example/{id}/{event}", id_setting = "id" }
        user_agent = { text = "P/{}", from = "environment.octoprint.version", pattern = "[0-9.]+", unknown = "?" }
        throttle = true
        [state]
        busy = "flag"
        prints = { most = 9 }
        [[sees]]
        event = "Start"
        fields = [{ name = "path", as = "salted-sha1" }, "origin", "more"]
        [[sees]]
        event = "Other"
        for = ["print"]
        fields = ["key"]
        [[sees]]
        event = "octoprint_started"
        control = "a run begins"
        fields = ["uptime"]
        [[sees]]
        event = "environment"
        fields = [{ name = "octoprint.version", control = "it decides" }, { name = "list", as = "words", grows_by = "Other.key" }]
        [[says]]
        request = "ping"
        method = "GET"
        on = ["tick"]
        every = { setting = "ping", default = 900 }
        fields = [{ name = "up", from = "octoprint_started.uptime", grows = true, pattern = "[0-9]+" }, { name = "l", from = "environment.list", max_length = 9, optional = true }]
        [[says]]
        request = "print"
        method = "GET"
        on = ["Start"]
        fields = [
          { name = "file", from = ["Start.path", "Start.origin"], pattern = "[0-9a-f]{40}" },
          { name = "origin", from = "Start.origin", enum = ["a", "b"], unknown = "a" },
          { name = "mask", from = "throttle.mask", if = "throttle.issue", pattern = "[0-9]+", optional = true },
          { name = "old", from = "Start.more", octoprint = "<1.12", max_length = 5, optional = true },
          { name = "one", const = "1" },
        ]
        [[says]]
        request = "twice"
        method = "GET"
        on = ["Start"]
        once = "octoprint_started"
        fields = [{ name = "x", from = "Start.origin", max_length = 3 }]
        [[says]]
        request = "twice"
        method = "GET"
        on = ["tick"]
        once = "octoprint_started"
        after = 15
        until = "Other"
        octoprint = ">=1.12"
        fields = []
        [[says]]
        request = "v_{x}"
        method = "GET"
        on = ["Other"]
        variable = { from = "Other.key", pattern = "[a-z]+" }
        fields = []
    "#;

fn more(from: &str, to: &str) -> Vec<String> {
    assert!(BASE.contains(from), "{from}");
    let base = Manifest::parse(BASE).unwrap();
    assert!(base.exceeds(&base).is_empty());
    Policy::new(base.clone()).unwrap();
    let new = Manifest::parse(&BASE.replacen(from, to, 1)).unwrap_or_else(|error| panic!("{to}: {error}"));
    new.exceeds(&base)
}

#[test]
fn every_other_word_of_a_pin_is_more() {
    for (from, to, words) in [
        (
            r#"as = "salted-sha1""#,
            r#"as = "words""#,
            "see path as words of the event Start, instead of path as salted-sha1",
        ),
        (r#"{ name = "path", as = "salted-sha1" }"#, r#""path""#, "see path as it is of the event Start"),
        ("a run begins", "because", "see the event octoprint_started whatever is switched off (because)"),
        ("it decides", "no", "see octoprint.version of the event environment whatever is switched off (no)"),
        (r#"for = ["print"]"#, "control = \"x\"", "see the event Other whatever is switched off (x)"),
        (r#"for = ["print"]"#, r#"for = ["print", "ping"]"#, "see the event Other for the sake of ping"),
        (r#", grows_by = "Other.key""#, "", "let list of the event environment grow no longer"),
        ("\"Other.key\" }]", "\"Start.more\" }]", "let list of the event environment grow by Start.more"),
        (r#"busy = "flag""#, "busy = { most = 1 }", "keep busy (a number of at most 1)"),
        ("most = 9", "most = 10", "keep prints (a number of at most 10)"),
        ("busy =", "idle =", "keep idle (yes or no)"),
        (r#"text = "P/{}""#, r#"text = "Q/{}""#, "identify itself as Q/<environment.octoprint.version> "),
        (
            r#"from = "environment.octoprint.version""#,
            r#"from = "Start.origin""#,
            "identify itself as P/<Start.origin>",
        ),
        (
            r#"pattern = "[0-9.]+""#,
            r#"pattern = ".+""#,
            "identify itself as P/<environment.octoprint.version> (matching",
        ),
        (r#"unknown = "?""#, r#"unknown = "!""#, "identify itself as P/<environment.octoprint.version> (matching"),
        (
            "default = 900",
            "default = 60",
            "report ping every 60 s (setting ping) instead of every 900 s (setting ping)",
        ),
        (r#"setting = "ping""#, r#"setting = "pong""#, "report ping every 900 s (setting pong) instead of"),
        (r#"every = { setting = "ping", default = 900 }"#, "", "report ping on any tick instead of every 900 s"),
        ("grows = true, ", "", "report up in ping and no longer let it grow with time"),
        (r#"on = ["Start"]"#, r#"on = ["Start", "Other"]"#, "report print also on Other"),
        (
            r#"["Start.path", "Start.origin"]"#,
            r#""Start.path""#,
            "make file in print of other sources (Start.path, and not Start.path, Start.origin)",
        ),
        (
            r#"["Start.path", "Start.origin"]"#,
            r#"["Start.origin", "Start.path"]"#,
            "make file in print of other sources",
        ),
        (
            r#"from = ["Start.path", "Start.origin"], "#,
            "",
            "report file in print freely: until now the host made it itself",
        ),
        ("[0-9a-f]{40}", "[0-9a-f]{39}", "report other values of file in print"),
        (r#"pattern = "[0-9a-f]{40}""#, r#"const = "x""#, "report other values of file in print"),
        (r#", unknown = "a""#, r#", unknown = "b""#, "say 'b' for origin in print where it is not known"),
        (r#", unknown = "a""#, "", "say nothing for origin in print where it is not known"),
        (r#"if = "throttle.issue", "#, "", "report mask in print whether or not the machine is throttled"),
        (r#"octoprint = "<1.12", "#, "", "report old in print for OctoPrint any instead of <1.12"),
        (
            r#"octoprint = "<1.12", "#,
            "octoprint = \">=1.12\", ",
            "report old in print for OctoPrint >=1.12 instead of <1.12",
        ),
        (
            r#"{ name = "one", const = "1" }"#,
            r#"{ name = "one", max_length = 9 }"#,
            "report one in print freely: until now",
        ),
        (
            r#"name = "one", const = "1""#,
            r#"name = "one", from = "Start.origin", const = "1""#,
            "of other sources (Start.origin, and not always 1)",
        ),
        (
            r#"once = "octoprint_started""#,
            r#"once = "Start""#,
            "report twice on Start, once after Start instead of on Start, once after octoprint_started",
        ),
        ("after = 15", "after = 14", "report twice once after octoprint_started, 14 s later"),
        (
            r#"until = "Other""#,
            "",
            "report twice once after octoprint_started, 15 s later, OctoPrint >=1.12 instead of",
        ),
        (r#"octoprint = ">=1.12""#, "", "report twice for OctoPrint any instead of >=1.12"),
        (
            r#"from = "Other.key", pattern"#,
            "pattern",
            "choose the name of v_{x} freely: until now the host made it itself",
        ),
        (
            r#"from = "Other.key", pattern"#,
            r#"from = "Start.origin", pattern"#,
            "make the name of v_{x} of other sources (Start.origin)",
        ),
        ("[a-z]+", "[a-z]*", "put other text into the name of v_{x}"),
        (
            r#"{ name = "one", const = "1" }"#,
            r#"{ name = "two", max_length = 1 }"#,
            "also report two in print, which it makes itself",
        ),
    ] {
        let found = more(from, to);
        assert!(found.iter().any(|more| more.contains(words)), "{to}: {found:?}");
    }
}

#[test]
fn a_pinned_report_that_is_set_free_is_said_first() {
    let pins = r#"on = ["Start"]
        fields = [
          { name = "file", from = ["Start.path", "Start.origin"], pattern = "[0-9a-f]{40}" },"#;
    let found = more(pins, r#"fields = [{ name = "file", pattern = "[0-9a-f]{40}" },"#);
    assert!(found.contains(&"report print freely: until now the host made it itself".into()), "{found:?}");
    let agent = r#"{ text = "P/{}", from = "environment.octoprint.version", pattern = "[0-9.]+", unknown = "?" }"#;
    let found = more(agent, "'P/.*'");
    assert!(found.contains(&"identify itself as P/.*: until now the host made it itself".into()), "{found:?}");
    // What entered for its sake would enter always when it is gone.
    let (start, end) = (BASE.find("[[says]]\n        request = \"v_{x}\"").unwrap(), BASE.len());
    let base = Manifest::parse(BASE).unwrap();
    let gone = Manifest::parse(&BASE.replacen(&BASE[start..end], "", 1)).unwrap();
    assert_eq!(gone.exceeds(&base), [""; 0], "grows_by names Other.key as well");
    let untied = Manifest::parse(&BASE.replacen(
        r#"{ name = "old", from = "Start.more", octoprint = "<1.12", max_length = 5, optional = true },"#,
        "",
        1,
    ))
    .unwrap();
    assert_eq!(untied.exceeds(&base), ["see Start.more always: until now it entered for the sake of a report"]);
}

#[test]
fn entries_of_one_request_are_compared_by_their_causes() {
    let swapped =
        Manifest::parse(&BASE.replace("on = [\"tick\"]\n        once", "on = [\"Other\"]\n        once")).unwrap();
    let mut one = Manifest::parse(BASE).unwrap();
    one.says.retain(|says| says.request != "twice" || !says.is_on_tick());
    let base = Manifest::parse(BASE).unwrap();
    assert_eq!(one.exceeds(&base), [""; 0]);
    assert_eq!(
        base.exceeds(&one),
        [
            "report twice also once after octoprint_started, 15 s later, unless Other comes first, OctoPrint >=1.12 (only that it happened)"
        ]
    );
    let found = swapped.exceeds(&base);
    assert!(found.iter().any(|more| more.starts_with("report twice also on Other, once after")), "{found:?}");
}

#[test]
fn what_is_clearly_less_is_no_more() {
    for (from, to) in [
        (r#"enum = ["a", "b"]"#, r#"enum = ["a"]"#),
        ("most = 9", "most = 8"),
        ("busy = \"flag\"", ""),
        (r#"          { name = "one", const = "1" },"#, ""),
        ("max_length = 5", "max_length = 4"),
        (r#"for = ["print"]"#, ""),
        (r#"control = "a run begins""#, ""),
    ] {
        assert_eq!(more(from, to), [""; 0], "{to}");
    }
    // A free field or report that becomes pinned.
    let base = Manifest::parse(BASE).unwrap();
    let free = BASE.replace(r#"from = "Start.more", octoprint = "<1.12", "#, "");
    assert_eq!(base.exceeds(&Manifest::parse(&free).unwrap()), [""; 0]);
    let free = BASE.replace("on = [\"Other\"]\n        variable = { from = \"Other.key\", ", "variable = { ");
    assert_eq!(base.exceeds(&Manifest::parse(&free).unwrap()), [""; 0]);
}

#[test]
fn another_order_of_fields_is_more() {
    let base = Manifest::parse(BASE).unwrap();
    let mut other = base.clone();
    other.says[1].fields.swap(1, 4);
    assert_eq!(other.exceeds(&base), ["report the fields of print in another order"]);
}
