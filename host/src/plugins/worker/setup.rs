//! What a worker gives its plugin at the start: an identity, capabilities, and where its state is stored.

use crate::delivery::{MayLeave, SendQueue};
use crate::home::identity::identify as identify_in;
use crate::home::instance_journal::InstanceJournal;
use crate::home::state;
use crate::plugins::context::OctoPrint;
use crate::plugins::locality::ThrottleQuery;
use crate::plugins::running_plugin::{Identify, MakeCapabilities, SaveState};
use crate::plugins::worker::LookAgain;
use crate::sending::Permission;
use crate::system::{MonotonicClock, Now};
use glassbox_journal::What;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Plugin, Settings, consent};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes the capabilities of a plugin for this OctoPrint. Its reports leave while `permission` says so; when that says
/// no, the plugin is told to look again.
pub(super) fn make_capabilities(
    octoprint: &OctoPrint,
    (send_queue, permission, look_again): (&SendQueue, &Arc<Permission>, &LookAgain),
    throttle: &ThrottleQuery,
    journal: &InstanceJournal,
    clock: MonotonicClock,
) -> MakeCapabilities {
    let (config, locality, throttle) = (octoprint.host.config.clone(), octoprint.locality, throttle.clone());
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
        throttle.use_program(&config.vcgencmd());
        Capabilities {
            http: Box::new(queue.of_instance(may_leave(plugin))),
            clock: Box::new(clock),
            hardware: locality.hardware(),
            throttle: Box::new(throttle.clone()),
            salt: String::new(),
        }
    })
}

/// Gives a plugin's instances their identity, and writes into the journal when there is a new salt.
pub(super) fn identify(octoprint: &Arc<OctoPrint>, name: &str, journal: &InstanceJournal) -> Identify {
    let (octoprint, name, journal) = (octoprint.clone(), name.to_string(), journal.clone());
    Box::new(move |plugin: &Arc<Plugin>, settings: &Settings| {
        let http = plugin.policy.manifest().capabilities.http.as_ref();
        let id_setting = http.map(|http| http.id_setting.as_str());
        let identified = identify_in(&octoprint.home, &name, settings, id_setting, consent::process_veto())?;
        if let Some(reason) = &identified.renewed {
            tracing::info!(plugin = octoprint.label(&name), "{reason}");
            journal.lifecycle(What::Loaded, &plugin.digest, Some(reason.clone()));
        }
        Ok(identified)
    })
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
