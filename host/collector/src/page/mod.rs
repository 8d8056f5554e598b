//! The page at `/`: what the reports show, made of the exports and of what is counted with them. It is HTML and SVG made here:
//! it asks nobody for anything, needs no script, and every view has a URL. What can be seen is chosen in [`View`]; each chart's
//! numbers are in [`charts`], and are to be had as CSV and JSON.

pub mod charts;
mod curve;
pub mod data;
mod old;
mod plugins;
mod tables;

pub(crate) use tables::{csv, json};

use crate::exports::groups;
use charts::{CHARTS, Chart, OTHERS, Row, Shown};
use data::Data;
use glassbox_util::text::printable;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

/// The style sheet, at `/page.css`.
pub const STYLE: &str = include_str!("page.css");

/// The icon, at `/icon.svg`.
pub const ICON: &str = include_str!("icon.svg");

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
                    view.search = printable(text.trim(), NAME_CHARS);
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
    let main = html! {
        (old::banner(data, now))
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
    };
    let window = format!(": last {} days", view.days);
    document("What the reports show", &window, &html! { nav aria-label="Window" { (windows(view)) } }, &main)
}

/// The exports by their names.
pub(crate) fn list(names: impl Iterator<Item = String>) -> String {
    let main = html! {
        p { "What all reports add up to, as files of JSON, made every hour." }
        ul { @for name in names { li { a href=(format!("/export/{name}")) { (name) } } } }
    };
    document("All exports", "", &html! { a href="/" { "What the reports show" } }, &main)
}

/// A page under a heading: beside that what can be chosen, and in the page's title what is chosen.
fn document(heading: &str, chosen: &str, beside: &Markup, main: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (heading) (chosen) }
                link rel="stylesheet" href="/page.css";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
            }
            body {
                header {
                    h1 { (heading) }
                    (beside)
                }
                main { (main) }
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
            " "
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
                dd.note { (data.window(Some(kind))) }
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

fn figure(chart: &Chart, data: &Data, view: &View) -> Markup {
    html! {
        figure id=(chart.id) class=[chart.is_wide().then_some("wide")] aria-label=(chart.title) {
            figcaption {
                h3 { (chart.title) }
                @if chart.id == "achievements" { (surprises(view)) }
            }
            @match shown(chart, data, view) {
                None => (nothing("Not known: the file of these numbers is missing, or has none.", chart, data)),
                Some(Shown::Bars(rows, _)) if rows.is_empty() => (nothing("Nothing was reported.", chart, data)),
                Some(Shown::Lines(_, points)) if points.is_empty() => (nothing("Nothing was reported for long enough.", chart, data)),
                Some(Shown::Bars(rows, of)) => {
                    (tables::bars(chart.title, &titled(chart, &rows), of))
                    p.note { (bars_note(chart, data, &rows, of)) (downloads(chart, data, view)) }
                },
                Some(Shown::Lines(names, points)) => {
                    (curve::draw(chart.title, &points, axis))
                    @if names.len() > 1 {
                        p.legend { @for (at, name) in names.iter().enumerate() { span class=(format!("key line{at}")) { (name) } " " } }
                    }
                    (tables::lines(chart, names, &points))
                    p.note { (lines_note(chart, data, &points)) (downloads(chart, data, view)) }
                },
            }
        }
    }
}

fn nothing(what: &str, chart: &Chart, data: &Data) -> Markup {
    html! { p.none { (what) } p.note { (data.window(chart.kind())) } }
}

fn bars_note(chart: &Chart, data: &Data, rows: &[Row], of: f64) -> String {
    let whom =
        if chart.id == "achievements" { " that tell of any" } else { "; one that had several values counts in each" };
    let few = few(data).map(|few| format!(", and those that fewer than {few} installations share")).unwrap_or_default();
    let has_others = rows.last().is_some_and(|(name, _)| name == OTHERS);
    let others = if has_others { format!("{OTHERS} are all further values{few}. ") } else { String::new() };
    let installations = if of == 1.0 { "installation" } else { "installations" };
    format!("{}; of {} {installations}{whom}. {others}", data.window(chart.kind()), whole(of))
}

/// How many have to share a stranger's text, if it is not shown otherwise.
fn few(data: &Data) -> Option<u64> {
    data.file("bars")?["threshold"].as_u64().filter(|few| *few > 1)
}

fn lines_note(chart: &Chart, data: &Data, points: &[(String, Vec<f64>)]) -> String {
    let count = whole_of(points.len());
    let (first, last) =
        (points.first().map_or("", |(time, _)| day(time)), points.last().map_or("", |(time, _)| day(time)));
    let what = if chart.kind().is_some() { "point" } else { "day" };
    let many = if points.len() == 1 { "" } else { "s" };
    format!("{}; {count} {what}{many}, {first} to {last}, of which each is whole. ", data.window(chart.kind()))
}

fn downloads(chart: &Chart, data: &Data, view: &View) -> Markup {
    let more = if chart.id == "achievements" && view.hidden { "&hidden=yes" } else { "" };
    let url = |form: &str| format!("/chart/{}.{form}?days={}{more}", chart.id, data.days);
    html! {
        @for (form, text) in [("csv", "CSV"), ("json", "JSON")] {
            a href=(url(form)) { (text) span.unseen { " of " (chart.title) } } " "
        }
    }
}

/// A chart's numbers in this view: achievements that are a surprise are not named unless asked for.
pub(crate) fn shown(chart: &Chart, data: &Data, view: &View) -> Option<Shown> {
    let mut shown = chart.shown(data)?;
    if let Shown::Bars(rows, _) = &mut shown
        && chart.id == "achievements"
        && !view.hidden
    {
        rows.iter_mut().filter(|(key, _)| groups::is_hidden(key)).for_each(|(key, _)| *key = "a_surprise".into());
    }
    Some(shown)
}

/// The name of a file with a chart's numbers: which, of what, as of when.
pub(crate) fn file_name(chart: &Chart, data: &Data, form: &str) -> String {
    let days = chart.kind().map_or(String::new(), |_| format!("-{}d", data.days));
    let made = data.at(chart.kind()).map_or(String::new(), |made| made.strftime("-%Y%m%dT%H%MZ").to_string());
    format!("{}{days}{made}.{form}", chart.id)
}

/// The rows as they are named on the page.
fn titled(chart: &Chart, rows: &[Row]) -> Vec<Row> {
    let title = |key: &str| if chart.id == "achievements" { groups::title(key) } else { key.into() };
    rows.iter().map(|(key, count)| (title(key), *count)).collect()
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
