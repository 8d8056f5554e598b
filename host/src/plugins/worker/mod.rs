//! A plugin's thread, seen from outside: starting it, giving it orders, ending it. What it does is in
//! [`thread`].

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

pub use thread::keep;

/// A plugin's thread: four times what its code may use of it. Nothing of it is memory before it is used,
/// unless it were so large that the system makes it of huge pages.
const STACK: usize = 4 * limits::STACK;

/// The handle to a plugin's thread.
pub struct Worker {
    /// Its inbox.
    pub inbox: Arc<EventQueue<Order>>,
    outbox: SendQueue,
    /// Set while an order to look at the settings waits: one is enough.
    told: Arc<AtomicBool>,
    /// Ends with what became of its requests.
    pub thread: JoinHandle<Tally>,
}

impl Worker {
    /// Send nothing more, whatever the plugin is doing.
    pub fn close(&self, label: &str) {
        let cleared = self.outbox.close();
        if cleared > 0 {
            tracing::info!(plugin = label, "{cleared} waiting reports were thrown away");
        }
    }

    /// Have it look at its settings.
    pub fn settings_changed(&self) {
        if !self.told.swap(true, Ordering::SeqCst) {
            self.inbox.order(Order::Settings);
        }
    }
}

/// Start a plugin's thread. Whether the plugin starts is told to the supervisor: a component that is slow
/// to start holds nobody up.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(plugin: Arc<Plugin>, site: &Arc<OctoPrint>) -> Result<Worker> {
    let label = site.label(&plugin.name);
    let ledger = InstanceJournal::of(site.name.as_deref(), Some(site.shared.journal.clone()), &plugin.name);
    let outbox = SendQueue::new(&label, &ledger, site.shared.config.trust());
    let inbox = Arc::new(EventQueue::new(plugin.policy.clone()));
    let told = Arc::new(AtomicBool::new(false));
    let worker = (inbox.clone(), outbox.clone(), told.clone());
    let site = site.clone();
    let thread = std::thread::Builder::new().name(label).stack_size(STACK).spawn(move || {
        let (name, digest) = (plugin.name.clone(), plugin.digest.clone());
        match WorkerThread::start(plugin, site.clone(), ledger, worker) {
            Ok(own) => own.run(),
            Err(error) => {
                let _ = site.shared.control.send(Control::Unstarted(site.number, name, digest, error));
                Tally::default()
            }
        }
    })?;
    Ok(Worker { inbox, outbox, told, thread })
}
