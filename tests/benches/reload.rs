//! Exchanging versions of a plugin while events flow, over the whole program.

use crate::Sheet;
use glassbox_tests::load::exchange;
use std::path::Path;

pub fn measure(sheet: &mut Sheet) {
    let figures = exchange(Path::new(env!("CARGO_BIN_EXE_glassbox")), 1000, 20, 5000);
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    sheet.line("1000 exchanges, events a second meanwhile", &format!("{:.0}", figures.rate));
    sheet.bound("  events lost, doubled or out of order", lost(&figures), "", 0.0);
    sheet.line("  from drop to taking over, compiled before (median)", &format!("{:.0} ms", ms(figures.warm)));
    sheet.bound("  from drop to taking over, cold (the slowest of 22)", ms(figures.cold), "ms", 500.0);
    sheet.bound("  from an event's coming to its being handled, 99.9 %", nearly_all(&figures.waits), "ms", 10.0);
    println!("  ({})", figures.waits);
}

fn lost(figures: &glassbox_tests::load::Figures) -> f64 {
    (figures.wrong + figures.events.abs_diff(figures.counted)) as f64
}

/// `.., 99.9 % within 1.5ms, ..` in milliseconds.
fn nearly_all(waits: &str) -> f64 {
    let text = waits.split("99.9 % within ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
    let (number, scale) = match text {
        text if text.ends_with("µs") => (text.trim_end_matches("µs"), 1e-3),
        text if text.ends_with("ms") => (text.trim_end_matches("ms"), 1.0),
        text => (text.trim_end_matches('s'), 1e3),
    };
    number.parse::<f64>().map_or(f64::INFINITY, |number| number * scale)
}
