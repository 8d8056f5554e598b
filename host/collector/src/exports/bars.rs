//! What the page's bars are made of: for each chart, how many installations are in each of its groups. It is counted here, where
//! it is known who had which value, as the numbers of an export cannot be added up: who had two versions would count twice.
//! What is a stranger's text, and shared by few, has no name here.

use super::Rules;
use super::environment::Field;
use super::gather::Tally;
use super::groups;
use super::tally::{Pairs, Ties, Words, top};
use super::times::{Window, show};
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// What a chart counts.
enum Of {
    Versions,
    Countries,
    Achievements,
    Value(Field),
}

/// The group of a value; none if the chart is not about it.
type Group = fn(&str) -> Option<String>;

/// More bars than this are a list.
const FEW: usize = 10;
/// What an export has at most.
const MANY: usize = 1000;

/// Each chart by its id: what it counts, how many bars it has, and the groups of the values. A group is a word of ours, or a
/// stranger's text.
const CHARTS: [(&str, Of, usize, Group); 20] = [
    ("versions", Of::Versions, FEW, itself),
    ("stable", Of::Versions, FEW, |version| (!groups::is_candidate(version)).then(|| version.into())),
    ("candidates", Of::Versions, FEW, |version| groups::is_candidate(version).then(|| version.into())),
    ("places", Of::Countries, MANY, |code| Some(groups::country(code))),
    ("python", Of::Value(Field::Python), MANY, |version| Some(groups::python(version))),
    ("python-versions", Of::Value(Field::Python), FEW, itself),
    ("python2", Of::Value(Field::Python), FEW, |version| version.starts_with("2.").then(|| version.into())),
    ("python3", Of::Value(Field::Python), FEW, |version| version.starts_with("3.").then(|| version.into())),
    ("os", Of::Value(Field::Os), MANY, |os| Some(groups::system(os))),
    ("bits", Of::Value(Field::Bits), MANY, |bits| Some(groups::bits(bits))),
    ("cores", Of::Value(Field::Cores), MANY, |cores| Some(groups::cores(cores))),
    ("browsers", Of::Value(Field::Browser), FEW, itself),
    ("es9", Of::Value(Field::BrowserVersion), MANY, |browser| Some(groups::es9(browser))),
    ("client-os", Of::Value(Field::ClientOs), FEW, itself),
    ("models", Of::Value(Field::Model), MANY, |model| Some(groups::model(model))),
    ("octopi", Of::Value(Field::OctoPi), MANY, itself),
    ("uptodate", Of::Value(Field::UpToDate), MANY, itself),
    ("firmware", Of::Value(Field::Firmware), FEW, itself),
    ("firmware-groups", Of::Value(Field::Firmware), MANY, |name| Some(groups::firmware(name))),
    ("achievements", Of::Achievements, MANY, itself),
];

/// Charts whose groups are words of ours, and may be named whoever is in them.
const OURS: [&str; 6] = ["python", "os", "bits", "cores", "es9", "firmware-groups"];

#[allow(clippy::unnecessary_wraps)] // a group, as the others
fn itself(value: &str) -> Option<String> {
    Some(value.into())
}

/// The file of a window, which is none of the original's: for the page alone.
pub(super) fn file(window: &Window, tally: &mut Tally, words: &Words, rules: &Rules) -> Result<String> {
    let mut charts = Map::new();
    for (id, of, most, group) in &CHARTS {
        let achievers = tally.achievers.count(0);
        let pairs = match of {
            Of::Versions => &mut tally.versions,
            Of::Countries => &mut tally.countries,
            Of::Achievements => &mut tally.unlocked,
            Of::Value(field) => tally.counted(*field),
        };
        let threshold = if OURS.contains(id) { 0 } else { rules.threshold };
        let mut chart = count(pairs, words, *group, threshold, *most);
        if matches!(of, Of::Achievements) {
            // Who has none tells of them too.
            chart["of"] = achievers.into();
        }
        charts.insert((*id).into(), chart);
    }
    let file = json!({
        "_since": show(window.since, &rules.zone),
        "_generated": show(window.now, &rules.zone),
        "zone": rules.zone.iana_name(),
        "threshold": rules.threshold,
        "charts": charts,
    });
    Ok(serde_json::to_string_pretty(&file)?)
}

/// How many installations are in each group, in any of those that are not named, and in any at all.
fn count(pairs: &mut Pairs, words: &Words, group: Group, threshold: u64, most: usize) -> Value {
    let (mut names, mut grouped, mut known) = (Words::default(), Pairs::default(), HashMap::new());
    for (value, installation) in pairs.all() {
        let number = *known.entry(value).or_insert_with(|| group(words.text(value)).map(|name| names.number(&name)));
        if let Some(number) = number {
            grouped.add(number, installation);
        }
    }
    let counts = grouped.counts();
    let mut rows = top(counts.clone(), &names, Ties::Text);
    rows.retain(|(_, count)| *count >= threshold);
    rows.truncate(most);
    let named: HashSet<&str> = rows.iter().map(|(name, _)| *name).collect();
    let others: HashSet<u32> =
        counts.iter().map(|(number, _)| *number).filter(|number| !named.contains(names.text(*number))).collect();
    // All under one value, and who is in one of the others under another.
    let mut together = Pairs::default();
    for (number, installation) in grouped.all() {
        together.add(0, installation);
        if others.contains(&number) {
            together.add(1, installation);
        }
    }
    let rows: Map<_, _> = rows.into_iter().map(|(name, count)| (name.to_string(), count.into())).collect();
    json!({ "of": together.count(0), "rows": rows, "others": together.count(1) })
}
