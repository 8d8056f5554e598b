//! One installation of a made-up fleet: what it is, and what it does on a day.

use super::choices::{
    ACHIEVEMENTS, BAUDRATES, BROWSERS, Dice, FIRMWARE, MACHINES, NEWEST, OCTOPI, PLUGIN_COUNT, PLUGINS, PORTS,
    VERSIONS, has_achievements, place,
};
use crate::door::Report;
use crate::geo::Place;
use crate::id::Id;
use crate::store::day::Pings;
use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;

/// Quarters of an hour in a day.
const QUARTERS: u32 = 96;
const QUARTER: u32 = 900;

/// What an installation is. Days are those of the fleet, from 0.
pub(super) struct Machine {
    pub(super) id: Id,
    pub(super) place: Place,
    version: &'static str,
    /// The day on which it gets the newest version.
    updated: u32,
    python: &'static str,
    hardware: Map<String, Value>,
    plugins: Vec<String>,
    /// The day on which the last of its plugins is installed.
    installed: u32,
    achievements: usize,
    joined: u32,
    /// In how many of a hundred days it is used at all, and whether it is never switched off.
    used: u32,
    always_on: bool,
    /// The quarter in which it is switched on, how many it stays on for, and the second of each in which it pings.
    from: u32,
    quarters: u32,
    phase: u32,
    /// Prints in ten days.
    prints: u32,
    firmware: String,
    port: &'static str,
    baudrate: i64,
    browser: (&'static str, u32, &'static str),
    throttles: bool,
}

/// What it does on a day: its pings, and its other reports with the second of each.
pub(super) struct Done {
    pub(super) version: &'static str,
    pub(super) pings: Option<Pings>,
    pub(super) reports: Vec<(u32, Report)>,
}

impl Machine {
    pub(super) fn new(seed: u64, number: u32) -> Self {
        let mut dice = Dice::new(seed, number, 0);
        let mut id = u128::from(dice.next()) << 64 | u128::from(dice.next());
        // A random UUID says that it is one.
        id = id & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let (version, pythons) = dice.pick(&VERSIONS);
        let (place, noon) = place(&mut dice);
        let quarters = 8 + dice.roll(60);
        Self {
            id: Id(id.to_be_bytes()),
            place,
            version,
            updated: if version == VERSIONS[0].1.0 { dice.roll(120) } else { u32::MAX },
            python: dice.pick(pythons),
            hardware: hardware(&mut dice),
            plugins: plugins(&mut dice),
            installed: dice.roll(200),
            achievements: dice.roll(10) as usize,
            joined: if dice.percent(85) { 0 } else { dice.roll(45) },
            used: 20 + dice.roll(80),
            always_on: dice.percent(55),
            from: (noon * 4 + dice.roll(24) + QUARTERS - quarters / 2) % QUARTERS,
            quarters,
            phase: dice.roll(QUARTER),
            prints: dice.pick(&[(35, 0), (30, 2), (25, 10), (10, 35)]),
            firmware: match dice.pick(&FIRMWARE) {
                "" => format!("Marlin 2.1.2 (built {number})"),
                name => name.into(),
            },
            port: dice.pick(&PORTS),
            baudrate: dice.pick(&BAUDRATES),
            browser: dice.pick(&BROWSERS),
            throttles: dice.percent(7),
        }
    }

    /// The list of plugins as it is on this day. The last one may be missing yet.
    pub(super) fn plugins(&self, day: u32) -> &[String] {
        let missing = usize::from(day < self.installed && self.installed < 100 && !self.plugins.is_empty());
        &self.plugins[..self.plugins.len() - missing]
    }

    /// All that it ever has.
    pub(super) fn all_plugins(&self) -> &[String] {
        &self.plugins
    }

    /// Its achievements, if its version has any.
    pub(super) fn achievements(&self) -> Option<&'static [&'static str]> {
        has_achievements(self.version).then(|| &ACHIEVEMENTS[..self.achievements])
    }

    /// What it does on a day within these seconds of it: just pings and a pong, or everything.
    pub(super) fn day(&self, seed: u64, number: u32, day: u32, within: &RangeInclusive<u32>, everything: bool) -> Done {
        let dice = Dice::new(seed, number, day + 1);
        let version = if day < self.updated { self.version } else { NEWEST };
        let (from, quarters) = if everything && !self.always_on { (self.from, self.quarters) } else { (0, QUARTERS) };
        let mut doing = Doing { machine: self, version, dice, from, quarters, within, reports: Vec::new() };
        let is_used = !everything || day >= self.joined && (self.always_on || doing.dice.percent(self.used));
        if !is_used {
            return Done { version, pings: None, reports: Vec::new() };
        }
        doing.pong(day);
        if everything {
            doing.starts();
            doing.changes(day);
            doing.visits();
            doing.prints();
            doing.warnings();
        }
        Done { version, pings: doing.pings(), reports: doing.reports }
    }
}

