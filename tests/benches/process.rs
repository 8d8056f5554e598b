//! The program as a process: from start to the first report, and its memory.

use crate::Sheet;
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_sandbox::limits::DEPARTURE;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const GLASSBOX: &str = env!("CARGO_BIN_EXE_glassbox");

pub fn measure(sheet: &mut Sheet) {
    let home = std::env::temp_dir().join(format!("glassbox-bench-home-{}", std::process::id()));
    let receiver = Receiver::start(0).unwrap();
    glassbox(&home, &["init"]);
    glassbox(&home, &["opt-in", "tracking"]);
    glassbox(&home, &["settings", "tracking", &format!("server={}", receiver.url())]);
    // As after an upgrade: the tracker is compiled first, by a process of its own, which takes its memory with it.
    std::fs::remove_dir_all(home.join("cache")).unwrap();
    let mut times = Vec::new();
    for round in 0..22 {
        let before = receiver.requests().len();
        let began = Instant::now();
        let mut child = run(&home);
        let got = receiver.wait_for(before + 1, Duration::from_secs(20));
        assert!(got.len() > before, "no report came");
        // The first round compiles.
        if round > 0 {
            times.push(began.elapsed().saturating_sub(DEPARTURE));
        }
        if let Some(start) = match round {
            0 => Some("cold"),
            21 => Some("warm"),
            _ => None,
        } {
            let _ = receiver.wait_for(before + 3, Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(300));
            let what = format!("memory of run with one instance, after a {start} start");
            sheet.bound(&what, resident_mib(child.id()), "MiB", 25.0);
        }
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    times.sort();
    sheet.bound(
        "run: from start to the first report, without the wait of 250 ms",
        times[times.len() / 2].as_secs_f64() * 1e3,
        "ms",
        60.0,
    );
    let _ = std::fs::remove_dir_all(&home);
}

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(GLASSBOX);
    command.arg("--home").arg(home).args(arguments);
    for variable in glassbox_sandbox::consent::VARIABLES {
        command.env_remove(variable);
    }
    command
}

fn glassbox(home: &Path, arguments: &[&str]) {
    let output = command(home, arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn run(home: &Path) -> Child {
    use std::io::Write;
    let mut child = command(home, &["run", "--events", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(b"{\"event\": \"octoprint_started\", \"payload\": {\"uptime\": 1}}\n").unwrap();
    stdin.flush().unwrap();
    child
}

fn resident_mib(process: u32) -> f64 {
    let status = PathBuf::from(format!("/proc/{process}/status"));
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}
