//! Checks whether a host that starts would know who it is: the id in the settings, and the salt in its own file. Without
//! them it sends nothing. Nothing is made here.

use super::finding::Finding;
use crate::home::Home;
use crate::home::identity::{Outlook, look};
use crate::home::settings::Stored;
use crate::sending::is_on;
use glassbox_contract::examine;

/// Check it for a plugin, which `label` names, and the OctoPrint that the home is of. None for a plugin that sends
/// nothing, or whose component or settings another check has found wanting.
pub fn check(home: &Home, name: &str, label: &str) -> Option<Finding> {
    let policy = examine(name, &home.read_plugin(name).ok()?).ok()?;
    let id_setting = &policy.manifest().capabilities.http.as_ref()?.id_setting;
    let Stored::Good(settings) = home.settings(name) else { return None };
    let check = format!("identity {label}");
    if !is_on(home, name) {
        return Some(Finding::skipped(check, "no id and no salt are needed while it is switched off"));
    }
    let (file, state) = (home.identity_file(name), home.state());
    if state.exists() && !state.is_dir() {
        return Some(Finding::skipped(check, format!("there can be no salt, as {} is not a folder", state.display())));
    }
    let file = file.display();
    Some(match look(home, name, &settings, id_setting) {
        Ok(Outlook::Kept { readable: false }) => {
            Finding::ok(check, format!("id and salt are known, and only their owner can read {file}"))
        }
        Ok(Outlook::Kept { readable: true }) => {
            Finding::warn(check, format!("others can read {file}, which holds the salt"), format!("chmod 600 {file}"))
        }
        Ok(Outlook::New) => Finding::ok(check, "id and salt are made when a host starts"),
        Ok(Outlook::Renewed(why)) => Finding::warn(
            check,
            format!("a new salt is made when a host starts: {why}"),
            format!("put {file} back if paths are to have the same hashes as before; there is nothing to do otherwise"),
        ),
        Err(error) => Finding::error(check, &error, "move it away: a new one is made"),
    })
}
