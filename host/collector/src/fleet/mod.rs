//! A fleet that is made up, for the demo, tests and benches: installations over some days, from a seed, put into a store by
//! its own row writer; and what must come out of it.

mod choices;
mod machine;

use crate::store::writer::Writer;
use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use machine::Machine;
use std::collections::{BTreeMap, HashMap, HashSet};

const DAY: i64 = 86_400;

/// Which fleet.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The same seed makes the same fleet.
    pub seed: u64,
    /// How many there are.
    pub installations: u32,
    /// Over how many times 24 hours, up to now. The first and the last day may be parts of one.
    pub days: u32,
    /// The last second in which anything is reported.
    pub now: Timestamp,
    /// Prints, startups, visits, updates, and times in which they are switched off; or just a pong a day, and a ping each
    /// quarter of an hour of all of them.
    pub everything: bool,
}

/// What a window of days must add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Installations that reported.
    pub installations: u64,
    /// Of all finished prints.
    pub print_seconds: i64,
    /// Installations that tell of achievements.
    pub achievers: u64,
    /// Installations with each version of OctoPrint.
    pub versions: BTreeMap<String, u64>,
    /// Installations with each plugin.
    pub plugins: BTreeMap<String, u64>,
}

/// Put the fleet into a store; what the last 7 and 30 days must add up to.
///
/// # Errors
/// When the store cannot be written.
pub fn fill(writer: &mut Writer, plan: &Plan) -> Result<[Totals; 2]> {
    let fleet: Vec<_> = (0..plan.installations).map(|number| Machine::new(plan.seed, number)).collect();
    let now = plan.now.as_second();
    let mut seen = [7, 30].map(|days| Seen { since: now - days * DAY, ..Seen::default() });
    for (day, start) in (0..).zip(days(plan)) {
        let date = Timestamp::from_second(start)?.to_zoned(TimeZone::UTC).date();
        // All that is within the plan, in seconds of the day.
        let second = |at: i64| u32::try_from((at - start).clamp(0, DAY));
        let within = second(now - i64::from(plan.days) * DAY)?..=second(now)?.min(86_399);
        for (number, machine) in in_some_order(&fleet, plan.seed ^ u64::from(day)) {
            let done = machine.day(plan.seed, number, day, &within, plan.everything);
            if let Some(pings) = &done.pings {
                writer.write_pings(date, machine.id, done.version, pings, &machine.place)?;
                let last = start + i64::from(pings.last);
                seen.iter_mut().for_each(|seen| seen.report(last, number, done.version));
            }
            for (second, report) in &done.reports {
                writer.write(date, *second, report, &machine.place)?;
                let at = start + i64::from(*second);
                for seen in seen.iter_mut().filter(|seen| at >= seen.since) {
                    seen.report(at, number, done.version);
                    match report.event.as_str() {
                        "pong" => drop(seen.pongs.insert((number, machine.plugins(day).len()))),
                        "print_done" => seen.print_seconds += report.fields["elapsed"].as_i64().unwrap_or_default(),
                        _ => {}
                    }
                }
            }
        }
        writer.commit()?;
    }
    Ok(seen.map(|seen| seen.totals(&fleet)))
}

/// The first seconds of all days.
fn days(plan: &Plan) -> impl Iterator<Item = i64> + use<> {
    let now = plan.now.as_second();
    let first = (now - i64::from(plan.days) * DAY).div_euclid(DAY) * DAY;
    (first..=now).step_by(86_400)
}

/// All, in another order each day, as they come in.
fn in_some_order(fleet: &[Machine], seed: u64) -> impl Iterator<Item = (u32, &Machine)> {
    let mut dice = choices::Dice::new(seed, 1, 0);
    let mut numbers: Vec<u32> = (0..).take(fleet.len()).collect();
    for at in (1..numbers.len()).rev() {
        numbers.swap(at, dice.roll(u32::try_from(at + 1).unwrap_or(u32::MAX)) as usize);
    }
    numbers.into_iter().map(|number| (number, &fleet[number as usize]))
}

/// What has been seen in a window.
#[derive(Default)]
struct Seen {
    since: i64,
    versions: HashSet<(u32, &'static str)>,
    /// Who told of how many of its plugins.
    pongs: HashSet<(u32, usize)>,
    print_seconds: i64,
}

impl Seen {
    fn report(&mut self, at: i64, number: u32, version: &'static str) {
        if at >= self.since {
            self.versions.insert((number, version));
        }
    }

    fn totals(self, fleet: &[Machine]) -> Totals {
        let mut totals = Totals { print_seconds: self.print_seconds, ..Totals::default() };
        let all: HashSet<u32> = self.versions.iter().map(|(number, _)| *number).collect();
        totals.installations = all.len() as u64;
        for (_, version) in &self.versions {
            *totals.versions.entry((*version).into()).or_default() += 1;
        }
        // The longer list of an installation has all that the shorter has.
        let mut most: HashMap<u32, usize> = HashMap::new();
        for (number, count) in self.pongs {
            let most = most.entry(number).or_default();
            *most = count.max(*most);
        }
        for (number, count) in most {
            let machine = &fleet[number as usize];
            totals.achievers += u64::from(machine.achievements().is_some());
            for name in machine.all_plugins()[..count].iter().filter_map(|entry| entry.split(':').next()) {
                *totals.plugins.entry(name.into()).or_default() += 1;
            }
        }
        totals
    }
}
