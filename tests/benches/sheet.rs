//! The frame of a benchmark: the parts that are measured, what they print, and whether they keep to their bounds. Also
//! included by the collector's.

/// A part of a benchmark, by its name.
pub type Part = (&'static str, fn(&mut Sheet));

/// Measure the parts that the command line names, or all, in this order. The exit status is 1 if a bound is missed.
pub fn run(all: &[Part]) {
    // `cargo test --benches` asks for one quick look, not for figures.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    // `cargo bench -- farm` names one.
    let named: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut sheet = Sheet::default();
    for (name, measure) in all {
        if named.is_empty() || named.iter().any(|named| named == name) {
            measure(&mut sheet);
        }
    }
    if sheet.missed > 0 {
        std::process::exit(1);
    }
}

/// Prints figures, and counts those that miss their bound.
#[derive(Default)]
pub struct Sheet {
    missed: usize,
}

impl Sheet {
    pub fn line(&mut self, what: &str, figure: &str) {
        println!("{what:62} {figure:>14}");
    }

    pub fn bound(&mut self, what: &str, value: f64, unit: &str, most: f64) {
        self.verdict(what, value, unit, &format!("at most {most} {unit}"), value <= most);
    }

    /// A figure with a bound in words, and whether it keeps to that.
    pub fn verdict(&mut self, what: &str, value: f64, unit: &str, bound: &str, kept: bool) {
        let verdict = if kept { "ok" } else { "MISSED" };
        self.missed += usize::from(!kept);
        println!("{what:62} {:>14}  {bound}: {verdict}", format!("{value:.2} {unit}"));
    }
}
