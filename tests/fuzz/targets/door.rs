//! Any request at the collector's door: what is kept of it, by a plain model of the manifest.
#![no_main]

#[allow(dead_code)] // the model knows what a tracker may send, too
#[path = "manifest/model.rs"]
mod model;

use glassbox_collector::door::{Door, Incoming, OCTOPRINT, Refusal, Report};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

/// The longest text that a rule of the manifest lets through, in characters.
const LONGEST: usize = 16384;
/// A port's kind and an error's text without its secrets may be longer than they came, but not by much.
const REDUCED: usize = 16 << 10;
/// Fields of a report that are looked at.
const FIELDS: usize = 256;

static DOORS: LazyLock<[Door; 2]> = LazyLock::new(|| [0, 1].map(|_| Door::new(OCTOPRINT).expect("it is ours")));

// The request's target, a line with the user agent, and a body; in capitals, it is a GET whose target has the form.
fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let [target, user_agent, body] = [(); 3].map(|()| parts.next().unwrap_or_default());
    // What hyper and the log's reader hand over is UTF-8.
    let target = String::from_utf8_lossy(target);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let form = if first.is_ascii_uppercase() { query.as_bytes() } else { body };
    let incoming = Incoming { path, form, user_agent };
    let taken = DOORS[0].take(&incoming);
    assert_eq!(taken, DOORS[0].take(&incoming), "the same again");
    assert_eq!(taken, DOORS[1].take(&incoming), "and for another of the same manifest");

    let manifest = DOORS[0].manifest();
    let id = id_in(path);
    let agent = std::str::from_utf8(user_agent).ok().filter(|agent| model::is_agent(manifest, agent));
    match taken {
        Err(Refusal::Path) => assert!(id.is_none()),
        Err(Refusal::Id) => assert!(uuid(&id.expect("there is something in its place")).is_none()),
        Err(Refusal::UserAgent) => assert!(agent.is_none()),
        Err(other) => panic!("{other:?} is not the door's"),
        Ok((report, odd)) => {
            assert_eq!(Some(report.installation.to_string()), id.as_deref().and_then(uuid));
            assert_eq!(Some(report.version.as_str()), agent.and_then(|agent| agent.strip_prefix("OctoPrint/")));
            fits(&report, form.len());
            assert!(odd.len() <= FIELDS && odd.is_sorted());
            for odd in odd {
                assert!(["event", "field", "value"].contains(&odd.kind));
                assert!(odd.name.chars().count() <= 64 && !odd.name.chars().any(char::is_control), "{}", odd.name);
            }
        }
    }
});

/// What stands in the place of the id, if there is something in that of the event.
fn id_in(path: &str) -> Option<Vec<u8>> {
    let mut parts = path.strip_prefix("/track/")?.split('/').map(|part| decoded(part.as_bytes()));
    let (id, event) = (parts.next()?, parts.next()?);
    (!id.is_empty() && !event.is_empty()).then_some(id)
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).expect("two digits"));
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// A UUID in lower case, if it is one.
fn uuid(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
    model::whole("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", &text).then_some(text)
}

/// Whatever is kept is listed, fits its rule, and is not longer than what came.
fn fits(report: &Report, came: usize) {
    if report.event.is_empty() {
        return assert!(report.fields.is_empty(), "of what no rule knows only the name is counted");
    }
    let says = model::decides(DOORS[0].manifest(), &report.event).expect("an event that is kept is listed");
    let (mut texts, mut values) = (0, 0);
    for (name, value) in &report.fields {
        let declared = says.fields.iter().find(|field| field.name == *name).expect("a field that is kept is listed");
        let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in all {
            values += 1;
            match value {
                Value::String(text) => {
                    assert!(model::fits(&declared.rule, text), "{name}");
                    assert!(text.chars().count() <= LONGEST);
                    texts += text.len();
                }
                Value::Number(number) => assert!(number.is_i64() || name == "freq", "{name}"),
                _ => panic!("{name} is neither a text nor a number"),
            }
        }
    }
    // A byte that is no UTF-8 becomes a character of three.
    assert!(values <= FIELDS && texts <= 3 * came + REDUCED, "{values} values of {texts} bytes from {came}");
}
