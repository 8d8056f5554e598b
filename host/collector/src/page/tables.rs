//! Tables: bars are a table that everybody can read, with a bar in each row; curves have theirs folded below them; and both are
//! to be had as CSV and JSON.

use super::charts::{Chart, Row, Shown};
use super::{NAME_CHARS, amount, day, whole_of};
use glassbox_util::text::printable;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// A stranger's text: no more than a line, and without what would change what stands beside it.
pub(super) fn name(text: &str) -> String {
    if text.is_empty() { "(empty)".into() } else { printable(text, NAME_CHARS) }
}

/// Bars that are seen at once: as many as fit a screen. More are folded below them.
const BARS: usize = 25;

/// Bars, each with its number and, of so many installations, its share.
pub(super) fn bars(title: &str, rows: &[Row], of: f64) -> Markup {
    let largest = rows.iter().map(|(_, count)| *count).fold(0.0, f64::max);
    let table = |rows: &[Row]| bar_table(title, rows, largest, of);
    let (seen, folded) = rows.split_at(if rows.len() > BARS + 1 { BARS } else { rows.len() });
    html! {
        (table(seen))
        @if !folded.is_empty() { details { summary { (whole_of(folded.len())) " more" } (table(folded)) } }
    }
}

fn bar_table(title: &str, rows: &[Row], largest: f64, of: f64) -> Markup {
    html! {
        table.bars aria-label=(title) {
            colgroup { col.name; col; col.count; col.share; }
            thead.unseen { tr {
                th scope="col" { "Value" } th scope="col" { "Bar" } th scope="col" { "Installations" } th scope="col" { "Share" }
            } }
            tbody {
                @for (text, count) in rows {
                    tr {
                        th scope="row" { bdi { (name(text)) } }
                        td.bar { (bar(*count, largest)) }
                        td.number { (amount(*count)) }
                        td.number { @if of > 0.0 { (format!("{:.1} %", count / of * 100.0)) } }
                    }
                }
            }
        }
    }
}

/// A bar, as long as its part of the largest.
pub(super) fn bar(count: f64, largest: f64) -> Markup {
    let width = if largest > 0.0 { count / largest * 100.0 } else { 0.0 };
    html! {
        svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" { rect width=(format!("{width:.1}")) height="10" {} }
    }
}

/// Points of a curve that are a table as they are. More nobody reads: the days are, and all are in the CSV.
const POINTS: usize = 100;

/// A curve's points, or what they are a day, or if they are days, a month.
pub(super) fn lines(chart: &Chart, names: &[&str], points: &[(String, Vec<f64>)]) -> Markup {
    let is_long = points.len() > POINTS;
    let (head, rows) =
        if is_long { long(names, points) } else { (names.iter().map(ToString::to_string).collect(), points.to_vec()) };
    let are_days = points.first().is_some_and(|(time, _)| time == day(time));
    let of = match (is_long, are_days) {
        (true, true) => "Month",
        (true, false) | (false, true) => "Day",
        (false, false) => "From",
    };
    html! {
        details {
            summary { "Table" @if is_long { " of " (of.to_lowercase()) "s" } span.unseen { " of " (chart.title) } }
            table aria-label=(chart.title) {
                thead { tr {
                    th scope="col" { (of) }
                    @for name in &head { th.number scope="col" { (name) } }
                } }
                tbody {
                    @for (time, numbers) in &rows {
                        tr { th scope="row" { (name(time)) } @for number in numbers { td.number { (amount(*number)) } } }
                    }
                }
            }
        }
    }
}

/// The average and the largest of each day's hours, or each month's days, for each line. A day that is
/// not whole says of how many, and a month always.
#[allow(clippy::cast_precision_loss)] // of a day's hours
fn long(names: &[&str], points: &[(String, Vec<f64>)]) -> (Vec<String>, Vec<(String, Vec<f64>)>) {
    let head = names.iter().flat_map(|name| [format!("{name}, average"), format!("{name}, largest")]).collect();
    let together = |time: &str| {
        let of_day = day(time);
        if time == of_day { time.get(..7).unwrap_or(time).to_string() } else { of_day.to_string() }
    };
    let rows = points.chunk_by(|(one, _), (other, _)| together(one) == together(other)).map(|some| {
        let (time, count) = (&some[0].0, some.len());
        let of = |line: usize| some.iter().filter_map(move |(_, numbers)| numbers.get(line)).copied();
        let numbers =
            (0..names.len()).flat_map(|line| [of(line).sum::<f64>() / count as f64, of(line).fold(0.0, f64::max)]);
        let part = match (time == day(time), count) {
            (true, _) => format!(" ({count} d)"),
            (false, 24) => String::new(),
            (false, _) => format!(" ({count} h)"),
        };
        (together(time) + &part, numbers.collect())
    });
    (head, rows.collect())
}

