//! The OctoPrints: whether each is reached, knows the key, can be heard, and what may not be read.

use super::Examined;
use super::finding::Finding;
use crate::home::BUNDLED_NAME;
use crate::home::config::octoprint::{self, Target};
use crate::home::{ApiKey, UNNAMED};
use crate::net::reach;
use crate::net::{Address, ConnectError, Peer};
use crate::operations::connections;
use crate::operations::status::is_on;
use crate::sources::octoprint::own_tracker::SWITCH;
use crate::sources::octoprint::permissions;
use crate::sources::octoprint::permissions::Missing;
use crate::sources::octoprint::probe::{Probe, probe};
use anyhow::{Context, Result};

const NO_KEY: &str = "put an OctoPrint API key there that only you can read (chmod 600)";
const NONE: &str = "none is named, neither with --octoprint nor in glassbox.toml: events have to come from --events";

/// Look at all of them.
pub fn look(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    let targets = targets(examined);
    if targets.is_empty() && examined.config.mqtt.is_empty() {
        let says = if examined.is_good { NONE } else { "glassbox.toml cannot be used" };
        findings.push(Finding::skipped("octoprint", says));
    }
    for warning in examined.sites.iter().filter_map(|one| connections::imported(examined.home, one)) {
        if let Some((says, advice)) = warning.split_once("; ") {
            findings.push(Finding::warn("twice", says, advice));
        }
    }
    for (name, target) in targets {
        match target {
            Ok(target) => one(examined, &target, findings),
            Err(error) => findings.push(Finding::error(format!("octoprint {name}"), &format!("{error:#}"), NO_KEY)),
        }
    }
}

/// Who is to be looked at, with a name for each.
fn targets(examined: &Examined<'_>) -> Vec<(String, Result<Target>)> {
    if let Some(url) = &examined.options.octoprint {
        let target = || {
            let address = Address::parse(url, Peer::OctoPrint)?;
            let key = ApiKey::find(examined.options.api_key_file.as_deref())?;
            Ok(Target { name: None, address, key })
        };
        return vec![("octoprint".into(), target())];
    }
    let (root, file) = (examined.home.root(), examined.home.config_file());
    let entries = examined.config.octoprint.iter();
    let named = entries.map(|entry| {
        let name = entry.name.clone().unwrap_or_else(|| UNNAMED.into());
        let found = octoprint::targets(std::slice::from_ref(entry), root, &file);
        (name, found.and_then(|found| found.into_iter().next().context("there is none")))
    });
    named.collect()
}

fn one(examined: &Examined<'_>, target: &Target, findings: &mut Vec<Finding>) {
    let (name, address) = (target.called(), &target.address);
    let check = |what: &str| format!("{what} {name}");
    if let Err(error) = reach::reach(address, &examined.roots) {
        let advice = format!("start OctoPrint, if it does not run; check {address} in a browser on this machine");
        let says = format!("{address}: {}", error.what());
        return findings.push(Finding::fail(check("reach"), says, error.advice().unwrap_or(&advice)));
    }
    let how = if address.is_tls() { " over TLS, with a certificate that is trusted" } else { "" };
    findings.push(Finding::ok(check("reach"), format!("{address} is reached{how}")));
    match probe(target, &examined.roots) {
        Ok(found) => {
            findings.push(Finding::ok(check("key"), format!("OctoPrint accepts it, as that of '{}'", found.user)));
            findings.push(Finding::ok(check("events"), format!("OctoPrint {} lets them be heard", found.version)));
            permitted(&found.missing, &check("permissions"), findings);
            let on = is_on(&examined.home.of(target.name.as_deref()), BUNDLED_NAME);
            findings.extend(twice(on, &found, check("twice")));
        }
        Err(ConnectError::Wrong { what, advice }) => findings.push(Finding::fail(check("octoprint"), what, advice)),
        Err(error) => {
            let advice = "wait a moment, and look into OctoPrint's log (octoprint.log)";
            let says = format!("{address}: {}", error.what());
            findings.push(Finding::fail(check("octoprint"), says, error.advice().unwrap_or(advice)));
        }
    }
}

/// What may not be read. Some of it is better left so.
fn permitted(missing: &[Missing], check: &str, findings: &mut Vec<Finding>) {
    if missing.is_empty() {
        findings.push(Finding::ok(check, "the key may read all that is of use"));
    }
    for missing in missing {
        let permission = permissions::ALL.iter().find(|one| Some(one.key) == missing.permission.as_deref());
        let says = format!("{} is not to be had", missing.what);
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
            None => {
                Finding::warn(check, format!("{says}: {}", missing.why), "look into OctoPrint's log (octoprint.log)")
            }
        });
    }
}

/// Whether everything is counted twice. Of no interest where our own tracker is off.
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
            format!("whether OctoPrint's own tracker is on as well is not for this key to see; see {SWITCH}"),
        ),
    })
}
