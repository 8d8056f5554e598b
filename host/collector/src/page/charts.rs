//! The charts: of each its title and where its numbers are. They are those of the original's page (RECEIVING.md, section 3),
//! as bars and not as slices of a circle: lengths can be compared, angles cannot.

use super::data::Data;
use jiff::Timestamp;
use serde_json::Value;

/// A chart of the page.
pub struct Chart {
    /// In URLs, and in the file of bars: `versions`.
    pub id: &'static str,
    /// The card that it stands in.
    pub card: &'static str,
    /// What it shows.
    pub title: &'static str,
    numbers: Numbers,
}

/// Where numbers are.
enum Numbers {
    /// In the file of bars.
    Bars,
    /// In an export's histogram: its kind, keys there, names of the lines, and what a number is divided by.
    Curve(&'static str, &'static [&'static str], &'static [&'static str], f64),
    /// In the store: the totals of days.
    Days,
}

/// A value, and how many have it.
pub type Row = (String, f64);

/// Numbers, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Groups, and how many of so many installations are in each; in the last, [`OTHERS`], who is in any that is not named.
    Bars(Vec<Row>, f64),
    /// Over time: names of the lines, and for each time their numbers.
    Lines(&'static [&'static str], Vec<(String, Vec<f64>)>),
}

/// What is beyond the groups that are named.
pub const OTHERS: &str = "Others";

/// Installations that a chart of bars counts.
fn bars(file: &Value, id: &str) -> Option<Shown> {
    let chart = &file["charts"][id];
    let rows = chart["rows"].as_object()?.iter().map(|(name, count)| Some((name.clone(), count.as_f64()?)));
    let mut rows: Vec<Row> = rows.collect::<Option<_>>()?;
    let others = chart["others"].as_f64()?;
    if others > 0.0 {
        rows.push((OTHERS.into(), others));
    }
    Some(Shown::Bars(rows, chart["of"].as_f64()?))
}

/// A histogram without its first and last bucket, which are not whole.
fn curve(file: &Value, keys: &[&str], names: &'static [&'static str], unit: f64) -> Option<Shown> {
    let mut all: Vec<_> = file["histogram"].as_array()?.iter().collect();
    // Days with nothing but Python 3 stand behind all others.
    all.sort_by_key(|entry| entry["start"].as_str().and_then(|time| time.parse::<Timestamp>().ok()));
    let inner = all.get(1..all.len().saturating_sub(1)).unwrap_or_default();
    let points = inner.iter().map(|entry| {
        let numbers = keys.iter().map(|key| Some(entry[*key].as_f64()? / unit)).collect::<Option<_>>()?;
        Some((entry["start"].as_str()?.to_string(), numbers))
    });
    Some(Shown::Lines(names, points.collect::<Option<_>>()?))
}

const fn chart(id: &'static str, card: &'static str, title: &'static str, numbers: Numbers) -> Chart {
    Chart { id, card, title, numbers }
}

use Numbers::{Bars, Curve, Days};

/// All charts but the table of plugins, by their cards.
pub const CHARTS: [Chart; 24] = [
    chart(
        "installations",
        "Installations",
        "Installations an hour",
        Curve("instance", &["count"], &["installations"], 1.0),
    ),
    chart("versions", "Installations", "Versions of OctoPrint", Bars),
    chart("stable", "Installations", "Stable versions", Bars),
    chart("candidates", "Installations", "Release candidates", Bars),
    chart("days", "Installations", "Installations a day, as long as there are totals", Days),
    chart("places", "Installations", "Countries", Bars),
    chart(
        "printing",
        "Printing",
        "Hours of finished prints, by the hour in which they ended",
        Curve("printing", &["count"], &["hours of prints"], 3600.0),
    ),
    chart("python", "Python", "Python 2 and 3", Bars),
    chart(
        "python-days",
        "Python",
        "Python 2 and 3 a day",
        Curve("python", &["python2", "python3"], &["Python 2", "Python 3"], 1.0),
    ),
    chart("python-versions", "Python", "Versions of Python", Bars),
    chart("python2", "Python", "Versions of Python 2", Bars),
    chart("python3", "Python", "Versions of Python 3", Bars),
    chart("os", "Machines", "Operating systems of servers", Bars),
    chart("bits", "Machines", "Bits", Bars),
    chart("cores", "Machines", "Cores", Bars),
    chart("browsers", "Browsers", "Browsers", Bars),
    chart("es9", "Browsers", "ECMAScript 2018", Bars),
    chart("client-os", "Browsers", "Operating systems of browsers", Bars),
    chart("models", "Raspberry Pi", "Models", Bars),
    chart("octopi", "Raspberry Pi", "Versions of OctoPi", Bars),
    chart("uptodate", "Raspberry Pi", "Builds of OctoPi-UpToDate", Bars),
    chart("firmware", "Firmware", "The ten most frequent", Bars),
    chart("firmware-groups", "Firmware", "By maker", Bars),
    chart("achievements", "Achievements", "Unlocked by", Bars),
];

impl Chart {
    /// Its numbers; none if its file is missing, or has them not or in another shape.
    pub fn shown(&self, data: &Data) -> Option<Shown> {
        match self.numbers {
            Bars => bars(data.file("bars")?, self.id),
            Curve(kind, keys, names, unit) => curve(data.file(kind)?, keys, names, unit),
            Days => {
                let points = data.totals.iter().map(|(day, installations)| (day.clone(), vec![*installations]));
                Some(Shown::Lines(&["installations"], points.collect()))
            }
        }
    }

    /// The file that its numbers are in; none if they are in the store.
    pub fn kind(&self) -> Option<&'static str> {
        match self.numbers {
            Bars => Some("bars"),
            Curve(kind, ..) => Some(kind),
            Days => None,
        }
    }

    /// Whether it has so many points that it takes the whole width.
    pub fn is_wide(&self) -> bool {
        matches!(self.id, "installations" | "printing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_curve_has_the_buckets_that_are_whole_in_their_order() {
        // As the original writes days: those of Python 2, and then those that only Python 3 has.
        let day = |day: u32| json!({"start": format!("2026-10-0{day}T02:00:00+02:00"), "python2": day, "python3": 36});
        let file = json!({"histogram": [day(3), day(4), day(1), day(2)]});
        let point = |day: u32| (format!("2026-10-0{day}T02:00:00+02:00"), vec![f64::from(day) / 2.0, 18.0]);
        let shown = curve(&file, &["python2", "python3"], &["a", "b"], 2.0);
        assert_eq!(shown, Some(Shown::Lines(&["a", "b"], vec![point(2), point(3)])));
        assert_eq!(
            curve(&json!({"histogram": [day(1)]}), &["python2"], &["a"], 1.0),
            Some(Shown::Lines(&["a"], vec![]))
        );
        assert_eq!(curve(&file, &["none"], &["a"], 1.0), None);
    }
}
