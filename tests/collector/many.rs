//! Very many connections at once: whoever sends reports meanwhile loses none, and memory has an end.

use crate::skip::skip;
use crate::support::{Collector, Folder, ID, day, number, refused};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const IDLE: usize = 10_000;
/// Beside the idle connections: what both processes have open anyway, and the other tests of this one.
const OTHER_FILES: u64 = 3_000;
const QUEUE: usize = 100;
const SLOW: usize = 200;
const FLOODS: usize = 200;
/// Of the whole process, at its highest.
const MEMORY_MB: u64 = 300;
const END: Duration = Duration::from_secs(10);

/// Connections that the collector has taken, and other files that it has open.
fn open_files(collector: &Collector) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", collector.pid())).unwrap().count()
}

fn highest_memory_mb(collector: &Collector) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", collector.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}

/// So many connections on which nothing is sent, all of them taken. They are cut after 5 s, so on a machine that is busy
/// with other things it may need another try.
fn idle(collector: &Collector) -> Vec<TcpStream> {
    let all_taken = |number: usize| {
        let since = Instant::now();
        while open_files(collector) <= number && since.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(1));
        }
        open_files(collector) > number
    };
    for _ in 0..10 {
        let mut streams = Vec::new();
        while streams.len() < IDLE {
            // No more than the system's queue has room for: whoever finds it full waits for a second.
            streams.extend((0..QUEUE).map(|_| TcpStream::connect(&collector.address).unwrap()));
            if !all_taken(streams.len()) {
                break;
            }
        }
        if streams.len() >= IDLE && all_taken(IDLE) {
            return streams;
        }
    }
    panic!("{IDLE} connections are never open at once");
}

#[test]
fn ten_thousand_idle_connections_and_floods_of_headers_cost_others_nothing() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = IDLE as u64 + OTHER_FILES;
    if hard < wanted || setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).is_err() {
        return skip(&format!("no {wanted} files may be open at once (ulimit -Hn)"));
    }
    let folder = Folder::new("many");
    let collector = Collector::start(&folder, "");
    let done = AtomicBool::new(false);
    let (reported, slowest, last) = std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let (mut reported, mut slowest) = (0_u64, Duration::ZERO);
            while !done.load(Relaxed) {
                let since = Instant::now();
                let id = format!("{reported:08x}{}", &ID[8..]);
                assert_eq!(collector.report(&format!("/track/{id}/ping/")), 204);
                slowest = slowest.max(since.elapsed());
                reported += 1;
                // As many as 91,000 installations send: they are not what is to keep the machine busy.
                std::thread::sleep(Duration::from_millis(10));
            }
            (reported, slowest)
        });
        // Whatever fails here, the other thread is to end.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let streams = idle(&collector);
            beside(&collector);
            drop(streams);
            // Once more, and then it is told to end while all are open.
            idle(&collector)
        }));
        done.store(true, Relaxed);
        let (reported, slowest) = others.join().unwrap();
        (reported, slowest, worked.unwrap())
    });
    let memory = highest_memory_mb(&collector);
    let since = Instant::now();
    let data = collector.stop();
    let end = since.elapsed();
    drop(last);
    println!("{reported} reports meanwhile, the slowest {slowest:?}; {memory} MB; it ended within {end:?}");
    assert_eq!(number(&day(&data), "SELECT sum(pings) FROM ping"), i64::try_from(reported).unwrap());
    assert!(reported > 100, "{reported}");
    assert!(memory < MEMORY_MB, "{memory} MB");
    assert!(end < END, "{end:?}");
    let malformed = refused(&data).into_iter().find(|(reason, _)| reason == "malformed").map_or(0, |(_, count)| count);
    assert!(malformed >= i64::try_from(FLOODS).unwrap(), "{malformed}");
}

/// Heads that come a byte at a time, and heads without an end, beside the idle ones. All are cut.
fn beside(collector: &Collector) {
    let mut slow: Vec<_> = (0..SLOW).map(|_| collector.connect()).collect();
    let head = format!("GET /track/{ID}/shutdown/ HTTP/1.1\r\nHost: c\r\nUser-Agent: OctoPrint/1\r\n\r\n");
    for byte in head.as_bytes().iter().take(10) {
        for stream in &mut slow {
            let _ = stream.write_all(&[*byte]);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let header = "X-Flood: 0123456789012345678901234567890123456789\r\n".repeat(1000);
    let flood = |mut stream: TcpStream| {
        let _ = stream.write_all(head.trim_end().as_bytes());
        let _ = stream.write_all(b"\r\n");
        // Twenty MB, if it were read.
        for _ in 0..400 {
            if stream.write_all(header.as_bytes()).is_err() {
                return;
            }
        }
        panic!("a head of 20 MB is read");
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..FLOODS / 4).for_each(|_| flood(collector.connect())));
        }
    });
    for mut stream in slow {
        // The rest of a head that is never finished: it is cut after 5 s.
        let _ = stream.read_to_end(&mut Vec::new());
    }
}