fn hardware(dice: &mut Dice) -> Map<String, Value> {
    let (model, os, cores, frequency, memory) = dice.pick(&MACHINES);
    let octopi = dice.pick(&OCTOPI);
    let bits = if memory > 1000 && dice.percent(60) { 64 } else { 32 };
    // What a kernel keeps for itself differs.
    let memory = (memory * 256 - i64::from(dice.roll(12)) * 64) * 4096;
    let mut all = Map::new();
    let platform = format!("{os}-6.1.0-{bits}");
    for (name, value) in
        [("os", json!(os)), ("platform", platform.into()), ("bits", bits.into()), ("python", Value::Null)]
    {
        all.insert(name.into(), value);
    }
    for (name, value) in [("pip", json!("23.0.1")), ("cores", cores.into()), ("freq", frequency.into())] {
        all.insert(name.into(), value);
    }
    all.insert("ram".into(), memory.into());
    let pi = [("pi_model", model), ("octopi_version", octopi.0), ("octopiuptodate_build", octopi.1)];
    for (name, value) in pi.into_iter().filter(|(_, value)| !model.is_empty() && !value.is_empty()) {
        all.insert(name.into(), value.into());
    }
    all
}

/// Seven on average, few of them by many: 91,000 installations have some 77,000 different lists.
fn plugins(dice: &mut Dice) -> Vec<String> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small and positive
    let count = (-dice.fraction().max(0.001).ln() * 9.0) as usize;
    let mut numbers: Vec<u32> = Vec::new();
    for _ in 0..count {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below the count
        let number = f64::from(PLUGIN_COUNT).powf(dice.fraction()) as u32 - 1;
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let entry = |number: &u32| {
        let name = PLUGINS.get(*number as usize).map_or_else(|| format!("plugin_{number}"), ToString::to_string);
        let version = dice.pick(&[(60, 4), (20, 3), (10, 2), (6, 1), (4, 0)]);
        format!("{name}:{}.{}.{version}", number % 3, number % 11)
    };
    numbers.iter().map(entry).collect()
}

/// A day's reports, as they are made.
struct Doing<'a> {
    machine: &'a Machine,
    version: &'static str,
    dice: Dice,
    from: u32,
    quarters: u32,
    within: &'a RangeInclusive<u32>,
    reports: Vec<(u32, Report)>,
}

