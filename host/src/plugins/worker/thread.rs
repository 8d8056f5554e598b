//! What a plugin's thread does: takes orders and events from its inbox, ticks when it asked for it,
//! keeps its saved state on disk, and tells log, journal and supervisor what happened.

use crate::delivery::send_queue::{SendQueue, Tally};
use crate::events::Event;
use crate::events::event::{STARTED, STOPPING};
use crate::events::event_queue::{EventQueue, QueueItem};
use crate::home::Home;
use crate::home::instance_journal::InstanceJournal;
use crate::home::settings::Stored;
use crate::home::short_digest;
use crate::home::state;
use crate::plugins::context::OctoPrint;
use crate::plugins::latency_histogram::LatencyHistogram;
use crate::plugins::log_limit::LogLimit;
use crate::plugins::messages::{Control, Order};
use crate::plugins::running_plugin::{Keep, KeepState, LifecycleEvent, RunningPlugin, Setup, Step, Supply};
use crate::record::Recorder;
use crate::system::{MonotonicClock, Now, SystemRandom};
use anyhow::Result;
use glassbox_journal::What;
use glassbox_sandbox::capabilities::{Capabilities, Clock};
use glassbox_sandbox::{Plugin, Settings, consent};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the outbox may take at the end.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// How long a state that sent nothing may wait for the disk: a flood of events is not a flood of
/// files. What sent something is kept at once, so that a crash makes nobody say it twice.
const KEEP_WITHIN: Duration = Duration::from_secs(1);

fn supply(site: &OctoPrint, outbox: &SendQueue, ledger: &InstanceJournal, clock: MonotonicClock) -> Supply {
    let (config, queue, ledger, server) = (site.shared.config.clone(), outbox.clone(), ledger.clone(), site.server);
    Box::new(move |plugin| {
        // From here on it is this version that asks for what is sent.
        ledger.component(&plugin.digest);
        let vcgencmd = config.vcgencmd();
        Capabilities {
            http: Box::new(queue.clone()),
            clock: Box::new(clock),
            hardware: server.hardware(),
            throttle: server.throttle(&vcgencmd),
            random: Box::new(SystemRandom),
        }
    })
}

/// Writes what a plugin asked to have added; what came into the file meanwhile is the user's.
pub fn keep(home: &Home, name: &str) -> Keep {
    let (home, name) = (home.clone(), name.to_string());
    Box::new(move |completed: &Settings| home.complete_settings(&name, completed))
}

/// Writes what a plugin must know when it is started again.
fn keep_state(site: &Arc<OctoPrint>, name: &str, server_run: &Arc<AtomicBool>) -> KeepState {
    let (site, name, server_run) = (site.clone(), name.to_string(), server_run.clone());
    let mut complained = false;
    Box::new(move |text| {
        let kept = state::write(&site.home, &name, text, server_run.load(Ordering::SeqCst), &Now::system());
        if let Err(error) = kept.as_ref()
            && !complained
        {
            tracing::warn!(plugin = site.label(&name), "its state is not kept, a restart will forget it: {error:#}");
        }
        complained = kept.is_err();
    })
}

fn consent_line(running: &RunningPlugin) -> String {
    let consent = running.consent();
    let what = if consent.given() { "reports are sent" } else { "nothing is sent" };
    format!("{what}: {consent}")
}

/// How the thread goes on.
enum Next {
    On,
    Ended { deliver: bool },
}

pub(super) struct WorkerThread {
    site: Arc<OctoPrint>,
    name: String,
    /// For the log.
    label: String,
    running: RunningPlugin,
    outbox: SendQueue,
    ledger: InstanceJournal,
    clock: MonotonicClock,
    inbox: Arc<EventQueue<Order>>,
    told: Arc<AtomicBool>,
    /// What was last said of a settings file that cannot be used.
    complaint: Option<String>,
    /// Whether a run of the server has begun and not ended.
    server_run: Arc<AtomicBool>,
    /// Whether that began before this host did: what is made up for newcomers is not for us.
    resumed: bool,
    /// Since when a state waits for the disk.
    unkept: Option<Instant>,
    latency: LatencyHistogram,
    log_limit: LogLimit,
    /// Events that were passed by and not yet told of, and when that was last told.
    passed_by: u64,
    passed_by_told: Option<Instant>,
}

