//! What a plugin's thread does: takes orders and events from its queue, makes ticks when the plugin asked for them,
//! stores its state, and tells the log, the journal and the supervisor what happened. How a plugin is run and rolled
//! back is in [`crate::plugins::running_plugin`].

use super::setup::{identify, make_capabilities, save_state};
use crate::delivery::send_queue::{SendQueue, Tally};
use crate::events::Event;
use crate::events::event::{STARTED, STOPPING};
use crate::events::event_queue::{EventQueue, QueueItem};
use crate::home::instance_journal::InstanceJournal;
use crate::home::short_digest;
use crate::home::{running, state};
use crate::plugins::context::OctoPrint;
use crate::plugins::latency_histogram::LatencyHistogram;
use crate::plugins::log_limit::LogLimit;
use crate::plugins::messages::Order;
use crate::plugins::running_plugin::{RunningPlugin, Setup};
use crate::plugins::worker::LookAgain;
use crate::record::Recorder;
use crate::sending::{Component, Permission, Sending};
use crate::system::{MonotonicClock, Now};
use anyhow::{Result, bail};
use glassbox_journal::What;
use glassbox_sandbox::capabilities::Clock;
use glassbox_sandbox::{Plugin, consent};
use glassbox_util::Once;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long delivering what waits may take at the end.
const FINAL_DELIVERY: Duration = Duration::from_secs(5);

/// A state that belongs to no request is stored within this time, so that a flood of events does not become a flood
/// of writes. One that belongs to a request is stored at once, so that after a crash the request is not sent twice.
const SAVE_WITHIN: Duration = Duration::from_secs(1);

/// What the thread does after an order.
enum Next {
    Continue,
    /// It ends, and first delivers the reports that wait, or discards them.
    End {
        deliver: bool,
    },
}

/// What the thread shares with its handle.
pub(super) struct Parts {
    pub(super) event_queue: Arc<EventQueue<Order>>,
    pub(super) send_queue: SendQueue,
    pub(super) permission: Arc<Permission>,
    pub(super) look_again: LookAgain,
}

pub(super) struct WorkerThread {
    pub(super) octoprint: Arc<OctoPrint>,
    pub(super) name: String,
    /// Its number among all workers of this process, from 1.
    pub(super) number: u64,
    /// What the plugin is called in the log.
    pub(super) label: String,
    pub(super) running: RunningPlugin,
    pub(super) send_queue: SendQueue,
    pub(super) journal: InstanceJournal,
    pub(super) clock: MonotonicClock,
    pub(super) event_queue: Arc<EventQueue<Order>>,
    pub(super) permission: Arc<Permission>,
    look_again: LookAgain,
    /// What was last said about a doubt, or about settings that the plugin does not take.
    pub(super) complaint: Once,
    /// What was last said about a tracking server's URL that nothing can be sent to.
    pub(super) unusable_server: Once,
    /// Whether the plugin has not taken the settings as they are now.
    pub(super) refused: bool,
    /// Why the plugin does not run, as `status` was told or is to be told; none if it runs.
    pub(super) stopped: Option<String>,
    /// Whether `status` could not be told that.
    pub(super) untold: bool,
    /// Why nothing leaves, if that is so: the plugin is told no more than that it is switched off.
    pub(super) no: Option<String>,
    /// Whether OctoPrint's server has started and not stopped, as far as events tell.
    server_run: Arc<AtomicBool>,
    /// Whether it had started before this host did, so that the plugin knows: a startup event that a source makes up
    /// for plugins that missed the real one is not for it.
    resumed: bool,
    /// Whether it had a state that cannot be used: such an event may have been reported before.
    forgot: bool,
    /// Since when there is a state that is not stored.
    pub(super) unsaved_since: Option<Instant>,
    latency: LatencyHistogram,
    pub(super) log_limit: LogLimit,
    /// Events that were skipped and not yet logged, and when skipped events were last logged.
    skipped: u64,
    skipped_logged: Option<Instant>,
}

