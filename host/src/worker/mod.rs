//! A plugin's thread, seen from outside: starting it, giving it orders, ending it. What it does is in
//! [`own`].

mod own;

use crate::home::{Config, Home};
use crate::inbox::Inbox;
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::outbox::{Outbox, Tally};
use crate::roots::Roots;
use crate::router::Router;
use crate::server::Server;
use crate::supervisor::Control;
use anyhow::Result;
use glassbox_sandbox::Plugin;
use own::Own;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

pub use own::keep;

/// What the host wants of a plugin.
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
    pub fn close(&self, name: &str) {
        let cleared = self.outbox.close();
        if cleared > 0 {
            tracing::info!(plugin = name, "{cleared} waiting reports were thrown away");
        }
    }

    /// Have it look at its settings.
    pub fn settings_changed(&self) {
        if !self.told.swap(true, Ordering::SeqCst) {
            self.inbox.order(Order::Settings);
        }
    }
}

/// What all workers of a host share.
#[derive(Clone)]
pub struct Shared {
    /// The home.
    pub home: Home,
    /// The configuration as it is now, and whom it trusts.
    pub config: Arc<Mutex<(Config, Roots)>>,
    /// Where news goes.
    pub control: Sender<Control>,
    /// Where it is written down.
    pub journal: Journal,
    /// Where events come from.
    pub router: Router,
    /// Whose events those are.
    pub server: Server,
}

impl Shared {
    fn roots(&self) -> Roots {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// Start a plugin's thread. Whether the plugin starts is told to the supervisor: a component that is slow
/// to start holds nobody up.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(plugin: Arc<Plugin>, shared: &Shared) -> Result<Worker> {
    let name = plugin.name.clone();
    let ledger = Ledger::new(Some(shared.journal.clone()), &name);
    let outbox = Outbox::new(&name, &ledger, shared.roots());
    let inbox = Arc::new(Inbox::new(plugin.policy.clone()));
    let told = Arc::new(AtomicBool::new(false));
    let worker = (inbox.clone(), outbox.clone(), told.clone());
    let shared = shared.clone();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let digest = plugin.digest.clone();
        let (name, control) = (plugin.name.clone(), shared.control.clone());
        match Own::start(plugin, shared, ledger, worker) {
            Ok(own) => own.run(),
            Err(error) => {
                let _ = control.send(Control::Unstarted(name, digest, error));
                Tally::default()
            }
        }
    })?;
    Ok(Worker { inbox, outbox, told, thread })
}
