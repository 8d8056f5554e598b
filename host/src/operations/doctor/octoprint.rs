//! Checks each OctoPrint: whether it can be reached, accepts the API key and sends events, and what the key may
//! not read.

use super::Examined;
use super::finding::Finding;
use crate::home::BUNDLED_NAME;
use crate::home::config::octoprint::{self, Target};
use crate::home::{ApiKey, UNNAMED};
use crate::net::reach;
use crate::net::{Address, ConnectError};
use crate::operations::connections;
use crate::sending::is_on;
use crate::sources::octoprint::own_tracker::SWITCH;
use crate::sources::octoprint::permissions;
use crate::sources::octoprint::permissions::Missing;
use crate::sources::octoprint::probe::{Probe, probe};
use anyhow::{Context, Result};

const NO_KEY: &str = "put an OctoPrint API key there that only you can read (chmod 600)";
const NONE: &str = "none is named, neither with --octoprint nor in glassbox.toml, so events have to come from --events";

/// Check all of them, or the one that the options name.
pub fn check(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    let targets = targets(examined);
    if targets.is_empty() && examined.config.mqtt.is_empty() {
        let says = if examined.has_good_config { NONE } else { "glassbox.toml cannot be used" };
        findings.push(Finding::skipped("octoprint", says));
    }
    for warning in examined.octoprints.iter().filter_map(|one| connections::imported_twice(examined.home, one)) {
        findings.push(Finding::warn("twice", warning.what, warning.advice.unwrap_or_default()));
    }
    for (name, target) in targets {
        match target {
            Ok(target) => one(examined, &target, findings),
            Err(error) => findings.push(Finding::error(format!("octoprint {name}"), &error, NO_KEY)),
        }
    }
}

/// The OctoPrints to check, each with the name to show.
fn targets(examined: &Examined<'_>) -> Vec<(String, Result<Target>)> {
    if let Some(url) = &examined.options.octoprint {
        let target = || {
            let address = Address::of_command_line(url)?;
            let key = ApiKey::find(examined.options.api_key_file.as_deref())?;
            Ok(Target { name: None, address, key })
        };
        return vec![("octoprint".into(), target())];
    }
    let (home, file) = (examined.home, examined.home.config_file());
    let entries = examined.config.octoprint.iter();
    let named = entries.map(|entry| {
        let name = entry.name.clone().unwrap_or_else(|| UNNAMED.into());
        let found = octoprint::targets(std::slice::from_ref(entry), home, &file);
        (name, found.and_then(|found| found.into_iter().next().context("there is none")))
    });
    named.collect()
}

fn one(examined: &Examined<'_>, target: &Target, findings: &mut Vec<Finding>) {
    let (name, address) = (target.called(), &target.address);
    let check = |what: &str| format!("{what} {name}");
    if let Err(error) = reach::reach(address, &examined.trust) {
        let advice = format!("start OctoPrint if it is not running; check {address} in a browser on this machine");
        let says = format!("{address}: {}", error.what());
        return findings.push(Finding::fail(check("reach"), says, error.advice().unwrap_or(&advice)));
    }
    let how = if address.is_tls() { " over TLS, with a certificate that is trusted" } else { "" };
    findings.push(Finding::ok(check("reach"), format!("{address} can be reached{how}")));
    match probe(target, &examined.trust) {
        Ok(found) => {
            findings.push(Finding::ok(check("key"), format!("OctoPrint accepts it, as that of '{}'", found.user)));
            findings.push(Finding::ok(check("events"), format!("OctoPrint {} sends them", found.version)));
            permitted(&found.missing, &check("permissions"), findings);
            let on = is_on(&examined.home.of(target.name.as_deref()), BUNDLED_NAME);
            findings.extend(twice(on, &found, check("twice")));
        }
        Err(ConnectError::Wrong { what, advice }) => findings.push(Finding::fail(check("octoprint"), what, advice)),
        Err(error) => {
            let advice = "wait a moment, and check OctoPrint's log (octoprint.log)";
            let says = format!("{address}: {}", error.what());
            findings.push(Finding::fail(check("octoprint"), says, error.advice().unwrap_or(advice)));
        }
    }
}

/// What the key may not read. For some of that it is better to leave it so.
fn permitted(missing: &[Missing], check: &str, findings: &mut Vec<Finding>) {
    if missing.is_empty() {
        findings.push(Finding::ok(check, "the key may read everything that is useful"));
    }
    for missing in missing {
        let permission = permissions::ALL.iter().find(|one| Some(one.key) == missing.permission.as_deref());
        let says = format!("{} cannot be read", missing.what);
        findings.push(match permission {
            Some(permission) => match permission.also {
                Some(also) => Finding::ok(
                    check,
                    format!("{says} without the permission {}, which {also}; it is optional", permission.told()),
                ),
                None => Finding::warn(
                    check,
                    says,
                    format!(
                        "give the key's user the permission {} in OctoPrint's Settings > Access Control",
                        permission.told()
                    ),
                ),
            },
            None => Finding::warn(check, format!("{says}: {}", missing.why), "check OctoPrint's log (octoprint.log)"),
        });
    }
}

/// Whether everything is counted twice. It cannot be where our own tracker is off.
fn twice(on: bool, found: &Probe, check: String) -> Option<Finding> {
    if !on {
        return None;
    }
    Some(match found.own_tracker {
        Some(true) => Finding::warn(
            check,
            "OctoPrint's own tracker is on as well, so everything is counted twice",
            format!("switch it off in {SWITCH}"),
        ),
        Some(false) => Finding::ok(check, "OctoPrint's own tracker is off, so nothing is counted twice"),
        None => Finding::skipped(
            check,
            format!("this key may not see whether OctoPrint's own tracker is on as well; see {SWITCH}"),
        ),
    })
}
