//! The files, as the original writes them: keys in this order, an indent of two, non-ASCII as it is, no newline at the end.

use super::environment::Field;
use super::gather::Tally;
use super::plugins::version_key;
use super::tally::{Pairs, Ties, Words, top};
use super::times::{DAY, HOUR, Window, show, show_end};
use super::{KINDS, Rules};
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// All files of a window, by their kinds.
pub(super) fn all(
    window: &Window,
    tally: &mut Tally,
    words: &Words,
    rules: &Rules,
) -> Result<Vec<(&'static str, String)>> {
    let mut files = Vec::new();
    for kind in KINDS {
        let mut file = Map::new();
        file.insert("_since".into(), show(window.since, &rules.zone).into());
        file.insert("_generated".into(), show(window.now, &rules.zone).into());
        match kind {
            "instance" => instance(&mut file, tally, words, rules),
            "plugin" => drop(file.insert("plugins".into(), plugins(tally, words, rules))),
            "python" => python(&mut file, tally, words, rules),
            "printing" => printing(&mut file, tally, words, rules),
            "achievements" => {
                file.insert("instances".into(), tally.achievers.count(0).into());
                file.insert("unlocked".into(), numbers(top(tally.unlocked.counts(), words, Ties::Text)));
            }
            _ => maps(kind, &mut file, tally, words, rules),
        }
        files.push((kind, serde_json::to_string_pretty(&file)?));
    }
    Ok(files)
}

/// The files that have nothing but maps of a field's values.
fn maps(kind: &str, file: &mut Map<String, Value>, tally: &mut Tally, words: &Words, rules: &Rules) {
    use Field::{
        Bits, Browser, BrowserVersion, ClientOs, Cores, Firmware, Frequency, Memory, Model, OctoPi, Os, UpToDate,
    };
    let maps: &[(&str, Field, Ties, bool)] = match kind {
        "server_environment" => &[
            ("cores", Cores, Ties::Number, false),
            ("memory", Memory, Ties::Number, false),
            ("frequency", Frequency, Ties::Number, false),
            ("os", Os, Ties::Text, false),
            ("bits", Bits, Ties::Number, false),
        ],
        "client_environment" => &[
            ("browser", Browser, Ties::Text, true),
            ("os", ClientOs, Ties::Text, false),
            ("browser_version", BrowserVersion, Ties::Text, true),
        ],
        "firmware" => &[("names", Firmware, Ties::Text, true)],
        _ => &[
            ("models", Model, Ties::Text, false),
            ("octopi_versions", OctoPi, Ties::Text, false),
            ("octopiuptodate_builds", UpToDate, Ties::Text, false),
        ],
    };
    for (key, field, ties, thin) in maps {
        let mut counts = tally.counted(*field).counts();
        counts.retain(|(_, count)| !thin || *count >= rules.threshold);
        file.insert((*key).into(), instances(top(counts, words, *ties)));
    }
}

fn instance(file: &mut Map<String, Value>, tally: &mut Tally, words: &Words, rules: &Rules) {
    file.insert("count".into(), tally.all.count(0).into());
    let mut counts = tally.versions.counts();
    counts.retain(|(version, count)| *count >= rules.threshold || !is_own(words.text(*version)));
    file.insert("versions".into(), numbers(top(counts, words, Ties::Text)));
    file.insert("histogram".into(), histogram(&tally.hours, HOUR, rules, |count| (*count).into()));
}

fn printing(file: &mut Map<String, Value>, tally: &mut Tally, words: &Words, rules: &Rules) {
    file.insert("total".into(), seconds(tally.printed));
    let printers: HashMap<_, _> = tally.printers.counts().into_iter().collect();
    let printed = tally.printed_with.iter().map(|(version, seconds)| (*version, *seconds));
    let few = |version: &u32| printers.get(version).is_none_or(|count| *count < rules.threshold);
    let printed = printed.filter(|(version, _)| !is_own(words.text(*version)) || !few(version)).collect();
    let printed = top(printed, words, Ties::Text).into_iter().map(|(version, sum)| (version.into(), seconds(sum)));
    file.insert("versions".into(), Value::Object(printed.collect()));
    file.insert("histogram".into(), histogram(&tally.printed_hours, HOUR, rules, |sum| seconds(*sum)));
}

