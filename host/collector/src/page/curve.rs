//! Curves over time as SVG: areas for one line, lines for two. Colours are the style sheet's, by class. Numbers and days stand
//! beside it as text, so that it can have any width. What is drawn is said by the table below it.

use super::day;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// The drawing's size, in units that are as long as the page has it.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 100.0;

/// Lines of the scale, at most.
const STEPS: f64 = 4.0;

/// A point alone is no line: one of this width is drawn.
const ALONE: f64 = 20.0;

/// Draw them. `label` is what it shows, for who does not see it.
pub(super) fn draw(label: &str, points: &[(String, Vec<f64>)], number: impl Fn(f64) -> String) -> Markup {
    let lines = points.first().map_or(0, |(_, numbers)| numbers.len());
    let largest = points.iter().flat_map(|(_, numbers)| numbers).copied().fold(0.0, f64::max);
    let step = step(largest);
    let top = (largest / step).ceil().max(1.0) * step;
    let y = |number: f64| HEIGHT * (1.0 - number / top);
    let mut scale: Vec<_> = (0..).map(|at| f64::from(at) * step).take_while(|at| *at <= top + step / 2.0).collect();
    scale.reverse();
    html! {
        div.curve {
            div.scale aria-hidden="true" { @for at in &scale { span { (number(*at)) } " " } }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(label) {
                @for at in &scale { line.grid x2=(WIDTH) y1=(short(y(*at))) y2=(short(y(*at))) {} }
                @for line in 0..lines {
                    @let parts = parts(points, line, y);
                    @if lines == 1 { path.area d=(area(&parts)) {} }
                    path class=(format!("line line{line}")) d=(parts.iter().map(|(_, path)| path.as_str()).collect::<String>()) {}
                }
            }
            div.days aria-hidden="true" { @for day in days(points) { span { (day) } " " } }
        }
    }
}

/// The parts of a line, each with where it begins: where days are missing, nothing is drawn.
fn parts(points: &[(String, Vec<f64>)], line: usize, y: impl Fn(f64) -> f64) -> Vec<(f64, String)> {
    let times: Vec<f64> = points.iter().map(|(time, _)| seconds(time)).collect();
    let (first, last) = (times.first().copied().unwrap_or_default(), times.last().copied().unwrap_or_default());
    let gaps = times.windows(2).map(|two| two[1] - two[0]);
    let usual = gaps.filter(|gap| *gap > 0.0).fold(f64::INFINITY, f64::min);
    let x = |time: f64| (WIDTH * (time - first) / (last - first).max(1.0)).clamp(0.0, WIDTH);
    let points: Vec<_> = times.into_iter().zip(points).collect();
    let parts = points.chunk_by(|(one, _), (other, _)| other - one < usual * 1.5).map(|part| {
        let start = if part.len() == 1 { x(part[0].0).min(WIDTH - ALONE) } else { x(part[0].0) };
        let mut path = String::new();
        for (at, (time, (_, numbers))) in part.iter().enumerate() {
            let number = numbers.get(line).copied().unwrap_or_default();
            let (letter, x) = if at == 0 { ('M', start) } else { ('L', x(*time)) };
            path.push_str(&format!("{letter}{} {}", short(x), short(y(number))));
        }
        if part.len() == 1 {
            path.push_str(&format!("h{ALONE}"));
        }
        (start, path)
    });
    parts.collect()
}

fn area(parts: &[(f64, String)]) -> String {
    parts.iter().map(|(start, path)| format!("{path}V{HEIGHT}H{}Z", short(*start))).collect()
}

/// The days of the first point, of the middle, and of the last.
fn days(points: &[(String, Vec<f64>)]) -> Vec<String> {
    let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else { return Vec::new() };
    let mut days = vec![day(first).to_string(), day(last).to_string()];
    let half = SignedDuration::try_from_secs_f64((seconds(last) - seconds(first)) / 2.0);
    let start = first.get(..19).unwrap_or(first).parse::<DateTime>();
    if let (Ok(half), Ok(start)) = (half, start)
        && let Ok(middle) = start.checked_add(half)
    {
        days.insert(1, middle.date().to_string());
    }
    days.dedup();
    days
}

/// Of a time, or of a day in UTC.
#[allow(clippy::cast_precision_loss)] // of seconds since 1970
fn seconds(time: &str) -> f64 {
    let day = || time.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    let at = time.parse::<Timestamp>().ok().or_else(|| day().map(|day| day.timestamp()));
    at.map_or(0.0, |at| at.as_second() as f64)
}

/// The distance of two lines of the scale: 1, 2 or 5 times a power of ten, and whole.
fn step(largest: f64) -> f64 {
    let rough = (largest / STEPS).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= rough).unwrap_or(power)
}

/// A tenth of a pixel is enough.
fn short(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map(String::from).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(times: &[&str], numbers: &[f64]) -> String {
        let points: Vec<_> =
            times.iter().zip(numbers).map(|(time, number)| ((*time).to_string(), vec![*number])).collect();
        draw("what", &points, |number| number.to_string()).into_string()
    }

    #[test]
    fn any_number_of_points_is_drawn_within_the_drawing() {
        let hours: Vec<_> =
            (0..1000).map(|at| format!("2026-11-{:02}T{:02}:00:00Z", 1 + at / 24 % 30, at % 24)).collect();
        let hours: Vec<_> = hours.iter().map(String::as_str).collect();
        for numbers in [vec![], vec![0.0], vec![5.0], vec![1.0; 1000], vec![0.0, 1e15]] {
            let svg = drawn(&hours, &numbers);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert_eq!(svg.contains("class=\"area\""), !numbers.is_empty());
        }
        assert!(!drawn(&["", "x"], &[1.0, 2.0]).contains("NaN"));
        assert!(drawn(&hours, &[0.0, 10.0]).contains("d=\"M0 100L1000 0\""), "{}", drawn(&hours, &[0.0, 10.0]));
        assert!(drawn(&hours, &[10.0]).contains("d=\"M0 0h20\""));
    }

    #[test]
    fn it_goes_by_time_and_is_broken_where_days_are_missing() {
        let svg = drawn(&["2026-10-01", "2026-10-02", "2026-10-03", "2026-10-11"], &[10.0, 0.0, 10.0, 10.0]);
        assert!(svg.contains("d=\"M0 0L100 100L200 0M980 0h20\""), "{svg}");
        assert!(svg.contains("d=\"M0 0L100 100L200 0V100H0ZM980 0h20V100H980Z\""), "{svg}");
        assert!(svg.contains("<span>2026-10-01</span> <span>2026-10-06</span> <span>2026-10-11</span>"), "{svg}");
        let local = drawn(&["2026-10-01T23:45:00+05:45", "2026-10-03T00:45:00+05:45"], &[1.0, 2.0]);
        assert!(local.contains("<span>2026-10-01</span> <span>2026-10-02</span> <span>2026-10-03</span>"), "{local}");
    }

    #[test]
    fn scales_are_round() {
        assert_eq!([0.0, 3.0, 7.0, 40.0, 41.0, 991.0].map(step), [1.0, 1.0, 2.0, 10.0, 20.0, 500.0]);
    }
}
