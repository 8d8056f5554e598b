//! Checks each plugin: whether it loads and accepts its settings, what was granted to it, and which rule decides
//! whether it sends anything.

use super::Examined;
use super::finding::Finding;
use crate::home::grants::Standing;
use crate::home::settings::Stored;
use crate::operations::octoprints::KnownOctoPrint;
use crate::plugins::context::label;
use crate::plugins::loader;
use crate::sending::standing;
use glassbox_sandbox::{Consent, Sandbox, consent};
use std::sync::Arc;

/// Check all of them.
pub fn check(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    let home = examined.home;
    let sandbox = match Sandbox::new(Some(&home.cache())) {
        Ok(sandbox) => sandbox,
        Err(error) => {
            let advice = format!("check {}, where compiled code is kept; it can be removed", home.cache().display());
            return findings.push(Finding::error("plugins", &error.into(), &advice));
        }
    };
    match home.plugin_names() {
        Ok(names) if names.is_empty() => findings.push(Finding::fail(
            "plugins",
            format!("there is no plugin in {}", home.plugins().display()),
            "'glassbox init' puts the bundled tracker there",
        )),
        Ok(names) => names.iter().for_each(|name| plugin(examined, &sandbox, name, findings)),
        Err(error) => findings.push(Finding::error("plugins", &error, "make that folder readable")),
    }
}

fn plugin(examined: &Examined<'_>, sandbox: &Sandbox, name: &str, findings: &mut Vec<Finding>) {
    let home = examined.home;
    let check = |what: &str| format!("{what} {name}");
    let again = "replace it with a version that works; 'glassbox audit FILE' says more";
    let bytes = match home.read_plugin(name) {
        Ok(bytes) => bytes,
        Err(error) => return findings.push(Finding::error(check("plugin"), &error.into(), again)),
    };
    match standing(home, name, &bytes) {
        Err(error) => return findings.push(Finding::error(check("plugin"), &error.into(), again)),
        Ok(Err(error)) => return findings.push(Finding::error(check("grant"), &error, "grant it again")),
        Ok(Ok(Standing::Granted)) => {
            findings.push(Finding::ok(check("grant"), "everything that it asks for was granted"));
        }
        Ok(Ok(Standing::Waiting)) => {
            let advice = format!(
                "'glassbox grant {name}' shows what it asks for and lets it run, 'glassbox opt-in {name}' also switches it on"
            );
            return findings.push(Finding::warn(
                check("grant"),
                "it does not run: nobody has granted it anything",
                advice,
            ));
        }
        Ok(Ok(Standing::More(more))) => {
            let says = format!("it does not run: it asks for more than was granted, to {}", more.join(", to "));
            return findings.push(Finding::warn(check("grant"), says, format!("'glassbox grant {name}' accepts that")));
        }
    }
    let plugin = match sandbox.prepare(name, &bytes) {
        Ok(plugin) => Arc::new(plugin),
        Err(error) => return findings.push(Finding::error(check("plugin"), &error.into(), again)),
    };
    for one in &examined.octoprints {
        let label = label(one.name.as_deref(), name);
        findings.push(match loader::rehearse(&one.home, &plugin) {
            Ok(()) => Finding::ok(format!("plugin {label}"), "it loads, starts and accepts its settings"),
            Err(error) => {
                let advice = format!("'glassbox settings {name}' shows its settings; or {again}");
                Finding::error(format!("plugin {label}"), &error, &advice)
            }
        });
        findings.extend(sends(one, name, &label));
    }
}

/// Which rule decides whether anything is sent. A damaged settings file is found by loading the plugin.
fn sends(one: &KnownOctoPrint, name: &str, label: &str) -> Option<Finding> {
    let check = format!("sending {label}");
    let consent = match one.home.settings(name) {
        Stored::Good(settings) => Consent::decide(&settings, consent::process_veto()),
        Stored::Missing => Consent::Undecided,
        Stored::Damaged(_) => return None,
    };
    Some(match consent {
        Consent::Given => Finding::ok(check, format!("reports are sent while a host runs: {consent}")),
        Consent::Refused => Finding::ok(check, format!("nothing is sent, as was decided: {consent}")),
        Consent::Undecided => {
            Finding::warn(check, format!("nothing is sent: {consent}"), format!("glassbox opt-in {name}, or opt-out"))
        }
        Consent::Variable(variable) => Finding::warn(
            check,
            format!("nothing is sent by a host that is started here: {consent}"),
            format!("unset {variable} where the host is started, if it is to send"),
        ),
    })
}
