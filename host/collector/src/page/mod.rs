//! The page at `/`: what the reports show, made of the exports. It is HTML and SVG made here: it asks nobody for anything,
//! needs no script, and every view has a URL. What can be seen is chosen in [`View`]; each chart's numbers are in
//! [`charts`], and are to be had as CSV and JSON.

pub mod charts;
mod curve;
pub mod data;
mod groups;
mod plugins;
mod tables;

pub(crate) use tables::{csv, json};

use charts::{CHARTS, Chart, Shown};
use data::Data;
use groups::Row;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

/// The style sheet, at `/page.css`.
pub const STYLE: &str = include_str!("page.css");

/// The icon, at `/icon.svg`.
pub const ICON: &str = include_str!("icon.svg");

/// Exports are made every hour; older than this, in seconds, they are out of date.
const OLD: i64 = 3 * 3600;

/// Characters of a text that a stranger wrote. The longest name of a firmware that makes sense has some forty.
const NAME_CHARS: usize = 80;

/// What is looked at. It is all in the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// 7 or 30.
    pub days: u32,
    /// What plugins are searched for; all if it is empty.
    pub search: String,
    /// Whether achievements are named that are a surprise.
    pub hidden: bool,
}

impl View {
    /// Of a URL's query. Whatever is no choice is as if it were not there.
    pub fn of(query: &str) -> Self {
        let mut view = Self { days: 30, search: String::new(), hidden: false };
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match (key, value) {
                ("days", "7") => view.days = 7,
                ("hidden", "yes") => view.hidden = true,
                // As a form sends it.
                ("q", text) => {
                    let text = text.replace('+', " ");
                    let text = percent_encoding::percent_decode_str(&text).decode_utf8_lossy();
                    view.search = text.trim().chars().take(NAME_CHARS).collect();
                }
                _ => {}
            }
        }
        view
    }

    /// The URL of this view.
    fn url(&self) -> String {
        let mut url = format!("/?days={}", self.days);
        if self.hidden {
            url.push_str("&hidden=yes");
        }
        if !self.search.is_empty() {
            let text = percent_encoding::utf8_percent_encode(&self.search, percent_encoding::NON_ALPHANUMERIC);
            url.push_str(&format!("&q={text}"));
        }
        url
    }
}

