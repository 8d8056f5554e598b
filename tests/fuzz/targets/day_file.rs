//! A store of which one file is damaged: whoever reads it gets a result or an error, and the other days stay as they are.
#![no_main]

use glassbox_collector::config::Config;
use glassbox_collector::door::{Door, Incoming, OCTOPRINT};
use glassbox_collector::exports;
use glassbox_collector::geo::Place;
use glassbox_collector::id::Id;
use glassbox_collector::installation::{forget, show};
use glassbox_collector::store::writer::Writer;
use glassbox_collector::store::{Store, look};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const DAMAGED: Date = date(2026, 3, 5);
const SOUND: Date = date(2026, 3, 4);
const ID: &str = "11111111-2222-4333-8444-555555555555";
const OTHER: &str = "22222222-2222-4333-8444-555555555555";

/// What one report of each kind is.
const REPORTS: [(&str, &str); 8] = [
    ("ping/", ""),
    ("startup/", "version=1.11.8&os=linux&python=3.11.2&pip=24&cores=4&freq=1800.0&ram=8000&bits=64"),
    ("pong/", "os=linux&python=3.11.2&plugins=one:1.0,two:2.0,three:0.1&achievements=first,second"),
    ("printer_connected/", "firmware_name=Marlin+2&printer_port=/dev/ttyUSB0&printer_baudrate=115200"),
    ("print_done/", "elapsed=3600&elapsed=1&origin=local"),
    ("install_plugin/", "plugin=one&plugin_version=1.0"),
    ("webui_load/", "browser_name=Firefox&browser_version=140&os_name=Linux"),
    ("brand_new/", "what=ever"),
];

/// A folder, and the files of a sound store.
struct Sound {
    folder: PathBuf,
    day: Vec<u8>,
    shared: Vec<u8>,
    sound_day: Vec<u8>,
    /// What is exported without the damaged day.
    without: BTreeMap<String, Vec<u8>>,
}

static STORE: LazyLock<Sound> = LazyLock::new(|| {
    // In memory, where there is such a folder.
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
    let folder = parent.join(format!("glassbox-fuzz-day-file-{}", std::process::id()));
    let store = Store::open(&folder).expect("a folder");
    let door = Door::new(OCTOPRINT).expect("it is ours");
    let mut writer = Writer::new(&store);
    let place = Place { continent: "EU".into(), country: "SE".into(), ..Place::default() };
    for (id, day) in [(ID, SOUND), (OTHER, SOUND), (ID, DAMAGED), (OTHER, DAMAGED)] {
        for (second, (event, form)) in (40_000..).step_by(1000).zip(REPORTS) {
            let path = format!("/track/{id}/{event}");
            let incoming = Incoming { path: &path, form: form.as_bytes(), user_agent: b"OctoPrint/1.11.8" };
            let (report, odd) = door.take(&incoming).expect("a report");
            writer.write(day, second, &report, &place).expect("it is written");
            writer.count_odd(day, second, &odd).expect("it is written");
        }
        writer.count_refused(day, "path", 1).expect("it is written");
    }
    writer.commit().and_then(|()| writer.close_day()).expect("it is written");
    drop(writer);
    let read = |file: PathBuf| fs::read(file).expect("it was written");
    let (day, shared, sound_day) = (read(store.day(DAMAGED)), read(store.shared()), read(store.day(SOUND)));
    fs::remove_file(store.day(DAMAGED)).expect("it is there");
    assert_eq!(exports::write(&config(), &store, &store.exports(), now()).expect("sound"), [""; 0]);
    let without = exported(&store);
    Sound { folder, day, shared, sound_day, without }
});

fn config() -> Config {
    Config { k_threshold: 1, ..Config::default() }
}

fn now() -> Timestamp {
    "2026-03-06T00:00:00Z".parse().expect("a time")
}

fn exported(store: &Store) -> BTreeMap<String, Vec<u8>> {
    exports::names().filter_map(|name| Some((name.clone(), fs::read(store.exports().join(name)).ok()?))).collect()
}

// In capitals, the shared file is damaged, else the day's. Then come a place in the file (of two bytes, in parts of it, so
// that every byte can be met), a number of bytes, and these.
fuzz_target!(|data: &[u8]| {
    let Some((first, patches)) = data.split_first() else { return };
    let sound = &*STORE;
    let (mut day, mut shared) = (sound.day.clone(), sound.shared.clone());
    let damages_day = !first.is_ascii_uppercase();
    damage(if damages_day { &mut day } else { &mut shared }, patches);

    let store = Store::open(&sound.folder).expect("a folder");
    for entry in [sound.folder.join("days"), sound.folder.clone()].iter().flat_map(fs::read_dir).flatten().flatten() {
        if entry.path().is_file() {
            fs::remove_file(entry.path()).expect("it is ours");
        }
    }
    fs::write(store.day(SOUND), &sound.sound_day).expect("it is written");
    fs::write(store.day(DAMAGED), &day).expect("it is written");
    fs::write(store.shared(), &shared).expect("it is written");

    let id = Id::parse(ID).expect("an id");
    let _ = look::today(&store, DAMAGED);
    let _ = look::placed(&store, DAMAGED);
    let _ = look::damaged(&store).expect("the folder can be read");
    let shown = show(&store, id);
    let written = exports::write(&config(), &store, &store.exports(), now());
    if damages_day {
        let days = shown.expect("a damaged day costs that day")["days"].clone();
        assert!(days.get(SOUND.to_string()).is_some(), "the other day is as it was");
        let problems = written.expect("a damaged day costs that day");
        assert!(problems.len() <= 1 && problems.iter().all(|problem| problem.contains(&DAMAGED.to_string())));
        if !problems.is_empty() {
            assert_eq!(exported(&store), sound.without, "a day that is left out counts for nothing");
        }
    }
    // Whoever writes there, too.
    let _ = forget(&store, id, false);
    let mut writer = Writer::new(&store);
    let _ = writer.count_refused(DAMAGED, "path", 1).and_then(|()| writer.commit());
    let _ = writer.retain(date(2026, 3, 7), 2);
});

fn damage(file: &mut Vec<u8>, mut patches: &[u8]) {
    while let [high, low, count, rest @ ..] = patches {
        let at = usize::from(u16::from_be_bytes([*high, *low])) * file.len() / (1 << 16);
        let (bytes, after) = rest.split_at(usize::from(*count).min(rest.len()));
        // None at all cuts the file.
        if bytes.is_empty() {
            file.truncate(at);
            return;
        }
        for (byte, new) in file[at..].iter_mut().zip(bytes) {
            *byte = *new;
        }
        patches = after;
    }
}