impl WorkerThread {
    pub(super) fn start(
        plugin: Arc<Plugin>,
        octoprint: Arc<OctoPrint>,
        journal: InstanceJournal,
        parts: Parts,
    ) -> Result<Self> {
        let Parts { event_queue, send_queue, permission, look_again } = parts;
        let (home, name) = (&octoprint.home, plugin.name.clone());
        let label = octoprint.label(&name);
        let clock = MonotonicClock::default();
        let had_state = home.state_file(&name).exists();
        let saved = state::read(home, &name, &Now::system())?;
        let forgot = had_state && saved.is_none();
        // If the server has started or stopped since, this is not the run that the state was saved in.
        let same_run = saved.as_ref().is_some_and(|saved| {
            // If the server outlives the host, the source finds out whether it has stopped meanwhile.
            let goes_on = if octoprint.locality.outlives_host() { saved.server_run } else { saved.same_run };
            goes_on && !octoprint.router.run_changed_within(saved.age)
        });
        let server_run = Arc::new(AtomicBool::new(same_run));
        let (sending, settings) = permission.decide(&Component::of(&plugin));
        if !matches!(sending, Sending::Decided(_)) {
            bail!(sending.sentence(&name));
        }
        let throttle = octoprint.locality.throttle(&octoprint.host.config.vcgencmd());
        let setup = Setup {
            settings: (*settings).clone(),
            veto: consent::process_veto(),
            identify: identify(&octoprint, &name, &journal),
            make_capabilities: make_capabilities(
                &octoprint,
                (&send_queue, &permission, &look_again),
                &throttle,
                &journal,
                clock,
            ),
            throttle: Box::new(throttle),
            save_state: save_state(&octoprint, &name, &server_run),
            saved: saved.map(|saved| (saved.state, u64::try_from(saved.age.as_nanos()).unwrap_or(u64::MAX))),
            plugin: plugin.clone(),
        };
        journal.runs(&plugin, &setup.settings);
        let recording = octoprint.host.recording.clone();
        let recorder = Recorder::new(octoprint.name.as_deref(), &label, recording, home.trap_file(&name));
        let running = RunningPlugin::start_recorded(setup, clock.now(), Some(recorder))?;
        let sentence = sending.sentence(&name);
        tracing::info!(plugin = label, "{sentence}");
        let no = (!sending.is_given()).then_some(sentence);
        journal.runs(&plugin, running.settings());
        journal.lifecycle(What::Loaded, &plugin.digest, None);
        let log_limit = LogLimit::new(&label);
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let mut worker = Self {
            number: STARTED.fetch_add(1, Ordering::SeqCst) + 1,
            octoprint,
            name,
            label,
            running,
            send_queue,
            journal,
            clock,
            event_queue,
            permission,
            look_again,
            complaint: Once::default(),
            unusable_server: Once::default(),
            refused: false,
            stopped: None,
            untold: false,
            no,
            server_run,
            resumed: same_run,
            forgot,
            unsaved_since: None,
            latency: LatencyHistogram::default(),
            log_limit,
            skipped: 0,
            skipped_logged: None,
        };
        worker.say_running(None);
        worker.report_running(plugin);
        Ok(worker)
    }

    pub(super) fn run(mut self) -> Tally {
        let deliver = loop {
            match self.event_queue.next(self.time_until_due()) {
                QueueItem::Order(order) => match self.carry_out(order) {
                    Next::Continue => {}
                    Next::End { deliver } => break deliver,
                },
                QueueItem::Event(event, came) => {
                    self.event(&event, came);
                    self.latency.add(came.elapsed());
                }
                QueueItem::Timeout => self.on_timeout(),
                QueueItem::End
                    if self.octoprint.locality.outlives_host() || !self.server_run.load(Ordering::SeqCst) =>
                {
                    break true;
                }
                QueueItem::End => {
                    let stopping = Event { name: STOPPING.into(), payload: "null".into(), made_up: false };
                    self.event(&stopping, Instant::now());
                    break true;
                }
            }
        };
        self.save_state();
        self.skipped += self.event_queue.lost();
        self.log_skipped(true);
        if !deliver {
            self.send_queue.close("its grant was revoked, or cannot be read");
        }
        let waiting = self.send_queue.waiting();
        let tally = self.send_queue.drain(FINAL_DELIVERY);
        running::end(&self.octoprint.home, &self.name, self.number);
        self.journal.close();
        tracing::debug!(plugin = self.label, "{waiting} reports were waiting at the end; {}", self.latency);
        tally
    }

    /// How long until a tick or storing the state is due; none if neither is.
    fn time_until_due(&self) -> Option<Duration> {
        let now = self.clock.now();
        let tick = self.running.next_tick().map(|at| Duration::from_nanos(at.saturating_sub(now)));
        let keep = self.unsaved_since.map(|since| SAVE_WITHIN.saturating_sub(since.elapsed()));
        tick.into_iter().chain(keep).min()
    }