/// The whole page.
pub fn html(data: &Data, view: &View, now: Timestamp) -> String {
    let mut cards: Vec<&str> = CHARTS.iter().map(|chart| chart.card).collect();
    cards.dedup();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "What the reports show" }
                link rel="stylesheet" href="/page.css";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
            }
            body {
                header {
                    h1 { "What the reports show" }
                    nav aria-label="Window" { (windows(view)) }
                }
                main {
                    (old(data, now))
                    (totals(data))
                    @for card in cards {
                        section aria-label=(card) {
                            h2 { (card) }
                            div.charts {
                                @for chart in CHARTS.iter().filter(|chart| chart.card == card) { (figure(chart, data, view)) }
                            }
                        }
                    }
                    (plugins::section(data, view))
                }
                footer {
                    p {
                        "Numbers are of installations whose users opted in to usage tracking. " a href="/export/" { "All exports" }
                        " · " a href="/privacy" { "What is kept, and how to remove it" }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn windows(view: &View) -> Markup {
    html! {
        @for days in [7, 30] {
            a href=(View { days, ..view.clone() }.url()) aria-current=[(days == view.days).then_some("page")] {
                (days) " days"
            }
        }
    }
}

/// That the exports are out of date, if they are.
fn old(data: &Data, now: Timestamp) -> Markup {
    let oldest = data::KINDS.iter().filter_map(|kind| data.made(kind)).min();
    let age = oldest.map(|made| now.as_second() - made.as_second());
    html! {
        @match age {
            None => p.old role="status" { "There are no exports yet. They are made within a minute of the collector's start." },
            Some(age) if age > OLD => p.old role="status" {
                "These numbers are " (age / 3600) " hours old: the collector has made no newer ones."
            },
            Some(_) => {}
        }
    }
}

fn totals(data: &Data) -> Markup {
    let number = |kind: &str, key: &str| data.file(kind).and_then(|file| file[key].as_f64());
    let one = |title: &str, text: Option<String>, kind: &str| {
        html! {
            div.total {
                dt { (title) }
                dd { @match text { Some(text) => (text), None => "not known" } }
                dd.note { (window(data, kind)) }
            }
        }
    };
    html! {
        dl.totals {
            (one("Installations", number("instance", "count").map(whole), "instance"))
            (one("Hours of finished prints", number("printing", "total").map(|seconds| whole(seconds / 3600.0)), "printing"))
            (one("Installations that tell of achievements", number("achievements", "instances").map(whole), "achievements"))
        }
    }
}

/// The window of a file's numbers, and when they were made.
fn window(data: &Data, kind: &str) -> String {
    match data.made(kind) {
        Some(made) => format!("last {} days, as of {}", data.days, made.strftime("%Y-%m-%d %H:%M UTC")),
        None => format!("last {} days", data.days),
    }
}

fn figure(chart: &Chart, data: &Data, view: &View) -> Markup {
    let shown = chart.shown(data);
    html! {
        figure id=(chart.id) {
            figcaption {
                h3 { (chart.title) }
                @if chart.id == "achievements" { (surprises(view)) }
            }
            @match &shown {
                None => p.none { "Not known: the file of these numbers is missing, or has none." },
                Some(Shown::Bars(rows)) if rows.is_empty() => p.none { "Nothing was reported." },
                Some(Shown::Lines(_, points)) if points.is_empty() => p.none { "Nothing was reported for long enough." },
                Some(Shown::Bars(rows)) => {
                    (tables::bars(chart.title, &named(chart, rows, view), chart.whole(data, rows)))
                    (bars_note(chart, data, rows))
                },
                Some(Shown::Lines(names, points)) => {
                    (curve::draw(chart.title, points, axis))
                    @if names.len() > 1 {
                        p.legend { @for (at, name) in names.iter().enumerate() { span class=(format!("key line{at}")) { (name) } } }
                    }
                    (tables::lines(chart, names, points))
                    p.note { (lines_note(chart, data, points)) (downloads(chart, data)) }
                },
            }
        }
    }
}

fn bars_note(chart: &Chart, data: &Data, rows: &[Row]) -> Markup {
    let count = rows.iter().map(|(_, count)| count).sum::<f64>();
    let counts = match chart.whole(data, rows) {
        Some(of) if chart.kind == "achievements" => format!("of {} installations that tell of any", whole(of)),
        _ => format!("{} in all, and an installation counts once for each value that it had", whole(count)),
    };
    html! { p.note { (window(data, chart.kind)) "; " (counts) ". " (downloads(chart, data)) } }
}

fn lines_note(chart: &Chart, data: &Data, points: &[(String, Vec<f64>)]) -> String {
    let count = whole_of(points.len());
    let (first, last) =
        (points.first().map_or("", |(time, _)| day(time)), points.last().map_or("", |(time, _)| day(time)));
    match chart.kind {
        "" => format!("{count} days, {first} to {last}. "),
        kind => format!("{}; {count} points, {first} to {last}, of which each is whole. ", window(data, kind)),
    }
}

fn downloads(chart: &Chart, data: &Data) -> Markup {
    let url = |form: &str| format!("/chart/{}.{form}?days={}", chart.id, data.days);
    html! { a href=(url("csv")) { "CSV" } " " a href=(url("json")) { "JSON" } }
}

/// The rows as they are named in this view.
fn named(chart: &Chart, rows: &[Row], view: &View) -> Vec<Row> {
    let name = |name: &str| match chart.id {
        "achievements" if groups::is_hidden(name) && !view.hidden => "a surprise".into(),
        "achievements" => groups::title(name),
        _ => name.to_string(),
    };
    rows.iter().map(|(text, count)| (name(text), *count)).collect()
}

fn surprises(view: &View) -> Markup {
    let other = View { hidden: !view.hidden, ..view.clone() };
    html! {
        p.note { a href=(format!("{}#achievements", other.url())) {
            @if view.hidden { "Hide those that are a surprise" } @else { "Name those that are a surprise" }
        } }
    }
}

/// A number with commas: `33,305`.
fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many there are.
#[allow(clippy::cast_precision_loss)] // of rows and points
fn whole_of(count: usize) -> String {
    whole(count as f64)
}

/// The day of a time: `2026-11-27T03:00:00+00:00` or `2026-11-27`.
fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// A number of a chart: whole, but for hours.
fn amount(number: f64) -> String {
    if number.fract() == 0.0 { whole(number) } else { format!("{number:.1}") }
}

/// The same where there is little room.
fn axis(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{}M", n / 1e6),
        n if n >= 1e4 => format!("{}k", n / 1e3),
        n => whole(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_its_url() {
        let view = View::of("days=7&q=a%20b%C3%BC+c&hidden=yes&other=1&=&&");
        assert_eq!(view, View { days: 7, search: "a bü c".into(), hidden: true });
        assert_eq!(View::of(view.url().split_once('?').unwrap().1), view);
        assert_eq!(View::of("days=99&hidden=1&q=").url(), "/?days=30");
        assert_eq!(View::of(&format!("q={}", "ü".repeat(1000))).search.chars().count(), NAME_CHARS);
    }

    #[test]
    fn numbers_are_read_easily() {
        assert_eq!([0.0, 999.0, 1000.0, 1_234_567.0].map(whole), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([500.0, 20_000.0, 1_500_000.0].map(axis), ["500", "20k", "1.5M"]);
        assert_eq!([1.5, 1234.0].map(amount), ["1.5", "1,234"]);
    }
}
