//! The charts: of each its title, where its numbers are, and how they are put together. They are those of the original's page
//! (RECEIVING.md, section 3), as bars and not as slices of a circle: lengths can be compared, angles cannot.

use super::data::Data;
use super::groups::{self, Row};
use serde_json::Value;

/// A chart of the page.
pub struct Chart {
    /// In URLs: `versions`.
    pub id: &'static str,
    /// The card that it stands in.
    pub card: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// The file that it is made of; empty if it is the store itself.
    pub kind: &'static str,
    make: fn(&Value) -> Option<Shown>,
}

/// Numbers, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// A value and a number each.
    Bars(Vec<Row>),
    /// Over time: names of the lines, and for each time their numbers.
    Lines(Vec<&'static str>, Vec<(String, Vec<f64>)>),
}

/// A map's entries, whose values are numbers or objects with `instances`.
fn rows(map: &Value) -> Option<Vec<Row>> {
    let number = |value: &Value| value.as_f64().or_else(|| value["instances"].as_f64());
    map.as_object()?.iter().map(|(key, value)| Some((key.clone(), number(value)?))).collect()
}

fn only(map: &Value, keep: impl Fn(&str) -> bool) -> Option<Vec<Row>> {
    Some(rows(map)?.into_iter().filter(|(key, _)| keep(key)).collect())
}

/// A histogram without its first and last bucket, which are not whole.
fn over_time(file: &Value, keys: &[&'static str], names: Vec<&'static str>) -> Option<Shown> {
    let all = file["histogram"].as_array()?;
    let inner = all.get(1..all.len().saturating_sub(1)).unwrap_or_default();
    let points = inner.iter().map(|entry| {
        let numbers = keys.iter().map(|key| entry[*key].as_f64()).collect::<Option<_>>()?;
        Some((entry["start"].as_str()?.to_string(), numbers))
    });
    Some(Shown::Lines(names, points.collect::<Option<_>>()?))
}

const fn bars(
    id: &'static str,
    card: &'static str,
    title: &'static str,
    kind: &'static str,
    make: fn(&Value) -> Option<Shown>,
) -> Chart {
    Chart { id, card, title, kind, make }
}

/// All charts but the table of plugins, by their cards.
pub const CHARTS: [Chart; 24] = [
    bars("installations", "Installations", "Installations an hour", "instance", |file| {
        over_time(file, &["count"], vec!["installations"])
    }),
    bars("versions", "Installations", "Versions of OctoPrint", "instance", |file| {
        Some(Shown::Bars(groups::largest(rows(&file["versions"])?)))
    }),
    bars("stable", "Installations", "Stable versions", "instance", |file| {
        Some(Shown::Bars(groups::largest(only(&file["versions"], |version| !groups::is_candidate(version))?)))
    }),
    bars("candidates", "Installations", "Release candidates", "instance", |file| {
        Some(Shown::Bars(groups::largest(only(&file["versions"], groups::is_candidate)?)))
    }),
    bars("days", "Installations", "Installations a day, as long as there are totals", "", |_| None),
    bars("places", "Installations", "Countries", "places", |file| {
        Some(Shown::Bars(groups::by(rows(&file["countries"])?, groups::country)))
    }),
    bars("printing", "Printing", "Hours of finished prints, by the hour in which they ended", "printing", |file| {
        let Shown::Lines(_, mut points) = over_time(file, &["count"], vec![])? else { return None };
        points.iter_mut().flat_map(|(_, numbers)| numbers).for_each(|seconds| *seconds /= 3600.0);
        Some(Shown::Lines(vec!["hours of prints"], points))
    }),
    bars("python", "Python", "Python 2 and 3", "python", |file| {
        Some(Shown::Bars(groups::by(rows(&file["versions"])?, groups::python)))
    }),
    bars("python-days", "Python", "Python 2 and 3 a day", "python", |file| {
        over_time(file, &["python2", "python3"], vec!["Python 2", "Python 3"])
    }),
    bars("python-versions", "Python", "Versions of Python", "python", |file| {
        Some(Shown::Bars(groups::largest(rows(&file["versions"])?)))
    }),
    bars("python2", "Python", "Versions of Python 2", "python", |file| {
        Some(Shown::Bars(groups::largest(only(&file["versions"], |version| version.starts_with("2."))?)))
    }),
    bars("python3", "Python", "Versions of Python 3", "python", |file| {
        Some(Shown::Bars(groups::largest(only(&file["versions"], |version| version.starts_with("3."))?)))
    }),
    bars("os", "Machines", "Operating systems of servers", "server_environment", |file| {
        Some(Shown::Bars(groups::by(rows(&file["os"])?, groups::system)))
    }),
    bars("bits", "Machines", "Bits", "server_environment", |file| {
        Some(Shown::Bars(groups::by(rows(&file["bits"])?, groups::bits)))
    }),
    bars("cores", "Machines", "Cores", "server_environment", |file| {
        Some(Shown::Bars(groups::by(rows(&file["cores"])?, groups::cores)))
    }),
    bars("browsers", "Browsers", "Browsers", "client_environment", |file| {
        Some(Shown::Bars(groups::largest(rows(&file["browser"])?)))
    }),
    bars("es9", "Browsers", "ECMAScript 2018", "client_environment", |file| {
        Some(Shown::Bars(groups::by(rows(&file["browser_version"])?, groups::es9)))
    }),
    bars("client-os", "Browsers", "Operating systems of browsers", "client_environment", |file| {
        Some(Shown::Bars(groups::largest(rows(&file["os"])?)))
    }),
    bars("models", "Raspberry Pi", "Models", "rpi", |file| {
        Some(Shown::Bars(groups::by(rows(&file["models"])?, groups::model)))
    }),
    bars("octopi", "Raspberry Pi", "Versions of OctoPi", "rpi", |file| {
        Some(Shown::Bars(groups::all(rows(&file["octopi_versions"])?)))
    }),
    bars("uptodate", "Raspberry Pi", "Builds of OctoPi-UpToDate", "rpi", |file| {
        Some(Shown::Bars(groups::all(rows(&file["octopiuptodate_builds"])?)))
    }),
    bars("firmware", "Firmware", "The ten most frequent", "firmware", |file| {
        let mut rows = groups::all(rows(&file["names"])?);
        rows.truncate(10);
        Some(Shown::Bars(rows))
    }),
    bars("firmware-groups", "Firmware", "By maker", "firmware", |file| {
        Some(Shown::Bars(groups::by(rows(&file["names"])?, groups::firmware)))
    }),
    bars("achievements", "Achievements", "Unlocked by", "achievements", |file| {
        Some(Shown::Bars(groups::all(rows(&file["unlocked"])?)))
    }),
];

impl Chart {
    /// Its numbers; none if its file is missing, or has them not or in another shape.
    pub fn shown(&self, data: &Data) -> Option<Shown> {
        if self.kind.is_empty() {
            let points = data.totals.iter().map(|(day, installations, _)| (day.clone(), vec![*installations]));
            return Some(Shown::Lines(vec!["installations"], points.collect()));
        }
        (self.make)(data.file(self.kind)?)
    }

    /// Of how many installations its shares are; none where shares would mislead.
    pub fn whole(&self, data: &Data, rows: &[Row]) -> Option<f64> {
        match self.kind {
            "achievements" => data.file(self.kind)?["instances"].as_f64(),
            _ => Some(rows.iter().map(|(_, count)| count).sum()),
        }
    }
}
