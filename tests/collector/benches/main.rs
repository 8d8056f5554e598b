//! What the collector costs, printed as figures and ratios of one run: `cargo bench -p glassbox-collector`.
//!
//! Each line ends with the bound that the project holds itself to, and `ok` or `MISSED`; the exit status is 1 if one is
//! missed.
#![allow(missing_docs)]

mod load;
mod process;
mod server;
#[path = "../../benches/sheet.rs"]
mod sheet;
mod store;

use sheet::{Sheet, run};

fn main() {
    run(&[("speed", server::speed), ("day", server::day), ("store", store::measure), ("idle", server::idle)]);
}

impl Sheet {
    pub fn figure(&mut self, what: &str, value: f64, unit: &str) {
        self.line(what, &format!("{value:.2} {unit}"));
    }

    pub fn at_least(&mut self, what: &str, value: f64, unit: &str, least: f64) {
        self.verdict(what, value, unit, &format!("at least {least} {unit}"), value >= least);
    }
}
