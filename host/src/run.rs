//! The running host: one thread for each plugin's instance, one for the source of events, and a
//! watcher. An idle host sleeps until an event, a change of a file, or a tick that was asked for.

use crate::home::{Home, Stored};
use crate::outbox::{Outbox, Tally};
use crate::roots::Roots;
use crate::running::{Running, Step};
use crate::source::{Line, Lines};
use crate::system::{MonotonicClock, SystemHardware, SystemRandom, VcGenCmd};
use crate::watch;
use anyhow::{Context, Result, bail};
use glassbox_sandbox::capabilities::{Capabilities, Clock};
use glassbox_sandbox::{Sandbox, Settings, consent};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Events that wait for a plugin. A full inbox holds the source up, so that nothing is lost.
const INBOX: usize = 1024;

/// How long the outboxes may take at the end.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// How the run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Plugins that ran.
    pub plugins: usize,
    /// Plugins in the folder that could not be loaded.
    pub unloadable: usize,
    /// What became of all requests.
    pub tally: Tally,
}

/// What a plugin's thread is told.
enum Message {
    Event(Arc<(String, String)>),
    /// Look at the flags: something changed.
    Wake,
    Stop,
}

/// What the main thread is told.
enum Control {
    SourceEnded(Result<()>),
    Signal,
}

