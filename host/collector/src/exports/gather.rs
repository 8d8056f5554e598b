//! One pass over the days, oldest first, which gathers what both windows count.

use super::environment::{Environments, Field, texts};
use super::plugins::{Plugins, achievements, plugin_id};
use super::read::Day;
use super::tally::{Pairs, Words};
use super::times::{DAY, HOUR, Window};
use crate::store::{Store, schema};
use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Quarters of an hour in a day.
const QUARTERS: usize = 96;

/// What is counted in a window.
#[derive(Default)]
pub(super) struct Tally {
    /// All installations, under one value.
    pub(super) all: Pairs,
    pub(super) versions: Pairs,
    /// Who came from which country.
    pub(super) countries: Pairs,
    pub(super) hours: BTreeMap<i64, u64>,
    pub(super) printed: i64,
    pub(super) printed_with: HashMap<u32, i64>,
    /// Who finished a print with which version.
    pub(super) printers: Pairs,
    pub(super) printed_hours: BTreeMap<i64, i64>,
    /// Installations a day with Python 2, and with 3.
    pub(super) pythons: [BTreeMap<i64, u64>; 2],
    /// Environments of any report, of pongs, and of the web interface.
    environments: [Pairs; 3],
    lists: Pairs,
    unlocked_lists: Pairs,
    pub(super) installs: Pairs,
    pub(super) uninstalls: Pairs,
    pub(super) plugins: Plugins,
    /// Who tells of achievements at all, under one value, and who has which.
    pub(super) achievers: Pairs,
    pub(super) unlocked: Pairs,
    counted: Vec<(Field, Pairs)>,
}

/// What a pass has found.
pub(super) struct Gathered {
    pub(super) tallies: [Tally; 2],
    pub(super) words: Words,
    /// Days that could not be read, and why.
    pub(super) problems: Vec<String>,
}

impl Tally {
    /// Who had which value of a field: of pongs, of the web interface, or of any report, as the field is.
    pub(super) fn counted(&mut self, field: Field) -> &mut Pairs {
        let at = self.counted.iter().position(|(one, _)| *one == field).unwrap_or_else(|| {
            self.counted.push((field, Pairs::default()));
            self.counted.len() - 1
        });
        &mut self.counted[at].1
    }

    /// Which of its three lists of environments a field is counted in.
    fn source(field: Field) -> usize {
        match field {
            Field::Python | Field::Firmware => 0,
            Field::Browser | Field::BrowserVersion | Field::ClientOs => 2,
            _ => 1,
        }
    }

    fn resolve(&mut self, environments: &mut Environments, words: &mut Words) -> Result<()> {
        for source in 0..self.environments.len() {
            let mut pairs = std::mem::take(&mut self.environments[source]);
            for (number, installation) in pairs.all() {
                for (field, value) in &environments.get(number, words)?.values {
                    if Self::source(*field) == source {
                        self.counted(*field).add(*value, installation);
                    }
                }
            }
        }
        let shared = environments.shared();
        self.plugins = Plugins::new(&mut std::mem::take(&mut self.lists), shared, words)?;
        for (_, installation) in self.unlocked_lists.all() {
            self.achievers.add(0, installation);
        }
        self.unlocked = achievements(&mut self.unlocked_lists, shared, words)?;
        Ok(())
    }
}

/// Gather what the windows count. A day that cannot be read is left out.
pub(super) fn gather(store: &Store, windows: &[Window; 2]) -> Result<Gathered> {
    let mut gathered = Gathered { tallies: Default::default(), words: Words::default(), problems: Vec::new() };
    let file = store.shared();
    if !file.exists() {
        return Ok(gathered);
    }
    let shared = schema::open_to_read(&file, schema::SHARED).with_context(|| format!("reading {}", file.display()))?;
    let mut environments = Environments::new(shared);
    let date = |at: i64| Timestamp::from_second(at).map(|at| at.to_zoned(TimeZone::UTC).date());
    let from = date(windows.iter().map(|window| window.full_hour).min().unwrap_or_default())?;
    let to = date(windows[0].now)?;
    for day in store.days()?.into_iter().filter(|day| (from..=to).contains(day)) {
        match Day::read(store, day) {
            Ok(rows) => add_day(day, rows, windows, &mut gathered, &mut environments)?,
            Err(error) => gathered.problems.push(format!("{}: {error:#}", store.day(day).display())),
        }
    }
    for tally in &mut gathered.tallies {
        tally.resolve(&mut environments, &mut gathered.words)?;
    }
    Ok(gathered)
}

