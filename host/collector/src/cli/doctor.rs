//! `doctor`: whether a set-up is as it should be. Each line is one thing that was looked at, and what to do if it is not well.

use super::arguments::Place;
use super::status::database_age;
use anyhow::{Result, bail};
use glassbox_collector::address::Network;
use glassbox_collector::client::{Sent, listens, send};
use glassbox_collector::config::{Config, Listen};
use glassbox_collector::door::Door;
use glassbox_collector::exports;
use glassbox_collector::geo::Locator;
use glassbox_collector::store::{Store, look};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;

/// In days: GeoLite2 is renewed twice a week, and addresses move.
const OLD_DATABASE: i64 = 60;

/// In seconds: exports are made every hour.
const OLD_EXPORTS: i64 = 3 * 3600;

/// In bytes: a day of the whole fleet and its exports, a few times over.
const LITTLE_SPACE: u64 = 500_000_000;

/// Reports of a day of which one should have a place.
const ENOUGH: i64 = 20;

enum Verdict {
    Ok(String),
    /// It works, and may not be what was meant; with advice.
    Warning(String, &'static str),
    /// It does not work; with advice.
    Fault(String, &'static str),
}

use Verdict::{Fault, Ok as Good, Warning};

pub(super) fn run(place: &Place) -> Result<()> {
    let config = place.read()?;
    let now = Timestamp::now();
    let mut all = vec![Good("the configuration can be used".into()), manifest(&config), database(&config, now)];
    all.extend(addresses(&config));
    match Place::existing(&config) {
        Ok(store) => all.extend(kept(&config, &store, now)),
        Err(_) if !config.data.exists() => all.push(Warning(
            format!("{} has nothing yet", config.data.display()),
            "'run' makes it; if there should be something, name the folder with --data",
        )),
        Err(error) => all.push(Fault(format!("{error:#}"), "'run' could not use it either")),
    }
    all.extend(responsible(&config));
    all.push(listening(&config));
    let mut out = String::new();
    let mut faults = 0;
    // Some errors have several lines.
    let indented = |what: String| what.trim_end().replace('\n', "\n         ");
    for verdict in all {
        match verdict {
            Good(what) => writeln!(out, "ok       {}", indented(what))?,
            Warning(what, advice) => writeln!(out, "warning  {}\n         {advice}", indented(what))?,
            Fault(what, advice) => {
                faults += 1;
                writeln!(out, "fault    {}\n         {advice}", indented(what))?;
            }
        }
    }
    super::print(&out)?;
    if faults > 0 {
        bail!("{faults} of these must be mended");
    }
    Ok(())
}

fn manifest(config: &Config) -> Verdict {
    match Door::read(config.manifest.as_deref()) {
        Ok(door) => Good(format!("the manifest has rules for {} kinds of reports", door.manifest().says.len())),
        Err(error) => Fault(format!("{error:#}"), "mend it, or leave out `manifest`: one for OctoPrint is built in"),
    }
}

fn database(config: &Config, now: Timestamp) -> Verdict {
    const RENEW: &str = "download it anew and replace the file; it is taken while running";
    let state = Locator::new(config.geo_database.as_deref(), false).state();
    if let Some(problem) = state.problem {
        return Fault(problem, RENEW);
    }
    let Some((kind, days)) = database_age(&state, now) else {
        return Warning("without a database of places reports have none".into(), "if you want some, set geo_database");
    };
    let what = format!("the database of places is {kind}, {days} days old");
    if days > OLD_DATABASE { Warning(what, RENEW) } else { Good(what) }
}

/// Whether `/privacy` says who is responsible.
fn responsible(config: &Config) -> Option<Verdict> {
    let says = !config.responsible.is_empty() && !config.contact.is_empty();
    let what = "/privacy does not say who is responsible for what is kept, or how to reach them";
    (!says).then(|| Warning(what.into(), "set responsible and contact"))
}

/// Whether the keys about addresses go together.
fn addresses(config: &Config) -> Option<Verdict> {
    if config.trusted_proxies.iter().any(Network::is_everything) {
        let what = "trusted_proxies has everybody in it, so anybody can say to come from anywhere";
        return Some(Fault(what.into(), "name the addresses of the proxies only"));
    }
    let trusts = !config.trusted_proxies.is_empty() || matches!(config.listen, Listen::Unix(_));
    match &config.address_header {
        Some(header) if !trusts => Some(Fault(
            format!("{header} is looked at only where a trusted proxy sends it, and none is"),
            "name the proxy in trusted_proxies, or listen on a Unix socket",
        )),
        None if trusts => Some(Warning(
            "what comes from the proxy has no place".into(),
            "name the header in which it says the address: address_header",
        )),
        _ => None,
    }
}

/// What is in the store.
fn kept(config: &Config, store: &Store, now: Timestamp) -> Vec<Verdict> {
    let mut found = Vec::new();
    if store.folder().metadata().is_ok_and(|folder| folder.mode() & 0o077 != 0) {
        let what = format!("others can look into {}", store.folder().display());
        found.push(Warning(what, "run 'chmod 700' on it: ids are in there"));
    }
    match look::damaged(store) {
        Ok(damaged) if damaged.is_empty() => found.push(Good("every day that is kept can be read".into())),
        Ok(damaged) => found.extend(
            damaged
                .into_iter()
                .map(|what| Fault(what, "put a copy from a backup in its place, or remove it; the others are fine")),
        ),
        Err(error) => found.push(Fault(format!("{error:#}"), "look at the folder's rights")),
    }
    let day = now.to_zoned(TimeZone::UTC).date();
    if let Some(future) = store.days().ok().and_then(|days| days.last().copied()).filter(|last| *last > day) {
        let what = format!("there are reports of {future}, and today is {day}");
        found.push(Fault(what, "a clock was wrong, or is; stop 'run', set it, and remove that day's file"));
    }
    if config.geo_database.is_some()
        && let Ok((all, 0)) = look::placed(store, day)
        && all >= ENOUGH
    {
        found.push(Warning(
            format!("none of today's {all} reports has a place: they come from private addresses, as of a proxy"),
            "name the proxy in trusted_proxies, and its header in address_header",
        ));
    }
    found.push(match exports::age(&store.exports(), now) {
        None => Warning("the exports are not made yet".into(), "'run' makes them when it starts, and every hour"),
        Some(old) if old > OLD_EXPORTS => {
            Warning(format!("the exports are {} hours old", old / 3600), "'run' makes them every hour: does it run?")
        }
        Some(old) => Good(format!("the exports are {} minutes old", old / 60)),
    });
    if let Some(free) = look::disk_free(store) {
        let what = format!("{} MB are free", free / 1_000_000);
        found.push(if free < LITTLE_SPACE {
            Fault(what, "make room: what cannot be written is lost")
        } else {
            Good(what)
        });
    }
    found
}

fn listening(config: &Config) -> Verdict {
    const START: &str = "start 'run', or look at its log";
    let (place, answers) = match &config.listen {
        Listen::Tcp(address) if address.port() == 0 => {
            return Warning("'run' takes a free port each time".into(), "for a service name one in `listen`");
        }
        Listen::Tcp(address) => {
            let asked = Sent { method: "GET", target: "/healthz", headers: &[], body: "" };
            (format!("http://{address}"), send(*address, &asked).is_ok_and(|status| status == 200))
        }
        Listen::Unix(path) => (format!("unix:{}", path.display()), listens(path)),
    };
    if answers { Good(format!("{place} answers")) } else { Warning(format!("{place} does not answer"), START) }
}
