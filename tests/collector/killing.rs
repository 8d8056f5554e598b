//! SIGKILLs at random instants under load: what was acknowledged is there, once.

use crate::support::{Collector, Folder, ID, number};
use glassbox_collector::store::Store;
use rusqlite::Connection;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// As many as a moment allows; `tests/full` asks for more in this variable.
const KILLS: (&str, u64) = ("GLASSBOX_TEST_KILLS", 12);

/// Kills of one store: all its files are checked after each.
const OF_A_STORE: u64 = 50;

/// Clients that report at the same time, and how long each waits between two reports: some 2,000 a second together, twenty
/// times what 91,000 installations send. With more than the disk takes, what waits in the queue would be lost as well.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);

/// What was answered so long before is there, on however slow a machine: the commit interval is a fifth of that.
const OLD: Duration = Duration::from_secs(1);

/// Report until nobody answers any more: the numbers that were sent, and when each was acknowledged.
fn report(address: &str, numbers: impl Iterator<Item = usize>) -> Vec<(usize, Option<Instant>)> {
    let mut told = Vec::new();
    let mut stream = None;
    for number in numbers {
        let mut send = || -> std::io::Result<bool> {
            if stream.is_none() {
                stream = Some(TcpStream::connect(address)?);
            }
            let Some(stream) = &mut stream else { return Ok(false) };
            let id = format!("{number:08x}{}", &ID[8..]);
            let target = format!("/track/{id}/startup/?python=3.{}", number % 1000);
            stream
                .write_all(format!("GET {target} HTTP/1.1\r\nHost: c\r\nUser-Agent: OctoPrint/1\r\n\r\n").as_bytes())?;
            Ok(stream.read(&mut [0; 1024])? > 0)
        };
        std::thread::sleep(PAUSE);
        match send() {
            Ok(true) => told.push((number, Some(Instant::now()))),
            // It has answered so many that it is closed, or it was killed: then there is no new connection.
            Ok(false) | Err(_) => {
                told.push((number, None));
                stream = None;
                if TcpStream::connect(address).is_err() {
                    break;
                }
            }
        }
    }
    told
}

/// The numbers of the reports in the last day after this row, and the last row.
fn kept(data: &Path, after: i64) -> (Vec<usize>, i64) {
    let store = Store::open(data).unwrap();
    let Some(day) = store.days().unwrap().last().copied() else { return (Vec::new(), after) };
    let day = Connection::open(store.day(day)).unwrap();
    if number(&day, "SELECT count(*) FROM sqlite_master WHERE name = 'report'") == 0 {
        // Not even the first commit was due.
        return (Vec::new(), after);
    }
    let shared = Connection::open(store.shared()).unwrap();
    for file in [&day, &shared] {
        assert_eq!(file.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    }
    drop(shared);
    day.execute("ATTACH ? AS shared", [store.shared().to_str().unwrap()]).unwrap();
    let sql =
        "SELECT lower(hex(substr(id, 1, 4))) FROM report r LEFT JOIN shared.installation i ON i.number = installation
        WHERE r.number > ?";
    let mut statement = day.prepare(sql).unwrap();
    let ids = statement.query_map([after], |row| row.get::<_, Option<String>>(0)).unwrap();
    let ids = ids.map(|id| usize::from_str_radix(&id.unwrap().expect("whose it is"), 16).unwrap()).collect();
    (ids, number(&day, "SELECT coalesce(max(number), 0) FROM report"))
}

/// What became of the reports of all rounds.
#[derive(Default)]
struct Outcome {
    acknowledged: usize,
    kept: usize,
    lost: usize,
    /// How long before its kill the oldest report that was lost was acknowledged.
    oldest: Duration,
}

/// So many kills of a collector with one store.
fn kill(kills: u64, random: &mut impl FnMut() -> Duration, outcome: &mut Outcome) {
    let folder = Folder::new("kill");
    // Of each report that was ever sent, how often it is kept.
    let mut times: HashMap<usize, u32> = HashMap::new();
    let (mut last_row, mut next) = (0, 0);
    for _ in 0..kills {
        let collector = Collector::start(&folder, "");
        let address = collector.address.clone();
        let (killed, data, told) = std::thread::scope(|scope| {
            let client = |first| {
                let address = &address;
                scope.spawn(move || report(address, (first..).step_by(CLIENTS)))
            };
            let clients: Vec<_> = (next..next + CLIENTS).map(client).collect();
            std::thread::sleep(random());
            let killed = Instant::now();
            let data = collector.kill();
            let told: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
            (killed, data, told)
        });
        let (rows, row) = kept(&data, last_row);
        last_row = row;
        next = told.iter().map(|(number, _)| number + 1).max().unwrap_or(next);
        times.extend(told.iter().map(|(number, _)| (*number, 0)));
        for number in rows {
            *times.get_mut(&number).expect("what is kept was sent") += 1;
        }
        let acknowledged: Vec<_> = told.into_iter().filter_map(|(number, at)| Some((number, at?))).collect();
        outcome.acknowledged += acknowledged.len();
        for (number, at) in acknowledged.into_iter().filter(|(number, _)| times[number] == 0) {
            outcome.lost += 1;
            // One that was answered while it was killed counts as answered then.
            let age = killed.saturating_duration_since(at);
            outcome.oldest = outcome.oldest.max(age);
            assert!(age <= OLD, "{number} was acknowledged {age:?} before the kill, and is lost");
        }
        assert!(times.values().all(|times| *times <= 1), "doubled");
    }
    // At the end as well, whatever became of those of earlier rounds.
    let (mut all, _) = kept(&folder.0.join("data"), 0);
    let rows = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((all.len(), rows), (rows, times.values().filter(|times| **times == 1).count()));
    assert!(all.iter().all(|number| times[number] == 1));
    outcome.kept += rows;
}

#[test]
fn a_kill_loses_no_more_than_the_last_moment_and_doubles_nothing() {
    let kills = std::env::var(KILLS.0).map_or(KILLS.1, |text| text.parse().expect(KILLS.0));
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        // Knuth's constants. Twice as long as what is old, so that there is something old in every second round.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros((state >> 33) % 2_000_000)
    };
    let (began, mut outcome, mut left) = (Instant::now(), Outcome::default(), kills);
    while left > 0 {
        kill(left.min(OF_A_STORE), &mut random, &mut outcome);
        left -= left.min(OF_A_STORE);
    }
    let Outcome { acknowledged, kept, lost, oldest } = outcome;
    assert!(acknowledged > 50 && kept > 50, "{acknowledged} {kept}");
    println!(
        "| {kills} SIGKILLs under load | {acknowledged} reports acknowledged, {kept} kept; damaged files 0, reports twice 0; \
         {lost} lost, the oldest {} ms before its kill | {} s |",
        oldest.as_millis(),
        began.elapsed().as_secs()
    );
}
