//! What who is counted can see, and do, over HTTP.

use crate::forgetting::occurrences;
use crate::support::{Collector, Folder, ID, id_bytes, pings, workspace};
use serde_json::Value;

/// The whole answer to a form.
fn post(collector: &Collector, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: c\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    collector.raw(format!("{head}{body}").as_bytes())
}

fn get(collector: &Collector, path: &str) -> String {
    collector.raw(format!("GET {path} HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n").as_bytes())
}

#[test]
fn whoever_knows_an_id_can_see_and_remove_what_is_kept_of_it() {
    let folder = Folder::new("person");
    let collector = Collector::start(&folder, "");
    let other = ID.replace('1', "2");
    for id in [ID, &other] {
        assert_eq!(collector.report(&format!("/track/{id}/ping/")), 204);
        let target = format!("/track/{id}/pong/");
        let body = if id == ID { "plugins=only_mine:1.0" } else { "plugins=common:1.0" };
        assert_eq!(collector.send("POST", &target, "User-Agent: OctoPrint/1.11.8\r\n", body), 204);
    }
    // What came in just now is in it, without waiting.
    let answer = post(&collector, "/privacy/show", &format!("id={}+", ID.to_uppercase()));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("200 OK") && head.contains("cache-control: no-store"), "{head}");
    let kept: Value = serde_json::from_str(body).unwrap();
    let day = kept["days"].as_object().unwrap().values().next_back().unwrap();
    assert_eq!(
        (&day["pings"][0]["pings"], &day["reports"][0]["fields"]["plugins"]),
        (&1.into(), &"only_mine:1.0".into())
    );

    let answer = post(&collector, "/privacy/forget", &format!("id={ID}"));
    assert!(answer.contains("200 OK") && answer.ends_with("nothing is kept of it any more\n"), "{answer}");
    let bytes = id_bytes();
    for gone in [&bytes[..], b"only_mine", ID.as_bytes()] {
        assert_eq!(occurrences(&collector.data, gone), 0, "{gone:?}");
    }
    assert_eq!(pings(&collector.data), 1, "the other is still there");
    assert!(post(&collector, "/privacy/show", &format!("id={ID}")).ends_with("\r\n\r\nnull\n"));
    assert!(post(&collector, "/privacy/show", &format!("id={other}")).contains("common:1.0"));
    collector.stop();
    let log = std::fs::read_to_string(folder.0.join("log")).unwrap();
    assert!(!log.contains(ID) && !log.contains(&other), "{log}");
}

#[test]
fn what_is_no_wish_is_refused_and_many_do_not_hold_up_reports() {
    let folder = Folder::new("person-bad");
    let collector = Collector::start(&folder, "");
    for path in ["/privacy/show", "/privacy/forget"] {
        assert!(get(&collector, &format!("{path}?id={ID}")).contains("405 "), "an id is never in a URL");
    }
    for body in ["", "id=", "id=5", "ID=11111111-2222-4333-8444-555555555555", "id=\u{fffd}", &"x".repeat(5000)] {
        assert!(post(&collector, "/privacy/show", body).contains("400 "), "{body}");
    }
    assert_eq!(collector.send("POST", "/privacy/other", "", "id=5"), 404);
    // Nobody is kept from it by others who ask nonsense, or for ids that nobody has.
    for at in 0..30 {
        let id = format!("{at:08x}{}", &ID[8..]);
        assert!(post(&collector, "/privacy/show", &format!("id={id}")).ends_with("\r\n\r\nnull\n"));
        assert!(
            post(&collector, "/privacy/forget", &format!("id={id}&keep_out=yes")).ends_with("kept under this id\n")
        );
        assert!(post(&collector, "/privacy/forget", "id=5").contains("400 "));
    }
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    let answers: Vec<_> = (0..20).map(|_| post(&collector, "/privacy/show", &format!("id={ID}"))).collect();
    assert!(answers[0].contains("200 OK"), "{}", answers[0]);
    assert!(answers.iter().any(|answer| answer.contains("429 ") && answer.contains("retry-after: 60")), "{answers:?}");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    assert_eq!(pings(&collector.stop()), 1);
}

#[test]
fn what_could_not_be_searched_is_not_said_to_be_gone() {
    let folder = Folder::new("person-damaged");
    // Or retention may remove the old day before it is looked at.
    let collector = Collector::start(&folder, "retention_days = 0");
    for id in [ID.to_string(), ID.replace('1', "2"), ID.replace('1', "3")] {
        assert_eq!(collector.report(&format!("/track/{id}/ping/")), 204);
    }
    let days = collector.data.join("days");
    std::fs::write(days.join("2020-01-02.sqlite"), "no database").unwrap();
    let answer = post(&collector, "/privacy/forget", &format!("id={ID}"));
    assert!(answer.contains("500 ") && answer.contains("could not be searched"), "{answer}");
    assert_eq!(pings(&collector.data), 2, "from the others it is removed");
    std::fs::rename(days.join("2020-01-02.sqlite"), days.join("2020-01-02.sqlite.damaged-1")).unwrap();
    let answer = post(&collector, "/privacy/forget", &format!("id={}", ID.replace('1', "2")));
    assert!(answer.contains("500 ") && answer.contains("could not be searched"), "{answer}");
    std::fs::remove_file(days.join("2020-01-02.sqlite.damaged-1")).unwrap();
    let last = ID.replace('1', "3");
    let answer = post(&collector, "/privacy/forget", &format!("id={last}&keep_out=yes"));
    assert!(answer.contains("200 OK") && answer.ends_with("any more, and nothing will be\n"), "{answer}");
    assert_eq!(collector.report(&format!("/track/{last}/ping/")), 204);
    assert_eq!(pings(&collector.stop()), 0);
}

#[test]
fn a_page_says_what_is_kept_and_by_whom() {
    let folder = Folder::new("privacy");
    let database = workspace().join("tests/collector/places/GeoLite2-City-Test.mmdb");
    let config = format!(
        "responsible = '<script>Ada</script> \u{202e}\"& Co'\ncontact = 'ada@example.org'\nretention_days = 45\ngeo_database = {database:?}\n"
    );
    let collector = Collector::start(&folder, &config);
    let page = get(&collector, "/privacy");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-security-policy: default-src 'none'; form-action 'self'"), "{head}");
    assert!(body.contains("&lt;script&gt;Ada&lt;/script&gt; \\u{202e}&quot;&amp; Co"), "{body}");
    assert!(!body.contains("<script") && !body.contains('\u{202e}'));
    for said in [
        "ada@example.org",
        "for 45 days",
        "pseudonymous",
        "in the database GeoLite2-City",
        "created by MaxMind",
        "<dt>pong</dt><dd>version, os, platform,",
        "<dt>commerror_{reason}</dt>",
        "<dt>ping</dt><dd>not one by one: how many",
        "<dt>shutdown</dt><dd>nothing more</dd>",
        "firmware_name, printer_port (only its kind",
        "action=\"/privacy/show\"",
        "formaction=\"/privacy/forget\"",
    ] {
        assert!(body.contains(said), "{said}: {body}");
    }
    collector.stop();
    let without = Collector::start(&folder, "retention_days = 0");
    let page = get(&without, "/privacy");
    for said in ["(the operator has not said)", "until they are removed", "No place is derived"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("MaxMind"));
}
