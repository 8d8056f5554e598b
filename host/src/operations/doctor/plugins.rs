//! Checks each plugin: whether it loads and accepts its settings, what was granted to it, and which rule decides
//! whether it sends anything.

use super::Examined;
use super::finding::Finding;
use super::identity;
use crate::home::Home;
use crate::home::grants::Standing;
use crate::operations::octoprints::{KnownOctoPrint, which};
use crate::operations::plugins;
use crate::operations::settings::SettingsEditor;
use crate::plugins::context::label;
use crate::plugins::loader;
use crate::sending::{Sending, is_on, standing, vouching};
use glassbox_contract::Prepare;
use glassbox_sandbox::{Consent, Error, Sandbox, Stage};
use glassbox_util::text::printable;
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
    loads(examined, sandbox, name, findings);
    let label = |one: &KnownOctoPrint| label(one.name.as_deref(), name);
    for one in &examined.octoprints {
        findings.extend(identity::check(&one.home, name, &label(one)));
        findings.push(sends(one, name, &label(one)));
    }
}

/// Whether it loads, and was granted what it asks for.
fn loads(examined: &Examined<'_>, sandbox: &Sandbox, name: &str, findings: &mut Vec<Finding>) {
    let home = examined.home;
    let check = |what: &str| format!("{what} {name}");
    let again = "copy it again, or replace it with a version that works; 'glassbox audit FILE' says more";
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
                "'glassbox grant {name}' shows what it asks for and lets it run, 'glassbox opt-in {name}{}' also switches it on",
                which(&examined.octoprints)
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
    // What may not run is not started here either.
    match vouching(home, name, &bytes) {
        // Another check says what is wrong with it.
        Err(_) if home.config().is_err() => {
            return findings.push(Finding::skipped(check("policy"), "glassbox.toml cannot be used"));
        }
        Err(error) => return findings.push(Finding::error(check("policy"), &error, "fix it")),
        Ok(vouching) => {
            if let Some(advice) = vouching.advice(name) {
                let says = format!("it does not run: {advice}");
                let do_it = match vouching.refused {
                    Some(_) => "get a version of it without, or change [policy]",
                    None => "get their attestations, or change [policy]",
                };
                let wanted = examined.octoprints.iter().any(|one| is_on(&one.home, name));
                return findings.push(match wanted {
                    true => Finding::fail(check("policy"), says, do_it),
                    false => Finding::warn(check("policy"), says, do_it),
                });
            }
        }
    }
    let plugin = match sandbox.prepare(name, &bytes) {
        Ok(plugin) => Arc::new(plugin),
        Err(error) => {
            let error = error.into();
            return findings.push(Finding::error(check("plugin"), &error, if is_ours(&error) { ALLOW } else { again }));
        }
    };
    for one in &examined.octoprints {
        let label = label(one.name.as_deref(), name);
        let rehearsed = loader::rehearse(&one.home, &plugin);
        // Which settings there are is asked of it, too.
        findings.extend(rehearsed.is_ok().then(|| unread(home, one, name, &label)).flatten());
        findings.push(match rehearsed {
            Ok(()) => Finding::ok(format!("plugin {label}"), "it loads, starts and accepts its settings"),
            Err(error) if is_ours(&error) => Finding::error(format!("plugin {label}"), &error, ALLOW),
            Err(error) => {
                let option = one.option();
                let advice = format!("'glassbox settings {name}{option}' shows its settings; or {again}");
                Finding::error(format!("plugin {label}"), &error, &advice)
            }
        });
    }
}

/// Keys in the settings that nobody reads, where somebody may have meant a no.
fn unread(home: &Home, one: &KnownOctoPrint, name: &str, label: &str) -> Option<Finding> {
    let unknown = SettingsEditor::open(home, name).and_then(|editor| editor.unknown(&one.home)).ok()?;
    let shown: Vec<_> = unknown.iter().map(|path| format!("'{}'", printable(path, 80))).collect();
    let says =
        format!("{} has keys that are no settings: {}", one.home.settings_file(name).display(), shown.join(", "));
    let advice = format!(
        "'glassbox settings {name}{}' lists all, and changes them; by hand, a.b is written as {{\"a\": {{\"b\": ..}}}}",
        one.option()
    );
    (!shown.is_empty()).then(|| Finding::warn(format!("settings {label}"), says, advice))
}

/// What to do where no plugin can run, whichever it is.
const ALLOW: &str = "have the system allow that; no plugin is to blame, and another version of it would not run either";

/// Whether it is this machine that lets no plugin run.
fn is_ours(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.stage == Stage::Engine)
}

/// Which rule decides whether anything is sent.
fn sends(one: &KnownOctoPrint, name: &str, label: &str) -> Finding {
    let check = format!("sending {label}");
    let answer = plugins::sends(&one.home, name);
    let sentence = answer.sending.sentence(name);
    match &answer.sending {
        Sending::Decided(Consent::Given | Consent::Refused) => Finding::ok(check, sentence),
        Sending::Decided(Consent::Undecided) => {
            Finding::warn(check, sentence, format!("glassbox opt-in {name}{}, or opt-out", one.option()))
        }
        Sending::Decided(Consent::Variable(variable)) => {
            let advice = format!("unset {variable} where the host is started, if it is to send");
            Finding::warn(check, sentence, advice)
        }
        // Other checks have found that, with what to do about it.
        Sending::DamagedSettings { .. } | Sending::Unusable(_) | Sending::Ungranted(_) | Sending::Unvouched(_) => {
            Finding::skipped(check, sentence)
        }
        Sending::Unknown(_) => {
            Finding::warn(check, sentence, "run doctor as the user that the host runs as; or start the host again")
        }
        Sending::Stopped(_) => Finding::warn(check, sentence, "the journal says more: glassbox journal"),
    }
}
