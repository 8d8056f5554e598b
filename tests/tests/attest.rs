//! Whose word about a component counts: everything that can be wrong with an attestation, and what a
//! stranger may write into its file.
#![allow(missing_docs)]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use glassbox::attest::dsse::Envelope;
use glassbox::attest::rule::judge;
use glassbox::attest::trusted_keys::TrustedKeys;
use glassbox::attest::{PublicKey, SecretKey, Statement, Subject, Vouching, file};
use glassbox::home::BUNDLED;
use glassbox::home::config::audit_policy::Minimum;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

const NOW: &str = "2026-06-01T12:00:00Z";

/// A statement that counts, made half a year ago: as the program makes it of a report.
static STATEMENT: LazyLock<Value> = LazyLock::new(|| {
    let report = glassbox_audit::audit(&glassbox_tests::SANDBOX, "tracking.wasm".as_ref(), BUNDLED, &[]);
    let (time, year) = ("2026-01-01T00:00:00Z".parse().unwrap(), SignedDuration::from_hours(365 * 24));
    serde_json::to_value(Statement::of(&report, b"the report", time, year).unwrap()).unwrap()
});

fn statement() -> Value {
    STATEMENT.clone()
}

fn digest() -> String {
    STATEMENT["subject"][0]["digest"]["sha256"].as_str().unwrap().into()
}