    fn on_timeout(&mut self) {
        let now = self.clock.now();
        if self.running.next_tick().is_some_and(|at| at <= now) {
            self.journal.because_of("tick");
            let step = self.running.tick(now);
            self.report(&step);
        }
        if self.unsaved_since.is_some_and(|since| since.elapsed() >= SAVE_WITHIN) {
            self.save_state();
        }
    }

    pub(super) fn event(&mut self, event: &Event, came: Instant) {
        if event.name == STARTED && event.made_up && self.resumed {
            return;
        }
        match event.name.as_str() {
            STARTED => self.server_run.store(true, Ordering::SeqCst),
            STOPPING => self.server_run.store(false, Ordering::SeqCst),
            _ => {}
        }
        if event.name == STARTED && event.made_up && self.forgot {
            let waited = u64::try_from(came.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if let Err(error) = self.running.run_goes_on(&event.payload, self.clock.now().saturating_sub(waited)) {
                tracing::warn!(plugin = self.label, "{error:#}");
            }
            return;
        }
        self.journal.because_of(&event.name);
        let step = self.running.event_that_came(&event.name, &event.payload, Some(came), self.clock.now());
        self.report(&step);
        self.skipped += self.event_queue.lost();
        self.log_skipped(false);
    }

    /// Log events that were skipped: once a minute, and at the end.
    fn log_skipped(&mut self, last: bool) {
        let due = last || self.skipped_logged.is_none_or(|logged| logged.elapsed() >= Duration::from_secs(60));
        if self.skipped == 0 || !due {
            return;
        }
        let reason = format!("{} events were skipped: it is too slow, or was stuck", std::mem::take(&mut self.skipped));
        tracing::warn!(plugin = self.label, "{reason}");
        self.journal.lifecycle(What::Gap, &self.running.plugin().digest, Some(reason));
        self.skipped_logged = Some(Instant::now());
    }

    fn carry_out(&mut self, order: Order) -> Next {
        let now = self.clock.now();
        match order {
            Order::LookAgain => {
                self.look_again.begins();
                self.look_again(now);
            }
            Order::Replace(plugin) => self.replace(plugin, now),
            Order::Config => {
                self.send_queue.trust(self.octoprint.host.config.trust());
                let plugin = self.running.plugin().clone();
                let was_stopped = self.running.is_stopped();
                match self.running.replace(plugin.clone(), now) {
                    Ok(()) => {
                        // One in quarantine runs again.
                        if was_stopped {
                            let reason = "it was started again, as the configuration changed";
                            tracing::info!(plugin = self.label, "{reason}");
                            self.journal.lifecycle(What::Loaded, &plugin.digest, Some(reason.into()));
                        }
                        self.version_changed(now);
                    }
                    Err(error) => tracing::warn!(plugin = self.label, "it keeps the old configuration: {error:#}"),
                }
            }
            Order::Remove => return Next::End { deliver: true },
            Order::Revoke => return Next::End { deliver: false },
        }
        Next::Continue
    }

    fn replace(&mut self, plugin: Arc<Plugin>, now: u64) {
        let old = self.running.plugin().clone();
        let (from, to) = (short_digest(&old.digest), short_digest(&plugin.digest));
        match self.running.replace(plugin.clone(), now) {
            Ok(()) => {
                self.event_queue.now_sees(plugin.policy.clone());
                self.octoprint.router.changed();
                self.journal.runs(&plugin, self.running.settings());
                self.journal.lifecycle(What::Loaded, &plugin.digest, Some(format!("took over from {from}")));
                tracing::info!(plugin = self.label, "version {to} took over from {from}");
                self.version_changed(now);
                self.report_running(plugin);
            }
            Err(error) => {
                self.journal.component(&old.digest);
                // The component's own words go into the log, not into the journal.
                self.journal.lifecycle(What::Refused, &plugin.digest, Some(error.to_string()));
                tracing::warn!(plugin = self.label, "version {to} was rejected, {from} keeps running: {error:#}");
                self.report_rollback(plugin.digest.clone(), old);
            }
        }
    }

    fn save_state(&mut self) {
        if self.unsaved_since.take().is_some() {
            self.running.save_state(self.clock.now());
        }
    }
}