fn add_day(
    day: Date,
    rows: Day,
    windows: &[Window; 2],
    gathered: &mut Gathered,
    environments: &mut Environments,
) -> Result<()> {
    let Gathered { tallies, words, .. } = gathered;
    let start = day.to_zoned(TimeZone::UTC)?.timestamp().as_second();
    let names: HashMap<u32, u32> = rows.names.iter().map(|(number, text)| (*number, words.number(text))).collect();
    let countries: HashMap<u32, u32> =
        rows.countries.iter().map(|(number, text)| (*number, words.number(text))).collect();
    let nowhere = words.number("");
    let country = |place| countries.get(&place).copied().unwrap_or(nowhere);
    let event =
        ["pong", "webui_load", "print_done", "install_plugin", "uninstall_plugin"].map(|name| words.number(name));
    let mut quarters: HashMap<u32, u128> = HashMap::new();
    for pings in &rows.pings {
        *quarters.entry(pings.installation).or_default() |= pings.quarters;
        let version = names.get(&pings.version).copied().unwrap_or_default();
        for (window, tally) in windows.iter().zip(&mut *tallies) {
            if start + pings.last >= window.since && start + pings.first <= window.now {
                tally.all.add(0, pings.installation);
                tally.versions.add(version, pings.installation);
                tally.countries.add(country(pings.place), pings.installation);
            }
        }
    }
    let mut pythons: [[HashSet<u32>; 2]; 2] = Default::default();
    for report in &rows.reports {
        let (at, installation) = (start + report.second, report.installation);
        // All windows end now.
        if at > windows[0].now {
            continue;
        }
        *quarters.entry(installation).or_default() |= 1 << (report.second / 900);
        let name = names.get(&report.event).copied().unwrap_or_default();
        let version = names.get(&report.version).copied().unwrap_or_default();
        let fields: Map<String, Value> =
            report.fields.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let seconds =
            texts(fields.get("elapsed")).iter().filter_map(|text| text.parse().ok()).fold(0, i64::saturating_add);
        let environment = report.environment.map(|number| environments.get(number, words).cloned()).transpose()?;
        for ((window, tally), pythons) in windows.iter().zip(&mut *tallies).zip(&mut pythons) {
            if window.histogram_has(at) {
                if name == event[2] {
                    add(tally.printed_hours.entry(at.div_euclid(HOUR) * HOUR).or_default(), seconds);
                }
                for (class, set) in pythons.iter_mut().enumerate() {
                    if environment.as_ref().is_some_and(|environment| environment.pythons[class]) {
                        set.insert(installation);
                    }
                }
            }
            if !window.has(at) {
                continue;
            }
            tally.all.add(0, installation);
            tally.versions.add(version, installation);
            tally.countries.add(country(report.place), installation);
            if let Some(number) = report.environment {
                tally.environments[0].add(number, installation);
                if name == event[0] {
                    tally.environments[1].add(number, installation);
                } else if name == event[1] {
                    tally.environments[2].add(number, installation);
                }
            }
            if let Some(number) = report.plugins {
                tally.lists.add(number, installation);
            }
            if let Some(number) = report.achievements {
                tally.unlocked_lists.add(number, installation);
            }
            if name == event[2] {
                add(&mut tally.printed, seconds);
                add(tally.printed_with.entry(version).or_default(), seconds);
                tally.printers.add(version, installation);
            }
            for (which, pairs) in [(event[3], &mut tally.installs), (event[4], &mut tally.uninstalls)] {
                let ids = texts(fields.get("plugin")).into_iter().filter(|_| name == which);
                for id in ids.filter_map(|id| plugin_id(&id)) {
                    pairs.add(words.number(&id), installation);
                }
            }
        }
    }
    for ((window, tally), pythons) in windows.iter().zip(tallies).zip(pythons) {
        add_hours(start, &quarters, window, &mut tally.hours);
        for (set, days) in pythons.iter().zip(&mut tally.pythons) {
            if !set.is_empty() {
                days.insert(start, set.len() as u64);
            }
        }
    }
    Ok(())
}

/// In a damaged day any number may be.
fn add(sum: &mut i64, seconds: i64) {
    *sum = sum.saturating_add(seconds);
}

/// How many installations there were in each hour of a day.
fn add_hours(start: i64, quarters: &HashMap<u32, u128>, window: &Window, hours: &mut BTreeMap<i64, u64>) {
    let inside = (0..QUARTERS).zip((start..).step_by(900)).filter(|(_, at)| window.histogram_has(*at));
    let inside = inside.fold(0_u128, |mask, (quarter, _)| mask | 1 << quarter);
    let mut counts = [0_u64; 24];
    for mask in quarters.values() {
        for (hour, count) in counts.iter_mut().enumerate() {
            *count += u64::from((mask & inside) >> (hour * 4) & 0xf != 0);
        }
    }
    for (count, at) in counts.iter().zip((start..start + DAY).step_by(3600)) {
        if *count > 0 {
            hours.insert(at, *count);
        }
    }
}