/// A key as OpenSSL writes it.
fn key(seed: u8) -> SecretKey {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([seed; 32]);
    let line = STANDARD.encode(der);
    SecretKey::parse(&format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n")).unwrap()
}

fn changed(changes: &[(&str, Value)]) -> Value {
    let mut statement = statement();
    for (path, value) in changes {
        *statement.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value.clone();
    }
    statement
}

fn dated(time: &str) -> Value {
    changed(&[("/predicate/time", json!(time))])
}

/// One that fails, from that time.
fn worse(time: &str) -> Value {
    changed(&[("/predicate/time", json!(time)), ("/predicate/verdicts/0/verdict", json!("fails"))])
}

fn sealed(statement: &Value, seed: u8) -> String {
    serde_json::to_string(&Envelope::seal(statement.to_string().as_bytes(), &key(seed))).unwrap()
}

fn keys(seeds: &[u8]) -> TrustedKeys {
    let known = seeds.iter().map(|seed| (format!("key {seed}"), key(*seed).public())).collect();
    TrustedKeys { known, faults: Vec::new() }
}

fn judged(lines: &[String], seeds: &[u8], needed: usize) -> Vouching {
    let lines: Vec<_> = (1..).zip(lines.iter().cloned()).collect();
    let subject = Subject { plugin: "tracking", digest: &digest(), now: NOW.parse().unwrap() };
    Vouching { needed, ..judge(&lines, &keys(seeds), &Minimum::default(), &subject) }
}

/// It does not count, and this is why.
#[track_caller]
fn refused(line: String, words: &str) {
    let vouching = judged(&[line], &[1], 1);
    assert!(!vouching.is_enough(), "{vouching:?}");
    let advice = vouching.advice("tracking").unwrap();
    assert!(advice.contains(words), "{advice}");
    assert!(advice.contains("plugins/tracking.wasm.intoto.jsonl"), "{advice}");
}

#[test]
fn a_good_one_counts() {
    let vouching = judged(&[sealed(&statement(), 1)], &[1], 1);
    assert!(vouching.is_enough() && vouching.advice("tracking").is_none(), "{vouching:?}");
    assert_eq!(vouching.in_words().unwrap(), "vouched for by key 1 until 2027-01-01");
    assert_eq!(vouching.notes, [""; 0]);
    // One subject of several, and more than we know of.
    let mut more = statement();
    more["subject"].as_array_mut().unwrap().insert(0, json!({"name": "x", "digest": {"sha256": "00"}, "uri": "x"}));
    more["predicate"]["mood"] = json!({"good": true});
    assert!(judged(&[sealed(&more, 1)], &[1], 1).is_enough());
    // Nothing is required.
    assert!(judged(&[], &[], 0).is_enough() && judged(&[], &[], 0).in_words().is_none());
}

#[test]
fn the_format_may_be_written_otherwise() {
    let mut envelope: Value = serde_json::from_str(&sealed(&statement(), 1)).unwrap();
    for pointer in ["/payload", "/signatures/0/sig"] {
        let text = envelope.pointer_mut(pointer).unwrap();
        *text = URL_SAFE_NO_PAD.encode(STANDARD.decode(text.as_str().unwrap()).unwrap()).into();
    }
    assert!(judged(&[envelope.to_string()], &[1], 1).is_enough(), "the other alphabet, and no padding");
    // The id of a key is a hint that nobody signed.
    envelope["signatures"][0]["keyid"] = json!(key(2).public().id());
    assert!(judged(&[envelope.to_string()], &[1], 1).is_enough());
    envelope["signatures"][0].as_object_mut().unwrap().remove("keyid");
    assert!(judged(&[envelope.to_string()], &[2, 1], 1).is_enough());
    assert!(!judged(&[envelope.to_string()], &[2], 1).is_enough());
}

#[test]
fn what_was_altered_or_signed_by_somebody_else_is_refused() {
    let nobody = "it is not signed with any of the keys, or was altered";
    refused(sealed(&statement(), 2), nobody);
    let good: Value = serde_json::from_str(&sealed(&worse("2026-01-01T00:00:00Z"), 1)).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut envelope = good.clone();
        *envelope.pointer_mut(pointer).unwrap() = value;
        envelope.to_string()
    };
    // The report is made to look better, under the signature that was there.
    refused(with("/payload", STANDARD.encode(statement().to_string()).into()), nobody);
    let mut signature = STANDARD.decode(good["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    signature[10] ^= 1;
    refused(with("/signatures/0/sig", STANDARD.encode(&signature).into()), nobody);
    refused(with("/signatures/0/sig", STANDARD.encode(&signature[..63]).into()), nobody);
    refused(with("/signatures/0/sig", "".into()), nobody);
    refused(with("/signatures", json!([])), nobody);
    refused(with("/payloadType", "application/json".into()), "its payload is not an application/vnd.in-toto+json");
    // What was signed without saying what it is does not count as what it might be.
    let body = statement().to_string();
    let mut bare: Value = serde_json::from_str(&sealed(&statement(), 1)).unwrap();
    bare["signatures"][0]["sig"] = STANDARD.encode(key(1).sign(body.as_bytes())).into();
    refused(bare.to_string(), nobody);
}

#[test]
fn what_is_about_something_else_is_refused() {
    let another = "it is about another component";
    refused(sealed(&changed(&[("/subject/0/digest/sha256", json!("ac".repeat(32)))]), 1), another);
    refused(sealed(&changed(&[("/subject/0/digest/sha256", json!(digest().to_uppercase()))]), 1), another);
    refused(sealed(&changed(&[("/subject/0/name", json!("weather.wasm"))]), 1), another);
    refused(sealed(&changed(&[("/subject", json!([]))]), 1), another);
    // Replayed from another plugin, if ever one digest stood for both.
    refused(sealed(&changed(&[("/predicate/plugin", json!("weather"))]), 1), "it is about the plugin 'weather'");
    for (path, value, words) in [
        ("/_type", json!("https://in-toto.io/Statement/v0.1"), "and not 'https://in-toto.io/Statement/v1'"),
        ("/predicateType", json!("https://slsa.dev/provenance/v1"), "and not 'urn:glassbox:audit:v1'"),
        ("/predicate", json!({}), "it is not a statement of an audit: missing field"),
        ("/predicate/expires", json!("never"), "it is not a statement of an audit: "),
        ("/predicate/verdicts/0/verdict", json!("splendid"), "unknown variant `splendid`"),
        ("/predicate/verdicts", json!([]), "(line 1) shows nothing"),
        ("/predicate/verdicts", json!([{"claim": "x", "verdict": "not-shown"}]), "(line 1) shows nothing"),
    ] {
        refused(sealed(&changed(&[(path, value)]), 1), words);
    }
    let claim = statement()["predicate"]["verdicts"][1]["claim"].as_str().unwrap().to_string();
    let fails = changed(&[("/predicate/verdicts/1/verdict", json!("fails"))]);
    refused(sealed(&fails, 1), &format!("(line 1) fails: {claim}"));
}

/// Why a statement is not enough for this minimum; nothing if it is.
fn missing(statement: &Value, minimum: &Minimum) -> String {
    let subject = Subject { plugin: "tracking", digest: &digest(), now: NOW.parse().unwrap() };
    let found = judge(&[(1, sealed(statement, 1))], &keys(&[1]), minimum, &subject);
    assert_eq!(found.by.is_empty(), !found.notes.is_empty(), "{found:?}");
    found.notes.join("; ")
}

#[test]
fn an_operator_asks_for_a_minimum() {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    // It was only read, and so shows what is enforced, and nothing of what is seen.
    let quick = statement();
    assert_eq!(quick["predicate"]["tried"], json!({"full": false, "trials": 0, "seed": 0, "corpora": []}));
    let full = Minimum { full: true, ..Minimum::default() };
    let some = Minimum { trials: 12, ..Minimum::default() };
    let works = Minimum { claims: names(&["works"]), ..Minimum::default() };
    let made = Minimum { by_construction: names(&["sees", "says", "open"]), ..Minimum::default() };
    assert_eq!(missing(&quick, &made), "");
    assert!(missing(&quick, &full).ends_with("(line 1) is of no full audit (200 trials of each input or more, all of them made), which [policy] asks for unless it says full = false"));
    assert!(missing(&quick, &some).ends_with("(line 1) is of 0 trials, and [policy] asks for 12"));
    assert!(missing(&quick, &works).ends_with("does not show 'works', which [policy] asks for"));

    let mut report = glassbox_audit::audit(&glassbox_tests::SANDBOX, "tracking.wasm".as_ref(), BUNDLED, &[]);
    let options = glassbox_audit::flow::Options { trials: 12, seed: 7, time: std::time::Duration::from_secs(3600) };
    glassbox_audit::observe(&mut report, BUNDLED, &[], options, &|_| ()).unwrap();
    let of = |report: &glassbox_audit::Report| {
        let (time, year) = ("2026-01-01T00:00:00Z".parse().unwrap(), SignedDuration::from_hours(365 * 24));
        serde_json::to_value(Statement::of(report, b"the report", time, year).unwrap()).unwrap()
    };
    let tried = of(&report);
    assert_eq!(tried["predicate"]["tried"], json!({"full": false, "trials": 12, "seed": 7, "corpora": []}));
    for minimum in [&some, &works, &made] {
        assert_eq!(missing(&tried, minimum), "");
    }
    // Twelve trials are no full audit, whatever an auditor's program calls them.
    assert!(missing(&tried, &full).contains("is of no full audit ("));
    let mut called = tried.clone();
    called["predicate"]["tried"]["full"] = true.into();
    assert!(missing(&called, &full).contains("is of no full audit ("));
    // As if all had been made.
    let flow = report.flow.as_mut().unwrap();
    (flow.asked, flow.reached) = (200, 200);
    assert_eq!(of(&report)["predicate"]["tried"]["full"], true);
    assert_eq!(missing(&of(&report), &full), "");
    // What was seen in trials is not what is enforced.
    let enforced = Minimum { by_construction: names(&["works"]), ..Minimum::default() };
    assert!(missing(&tried, &enforced).ends_with("does not show by construction 'works', which [policy] asks for"));
    let more = Minimum { trials: 13, ..Minimum::default() };
    assert!(missing(&tried, &more).ends_with("is of 12 trials, and [policy] asks for 13"));

    // A set of claims without the one that is asked for, with two of its name, or of a program that named none.
    let mut without = tried.clone();
    let claims = without["predicate"]["verdicts"].as_array_mut().unwrap();
    let at = claims.iter().position(|claim| claim["name"] == "works").unwrap();
    let removed = claims.remove(at);
    assert!(missing(&without, &works).ends_with("does not show 'works', which [policy] asks for"));
    let mut twice = tried.clone();
    twice["predicate"]["verdicts"].as_array_mut().unwrap().push(removed);
    assert!(missing(&twice, &works).ends_with("does not show 'works', which [policy] asks for"));
    let mut old = tried.clone();
    old["predicate"].as_object_mut().unwrap().remove("tried");
    for claim in old["predicate"]["verdicts"].as_array_mut().unwrap() {
        claim.as_object_mut().unwrap().retain(|key, _| ["claim", "verdict"].contains(&key.as_str()));
    }
    assert_eq!(missing(&old, &Minimum::default()), "");
    for minimum in [&full, &some, &works, &made] {
        assert_ne!(missing(&old, minimum), "");
    }
    // One that was stopped early is no full one.
    report.flow.as_mut().unwrap().ended_early = Some("1 second had passed".into());
    assert!(missing(&of(&report), &full).contains("is of no full audit ("));
}

#[test]
fn it_counts_for_a_time() {
    let expires = |time: &str| sealed(&changed(&[("/predicate/expires", json!(time))]), 1);
    refused(expires(NOW), "expired on 2026-06-01");
    assert!(judged(&[expires("2026-06-01T12:00:01Z")], &[1], 1).is_enough());
    // A clock that is a little ahead is not a lie.
    assert!(judged(&[sealed(&dated("2026-06-02T11:00:00Z"), 1)], &[1], 1).is_enough());
    let future = sealed(&dated("2026-06-02T13:00:00Z"), 1);
    let vouching = judged(std::slice::from_ref(&future), &[1], 1);
    assert!(vouching.early && !vouching.is_enough(), "{vouching:?}");
    refused(future.clone(), "it is from the future (2026-06-02), or the clock here is wrong");
    assert!(judged(&[future, sealed(&statement(), 1)], &[1], 1).is_enough(), "what was said before still counts");
    // But a no needs no date.
    let lines = [sealed(&statement(), 1), sealed(&worse("2099-01-01T00:00:00Z"), 1)];
    assert!(!judged(&lines, &[1], 1).is_enough());
}

#[test]
fn the_newest_word_of_each_key_counts() {
    let yes = |time: &str| sealed(&dated(time), 1);
    let no = |time: &str| sealed(&worse(time), 1);
    let enough = |lines: &[String]| judged(lines, &[1], 1).is_enough();
    let (early, late) = ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z");
    assert!(!enough(&[yes(early), no(late)]) && !enough(&[no(late), yes(early)]), "a worse report wins");
    assert!(enough(&[no(early), yes(late)]) && enough(&[yes(late), no(early)]), "and so does a better one");
    assert!(!enough(&[yes(early), no(early)]) && !enough(&[no(early), yes(early)]), "at the same time the worse");
    // A new one that has expired is the last word, too.
    let lapsed = changed(&[("/predicate/time", json!(late)), ("/predicate/expires", json!("2026-04-01T00:00:00Z"))]);
    assert!(!enough(&[yes(early), sealed(&lapsed, 1)]));
    // A no about another component says nothing about this one, nor does that of another key.
    let mut other = worse(late);
    other["subject"][0]["digest"]["sha256"] = json!("00");
    assert!(enough(&[yes(early), sealed(&other, 1)]));
    assert!(judged(&[yes(early), sealed(&worse(late), 2)], &[1, 2], 1).is_enough());
}

#[test]
fn so_many_different_keys_must_vouch() {
    let by = |seed: u8| sealed(&statement(), seed);
    assert!(judged(&[by(1), by(3)], &[1, 2, 3], 2).is_enough());
    assert!(judged(&[by(1), by(2), by(3)], &[1, 2, 3], 2).is_enough());
    for lines in [vec![by(1)], vec![by(1), by(1)], vec![by(1), by(4)], vec![by(1), sealed(&dated(NOW), 1)]] {
        assert!(!judged(&lines, &[1, 2, 3], 2).is_enough(), "{lines:?}");
    }
    // Two signatures in one envelope are two, of one key are one.
    let (mut both, other): (Value, Value) =
        (serde_json::from_str(&by(1)).unwrap(), serde_json::from_str(&by(2)).unwrap());
    let twice = both["signatures"][0].clone();
    both["signatures"].as_array_mut().unwrap().push(twice);
    assert!(!judged(&[both.to_string()], &[1, 2, 3], 2).is_enough());
    both["signatures"][1] = other["signatures"][0].clone();
    assert!(judged(&[both.to_string()], &[1, 2, 3], 2).is_enough());
    // More than there are keys: nobody can, and nothing is loaded.
    assert!(!judged(&[by(1)], &[1], 2).is_enough());
    assert!(!judged(&[by(1)], &[], 1).is_enough());
}

#[test]
fn a_hostile_file_is_refused_in_words_and_hides_nothing_good() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let nested = format!("{{\"payload\": {}}}", deep(100_000));
    let mut deep_inside = statement().to_string();
    deep_inside.insert_str(1, &format!("\"x\": {},", deep(100_000)));
    let deep_inside = serde_json::to_string(&Envelope::seal(deep_inside.as_bytes(), &key(1))).unwrap();
    let twice = sealed(&statement(), 1).replacen('{', "{\"payload\": \"\", ", 1);
    let mut many: Value = serde_json::from_str(&sealed(&statement(), 2)).unwrap();
    many["signatures"] = vec![many["signatures"][0].clone(); 5].into();
    let steers = sealed(&changed(&[("/predicate/plugin", json!("\u{1b}[2Jall is well\n"))]), 1);
    for (line, words) in [
        (nested.as_str(), "it is not a DSSE envelope: "),
        (&twice, "duplicate field `payload`"),
        (&many.to_string(), "it has more than 4 signatures"),
        (
            "{\"payload\": \"%\", \"payloadType\": \"application/vnd.in-toto+json\", \"signatures\": []}",
            "is not base64",
        ),
        ("null", "it is not a DSSE envelope"),
        (&steers, "it is about the plugin '\\u{1b}[2Jall is well\\u{a}'"),
    ] {
        refused(line.into(), words);
        assert!(judged(&[line.into(), sealed(&statement(), 1)], &[1], 1).is_enough());
    }
    // Under a good signature, what nobody asked for is passed over, however deep it is.
    assert!(judged(&[deep_inside], &[1], 1).is_enough());
    // However many lines: few words.
    let advice = judged(&vec!["x".repeat(1000); 60], &[1], 1).advice("tracking").unwrap();
    assert!(advice.lines().count() < 12 && advice.len() < 4000 && advice.contains("and 53 more"), "{advice}");
}

#[test]
fn a_file_that_is_too_large_is_refused_as_a_whole() {
    let folder = std::env::temp_dir().join(format!("glassbox-attest-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("a.intoto.jsonl");
    let good = sealed(&statement(), 1);
    assert_eq!(file::read(&path).unwrap(), []);
    std::fs::write(&path, format!("{good}\n\n{good}")).unwrap();
    assert_eq!(file::read(&path).unwrap(), [(1, good.clone()), (3, good.clone())]);
    let more = Envelope::parse(&good).unwrap();
    file::add(&path, &more).unwrap();
    assert_eq!(file::read(&path).unwrap().len(), 3, "what was there stays, also without a line feed at its end");
    std::fs::write(&path, format!("{good}\n").repeat(64)).unwrap();
    assert_eq!(file::read(&path).unwrap().len(), 64);
    assert!(file::add(&path, &more).unwrap_err().to_string().contains("remove old ones"));
    std::fs::write(&path, format!("{good}\n").repeat(65)).unwrap();
    assert!(file::read(&path).unwrap_err().to_string().contains("has more than 64 attestations"));
    std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(format!("{:#}", file::read(&path).unwrap_err()).contains("it has more than 1 MiB"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_report_becomes_a_statement_that_counts() {
    let bytes = BUNDLED;
    let (one, now) = (&glassbox_tests::corpora()[..1], NOW.parse::<Timestamp>().unwrap());
    let audit = |bytes: &[u8], corpora| {
        let report = glassbox_audit::audit(&glassbox_tests::SANDBOX, "x/any.wasm".as_ref(), bytes, corpora);
        Statement::of(&report, b"the report", now, SignedDuration::from_hours(24))
    };
    let statement = audit(bytes, one).unwrap();
    assert_eq!(statement.fails(), None);
    assert_eq!(statement.predicate.report.sha256, glassbox_sandbox::digest(b"the report"));
    let line = sealed(&serde_json::to_value(&statement).unwrap(), 1);
    let digest = glassbox_sandbox::digest(bytes);
    let subject = Subject { plugin: "tracking", digest: &digest, now };
    assert_eq!(judge(&[(1, line)], &keys(&[1]), &Minimum::default(), &subject).by.len(), 1);
    // One that does not do what was recorded.
    let other = audit(&glassbox_tests::counter("first"), one).unwrap();
    assert!(
        other.fails().unwrap().starts_with("fails: In recorded cases, it sends what the real OctoPrint sent"),
        "{:?}",
        other.fails()
    );
    assert!(audit(b"garbage", &[]).unwrap_err().to_string().starts_with("it has no manifest"));
}

proptest! {
    #[test]
    fn garbage_never_counts_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        let line = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert!(!judged(&[line, text.clone()], &[1], 1).is_enough());
        let _ = (PublicKey::parse(&text), SecretKey::parse(&text), Statement::parse(&bytes));
        // Signed, it is garbage all the same.
        let signed = serde_json::to_string(&Envelope::seal(&bytes, &key(1))).unwrap();
        prop_assert!(!judged(&[signed], &[1], 1).is_enough());
    }

    #[test]
    fn no_byte_of_an_envelope_can_be_changed_for_the_better(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut line = sealed(&worse("2026-01-01T00:00:00Z"), 1).into_bytes();
        let at = at.index(line.len());
        line[at] = with;
        prop_assert!(!judged(&[String::from_utf8_lossy(&line).into_owned()], &[1], 1).is_enough());
    }
}
