//! `demo`: a fleet in a throw-away store, real requests over HTTP, and what comes out.

use anyhow::{Context, Result};
use glassbox_collector::client::{self, Sent};
use glassbox_collector::config::{Config, Listen};
use glassbox_collector::fleet::{self, Plan};
use glassbox_collector::id::Id;
use glassbox_collector::store::Store;
use glassbox_collector::store::writer::Writer;
use glassbox_collector::{exports, installation, server};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// MaxMind's test database, in which few addresses have a place.
const PLACES: &[u8] = include_bytes!("../../../../tests/collector/places/GeoLite2-City-Test.mmdb");

/// Requests of real OctoPrints: cases with what each expects, and one session.
const CASES: [&str; 2] = [
    include_str!("../../../../tests/corpora/octoprint-1.11.8.jsonl"),
    include_str!("../../../../tests/corpora/octoprint-dev-744c8359.jsonl"),
];
const SESSION: &str = include_str!("../../../../examples/sessions/octoprint-1.11.8.requests.jsonl");

/// Where they come from in the demo: an address that has a place in the database.
const ADDRESS: &str = "89.160.20.112";

const INSTALLATIONS: u32 = 1000;
const DAYS: u32 = 30;

/// A report that was answered is on the disk a fifth of a second later, and exports take a second or two.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn run() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("glassbox-collector-demo-").tempdir().context("making a folder")?;
    let serving = Arc::new(AtomicBool::new(false));
    remove_when_interrupted(folder.path().into(), Arc::clone(&serving))?;
    let database = folder.path().join("places.mmdb");
    std::fs::write(&database, PLACES).with_context(|| format!("writing {}", database.display()))?;
    let config = Config {
        listen: Listen::Tcp(([127, 0, 0, 1], 0).into()),
        data: folder.path().join("data"),
        geo_database: Some(database),
        // The demo itself is the proxy that says where requests come from.
        trusted_proxies: vec!["127.0.0.1".to_string().try_into().map_err(anyhow::Error::msg)?],
        address_header: Some("X-Forwarded-For".into()),
        ..Config::default()
    };
    let store = Store::open(&config.data)?;
    fill(&store)?;
    let (ready, address) = channel();
    let server = std::thread::spawn({
        let (config, serving) = (config.clone(), Arc::clone(&serving));
        move || {
            server::run(&config, |listening| {
                // From here on, the server ends at a signal by itself.
                serving.store(true, SeqCst);
                let _ = ready.send(listening.everybody.clone());
            })
        }
    });
    let shown = match address.recv() {
        Ok(address) => show(&config, &store, &address),
        // It could not start, and says why.
        Err(_) => Ok(()),
    };
    if let Err(error) = shown {
        // The server's thread ends with the process; its store goes with the folder.
        drop(folder);
        return Err(error);
    }
    server.join().map_err(|_| anyhow::anyhow!("the server has panicked"))??;
    folder.close().context("removing the throw-away store")?;
    super::print("the throw-away store is removed\n")
}

/// Until the server runs nobody else waits for signals, and the store must not be left behind.
fn remove_when_interrupted(folder: PathBuf, serving: Arc<AtomicBool>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt, mut hangup) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        if !serving.load(SeqCst) {
            // Files may be made while it is removed: a few times.
            let _ = (0..100).any(|_| std::fs::remove_dir_all(&folder).is_ok());
            std::process::exit(130);
        }
    });
    Ok(())
}

fn fill(store: &Store) -> Result<()> {
    let began = Instant::now();
    let plan = Plan { seed: 1, installations: INSTALLATIONS, days: DAYS, now: Timestamp::now(), everything: true };
    super::progress("filling a throw-away store, which takes some seconds ..");
    let mut writer = Writer::new(store);
    let filled = fleet::fill(&mut writer, &plan).and_then(|_| writer.commit());
    // That line goes.
    super::progress("\x1b[K");
    filled?;
    let took = began.elapsed().as_secs_f64();
    super::print(&format!(
        "filled    {DAYS} days of a made-up fleet of {INSTALLATIONS} installations, in {took:.1} s\n"
    ))
}

