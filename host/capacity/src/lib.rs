//! How much a malicious component could at most hide in its reports, in bits, from its manifest alone. It is outside the
//! trusted core: nothing that is enforced depends on it. All formulas, their reasons and what they leave out are in
//! `host/docs/capacity.md`.

mod table;
mod values;
mod words;

use glassbox_describe::free;
use glassbox_sandbox::limits;
use glassbox_sandbox::manifest::{Manifest, Says};
use std::collections::BTreeSet;
pub use table::as_markdown;
pub use words::bits;

/// After so many milliseconds a call that has failed is made again, if a report is due; then it is given up. As in
/// `host/src/plugins/running_plugin/rollback.rs`.
const AGAIN: [u128; 4] = [0, 1000, 5000, 30_000];

/// Milliseconds in a day: a component's clock is that fine.
const DAY_MS: f64 = 86_400_000.0;

/// What a component could hide.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// In one report of each name, in the manifest's order.
    pub reports: Vec<Report>,
    /// In a day.
    pub day: Day,
}

/// What could be hidden in one report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its name in the manifest.
    pub request: String,
    /// In what it says: nothing where the host makes all of it.
    pub values: f64,
    /// In whether, and in which of its forms, it is sent; or, if it is sent [at will](Self::at_will), when.
    pub sent: f64,
    /// How many forms there are of it, of which one is sent.
    pub forms: usize,
    /// Whether the component decides when it is sent.
    pub at_will: bool,
}

impl Report {
    /// In all of it.
    pub fn bits(&self) -> f64 {
        self.values + self.sent
    }
}

/// What could be hidden in the reports of a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// In those that are due in a rhythm, as the manifest sets it.
    pub rhythm: f64,
    /// Their names.
    pub in_rhythm: Vec<String>,
    /// In each further one that the host makes when something happens: the least and the most; none if there are none.
    pub further: Option<(f64, f64)>,
    /// In those that are sent at will, as many as the host lets through.
    pub at_will: f64,
}

impl Capacity {
    /// From a manifest.
    ///
    /// ```
    /// use glassbox_capacity::Capacity;
    /// use glassbox_sandbox::Manifest;
    ///
    /// let manifest = r#"
    ///     plugin.name = "hours"
    ///     [[sees]]
    ///     event = "PrintDone"
    ///     fields = ["time"]
    ///     [[says]]
    ///     request = "print_done"
    ///     method = "GET"
    ///     on = ["PrintDone"]
    ///     fields = [{ name = "time", from = "PrintDone.time", pattern = "[0-9]+" }]
    /// "#;
    /// let report = &Capacity::of(&Manifest::parse(manifest)?).reports[0];
    /// assert_eq!((report.values, report.sent), (0.0, 1.0));
    ///
    /// let free = Manifest::parse(&manifest.replace(r#"from = "PrintDone.time", "#, ""))?;
    /// assert!(Capacity::of(&free).reports[0].values > 800.0, "256 digits of its choice");
    /// # Ok::<(), glassbox_sandbox::manifest::Malformed>(())
    /// ```
    pub fn of(manifest: &Manifest) -> Self {
        let mut reports: Vec<Report> = Vec::new();
        for says in &manifest.says {
            if !reports.iter().any(|report| report.request == says.request) {
                reports.push(Report::of(&says.request, manifest));
            }
        }
        let day = Day::of(&reports, manifest);
        Self { reports, day }
    }

    /// What a report, or a day, could hide more or less than before, each in a line like `ping: 1 bit -> 25 bits`.
    pub fn changes_from(&self, before: &Self) -> Vec<String> {
        let of = |capacity: &Self, request: &str| {
            capacity.reports.iter().find(|report| report.request == request).map(Report::bits)
        };
        let mut changes = Vec::new();
        for report in &self.reports {
            let old = of(before, &report.request);
            if old != Some(report.bits()) {
                changes.push(format!(
                    "{}: {} -> {}",
                    report.request,
                    bits(old.unwrap_or_default()),
                    bits(report.bits())
                ));
            }
        }
        if self.day != before.day {
            changes.push(format!("in a day: {} -> {}", before.day, self.day));
        }
        changes
    }