/// The numbers as CSV, with a head, lines ending as RFC 4180 says.
pub(crate) fn csv(shown: &Shown) -> String {
    let mut out = String::new();
    let mut line = |cells: Vec<String>| {
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    };
    match shown {
        Shown::Bars(rows, _) => {
            line(vec!["value".into(), "count".into()]);
            rows.iter().for_each(|(text, count)| line(vec![cell(text), count.to_string()]));
        }
        Shown::Lines(names, points) => {
            line(["from"].iter().chain(*names).map(|name| cell(name)).collect());
            for (time, numbers) in points {
                line([cell(time)].into_iter().chain(numbers.iter().map(f64::to_string)).collect());
            }
        }
    }
    out
}

/// A text in quotes. What a spreadsheet would take for a formula gets an apostrophe, which it shows as a text.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
}

/// The numbers as JSON: a list of objects.
pub(crate) fn json(shown: &Shown) -> Value {
    match shown {
        Shown::Bars(rows, _) => rows.iter().map(|(text, count)| json!({"value": text, "count": count})).collect(),
        Shown::Lines(names, points) => points
            .iter()
            .map(|(time, numbers)| {
                let mut entry = Map::from_iter([("from".to_string(), time.as_str().into())]);
                entry.extend(names.iter().zip(numbers).map(|(name, number)| ((*name).to_string(), (*number).into())));
                Value::Object(entry)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_texts_are_no_markup_and_no_formula() {
        let hostile = "<script>\u{202e}&\"=1\n".to_string() + &"x".repeat(10_000);
        let table = bars("what", &[(hostile.clone(), 3.0), (String::new(), 1.0)], 4.0).into_string();
        assert!(!table.contains("<script>") && !table.contains('\u{202e}') && table.len() < 3000, "{table}");
        assert!(table.contains("(empty)") && table.contains("75.0 %") && table.contains("width=\"33.3\""), "{table}");
        let many: Vec<_> = (0..1000).map(|at| (format!("v{at}"), 1.0)).collect();
        let folded = |count| bars("what", &many[..count], 0.0).into_string();
        assert!(!folded(BARS + 1).contains("<details") && folded(BARS + 2).contains("<summary>2 more</summary>"));
        assert!(folded(1000).contains("<summary>975 more</summary>") && folded(1000).contains("v999"));
        let shown = Shown::Bars(vec![("=1+\"2\"".into(), 1.0), ("a,b".into(), 2.5)], 4.0);
        assert_eq!(csv(&shown), "value,count\r\n\"'=1+\"\"2\"\"\",1\r\n\"a,b\",2.5\r\n");
        let lines = Shown::Lines(&["a", "b"], vec![("t".into(), vec![1.0, 2.0])]);
        assert_eq!(csv(&lines), "\"from\",\"a\",\"b\"\r\n\"t\",1,2\r\n");
        let hours: Vec<_> = (0..30).map(|n| (format!("2026-01-0{}T00:00", 1 + n / 24), vec![f64::from(n)])).collect();
        let (head, rows) = long(&["a"], &hours);
        assert_eq!(head, ["a, average", "a, largest"]);
        assert_eq!(rows, [("2026-01-01".into(), vec![11.5, 23.0]), ("2026-01-02 (6 h)".into(), vec![26.5, 29.0])]);
        let months = ["2026-01-30", "2026-01-31", "2026-02-01"].map(|day| (day.to_string(), vec![2.0]));
        let (_, rows) = long(&["a"], &months);
        assert_eq!(rows[..], [("2026-01 (2 d)".into(), vec![2.0, 2.0]), ("2026-02 (1 d)".into(), vec![2.0, 2.0])]);
        assert_eq!(json(&lines).to_string(), r#"[{"from":"t","a":1.0,"b":2.0}]"#);
    }
}