/// Whether a version of OctoPrint is somebody's own, as `1.12.0.dev3+gabc.dirty` is.
fn is_own(version: &str) -> bool {
    version.contains('+')
}

fn python(file: &mut Map<String, Value>, tally: &mut Tally, words: &Words, rules: &Rules) {
    let counts = tally.counted(Field::Python).counts();
    file.insert("versions".into(), instances(top(counts, words, Ties::Text)));
    let [two, three] = &tally.pythons;
    // As two queries answer it: all days of the first, then those that only the second has.
    let first: Vec<_> = buckets(two, DAY).collect();
    let others = buckets(three, DAY).filter(|day| !first.contains(day));
    let count = |days: &BTreeMap<i64, u64>, day| days.get(&day).copied().unwrap_or_default();
    let entries = first.iter().copied().chain(others).map(|day| {
        let [start, end] = [show(day, &rules.zone), show_end(day, &rules.zone)];
        json!({"start": start, "end": end, "python2": count(two, day), "python3": count(three, day)})
    });
    file.insert("histogram".into(), entries.collect());
}

fn plugins(tally: &mut Tally, words: &Words, rules: &Rules) -> Value {
    let mut counts = tally.plugins.plugins.counts();
    counts.retain(|(id, count)| *count >= rules.threshold && !rules.excluded.contains(words.text(*id)));
    let mut versions: HashMap<&str, Vec<(u32, u64)>> = HashMap::new();
    for (key, count) in tally.plugins.versions.counts() {
        let id = words.text(key).split('\n').next().unwrap_or_default();
        if count >= rules.threshold {
            versions.entry(id).or_default().push((key, count));
        }
    }
    let by_id = |pairs: &mut Pairs| -> HashMap<_, _> {
        pairs.counts().into_iter().map(|(id, count)| (words.text(id), count)).collect()
    };
    let (installs, uninstalls) = (by_id(&mut tally.installs), by_id(&mut tally.uninstalls));
    let plugin = |(id, count): (&str, u64)| {
        let own = top(versions.remove(id).unwrap_or_default(), words, Ties::Text);
        // All begin alike, so that their order is that of the versions.
        let start = version_key(id, "").len();
        let own = own.into_iter().map(|(key, count)| (&key[start..], count)).collect();
        let number = |of: &HashMap<&str, u64>| of.get(id).copied().unwrap_or_default();
        let entry = json!({
            "instances": count,
            "versions": instances(own),
            "install_events": number(&installs),
            "uninstall_events": number(&uninstalls),
        });
        (id.to_string(), entry)
    };
    Value::Object(top(counts, words, Ties::Text).into_iter().map(plugin).collect())
}

fn numbers(counts: Vec<(&str, u64)>) -> Value {
    Value::Object(counts.into_iter().map(|(key, count)| (key.into(), count.into())).collect())
}

fn instances(counts: Vec<(&str, u64)>) -> Value {
    Value::Object(counts.into_iter().map(|(key, count)| (key.into(), json!({ "instances": count }))).collect())
}

/// Seconds are a float, as the original sums them.
#[allow(clippy::cast_precision_loss)] // from 285 million years on
fn seconds(sum: i64) -> Value {
    json!(sum as f64)
}

/// From the first bucket that has something to the last, each.
fn buckets<V>(filled: &BTreeMap<i64, V>, step: i64) -> impl Iterator<Item = i64> {
    let ends = filled.first_key_value().zip(filled.last_key_value()).map(|((first, _), (last, _))| (*first, *last));
    let (first, last) = ends.unwrap_or((0, -1));
    (0..).map(move |number| first + number * step).take_while(move |at| *at <= last)
}

fn histogram<V: Default>(filled: &BTreeMap<i64, V>, step: i64, rules: &Rules, show_one: impl Fn(&V) -> Value) -> Value {
    let entries = buckets(filled, step).map(|at| {
        let count = filled.get(&at).map_or_else(|| show_one(&V::default()), &show_one);
        json!({"start": show(at, &rules.zone), "end": show_end(at, &rules.zone), "count": count})
    });
    entries.collect()
}
