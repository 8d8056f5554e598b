//! What the installations of a made-up fleet are like: numbers that look random and are the same each time, and how often
//! which value is drawn.

use crate::geo::Place;

/// Dice that fall alike whenever they are made of the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, one: u32, other: u32) -> Self {
        let mut dice = Self(seed ^ u64::from(one) << 32 ^ u64::from(other));
        dice.next();
        dice
    }

    /// SplitMix64.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from 0, below this one.
    #[allow(clippy::cast_possible_truncation)] // the upper halves
    pub(super) fn roll(&mut self, below: u32) -> u32 {
        (((self.next() >> 32) * u64::from(below)) >> 32) as u32
    }

    pub(super) fn percent(&mut self, share: u32) -> bool {
        self.roll(100) < share
    }

    /// A number from 0 up to 1.
    pub(super) fn fraction(&mut self) -> f64 {
        f64::from(self.roll(u32::MAX)) / f64::from(u32::MAX)
    }

    /// One of these, each as often as its number says.
    pub(super) fn pick<T: Copy>(&mut self, from: &[(u32, T)]) -> T {
        let mut at = self.roll(from.iter().map(|(weight, _)| weight).sum());
        let found = from.iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        found.unwrap_or(&from[0]).1
    }
}

/// Versions of OctoPrint, and of Python that they may run on.
pub(super) const VERSIONS: [(u32, (&str, Pythons)); 14] = [
    (430, ("1.11.7", NEW)),
    (120, ("1.11.2", NEW)),
    (90, ("1.10.3", NEW)),
    (70, ("1.9.3", MIDDLE)),
    (60, ("1.8.7", MIDDLE)),
    (50, ("1.8.6", MIDDLE)),
    (30, ("1.7.3", OLD)),
    (20, ("1.6.1", OLD)),
    (20, ("1.5.3", OLD)),
    (12, ("1.4.2", OLD)),
    (8, ("1.3.12", OLD)),
    (15, ("2.0.0rc6", NEW)),
    (4, ("1.12.0.dev3+gabc1234", NEW)),
    (1, ("1.12.0.dev7+g0123456.dirty", NEW)),
];

/// What those who have the first are updated to.
pub(super) const NEWEST: &str = "1.11.8";

type Pythons = &'static [(u32, &'static str)];
const NEW: Pythons = &[(50, "3.11.2"), (25, "3.9.2"), (12, "3.7.3"), (8, "3.13.5"), (5, "3.12.3")];
const MIDDLE: Pythons = &[(60, "3.9.2"), (40, "3.7.3")];
const OLD: Pythons = &[(40, "3.7.3"), (60, "2.7.16")];

/// Whether there are achievements in this version.
pub(super) fn has_achievements(version: &str) -> bool {
    version.starts_with("1.1") || version.starts_with("2.")
}

/// A machine: its share, Raspberry Pi's model, operating system, cores, frequency, and MiB of memory.
pub(super) type Model = (&'static str, &'static str, i64, f64, i64);

pub(super) const MACHINES: [(u32, Model); 9] = [
    (30, ("Raspberry Pi 4 Model B Rev 1.4", "linux", 4, 1800.0, 3794)),
    (12, ("Raspberry Pi 4 Model B Rev 1.2", "linux", 4, 1500.0, 1848)),
    (22, ("Raspberry Pi 3 Model B Plus Rev 1.3", "linux", 4, 1400.0, 922)),
    (12, ("Raspberry Pi 3 Model B Rev 1.2", "linux", 4, 1200.0, 922)),
    (7, ("Raspberry Pi Zero 2 W Rev 1.0", "linux", 4, 1000.0, 416)),
    (6, ("Raspberry Pi 5 Model B Rev 1.0", "linux", 4, 2400.0, 8062)),
    (8, ("", "linux", 4, 0.0, 7900)),
    (2, ("", "windows", 8, 3600.0, 16_240)),
    (1, ("", "macos", 8, 0.0, 16_384)),
];

