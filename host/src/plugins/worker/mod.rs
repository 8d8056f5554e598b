//! A plugin's thread for one OctoPrint, seen from outside: starting it, and giving it orders. What the thread does is
//! in [`thread`], when it looks again at whether reports may leave in [`look_again`],
//! and how it tells what came of it in [`report`].

mod look_again;
mod report;
mod setup;
mod thread;

use crate::delivery::send_queue::{SendQueue, Tally};
use crate::events::event_queue::EventQueue;
use crate::home::instance_journal::InstanceJournal;
use crate::plugins::context::OctoPrint;
use crate::plugins::messages::{Control, Order};
use crate::sending::Permission;
use anyhow::{Result, anyhow};
use glassbox_sandbox::{Plugin, consent, limits};
use glassbox_util::no_thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use thread::WorkerThread;

/// The stack of a plugin's thread, in bytes: four times what the component may use of it. It takes no memory before
/// it is used, as long as it is too small for the system to use huge pages.
const STACK: usize = 4 * limits::STACK;

/// The handle to a plugin's thread.
pub struct Worker {
    /// Events and orders that wait for it.
    pub event_queue: Arc<EventQueue<Order>>,
    /// Decides whether its reports may leave.
    pub permission: Arc<Permission>,
    /// Has it look at that again.
    pub look_again: LookAgain,
    send_queue: SendQueue,
    /// The thread, which ends with what became of the plugin's requests.
    pub thread: JoinHandle<Tally>,
}

/// Has a plugin's thread look again at whether it may send, and at its settings.
#[derive(Clone)]
pub struct LookAgain {
    event_queue: Arc<EventQueue<Order>>,
    /// Set while such an order waits: one is enough.
    ordered: Arc<AtomicBool>,
}

impl LookAgain {
    /// Order it.
    pub fn order(&self) {
        if !self.ordered.swap(true, Ordering::SeqCst) {
            self.event_queue.order(Order::LookAgain);
        }
    }

    /// The order is being carried out: what changes from now on needs another one.
    fn begins(&self) {
        self.ordered.store(false, Ordering::SeqCst);
    }
}

impl Worker {
    /// Send nothing more, for this reason, whatever the plugin is doing right now. Reports that wait are discarded.
    pub fn close(&self, label: &str, reason: &str) {
        let cleared = self.send_queue.close(reason);
        if cleared > 0 {
            tracing::info!(plugin = label, "{cleared} waiting reports were discarded");
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
    let permission = Arc::new(Permission::new(&octoprint.home, &plugin.name, consent::process_veto()));
    let look_again = LookAgain { event_queue: event_queue.clone(), ordered: Arc::default() };
    let parts = thread::Parts {
        event_queue: event_queue.clone(),
        send_queue: send_queue.clone(),
        permission: permission.clone(),
        look_again: look_again.clone(),
    };
    let octoprint = octoprint.clone();
    let thread = std::thread::Builder::new().name(label).stack_size(STACK).spawn(move || {
        let (name, digest) = (plugin.name.clone(), plugin.digest.clone());
        match WorkerThread::start(plugin, octoprint.clone(), journal, parts) {
            Ok(worker) => worker.run(),
            Err(error) => {
                let failed = Control::StartFailed { octoprint: octoprint.number, name, digest, error };
                let _ = octoprint.host.control.send(failed);
                Tally::default()
            }
        }
    });
    let thread = thread.map_err(|error| anyhow!("it is not started: {}", no_thread(&error)))?;
    Ok(Worker { event_queue, permission, look_again, send_queue, thread })
}
