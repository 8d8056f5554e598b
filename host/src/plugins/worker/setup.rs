//! What a worker gives its plugin at the start: capabilities, and where its settings and its state are stored.

use crate::delivery::{MayLeave, SendQueue};
use crate::home::Home;
use crate::home::instance_journal::InstanceJournal;
use crate::home::state;
use crate::plugins::context::OctoPrint;
use crate::plugins::running_plugin::{MakeCapabilities, SaveSettings, SaveState};
use crate::plugins::worker::LookAgain;
use crate::sending::Permission;
use crate::system::{MonotonicClock, Now, SystemRandom};
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Plugin, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes the capabilities of a plugin for this OctoPrint. Its reports leave while `permission` says so; when that says
/// no, the plugin is told to look again.
pub(super) fn make_capabilities(
    octoprint: &OctoPrint,
    (send_queue, permission, look_again): (&SendQueue, &Arc<Permission>, &LookAgain),
    journal: &InstanceJournal,
    clock: MonotonicClock,
) -> MakeCapabilities {
    let (config, locality) = (octoprint.host.config.clone(), octoprint.locality);
    let (queue, journal) = (send_queue.clone(), journal.clone());
    let (permission, look_again) = (permission.clone(), look_again.clone());
    let may_leave = move |plugin: &Arc<Plugin>| -> MayLeave {
        let (permission, look_again, plugin) = (permission.clone(), look_again.clone(), plugin.clone());
        // Nobody may have told us of the change.
        Arc::new(move |request| permission.may_leave(request, &plugin).inspect_err(|_| look_again.order()))
    };
    Box::new(move |plugin| {
        // Whatever is sent from here on, this version asked for it.
        journal.component(&plugin.digest);
        let vcgencmd = config.vcgencmd();
        Capabilities {
            http: Box::new(queue.of_instance(may_leave(plugin))),
            clock: Box::new(clock),
            hardware: locality.hardware(),
            throttle: locality.throttle(&vcgencmd),
            random: Box::new(SystemRandom),
        }
    })
}

/// Stores the keys that a plugin adds to its settings file; what else is in the file stays as it is.
pub fn save_settings(home: &Home, name: &str) -> SaveSettings {
    let (home, name) = (home.clone(), name.to_string());
    Box::new(move |completed: &Settings| home.complete_settings(&name, completed))
}

/// Stores a plugin's state, for its next start.
pub(super) fn save_state(octoprint: &Arc<OctoPrint>, name: &str, server_run: &Arc<AtomicBool>) -> SaveState {
    let (octoprint, name, server_run) = (octoprint.clone(), name.to_string(), server_run.clone());
    let mut complained = false;
    Box::new(move |text| {
        let saved = state::write(&octoprint.home, &name, text, server_run.load(Ordering::SeqCst), &Now::system());
        if let Err(error) = saved.as_ref()
            && !complained
        {
            let plugin = octoprint.label(&name);
            tracing::warn!(plugin, "its state cannot be saved, and will be lost at a restart: {error:#}");
        }
        complained = saved.is_err();
    })
}
