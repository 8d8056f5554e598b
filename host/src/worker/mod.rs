//! A plugin's thread, seen from outside: starting it, giving it orders, ending it. What it does is in
//! [`own`].

mod own;

use crate::inbox::Inbox;
use crate::ledger::Ledger;
use crate::outbox::{Outbox, Tally};
use crate::site::Site;
use crate::supervisor::Control;
use anyhow::Result;
use glassbox_sandbox::{Plugin, limits};
use own::Own;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

pub use own::keep;

/// A plugin's thread: four times what its code may use of it. Nothing of it is memory before it is used,
/// unless it were so large that the system makes it of huge pages.
const STACK: usize = 4 * limits::STACK;

/// What the host wants of a plugin.
#[derive(Clone)]
pub enum Order {
    /// Look at the settings file.
    Settings,
    /// Run this version from now on.
    Replace(Arc<Plugin>),
    /// The configuration changed: begin afresh with it.
    Config,
    /// The file is gone: deliver what waits, and end.
    Remove,
    /// It may not run any more: forget what waits, and end.
    Revoke,
}

/// The handle to a plugin's thread.
pub struct Worker {
    /// Its inbox.
    pub inbox: Arc<Inbox<Order>>,
    outbox: Outbox,
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
pub fn start(plugin: Arc<Plugin>, site: &Arc<Site>) -> Result<Worker> {
    let label = site.label(&plugin.name);
    let ledger = Ledger::of(site.name.as_deref(), Some(site.shared.journal.clone()), &plugin.name);
    let outbox = Outbox::new(&label, &ledger, site.shared.roots());
    let inbox = Arc::new(Inbox::new(plugin.policy.clone()));
    let told = Arc::new(AtomicBool::new(false));
    let worker = (inbox.clone(), outbox.clone(), told.clone());
    let site = site.clone();
    let thread = std::thread::Builder::new().name(label).stack_size(STACK).spawn(move || {
        let (name, digest) = (plugin.name.clone(), plugin.digest.clone());
        match Own::start(plugin, site.clone(), ledger, worker) {
            Ok(own) => own.run(),
            Err(error) => {
                let _ = site.shared.control.send(Control::Unstarted(site.number, name, digest, error));
                Tally::default()
            }
        }
    })?;
    Ok(Worker { inbox, outbox, told, thread })
}