/// Versions of OctoPi, with their builds with a newer OctoPrint.
pub(super) const OCTOPI: [(u32, (&str, &str)); 5] = [
    (30, ("1.0.0", "")),
    (25, ("1.0.0", "1.0.0-1.11.7-20260304093012")),
    (20, ("1.1.0", "1.1.0-1.11.7-20260304101155")),
    (15, ("0.18.0", "")),
    (10, ("0.17.0", "")),
];

/// Firmware of printers; whose name is empty has its own.
pub(super) const FIRMWARE: [(u32, &str); 8] = [
    (30, "Marlin 2.1.2.1"),
    (14, "Marlin bugfix-2.1.x"),
    (12, "Prusa-Firmware 3.14.0 based on Marlin"),
    (10, "Marlin Ver 1.0.1"),
    (8, "Marlin Creality 3D"),
    (8, "Klipper"),
    (6, "TH3D UFW 2.97"),
    (12, ""),
];

pub(super) const PORTS: [(u32, &str); 6] = [
    (45, "/dev/ttyUSB0"),
    (30, "/dev/ttyACM0"),
    (15, "AUTO"),
    (6, "/dev/serial/by-id"),
    (2, "network"),
    (2, "VIRTUAL"),
];

pub(super) const BAUDRATES: [(u32, i64); 4] = [(70, 115_200), (24, 250_000), (4, 0), (2, 57_600)];

/// Browsers, their newest version, and what they run on.
pub(super) const BROWSERS: [(u32, (&str, u32, &str)); 6] = [
    (45, ("Chrome", 140, "Windows")),
    (18, ("Firefox", 143, "Linux")),
    (14, ("Safari", 18, "Mac OS")),
    (12, ("Edge", 140, "Windows")),
    (9, ("Mobile Safari", 18, "iOS")),
    (2, ("Opera", 121, "Windows")),
];

/// Plugins whose names are known; beyond them they have numbers.
pub(super) const PLUGINS: [&str; 16] = [
    "octoeverywhere",
    "bedlevelvisualizer",
    "printtimegenius",
    "dashboard",
    "octolapse",
    "firmwareupdater",
    "themeify",
    "uicustomizer",
    "displaylayerprogress",
    "arc_welder",
    "navbartemp",
    "filamentmanager",
    "autoscroll",
    "preheat",
    "excluderegion",
    "resource_monitor",
];

/// Plugins that there are.
pub(super) const PLUGIN_COUNT: u32 = 500;

/// Achievements, in the order in which they are usually reached.
pub(super) const ACHIEVEMENTS: [&str; 10] = [
    "the_wizard",
    "one_small_step_for_man",
    "all_beginnings_are_hard",
    "tinkerer",
    "night_owl",
    "the_organizer",
    "adventurer",
    "heavy_chonker",
    "crossover_episode",
    "marathon",
];

/// Places that MaxMind's test database of cities knows: continent, country, region, city, and the hour of their noon in UTC.
const PLACES: [(u32, [&str; 4], u32); 12] = [
    (24, ["NA", "US", "Washington", "Milton"], 20),
    (10, ["NA", "US", "California", "San Diego"], 20),
    (18, ["EU", "DE", "", ""], 11),
    (9, ["EU", "GB", "England", "London"], 12),
    (3, ["EU", "GB", "England", "Boxford"], 12),
    (5, ["EU", "SE", "Östergötland County", "Linköping"], 11),
    (8, ["EU", "FR", "", ""], 11),
    (6, ["EU", "NL", "", ""], 11),
    (5, ["EU", "IT", "", ""], 11),
    (5, ["EU", "PL", "", ""], 11),
    (4, ["AS", "JP", "", ""], 3),
    (3, ["AS", "CN", "Jilin Sheng", "Changchun"], 4),
];

/// A place, and the hour of its noon in UTC.
pub(super) fn place(dice: &mut Dice) -> (Place, u32) {
    let all = PLACES.map(|(weight, names, noon)| (weight, (names, noon)));
    let ([continent, country, region, city], noon) = dice.pick(&all);
    let [continent, country, region, city] = [continent, country, region, city].map(String::from);
    (Place { continent, country, region, city, coordinates: None }, noon)
}