fn show(config: &Config, store: &Store, address: &str) -> Result<()> {
    let socket: SocketAddr = address.trim_start_matches("http://").parse().context("where the server listens")?;
    let requests = recorded()?;
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for request in &requests {
        let target = target(request);
        let headers = [("User-Agent", text(request, "user_agent")), ("X-Forwarded-For", ADDRESS)];
        let sent =
            Sent { method: text(request, "method"), target: &target, headers: &headers, body: text(request, "body") };
        let status = client::send(socket, &sent)?;
        anyhow::ensure!(status == 204, "{target} was answered {status}");
        let kind = event(request);
        let kind = if kind.starts_with("commerror_") { "commerror_{reason}" } else { kind };
        *kinds.entry(kind.into()).or_default() += 1;
    }
    let mut out =
        format!("received  {} requests that real OctoPrints have sent, at {address}/track/\n", requests.len());
    for (kind, count) in kinds {
        writeln!(out, "          {count:>4} {kind}")?;
    }
    out += &before_and_after(store, &requests)?;
    let folder = store.exports();
    // The server has made them at its start; what came in since is in none of them.
    let last = exports::names().last().map(|name| folder.join(name));
    wait_for("the server's exports", || Ok(last.as_ref().filter(|file| file.exists()).map(drop)))?;
    exports::publish(config, store, Timestamp::now())?;
    out += &totals(&folder)?;
    writeln!(out, "exports   {} files in {}", exports::names().count(), folder.display())?;
    writeln!(out, "          {address}/export/instance_stats_30d.json, and the others")?;
    writeln!(out, "page      {address}/")?;
    writeln!(out, "Ctrl-C ends it, and removes the store.")?;
    super::print(&out)
}

/// All recorded requests, in the order in which they were sent.
fn recorded() -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for line in CASES.iter().flat_map(|cases| cases.lines()) {
        let mut case: Value = serde_json::from_str(line)?;
        if let Value::Array(expected) = case["expect"].take() {
            all.extend(expected);
        }
    }
    for line in SESSION.lines() {
        all.push(serde_json::from_str(line)?);
    }
    Ok(all)
}

fn text<'a>(request: &'a Value, key: &str) -> &'a str {
    request[key].as_str().unwrap_or_default()
}

fn event(request: &Value) -> &str {
    text(request, "path").split('/').nth(3).unwrap_or_default()
}

fn target(request: &Value) -> String {
    let (path, query) = (text(request, "path"), text(request, "query"));
    if query.is_empty() { path.into() } else { format!("{path}?{query}") }
}

/// One report as it came and as it is kept: one with a port, of which only the kind is kept.
fn before_and_after(store: &Store, requests: &[Value]) -> Result<String> {
    let connected: Vec<_> = requests.iter().filter(|request| event(request) == "printer_connected").collect();
    let is_reduced = |request: &&Value| {
        let query = text(request, "query");
        query.contains("printer_port=") && !query.contains("printer_port=VIRTUAL")
    };
    let at = connected.iter().position(is_reduced).unwrap_or_default();
    let request = connected.get(at).context("no printer was connected")?;
    let id = text(request, "path").split('/').nth(2).and_then(Id::parse).context("a recorded id")?;
    let kept = wait_for("the report", || {
        let shown = installation::show(store, id)?;
        let days = shown["days"].as_object().into_iter().flat_map(|days| days.values());
        let reports = days.flat_map(|day| day["reports"].as_array().into_iter().flatten());
        let found: Vec<_> = reports.filter(|report| report["event"] == "printer_connected").collect();
        Ok(found.get(at).filter(|_| found.len() >= connected.len()).map(|found| (*found).clone()))
    })?;
    Ok(format!(
        "as sent   from {ADDRESS}, {}\n          {} {}\nas kept   {kept}\n",
        text(request, "user_agent"),
        text(request, "method"),
        target(request)
    ))
}

/// Wait for what the server does.
fn wait_for<T>(what: &str, mut find: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = find()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("waited too long for {what}")
}

/// The three totals of the page that shows the exports, of 30 days.
fn totals(folder: &Path) -> Result<String> {
    let read = |name: &str| -> Result<Value> {
        let file = folder.join(format!("{name}_stats_30d.json"));
        let bytes = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("reading {}", file.display()))
    };
    let hours = read("printing")?["total"].as_f64().unwrap_or_default() / 3600.0;
    Ok(format!(
        "totals    {} installations, {hours:.0} hours of finished prints, {} that tell of achievements, in 30 days\n",
        read("instance")?["count"],
        read("achievements")?["instances"]
    ))
}
