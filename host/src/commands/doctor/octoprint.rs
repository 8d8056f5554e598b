//! The OctoPrints: whether each is reached, knows the key, can be heard, and what may not be read.

use super::Patient;
use super::finding::Finding;
use crate::commands::connections;
use crate::commands::status::is_on;
use anyhow::{Context, Result};
use glassbox::handshake;
use glassbox::home::BUNDLED_NAME;
use glassbox::octoprint::own_tracker::SWITCH;
use glassbox::octoprint::permissions::Missing;
use glassbox::octoprint::visit::{Visit, visit};
use glassbox::octoprint::{Address, Key, Target, Trouble, UNNAMED, config, permissions};

const NO_KEY: &str = "put an OctoPrint API key there that only you can read (chmod 600)";
const NONE: &str = "none is named, neither with --octoprint nor in glassbox.toml: events have to come from --events";

/// Look at all of them.
pub fn look(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let targets = targets(patient);
    if targets.is_empty() && patient.config.mqtt.is_empty() {
        let says = if patient.is_good { NONE } else { "glassbox.toml cannot be used" };
        findings.push(Finding::skipped("octoprint", says));
    }
    for warning in patient.sites.iter().filter_map(|one| connections::imported(patient.home, one)) {
        if let Some((says, advice)) = warning.split_once("; ") {
            findings.push(Finding::warn("twice", says, advice));
        }
    }
    for (name, target) in targets {
        match target {
            Ok(target) => one(patient, &target, findings),
            Err(error) => findings.push(Finding::error(format!("octoprint {name}"), &format!("{error:#}"), NO_KEY)),
        }
    }
}

/// Who is to be looked at, with a name for each.
fn targets(patient: &Patient<'_>) -> Vec<(String, Result<Target>)> {
    if let Some(url) = &patient.options.octoprint {
        let target = || {
            let address = Address::parse(url)?;
            let key = Key::find(patient.options.api_key_file.as_deref())?;
            Ok(Target { name: None, address, key })
        };
        return vec![("octoprint".into(), target())];
    }
    let (root, file) = (patient.home.root(), patient.home.config_file());
    let entries = patient.config.octoprint.iter();
    let named = entries.map(|entry| {
        let name = entry.name.clone().unwrap_or_else(|| UNNAMED.into());
        let found = config::targets(std::slice::from_ref(entry), root, &file);
        (name, found.and_then(|found| found.into_iter().next().context("there is none")))
    });
    named.collect()
}

fn one(patient: &Patient<'_>, target: &Target, findings: &mut Vec<Finding>) {
    let (name, address) = (target.called(), &target.address);
    let check = |what: &str| format!("{what} {name}");
    if let Err(reason) = handshake::reach(address, &patient.roots) {
        let advice = format!("start OctoPrint, if it does not run; check {address} in a browser on this machine");
        return findings.push(Finding::fail(check("reach"), format!("{address}: {reason}"), advice));
    }
    let how = if address.is_tls() { " over TLS, with a certificate that is trusted" } else { "" };
    findings.push(Finding::ok(check("reach"), format!("{address} is reached{how}")));
    match visit(target, &patient.roots) {
        Ok(visit) => {
            findings.push(Finding::ok(check("key"), format!("OctoPrint accepts it, as that of '{}'", visit.user)));
            findings.push(Finding::ok(check("events"), format!("OctoPrint {} lets them be heard", visit.version)));
            permitted(&visit.missing, &check("permissions"), findings);
            let on = is_on(&patient.home.of(target.name.as_deref()), BUNDLED_NAME);
            findings.extend(twice(on, &visit, check("twice")));
        }
        Err(Trouble::Wrong(reason)) => {
            findings.push(Finding::error(check("octoprint"), &reason, "see 'Attaching to an OctoPrint' in the README"));
        }
        Err(trouble) => {
            let advice = "wait a moment, and look into OctoPrint's log (octoprint.log)";
            findings.push(Finding::fail(check("octoprint"), format!("{address}: {}", trouble.reason()), advice));
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
fn twice(on: bool, visit: &Visit, check: String) -> Option<Finding> {
    if !on {
        return None;
    }
    Some(match visit.own_tracker {
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
