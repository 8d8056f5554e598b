//! What a plugin records, as its manifest declares it, and what of that `[policy]` denies. The words for it are in the
//! sandbox, which also shows them to whoever grants it.

use super::plugins::load_or_bundled;
use super::similar::did_you_mean;
use crate::home::Home;
use crate::home::config::audit_policy::AuditPolicy;
use anyhow::Result;
use glassbox_contract::examine;
use glassbox_sandbox::Manifest;
use glassbox_util::Advised;
use glassbox_util::text::printable;

/// The manifest of a plugin of the home, or of the bundled one also without a home.
///
/// # Errors
/// When there is no home, or the plugin cannot be loaded.
pub fn policy(home: &Home, name: &str) -> Result<Manifest> {
    Ok(load_or_bundled(home, name)?.policy.manifest().clone())
}

/// The reports of a manifest that would not leave if `deny` in `[policy]` were these entries: all that may have what they
/// name.
///
/// # Errors
/// When the manifest has nothing that an entry names.
pub fn held_back_by(manifest: &Manifest, entries: &[String]) -> Result<Vec<String>> {
    for entry in entries {
        if held_back(manifest, std::slice::from_ref(entry)).is_empty() {
            let what = format!("'{}' has no report and no field '{}'", manifest.plugin.name, printable(entry, 80));
            return Err(Advised::new(what, which_there_are(entry, [manifest])).into());
        }
    }
    Ok(held_back(manifest, entries))
}

/// The entries of `deny` in the home's `[policy]` that hold nothing back, as no plugin of the home has what they name; with
/// advice. None where no plugin can be asked.
pub fn denied_in_vain(home: &Home) -> Vec<Advised> {
    let deny = home.config().ok().and_then(|config| config.policy).map(|policy| policy.deny).unwrap_or_default();
    if deny.is_empty() {
        return Vec::new();
    }
    let read = |name: &String| home.read_plugin(name).and_then(|bytes| examine(name, &bytes)).ok();
    let examined: Vec<_> = home.plugin_names().unwrap_or_default().iter().filter_map(read).collect();
    let manifests = || examined.iter().map(|policy| policy.manifest());
    let in_vain = |entry: &&String| {
        manifests().count() > 0
            && manifests().all(|manifest| held_back(manifest, std::slice::from_ref(*entry)).is_empty())
    };
    let told = |entry: &String| {
        let what = format!(
            "deny in [policy] in glassbox.toml names '{}', but no plugin has such a report or field, so that entry holds \
             nothing back",
            printable(entry, 80)
        );
        Advised::new(what, which_there_are(entry, manifests()))
    };
    deny.iter().filter(in_vain).map(told).collect()
}

/// Where to look for what an entry of `deny` may have meant.
fn which_there_are<'a>(entry: &str, manifests: impl IntoIterator<Item = &'a Manifest>) -> String {
    let (mut names, mut plugin) = (Vec::new(), "NAME");
    for manifest in manifests {
        let fields = manifest.says.iter().flat_map(|says| &says.fields).map(|field| &field.name);
        names.extend(manifest.says.iter().map(|says| &says.request).chain(fields));
        plugin = if plugin == "NAME" { &manifest.plugin.name } else { plugin };
    }
    format!("{}'glassbox policy {plugin}' shows which there are", did_you_mean(entry, names))
}

/// The reports of a plugin of the home that do not leave by the `[policy]` that there is; none where either of them cannot be
/// read.
pub fn held_back_here(home: &Home, name: &str) -> Vec<String> {
    let deny = home.config().ok().and_then(|config| config.policy).map(|policy| policy.deny).unwrap_or_default();
    if deny.is_empty() {
        return Vec::new();
    }
    let asked = home.read_plugin(name).and_then(|bytes| examine(name, &bytes));
    asked.map(|asked| held_back(asked.manifest(), &deny)).unwrap_or_default()
}

fn held_back(manifest: &Manifest, entries: &[String]) -> Vec<String> {
    let policy = AuditPolicy { deny: entries.to_vec(), ..AuditPolicy::default() };
    let mut names = Vec::new();
    for says in &manifest.says {
        let fields = says.fields.iter().map(|field| field.name.as_str());
        if policy.denies(&says.request, fields).is_some() && !names.contains(&says.request) {
            names.push(says.request.clone());
        }
    }
    names
}