    /// In how long a call takes, and how often it fails before what is due is sent, beside all else: a report leaves at one
    /// of so many moments. The journal shows each call that is slow, and each that fails.
    pub fn delay() -> f64 {
        let mark = |ms: u128| ms / limits::DEPARTURE.as_millis();
        let mut began = 0;
        let tries = [0].into_iter().chain(AGAIN).zip(1..).flat_map(|(pause, count)| {
            began += pause;
            // Those before it may have taken as long.
            mark(began) + 1..=mark(began + count * limits::CALL_TIME.as_millis())
        });
        #[allow(clippy::cast_precision_loss)] // some hundred
        let marks = tries.collect::<BTreeSet<_>>().len() as f64;
        marks.log2()
    }
}

impl Report {
    fn of(request: &str, manifest: &Manifest) -> Self {
        let entries = || manifest.says.iter().filter(|says| says.request == request);
        let at_will = entries().any(free::is_at_will);
        // One of them is sent, on one of its occasions: that it waits for any is known by the name that they share.
        let once = entries().filter(|says| says.once.is_some());
        let forms = once.map(|says| says.on.len()).sum::<usize>().max(1);
        #[allow(clippy::cast_precision_loss)] // a list in a manifest
        let sent = if at_will { DAY_MS.log2() } else { (forms as f64 + 1.0).log2() };
        let values = entries().map(|says| values_of(says, manifest)).fold(0.0, f64::max);
        Self { request: request.into(), values, sent, forms, at_will }
    }
}

/// What could be hidden in what one entry of the manifest says.
fn values_of(says: &Says, manifest: &Manifest) -> f64 {
    let fields = says.fields.iter().filter(|field| free::is_field(field, says));
    let fields: f64 = fields.map(|field| values::of_rule(&field.rule, field.optional)).sum();
    let variable = says.variable.iter().filter(|variable| variable.from.is_empty());
    let name: f64 = variable.map(|variable| values::of_name(&variable.rule)).sum();
    #[allow(clippy::cast_precision_loss)] // it is small
    let most = limits::REQUEST as f64 * 8.0;
    (fields + name).min(most) + values::of_agent(&manifest.capabilities.user_agent)
}

impl Day {
    fn of(reports: &[Report], manifest: &Manifest) -> Self {
        let is_of = |says: &&Says, report: &Report| says.request == report.request;
        let every = |report: &Report| {
            manifest.says.iter().filter(|says| is_of(says, report)).find_map(|says| says.every.as_ref())
        };
        let (at_will, made): (Vec<_>, Vec<_>) = reports.iter().partition(|report| report.at_will);
        // One that is due in a rhythm may be sent on events as well, in another form.
        let regular: Vec<_> = made.iter().filter(|report| every(report).is_some()).collect();
        let on_events = |report: &Report| manifest.says.iter().any(|says| is_of(&says, report) && says.every.is_none());
        let further = made.iter().filter(|report| on_events(report));
        let times = |report: &Report| match every(report).map_or(0, |every| every.default) {
            0 => 0.0,
            #[allow(clippy::cast_precision_loss)] // at most the seconds of a day
            seconds => (86_400 / seconds).max(1) as f64,
        };
        let further = further.map(|report| report.bits());
        let most = further.clone().reduce(f64::max);
        Self {
            rhythm: regular.iter().map(|report| times(report) * report.bits()).sum(),
            in_rhythm: regular.iter().map(|report| report.request.clone()).collect(),
            further: further.reduce(f64::min).zip(most),
            at_will: if at_will.is_empty() { 0.0 } else { Self::at_will(&at_will) },
        }
    }

    /// As many reports as pass the rate limit, each one of all that can be said, in milliseconds of its choice.
    fn at_will(reports: &[&Report]) -> f64 {
        #[allow(clippy::cast_precision_loss)] // it is small
        let refilled = DAY_MS * 1e6 / limits::REFILL as f64;
        let most = refilled + f64::from(limits::BURST);
        let when = (std::f64::consts::E * (DAY_MS + most) / most).log2();
        most * (values::any_of(reports.iter().map(|report| report.values)) + when)
    }
}