impl WorkerThread {
    pub(super) fn start(
        plugin: Arc<Plugin>,
        site: Arc<OctoPrint>,
        ledger: InstanceJournal,
        (inbox, outbox, told): (Arc<EventQueue<Order>>, SendQueue, Arc<AtomicBool>),
    ) -> Result<Self> {
        let (home, name) = (&site.home, plugin.name.clone());
        let label = site.label(&name);
        let clock = MonotonicClock::default();
        let saved = state::read(home, &name, &Now::system());
        // A run of the server that began or ended since is not the one that was saved.
        let same_run = saved.as_ref().is_some_and(|saved| {
            // Where the server outlives us, the source tells if it has ended meanwhile.
            let goes_on = if site.server.outlives_us() { saved.server_run } else { saved.same_run };
            goes_on && !site.router.run_changed_within(saved.age)
        });
        let server_run = Arc::new(AtomicBool::new(same_run));
        let setup = Setup {
            settings: home.settings(&name)?.or_empty(&home.settings_file(&name))?,
            veto: consent::process_veto(),
            supply: supply(&site, &outbox, &ledger, clock),
            keep: keep(home, &name),
            keep_state: keep_state(&site, &name, &server_run),
            saved: saved.map(|saved| (saved.state, u64::try_from(saved.age.as_nanos()).unwrap_or(u64::MAX))),
            plugin: plugin.clone(),
        };
        ledger.runs(&plugin, &setup.settings);
        let (octoprint, recording) = (site.name.as_deref(), site.shared.recording.clone());
        let recorder = Recorder::new(octoprint, &label, recording, home.trap_file(&name));
        let running = RunningPlugin::start_recorded(setup, clock.now(), Some(recorder))?;
        tracing::info!(plugin = label, "{}", consent_line(&running));
        ledger.runs(&plugin, running.settings());
        ledger.turn(What::Loaded, &plugin.digest, None);
        let log_limit = LogLimit::new(&label);
        let own = Self {
            site,
            name,
            label,
            running,
            outbox,
            ledger,
            clock,
            inbox,
            told,
            complaint: None,
            server_run,
            resumed: same_run,
            unkept: None,
            latency: LatencyHistogram::default(),
            log_limit,
            passed_by: 0,
            passed_by_told: None,
        };
        own.tell(Control::Runs(own.site.number, own.name.clone(), plugin));
        Ok(own)
    }

    pub(super) fn run(mut self) -> Tally {
        let deliver = loop {
            match self.inbox.next(self.patience()) {
                QueueItem::Order(order) => match self.obey(order) {
                    Next::On => {}
                    Next::Ended { deliver } => break deliver,
                },
                QueueItem::Event(event, came) => {
                    self.event(&event);
                    self.latency.add(came.elapsed());
                }
                QueueItem::Timeout => self.due(),
                QueueItem::End if self.site.server.outlives_us() || !self.server_run.load(Ordering::SeqCst) => {
                    break true;
                }
                QueueItem::End => {
                    self.event(&Event { name: STOPPING.into(), payload: "null".into(), made_up: false });
                    break true;
                }
            }
        };
        self.keep_state();
        self.passed_by += self.inbox.lost();
        self.tell_passed_by(true);
        if !deliver {
            self.outbox.close();
        }
        let waiting = self.outbox.waiting();
        let tally = self.outbox.drain(LAST_DELIVERY);
        self.ledger.close();
        tracing::debug!(plugin = self.label, "{waiting} reports were waiting at the end; {}", self.latency);
        tally
    }

    /// How long there is nothing to do but to wait.
    fn patience(&self) -> Option<Duration> {
        let now = self.clock.now();
        let tick = self.running.next_tick().map(|at| Duration::from_nanos(at.saturating_sub(now)));
        let keep = self.unkept.map(|since| KEEP_WITHIN.saturating_sub(since.elapsed()));
        tick.into_iter().chain(keep).min()
    }

    fn due(&mut self) {
        let now = self.clock.now();
        if self.running.next_tick().is_some_and(|at| at <= now) {
            self.ledger.because_of("tick");
            let step = self.running.tick(now);
            self.note(&step);
        }
        if self.unkept.is_some_and(|since| since.elapsed() >= KEEP_WITHIN) {
            self.keep_state();
        }
    }

    fn event(&mut self, event: &Event) {
        if event.name == STARTED && event.made_up && self.resumed {
            return;
        }
        match event.name.as_str() {
            STARTED => self.server_run.store(true, Ordering::SeqCst),
            STOPPING => self.server_run.store(false, Ordering::SeqCst),
            _ => {}
        }
        self.ledger.because_of(&event.name);
        let step = self.running.event(&event.name, &event.payload, self.clock.now());
        self.note(&step);
        self.passed_by += self.inbox.lost();
        self.tell_passed_by(false);
    }

    /// Once a minute, and at the end.
    fn tell_passed_by(&mut self, last: bool) {
        let due = last || self.passed_by_told.is_none_or(|told| told.elapsed() >= Duration::from_secs(60));
        if self.passed_by == 0 || !due {
            return;
        }
        let reason =
            format!("{} events were passed by: it is too slow, or was stuck", std::mem::take(&mut self.passed_by));
        tracing::warn!(plugin = self.label, "{reason}");
        self.ledger.turn(What::Gap, &self.running.plugin().digest, Some(reason));
        self.passed_by_told = Some(Instant::now());
    }

