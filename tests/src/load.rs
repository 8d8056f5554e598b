//! The program as a process, with versions of a plugin exchanged while events flow: what a test
//! asserts and a benchmark prints.

use crate::{Folder, counter};
use glassbox::home::Home;
use glassbox::home::grants;
use glassbox_audit::conformance::receiver::Receiver;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(30);

/// What came out.
#[derive(Debug)]
pub struct Figures {
    /// Events that were fed, and how many a second.
    pub events: u64,
    /// A second.
    pub rate: f64,
    /// What the plugin counted, over all its versions.
    pub counted: u64,
    /// Events that were out of order, lost or doubled.
    pub wrong: u64,
    /// From dropping a version that was compiled before to its taking over; the median.
    pub warm: Duration,
    /// The same of a version that had to be compiled; the slowest.
    pub cold: Duration,
    /// What the host says of how long events waited.
    pub waits: String,
}

/// Exchange versions this many times, `cold` of them never seen before, at this many events a second.
///
/// # Panics
/// When a version does not take over, or the program does not end well.
pub fn exchange(program: &Path, exchanges: usize, cold: usize, rate: u64) -> Figures {
    let folder = Folder::new("load");
    let home = Home::at(folder.0.join("home"));
    home.init().expect("a home");
    std::fs::remove_file(home.plugin_file("tracking")).expect("no other plugin");
    let receiver = Receiver::start(0).expect("a receiver");
    put(&home, "first");
    grants::grant(&home, "counter", &counter("first")).expect("a grant");
    let settings = format!(r#"{{"enabled": true, "id": "4711", "server": "{}"}}"#, receiver.url());
    std::fs::write(home.settings_file("counter"), settings).expect("settings");

    let mut child = start(program, &home);
    let (taken, log) = read_log(&mut child);
    taken.recv_timeout(LONG).unwrap_or_else(|_| panic!("it does not run:\n{}", log.lock().unwrap()));
    let input = Arc::new(Mutex::new(child.stdin.take().expect("its input")));
    let stop = Arc::new(AtomicBool::new(false));
    let feeder = {
        let (input, stop) = (input.clone(), stop.clone());
        std::thread::spawn(move || feed(&input, rate, &stop))
    };
    let every = exchanges.checked_div(cold).unwrap_or(usize::MAX);
    let (mut warm, mut slowest) = (Vec::new(), Duration::ZERO);
    for i in 0..exchanges {
        let fresh = i % every == every - 1;
        let word = if fresh { format!("fresh-{i}") } else { ["even", "odd"][i % 2].into() };
        let began = Instant::now();
        put(&home, &word);
        taken.recv_timeout(LONG).unwrap_or_else(|_| panic!("{word} never took over:\n{}", log.lock().unwrap()));
        // The first two are new as well.
        if fresh || i < 2 {
            slowest = slowest.max(began.elapsed());
        } else {
            warm.push(began.elapsed());
        }
    }
    stop.store(true, Ordering::SeqCst);
    let (events, took) = feeder.join().expect("the feeder");
    writeln!(input.lock().unwrap(), r#"{{"event":"Report"}}"#).expect("it listens");
    // That the server has started, and the report.
    let requests = receiver.wait_for(2, LONG);
    drop(input);
    assert!(child.wait().expect("its end").success(), "{}", log.lock().unwrap());
    let number = |name: &str| {
        let (_, rest) = requests[1].query.split_once(name).expect("a report");
        rest.split('&').next().and_then(|number| number.parse().ok()).expect("a number")
    };
    warm.sort();
    let log = log.lock().unwrap();
    let waits = log.lines().find_map(|line| line.split_once("at the end; ")).expect("its waits").1.to_string();
    Figures {
        events,
        rate: events as f64 / took.as_secs_f64(),
        counted: number("count="),
        wrong: number("wrong="),
        warm: warm.get(warm.len() / 2).copied().unwrap_or_default(),
        cold: slowest,
        waits,
    }
}

/// Put a version in place as a careful program does.
fn put(home: &Home, word: &str) {
    let temporary = home.root().join("new");
    std::fs::write(&temporary, counter(word)).expect("a file");
    std::fs::rename(temporary, home.plugin_file("counter")).expect("in its place");
}

fn start(program: &Path, home: &Home) -> Child {
    let mut command = Command::new(program);
    for name in glassbox_sandbox::consent::VARIABLES {
        command.env_remove(name);
    }
    command.arg("--home").arg(home.root()).args(["run", "--events", "-", "-v"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program")
}

/// Reads the log; sends a word for the first version, and for each that takes over.
fn read_log(child: &mut Child) -> (mpsc::Receiver<()>, Arc<Mutex<String>>) {
    let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
    let (say, taken) = mpsc::channel();
    let log = Arc::new(Mutex::new(String::new()));
    let own = log.clone();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            *own.lock().unwrap() += &(line.clone() + "\n");
            if line.contains(" took over from ") || line.contains(": reports are sent") {
                let _ = say.send(());
            }
        }
    });
    (taken, log)
}

/// Feed events at this rate until told to stop. Returns how many there were, and how long it took.
fn feed(input: &Mutex<ChildStdin>, rate: u64, stop: &AtomicBool) -> (u64, Duration) {
    let began = Instant::now();
    let mut fed = 0;
    while !stop.load(Ordering::SeqCst) {
        let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
        let mut lines = String::new();
        while fed < due {
            fed += 1;
            lines += &format!("{{\"event\":\"Count\",\"payload\":{{\"seq\":{fed}}}}}\n");
        }
        input.lock().unwrap().write_all(lines.as_bytes()).expect("it listens");
        std::thread::sleep(Duration::from_millis(1));
    }
    (fed, began.elapsed())
}
