//! A plugin's thread for one OctoPrint, seen from outside: starting it, and giving it orders. What the thread does is
//! in [`thread`].

mod setup;
mod thread;

use crate::delivery::send_queue::{SendQueue, Tally};
use crate::events::event_queue::EventQueue;
use crate::home::instance_journal::InstanceJournal;
use crate::plugins::context::OctoPrint;
use crate::plugins::messages::{Control, Order};
use anyhow::Result;
use glassbox_sandbox::{Plugin, limits};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use thread::WorkerThread;

pub use setup::save_settings;

/// The stack of a plugin's thread, in bytes: four times what the component may use of it. It takes no memory before
/// it is used, as long as it is too small for the system to use huge pages.
const STACK: usize = 4 * limits::STACK;

/// The handle to a plugin's thread.
pub struct Worker {
    /// Events and orders that wait for it.
    pub event_queue: Arc<EventQueue<Order>>,
    send_queue: SendQueue,
    /// Set while an order to read the settings waits: one is enough.
    settings_ordered: Arc<AtomicBool>,
    /// The thread, which ends with what became of the plugin's requests.
    pub thread: JoinHandle<Tally>,
}

impl Worker {
    /// Send nothing more, whatever the plugin is doing right now. Reports that wait are discarded.
    pub fn close(&self, label: &str) {
        let cleared = self.send_queue.close();
        if cleared > 0 {
            tracing::info!(plugin = label, "{cleared} waiting reports were discarded");
        }
    }

    /// Order it to read its settings.
    pub fn settings_changed(&self) {
        if !self.settings_ordered.swap(true, Ordering::SeqCst) {
            self.event_queue.order(Order::Settings);
        }
    }
}

/// Start a plugin's thread. The thread then tells the supervisor whether the plugin has started: so a component
/// that is slow to start holds nobody up.
///
/// # Errors
/// When the system cannot start a thread.
pub fn start(plugin: Arc<Plugin>, octoprint: &Arc<OctoPrint>) -> Result<Worker> {
    let label = octoprint.label(&plugin.name);
    let journal = InstanceJournal::of(octoprint.name.as_deref(), Some(octoprint.host.journal.clone()), &plugin.name);
    let send_queue = SendQueue::new(&label, &journal, octoprint.host.config.trust());
    let event_queue = Arc::new(EventQueue::new(plugin.policy.clone()));
    let settings_ordered = Arc::new(AtomicBool::new(false));
    let worker = (event_queue.clone(), send_queue.clone(), settings_ordered.clone());
    let octoprint = octoprint.clone();
    let thread = std::thread::Builder::new().name(label).stack_size(STACK).spawn(move || {
        let (name, digest) = (plugin.name.clone(), plugin.digest.clone());
        match WorkerThread::start(plugin, octoprint.clone(), journal, worker) {
            Ok(worker) => worker.run(),
            Err(error) => {
                let failed = Control::StartFailed { octoprint: octoprint.number, name, digest, error };
                let _ = octoprint.host.control.send(failed);
                Tally::default()
            }
        }
    })?;
    Ok(Worker { event_queue, send_queue, settings_ordered, thread })
}