    fn obey(&mut self, order: Order) -> Next {
        let now = self.clock.now();
        match order {
            Order::Settings => {
                self.told.store(false, Ordering::SeqCst);
                self.settings_changed(now);
            }
            Order::Replace(plugin) => self.replace(plugin, now),
            Order::Config => {
                self.outbox.trust(self.site.shared.config.trust());
                let plugin = self.running.plugin().clone();
                if let Err(error) = self.running.replace(plugin, now) {
                    tracing::warn!(plugin = self.label, "it goes on with the old configuration: {error:#}");
                }
            }
            Order::Remove => return Next::Ended { deliver: true },
            Order::Revoke => return Next::Ended { deliver: false },
        }
        Next::On
    }

    fn replace(&mut self, plugin: Arc<Plugin>, now: u64) {
        let old = self.running.plugin().clone();
        let (from, to) = (short_digest(&old.digest), short_digest(&plugin.digest));
        match self.running.replace(plugin.clone(), now) {
            Ok(()) => {
                self.inbox.now_sees(plugin.policy.clone());
                self.site.router.changed();
                self.ledger.runs(&plugin, self.running.settings());
                self.ledger.turn(What::Loaded, &plugin.digest, Some(format!("took over from {from}")));
                tracing::info!(plugin = self.label, "version {to} took over from {from}");
                self.tell(Control::Runs(self.site.number, self.name.clone(), plugin));
            }
            Err(error) => {
                self.ledger.component(&old.digest);
                // What the component itself says goes into the log, not into the journal.
                self.ledger.turn(What::Refused, &plugin.digest, Some(error.to_string()));
                tracing::warn!(plugin = self.label, "version {to} was not taken, {from} runs on: {error:#}");
                self.tell(Control::PutBack(self.site.number, self.name.clone(), plugin.digest.clone(), old));
            }
        }
    }

    fn settings_changed(&mut self, now: u64) {
        let settings = match self.site.home.settings(&self.name) {
            Ok(Stored::Missing) => Settings::default(),
            Ok(Stored::Good(settings)) => settings,
            // Perhaps half written: the next change tells. Until then the last ones hold.
            Ok(Stored::Damaged(reason)) => {
                let file = self.site.home.settings_file(&self.name);
                return self.complain(format!("{} is damaged, the last good settings hold: {reason}", file.display()));
            }
            Err(error) => return self.complain(format!("{}: the last good settings hold: {error:#}", self.label)),
        };
        self.complaint = None;
        if settings == *self.running.settings() {
            if self.running.consent().given() {
                // It was off for a moment only, and closed without our knowing.
                self.outbox.open();
            }
            return;
        }
        if let Err(error) = self.running.change_settings(settings, now) {
            tracing::warn!(octoprint = self.site.name, about = self.name, "{error:#}");
        }
        self.ledger.runs(self.running.plugin(), self.running.settings());
        tracing::info!(plugin = self.label, "{}", consent_line(&self.running));
        if self.running.consent().given() {
            self.outbox.open();
        } else {
            self.outbox.close();
        }
    }

    /// Once for each state of the file: one change is often told several times.
    fn complain(&mut self, complaint: String) {
        if self.complaint.as_ref() != Some(&complaint) {
            tracing::warn!(about = self.label, "{complaint}");
            self.complaint = Some(complaint);
        }
    }

    fn note(&mut self, step: &Step) {
        for request in &step.sent {
            tracing::debug!(plugin = self.label, "{} {:?}", request.name, request.fields);
        }
        let plugin = self.running.plugin().clone();
        for blocked in &step.blocked {
            self.ledger.blocked(blocked, &plugin);
            if blocked.undeclared {
                self.log_limit.say(&format!("{} was blocked: {}", blocked.request, blocked.reason));
            }
        }
        for note in &step.notes {
            self.log_limit.say(note);
        }
        for turn in &step.turns {
            self.turned(turn, &plugin);
        }
        if step.saved && step.sent.is_empty() {
            self.unkept.get_or_insert_with(Instant::now);
        } else if step.saved {
            self.unkept = None;
        }
    }

    /// What became of the plugin itself.
    fn turned(&mut self, turn: &LifecycleEvent, plugin: &Arc<Plugin>) {
        match turn {
            LifecycleEvent::Failed(reason) => self.ledger.turn(What::Restarted, &plugin.digest, Some(reason.clone())),
            LifecycleEvent::Quarantined(reason) => {
                self.ledger.turn(What::Quarantined, &plugin.digest, Some(reason.clone()))
            }
            LifecycleEvent::RolledBack(reason, bad) => {
                self.inbox.now_sees(plugin.policy.clone());
                self.site.router.changed();
                self.ledger.runs(plugin, self.running.settings());
                self.ledger.turn(What::RolledBack, bad, Some(reason.clone()));
                self.tell(Control::PutBack(self.site.number, self.name.clone(), bad.clone(), plugin.clone()));
            }
        }
    }

    fn keep_state(&mut self) {
        if self.unkept.take().is_some() {
            self.running.keep_state();
        }
    }

    fn tell(&self, news: Control) {
        // Nobody listens any more when the host ends.
        let _ = self.site.shared.control.send(news);
    }
}