impl Doing<'_> {
    /// The second of the day so many quarters after it was switched on.
    fn at(&self, quarter: u32) -> u32 {
        (self.from + quarter) % QUARTERS * QUARTER + self.machine.phase
    }

    fn some_time(&mut self) -> u32 {
        let quarter = self.dice.roll(self.quarters);
        self.at(quarter) / QUARTER * QUARTER + self.dice.roll(QUARTER)
    }

    fn report(&mut self, second: u32, event: &str, fields: &[(&str, Value)]) {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        self.report_all(second, event, fields);
    }

    fn report_all(&mut self, second: u32, event: &str, fields: Map<String, Value>) {
        if self.within.contains(&second) {
            let (installation, version) = (self.machine.id, self.version.into());
            self.reports.push((second, Report { installation, event: event.into(), version, fields }));
        }
    }

    fn pings(&self) -> Option<Pings> {
        let seconds = (0..self.quarters).map(|quarter| self.at(quarter)).filter(|at| self.within.contains(at));
        let all = |mut all: Pings, second: u32| {
            all.quarters |= 1 << (second / QUARTER);
            all.count += 1;
            (all.first, all.last) = (all.first.min(second), all.last.max(second));
            all
        };
        let none = Pings { quarters: 0, count: 0, first: u32::MAX, last: 0 };
        Some(seconds.fold(none, all)).filter(|all| all.count > 0)
    }

    fn environment(&self) -> Map<String, Value> {
        let mut all = Map::from_iter([("version".to_string(), self.version.into())]);
        all.extend(self.machine.hardware.clone());
        all["python"] = self.machine.python.into();
        all
    }

    fn pong(&mut self, day: u32) {
        let mut fields = self.environment();
        let plugins = self.machine.plugins(day).join(",");
        if !plugins.is_empty() {
            fields.insert("plugins".into(), plugins.into());
        }
        if let Some(achievements) = self.machine.achievements() {
            fields.insert("achievements".into(), achievements.join(",").into());
        }
        self.report_all(self.at(0) / QUARTER * QUARTER + 7, "pong", fields);
    }

    fn starts(&mut self) {
        if self.machine.always_on && !self.dice.percent(5) {
            return;
        }
        self.report_all(self.at(0), "startup", self.environment());
        let Machine { firmware, port, baudrate, .. } = self.machine;
        let mut fields = vec![("firmware_name", firmware.as_str().into())];
        if self.version.starts_with('2') || self.version.starts_with("1.12") {
            fields.insert(0, ("printer_connector", "serial".into()));
        } else {
            fields.extend([("printer_port", (*port).into()), ("printer_baudrate", (*baudrate).into())]);
        }
        self.report(self.at(0) / QUARTER * QUARTER + 60, "printer_connected", &fields);
        if self.machine.python.starts_with('2') {
            self.report(self.at(self.quarters), "shutdown", &[]);
        }
    }

    /// An update, a new plugin, an achievement.
    fn changes(&mut self, day: u32) {
        let at = self.some_time();
        if day == self.machine.updated {
            let versions = [("from_version", self.machine.version.into()), ("to_version", NEWEST.into())];
            self.report(at, "update_successful", &[&[("target", "octoprint".into())], &versions[..]].concat());
        }
        if day == self.machine.installed
            && let Some((name, version)) = self.machine.plugins.last().and_then(|last| last.split_once(':'))
        {
            self.report(at, "install_plugin", &[("plugin", name.into()), ("plugin_version", version.into())]);
        }
        if let Some(last) = self.machine.achievements().and_then(|all| all.last())
            && self.dice.percent(1)
        {
            self.report(at, "achievement_unlocked", &[("achievement", (*last).into())]);
        }
    }

    fn visits(&mut self) {
        let (browser, newest, system) = self.machine.browser;
        let version = newest - self.dice.roll(newest / 8);
        for _ in 0..self.dice.roll(3) {
            let at = self.some_time();
            let fields = [
                ("browser_name", browser.into()),
                ("browser_version", version.to_string().into()),
                ("os_name", system.into()),
                ("os_version", "10".into()),
            ];
            self.report(at, "webui_load", &fields);
        }
    }

    fn prints(&mut self) {
        let count = (self.machine.prints * self.dice.roll(200) / 100 + self.dice.roll(10)) / 10;
        for _ in 0..count {
            let at = self.some_time();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from ten minutes to twelve hours
            let elapsed = (600.0 * 72_f64.powf(self.dice.fraction())) as u32;
            let file = format!("{:016x}{:016x}{:08x}", self.dice.next(), self.dice.next(), self.dice.roll(u32::MAX));
            let file = [("origin", json!("local")), ("file", file.into())];
            if let Some(began) = at.checked_sub(elapsed) {
                self.report(began, "print_started", &file);
            }
            let fields = [&file[..], &[("elapsed", elapsed.into())]].concat();
            match self.dice.pick(&[(82, "print_done"), (12, "print_cancelled"), (6, "print_failed")]) {
                "print_failed" => {
                    let text = [("commerror_text", json!("Thermal Runaway, system stopped! Heater_ID: bed"))];
                    self.report(at, "commerror_firmware", &text);
                    let failed = [&fields[..], &[("reason", json!("error"))], &text].concat();
                    self.report(at, "print_failed", &failed);
                }
                event => self.report(at, event, &fields),
            }
        }
    }

    fn warnings(&mut self) {
        let at = self.some_time();
        if self.machine.throttles && self.dice.percent(30) {
            let names = ["", "_voltage", "_overheat"].map(|what| ["now", "past"].map(|when| (what, when)));
            for (second, event, mask) in [(at, "system_throttled", 327_685), (at + 300, "system_unthrottled", 327_680)]
            {
                let mut fields = Map::from_iter([("throttled_mask".to_string(), Value::from(mask))]);
                for (what, when) in names.as_flattened() {
                    let is = *what != "_overheat" && (*when == "past" || event == "system_throttled");
                    fields.insert(format!("throttled{what}_{when}"), if is { "True" } else { "False" }.into());
                }
                self.report_all(second, event, fields);
            }
        }
        if self.dice.roll(2000) == 0 {
            let fields = [("printer_safety_warning_type", "aneta8"), ("printer_safety_check_name", "aneta8")];
            self.report(at, "printer_safety_warning", &fields.map(|(name, value)| (name, value.into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::{Door, Incoming, OCTOPRINT};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use std::collections::HashSet;

    #[test]
    fn whatever_it_reports_would_be_let_in_and_kept_as_it_is() {
        let door = Door::new(OCTOPRINT).unwrap();
        let mut events = HashSet::new();
        for number in 0..300 {
            let machine = Machine::new(7, number);
            for (_, report) in (0..60).flat_map(|day| machine.day(7, number, day, &(0..=86_399), true).reports) {
                let value = |value: &Value| match value {
                    Value::String(text) => utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
                    other => other.to_string(),
                };
                let form: Vec<_> = report.fields.iter().map(|(name, one)| format!("{name}={}", value(one))).collect();
                let path = format!("/track/{}/{}/", report.installation, report.event);
                let (form, agent) = (form.join("&"), format!("OctoPrint/{}", report.version));
                let incoming = Incoming { path: &path, form: form.as_bytes(), user_agent: agent.as_bytes() };
                assert_eq!(door.take(&incoming).unwrap(), (report.clone(), Vec::new()));
                events.insert(report.event);
            }
        }
        assert_eq!(events.len(), 16, "{events:?}");
    }

    #[test]
    fn lists_of_plugins_are_as_different_as_real_ones() {
        let lists: Vec<_> = (0..10_000).map(|number| Machine::new(7, number).plugins).collect();
        let all: usize = lists.iter().map(Vec::len).sum();
        let different = lists.iter().collect::<HashSet<_>>().len();
        assert!((65_000..75_000).contains(&all), "{all}");
        assert!((8_000..9_000).contains(&different), "{different}");
    }
}
