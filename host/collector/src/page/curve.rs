//! Curves over time as SVG: areas for one line, lines for two. Colours are the style sheet's, by class. What is drawn is said
//! by the table beside it, so that this needs no words but those of its axes.

use super::day;
use maud::{Markup, html};

/// The drawing's size, in units that are pixels on a phone.
const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 150.0;
/// Left of it are the numbers, below it the days.
const LEFT: f64 = 44.0;
const BELOW: f64 = 18.0;
const TOP: f64 = 8.0;

/// Lines of the scale, at most.
const STEPS: f64 = 4.0;

/// Draw them. `label` is what it shows, for who does not see it.
pub(super) fn draw(label: &str, points: &[(String, Vec<f64>)], number: impl Fn(f64) -> String) -> Markup {
    let lines = points.first().map_or(0, |(_, numbers)| numbers.len());
    let largest = points.iter().flat_map(|(_, numbers)| numbers).copied().fold(0.0, f64::max);
    let step = step(largest);
    let top = (largest / step).ceil().max(1.0) * step;
    let y = |number: f64| TOP + (HEIGHT - TOP - BELOW) * (1.0 - number / top);
    let scale = (0..).map(|at| f64::from(at) * step).take_while(|at| *at <= top + step / 2.0);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
            @for at in scale {
                line.grid x1=(LEFT) x2=(WIDTH) y1=(short(y(at))) y2=(short(y(at))) {}
                text.axis x=(LEFT - 4.0) y=(short(y(at) + 3.5)) text-anchor="end" { (number(at)) }
            }
            @for line in 0..lines {
                @let path = path(points, line, y);
                @if lines == 1 {
                    path.area d=(format!("{path}V{0}H{1}Z", short(y(0.0)), short(x(0, points.len())))) {}
                }
                path class=(format!("line line{line}")) d=(path) {}
            }
            @for (at, anchor) in [(0, "start"), (points.len() / 2, "middle"), (points.len().saturating_sub(1), "end")] {
                @if let Some((time, _)) = points.get(at) && (at > 0 || anchor == "start") {
                    text.axis x=(short(x(at, points.len()))) y=(HEIGHT - 4.0) text-anchor=(anchor) { (day(time)) }
                }
            }
        }
    }
}

fn path(points: &[(String, Vec<f64>)], line: usize, y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    for (at, (_, numbers)) in points.iter().enumerate() {
        let number = numbers.get(line).copied().unwrap_or_default();
        path.push(if at == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", short(x(at, points.len())), short(y(number))));
    }
    if points.len() == 1 {
        // One point is no line: a short one is drawn.
        path.push_str("h3");
    }
    path
}

#[allow(clippy::cast_precision_loss)] // some thousand points
fn x(at: usize, of: usize) -> f64 {
    LEFT + (WIDTH - LEFT - 4.0) * at as f64 / (of.max(2) - 1) as f64
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

    fn drawn(numbers: &[f64]) -> String {
        let points: Vec<_> = numbers.iter().map(|number| ("2026-11-27T03:00:00Z".into(), vec![*number])).collect();
        draw("what", &points, |number| number.to_string()).into_string()
    }

    #[test]
    fn any_number_of_points_is_drawn_within_the_drawing() {
        for numbers in [vec![], vec![0.0], vec![5.0], vec![1.0; 1000], vec![0.0, 1e15]] {
            let svg = drawn(&numbers);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert_eq!(svg.contains("class=\"area\""), !numbers.is_empty());
        }
        assert!(drawn(&[0.0, 10.0]).contains("M44 132L336 8"), "{}", drawn(&[0.0, 10.0]));
    }

    #[test]
    fn scales_are_round() {
        assert_eq!([0.0, 3.0, 7.0, 40.0, 41.0, 991.0].map(step), [1.0, 1.0, 2.0, 10.0, 20.0, 500.0]);
    }
}