struct Worker {
    inbox: SyncSender<Message>,
    /// Set when settings may have changed. A flag and not a message: opting out does not queue up
    /// behind events.
    changed: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

/// Run until the source ends or a signal comes.
///
/// # Errors
/// When there is no home, no plugin can be loaded, or the source cannot be read.
pub fn run(home: &Home, input: impl BufRead + Send + 'static) -> Result<Summary> {
    home.must_exist()?;
    let config = home.config()?;
    let sandbox = Sandbox::new(Some(&home.cache()))?;
    let roots = Roots::load(config.ca_file.as_deref())?;
    let (workers, unloadable) = start_all(home, &sandbox, &config.vcgencmd, &roots)?;
    let (control, orders) = mpsc::channel();
    let signal = control.clone();
    // A second one while we end: the default would have been to end at once, too.
    ctrlc::set_handler(move || drop(signal.send(Control::Signal))).context("listening for signals")?;
    let inboxes: Vec<_> = workers.iter().map(|worker| worker.inbox.clone()).collect();
    let told: Vec<_> = workers.iter().map(|worker| (worker.changed.clone(), worker.inbox.clone())).collect();
    let look_again = move || {
        for (changed, inbox) in &told {
            changed.store(true, Ordering::SeqCst);
            // A full inbox needs no waking.
            let _ = inbox.try_send(Message::Wake);
        }
    };
    let watcher = watch::folder(&home.settings_folder(), look_again.clone())?;
    // What changed before the watcher was there.
    look_again();
    std::thread::Builder::new().name("source".into()).spawn(move || {
        let ended = pump(input, &inboxes);
        let _ = control.send(Control::SourceEnded(ended));
    })?;
    let ended = wait(&orders);
    drop(watcher);
    let mut summary = Summary { plugins: workers.len(), unloadable, ..Summary::default() };
    for worker in &workers {
        let _ = worker.inbox.send(Message::Stop);
    }
    for worker in workers {
        let tally = worker.thread.join().unwrap_or_default();
        summary.tally.sent += tally.sent;
        summary.tally.failed += tally.failed;
        summary.tally.dropped += tally.dropped;
    }
    ended.map(|()| summary)
}

fn wait(orders: &Receiver<Control>) -> Result<()> {
    match orders.recv() {
        Ok(Control::SourceEnded(ended)) => ended,
        Ok(Control::Signal) | Err(_) => Ok(()),
    }
}

fn start_all(home: &Home, sandbox: &Sandbox, vcgencmd: &Path, roots: &Roots) -> Result<(Vec<Worker>, usize)> {
    let names = home.plugin_names()?;
    let mut workers = Vec::new();
    for name in &names {
        match start(home, sandbox, name, vcgencmd.into(), roots) {
            Ok(worker) => workers.push(worker),
            Err(error) => tracing::error!("{error:#}"),
        }
    }
    if workers.is_empty() {
        bail!("no plugin in {} could be started; 'glassbox list' says more", home.plugins().display());
    }
    let unloadable = names.len() - workers.len();
    Ok((workers, unloadable))
}

fn start(home: &Home, sandbox: &Sandbox, name: &str, vcgencmd: PathBuf, roots: &Roots) -> Result<Worker> {
    let plugin = Arc::new(sandbox.prepare(name, &home.read_plugin(name)?)?);
    let settings = home.settings(name)?.or_empty(&home.settings_file(name))?;
    let outbox = Outbox::trusting(name, roots);
    let clock = MonotonicClock::default();
    let queue = outbox.clone();
    let supply = Box::new(move || Capabilities {
        http: Box::new(queue.clone()),
        clock: Box::new(clock),
        hardware: Box::new(SystemHardware::new("/")),
        throttle: Box::new(VcGenCmd::new(&vcgencmd)),
        random: Box::new(SystemRandom),
    });
    let (own_home, own_name) = (home.clone(), name.to_string());
    let keep = Box::new(move |completed: &Settings| keep(&own_home, &own_name, completed));
    let running = Running::start(plugin, settings, consent::process_veto(), supply, keep)?;
    tracing::info!("{name}: {}", consent_line(&running));
    let (inbox, messages) = mpsc::sync_channel(INBOX);
    let changed = Arc::new(AtomicBool::new(false));
    let instance = Instance {
        home: home.clone(),
        name: name.into(),
        running,
        outbox,
        clock,
        changed: changed.clone(),
        complaint: None,
    };
    let thread = std::thread::Builder::new().name(name.into()).spawn(move || instance.run(&messages))?;
    Ok(Worker { inbox, changed, thread })
}

/// Write what a plugin asked to have added; what came into the file meanwhile is the user's.
pub fn keep(home: &Home, name: &str, completed: &Settings) -> Result<()> {
    home.change_settings(name, |settings| {
        settings.add_absent(&completed.text()).map_err(anyhow::Error::msg)?;
        Ok(())
    })?;
    Ok(())
}

fn consent_line(running: &Running) -> String {
    let consent = running.consent();
    let what = if consent.given() { "reports are sent" } else { "nothing is sent" };
    format!("{what}: {consent}")
}

/// Read events and hand them to every plugin.
fn pump(input: impl BufRead, inboxes: &[SyncSender<Message>]) -> Result<()> {
    let mut lines = Lines::new(input);
    let mut first = true;
    let deliver = |event: String, payload: String| {
        let event = Arc::new((event, payload));
        // A plugin that is gone has said why.
        inboxes.iter().for_each(|inbox| drop(inbox.send(Message::Event(event.clone()))));
    };
    while let Some(line) = lines.next_line().context("reading events")? {
        match line {
            Line::Bad(number, reason) => tracing::warn!("line {number} is passed over: {reason}"),
            Line::Event(event, payload) => {
                if std::mem::take(&mut first) && !matches!(event.as_str(), "environment" | "octoprint_started") {
                    // A bare stream of bus events: the server runs, and that is all we know.
                    deliver("environment".into(), "{}".into());
                    deliver("octoprint_started".into(), "{\"uptime\": 0}".into());
                }
                deliver(event, payload);
            }
        }
    }
    Ok(())
}

/// A plugin's thread.
struct Instance {
    home: Home,
    name: String,
    running: Running,
    outbox: Outbox,
    clock: MonotonicClock,
    changed: Arc<AtomicBool>,
    /// What was last said of a settings file that cannot be used.
    complaint: Option<String>,
}

impl Instance {
    fn run(mut self, messages: &Receiver<Message>) -> Tally {
        loop {
            let now = self.clock.now();
            let left = self.running.next_tick().map(|at| Duration::from_nanos(at.saturating_sub(now)));
            let message = match left {
                Some(Duration::ZERO) => Err(RecvTimeoutError::Timeout),
                Some(left) => messages.recv_timeout(left),
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let now = self.clock.now();
            if self.changed.swap(false, Ordering::SeqCst) {
                self.settings_changed(now);
            }
            match message {
                Err(RecvTimeoutError::Timeout) => {
                    let step = self.running.tick(now);
                    self.note(&step);
                }
                Ok(Message::Event(event)) => {
                    let step = self.running.event(&event.0, &event.1, now);
                    self.note(&step);
                }
                Ok(Message::Wake) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let step = self.running.event("octoprint_stopping", "null", self.clock.now());
        self.note(&step);
        let waiting = self.outbox.waiting();
        let tally = self.outbox.drain(LAST_DELIVERY);
        tracing::debug!("{}: {waiting} reports were waiting at the end", self.name);
        tally
    }

    fn settings_changed(&mut self, now: u64) {
        let settings = match self.home.settings(&self.name) {
            Ok(Stored::Missing) => Settings::default(),
            Ok(Stored::Good(settings)) => settings,
            // Perhaps half written: the next change tells. Until then the last ones hold.
            Ok(Stored::Damaged(reason)) => {
                let file = self.home.settings_file(&self.name);
                return self.complain(format!("{} is damaged, the last good settings hold: {reason}", file.display()));
            }
            Err(error) => return self.complain(format!("{}: the last good settings hold: {error:#}", self.name)),
        };
        self.complaint = None;
        if settings == *self.running.settings() {
            return;
        }
        if let Err(error) = self.running.change_settings(settings, now) {
            tracing::warn!("{error:#}");
        }
        tracing::info!("{}: {}", self.name, consent_line(&self.running));
        if !self.running.consent().given() {
            let cleared = self.outbox.clear();
            if cleared > 0 {
                tracing::info!("{}: {cleared} waiting reports were thrown away", self.name);
            }
        }
    }

    /// Once for each state of the file: one change is often told several times.
    fn complain(&mut self, complaint: String) {
        if self.complaint.as_ref() != Some(&complaint) {
            tracing::warn!("{complaint}");
            self.complaint = Some(complaint);
        }
    }

    fn note(&self, step: &Step) {
        for request in &step.sent {
            tracing::debug!("{}: {} {:?}", self.name, request.name, request.fields);
        }
        for blocked in step.blocked.iter().filter(|blocked| blocked.undeclared) {
            tracing::warn!("{}: {} was blocked: {}", self.name, blocked.request, blocked.reason);
        }
        for note in &step.notes {
            tracing::warn!("{}: {note}", self.name);
        }
    }
}
