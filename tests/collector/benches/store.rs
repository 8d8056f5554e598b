//! The size of the store, how long it takes to fill, and the exports of 30 full days while reports come in.

use crate::Sheet;
use crate::load::{Load, send};
use crate::process::{Folder, Server};
use crate::server::recorded;
use glassbox_collector::exports;
use glassbox_collector::fleet::{Plan, fill};
use glassbox_collector::geo::Place;
use glassbox_collector::id::Id;
use glassbox_collector::store::Store;
use glassbox_collector::store::day::Pings;
use glassbox_collector::store::writer::Writer;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

const INSTALLATIONS: u32 = 91_000;

pub fn measure(sheet: &mut Sheet) {
    println!("91,000 installations x 96 pings and a pong a day");
    let folder = Folder::new("store");
    let data = folder.0.join("data");
    let (day, shared) = sizes(sheet, &data, 30, false);
    sheet.bound("  a day's file", day, "MB", 8.0);
    sheet.bound("  lists, environments and ids", shared, "MB", 40.0);
    exported(sheet, &data);
    one_by_one(sheet, &folder.0.join("pings"));
    println!("the same with prints, startups, visits, and times in which they are off");
    let (day, shared) = sizes(sheet, &folder.0.join("everything"), 7, true);
    sheet.figure("  a day's file", day, "MB");
    sheet.figure("  lists, environments and ids", shared, "MB");
}

/// Fill a store; the sizes of a full day's file and of the shared one, in MB.
fn sizes(sheet: &mut Sheet, data: &Path, days: u32, everything: bool) -> (f64, f64) {
    let store = Store::open(data).unwrap();
    let plan = Plan { seed: 16, installations: INSTALLATIONS, days, now: Timestamp::now(), everything };
    let mut writer = Writer::new(&store);
    let (began, busy) = (Instant::now(), own_time());
    fill(&mut writer, &plan).unwrap();
    writer.close_day().unwrap();
    drop(writer);
    let (took, busy) = (began.elapsed().as_secs_f64(), own_time() - busy);
    sheet.figure(&format!("  filling {days} days, by the clock"), took, "s");
    if days == 30 {
        sheet.bound(&format!("  filling {days} days, processor time"), busy.as_secs_f64(), "s", 120.0);
    } else {
        sheet.figure(&format!("  filling {days} days, processor time"), busy.as_secs_f64(), "s");
    }
    let shared = Connection::open(store.shared()).unwrap();
    let lists = shared.query_row("SELECT count(*) FROM list", [], |row| row.get::<_, u32>(0)).unwrap();
    sheet.figure("  different lists", f64::from(lists), "");
    let megabytes = |file: &Path| file.metadata().unwrap().len() as f64 / 1e6;
    // The first and the last are parts of days.
    let full =
        store.days().unwrap()[1..days as usize].iter().map(|day| megabytes(&store.day(*day))).fold(0.0, f64::max);
    (full, megabytes(&store.shared()))
}

/// A day as it comes in, ping by ping: rows grow, and pages with them.
fn one_by_one(sheet: &mut Sheet, data: &Path) {
    let store = Store::open(data).unwrap();
    let mut writer = Writer::new(&store);
    let (place, day, busy) = (Place::default(), Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC).date(), own_time());
    for quarter in 0..96 {
        // In the order of the seconds in which they were switched on, which has nothing to do with that of their numbers.
        for number in (0..INSTALLATIONS).map(|at| (u64::from(at) * 7919 + 13 * quarter) % u64::from(INSTALLATIONS)) {
            let second = u32::try_from(quarter * 900 + number * 900 / u64::from(INSTALLATIONS)).unwrap();
            let id = Id(u128::from(number).to_be_bytes());
            writer.write_pings(day, id, "1.11.8", &Pings::one(second), &place).unwrap();
        }
        writer.commit().unwrap();
    }
    let each = (own_time() - busy).as_secs_f64() * 1e6 / 96.0 / f64::from(INSTALLATIONS);
    writer.close_day().unwrap();
    sheet.figure("  pings of a day, one by one: its file", store.day(day).metadata().unwrap().len() as f64 / 1e6, "MB");
    sheet.figure("    processor time of each in the store", each, "us");
}

/// The processor time of this thread.
fn own_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// A server makes its exports right after its start, while reports come in.
fn exported(sheet: &mut Sheet, data: &Path) {
    let (began, now) = (Instant::now(), SystemTime::now());
    let collector = Server::collector(data);
    let newest = exports::names().last().unwrap();
    let made = |name: &str| data.join("exports").join(name).metadata().and_then(|file| file.modified()).ok();
    let requests = recorded();
    let (mut slowest, mut count) = (Duration::ZERO, 0);
    while made(&newest).is_none_or(|at| at < now) {
        // The usual rate of so many.
        let load = Load { connections: 4, kept: true, count: 50, rate: Some(100.0) };
        slowest = slowest.max(send(&collector.address, &requests, load).p99());
        count += load.count;
    }
    assert!(exports::names().all(|name| made(&name).is_some()));
    sheet.bound("  all 18 exports of 30 days, while 100 reports/s come in", began.elapsed().as_secs_f64(), "s", 15.0);
    sheet.bound("    memory of the server meanwhile", collector.memory()[1], "MB", 400.0);
    sheet.figure(&format!("    slowest of {count} answers meanwhile"), slowest.as_secs_f64() * 1e3, "ms");
}
