//! A plugin is exchanged while it runs: what carries over, what does not, and what happens when the
//! new version, or any version, fails. Time is the test's; processes and files are in end_to_end.

use glassbox::plugins::running_plugin::{LifecycleEvent, RunningPlugin, Setup, Step};
use glassbox_audit::fake::{Logged, ManualClock, UseLog};
use glassbox_contract::{Deny, Prepare, deny};
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Plugin, Settings};
use glassbox_tests::{MISFIT_PLUGIN, SANDBOX, TRACKING, counter, identify, puppet, settings};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;

fn version(word: &str) -> Arc<Plugin> {
    Arc::new(SANDBOX.prepare("counter", &counter(word)).unwrap())
}

/// A running counter and its clock.
struct Host {
    running: RunningPlugin,
    clock: ManualClock,
    seq: u64,
}

impl Host {
    fn start(word: &str) -> Self {
        Self::start_with(word, None)
    }

    fn start_with(word: &str, saved: Option<(String, u64)>) -> Self {
        Self::of(version(word), r#"{"enabled": true, "id": "4711"}"#, saved)
    }

    fn of(plugin: Arc<Plugin>, settings: &str, saved: Option<(String, u64)>) -> Self {
        let clock = ManualClock::default();
        clock.set(SECOND);
        let own = clock.clone();
        let setup = Setup {
            plugin,
            settings: Settings::parse(settings).unwrap(),
            veto: None,
            identify: identify(),
            make_capabilities: Box::new(move |_| Capabilities {
                http: Box::new(Logged(Deny, UseLog::default())),
                clock: Box::new(own.clone()),
                ..deny()
            }),
            throttle: Box::new(Deny),
            save_state: Box::new(|_| ()),
            saved,
        };
        let running = RunningPlugin::start(setup, SECOND).unwrap();
        Self { running, clock, seq: 0 }
    }

    fn later(&mut self, ns: u64) {
        self.clock.set(self.clock.get() + ns);
    }

    /// The next event in the row.
    fn count(&mut self) -> Step {
        self.seq += 1;
        self.running.event("Count", &format!("{{\"seq\":{}}}", self.seq), self.clock.get())
    }

    fn event(&mut self, name: &str, payload: &str) -> Step {
        self.running.event(name, payload, self.clock.get())
    }

    fn tick(&mut self) -> Step {
        self.running.tick(self.clock.get())
    }

    fn replace(&mut self, word: &str) -> Result<(), String> {
        self.running.replace(version(word), self.clock.get()).map_err(|error| format!("{error:#}"))
    }

    /// Version, events counted, and how many were out of place.
    fn report(&mut self) -> (String, u64, u64) {
        let step = self.event("Report", "null");
        assert_eq!(step.sent.len(), 1, "{:?}", step.notes);
        let value = |name: &str| step.sent[0].fields.iter().find(|field| field.0 == name).unwrap().1.clone();
        (value("version"), value("count").parse().unwrap(), value("wrong").parse().unwrap())
    }

    /// All that can be seen from outside.
    fn all(&self) -> (String, Option<u64>, Settings, String) {
        let running = &self.running;
        let state = running.state(self.clock.get());
        (running.plugin().digest.clone(), running.next_tick(), running.settings().clone(), state)
    }
}

fn reported(version: &str, count: u64, wrong: u64) -> (String, u64, u64) {
    (version.into(), count, wrong)
}

#[test]
fn state_and_timers_carry_over_and_nothing_starts_twice() {
    let mut host = Host::start("first");
    assert_eq!(host.event("octoprint_started", "{}").sent.len(), 1);
    assert_eq!(host.count().sent, []);
    host.event("Timer", r#"{"ms": 5000}"#);
    host.later(2 * SECOND);
    host.replace("second").unwrap();
    assert_eq!(host.running.next_tick(), Some(host.clock.get()), "it is ticked after it was loaded");
    assert_eq!(host.tick().sent, []);
    assert_eq!(host.running.next_tick(), Some(6 * SECOND), "the timer is due when it was");
    host.count();
    assert_eq!(host.report(), reported("second", 2, 0));
    host.later(3 * SECOND);
    let step = host.tick();
    assert_eq!(step.sent[0].name, "timer");
    assert_eq!(step.sent[0].fields, [("version".to_string(), "second".to_string())]);
}

#[test]
fn a_restart_of_the_host_carries_on_too() {
    let mut host = Host::start("first");
    host.count();
    host.event("Timer", r#"{"ms": 5000}"#);
    let saved = host.running.state(host.clock.get());
    let mut host = Host::start_with("first", Some((saved, 2 * SECOND)));
    host.seq = 1;
    assert_eq!(host.tick().sent, []);
    assert_eq!(host.running.next_tick(), Some(4 * SECOND), "two of its five seconds had passed");
    host.count();
    assert_eq!(host.report(), reported("first", 2, 0));
}

#[test]
fn a_version_that_does_not_start_changes_nothing() {
    let mut host = Host::start("first");
    host.count();
    host.event("Timer", r#"{"ms": 5000}"#);
    for (word, reason) in [
        ("trap-load", "settings.load: it panicked"),
        ("loop-load", "settings.load: it took longer than 2 s"),
        ("refuse-settings", "does not accept its settings: it never likes them"),
        ("trap-restore", "handover.restore: it panicked"),
    ] {
        let before = host.all();
        let error = host.replace(word).unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert_eq!(host.all(), before, "{word}");
        host.count();
    }
    assert_eq!(host.report(), reported("first", 5, 0));
}

#[test]
fn a_version_that_fails_in_its_first_calls_is_rolled_back() {
    for (word, calls) in [("trap-event", 1), ("trap-third-event", 3)] {
        let mut host = Host::start("first");
        host.count();
        host.replace(word).unwrap();
        for _ in 1..calls {
            assert_eq!(host.count().lifecycle, []);
        }
        let step = host.count();
        assert_eq!(
            step.lifecycle,
            [LifecycleEvent::RolledBack("on-event: it panicked".into(), version(word).digest.clone())]
        );
        assert!(step.notes[1].starts_with("it was rolled back to version "), "{:?}", step.notes);
        assert_eq!(host.report(), reported("first", calls + 1, 0), "the old one handled what the new one could not");
    }
}

#[test]
fn a_version_that_cannot_be_saved_sends_nothing_and_the_old_one_does_it() {
    let mut host = Host::start("first");
    host.replace("trap-save").unwrap();
    let step = host.event("octoprint_started", "{}");
    assert_eq!(step.sent.len(), 1);
    assert_eq!(
        step.lifecycle,
        [LifecycleEvent::RolledBack("handover.save: it panicked".into(), version("trap-save").digest.clone())]
    );
    assert_eq!(host.report().0, "first");
    let mut host = Host::start("trap-save");
    assert_eq!(host.event("octoprint_started", "{}").sent, [], "there is none that could");
}

#[test]
fn two_bad_versions_in_a_row_leave_the_good_one() {
    let mut host = Host::start("first");
    host.count();
    host.replace("trap-third-event").unwrap();
    host.count();
    let word = "trap-event";
    host.replace(word).unwrap();
    assert_eq!(
        host.count().lifecycle,
        [LifecycleEvent::RolledBack("on-event: it panicked".into(), version(word).digest.clone())]
    );
    assert_eq!(host.report(), reported("first", 3, 0));
}

#[test]
fn a_no_holds_also_while_it_rests_and_does_not_like_it() {
    for word in ["trap-event", "refuse-off"] {
        let mut host = Host::start(word);
        let event = if word == "trap-event" { "Count" } else { "Fail" };
        while host.running.next_tick().is_none_or(|at| at < host.clock.get() + SECOND) {
            host.event(event, r#"{"seq": 1}"#);
        }
        let mut settings = host.running.settings().clone();
        settings.set("enabled", false.into()).unwrap();
        let _ = host.running.change_settings(settings, host.clock.get());
        assert!(!host.running.consent().given(), "{word}");
        host.later(60 * SECOND);
        host.tick();
        assert_eq!(host.event("Report", "null").sent, [], "{word}");
    }
}

#[test]
fn after_probation_there_is_no_way_back() {
    let mut host = Host::start("first");
    host.replace("second").unwrap();
    for _ in 0..20 {
        host.count();
    }
    host.replace("trap-tick").unwrap();
    for _ in 0..20 {
        assert_eq!(host.count().lifecycle, []);
    }
    assert_eq!(host.tick().lifecycle, [LifecycleEvent::Failed("on-tick: it panicked".into())]);
    assert_eq!(host.report(), reported("trap-tick", 40, 0));
}

#[test]
fn a_plugin_that_fails_rests_longer_and_longer_until_it_is_quarantined() {
    let mut host = Host::start("trap-event");
    let failed = LifecycleEvent::Failed("on-event: it panicked".into());
    assert_eq!(host.count().lifecycle, std::slice::from_ref(&failed), "the first failure is made good at once");
    for rest in [1, 5, 30] {
        assert_eq!(host.count().lifecycle, std::slice::from_ref(&failed));
        assert_eq!(host.running.next_tick(), Some(host.clock.get() + rest * SECOND), "it wants to be woken");
        host.later(rest * SECOND - 1);
        assert_eq!(host.count().lifecycle, [], "it rests");
        host.later(1);
        let step = host.tick();
        assert!(step.notes[0].contains("it missed 1 events while it was paused"), "{:?}", step.notes);
    }
    let step = host.count();
    assert_eq!(step.lifecycle, [LifecycleEvent::Quarantined("on-event: it panicked".into())]);
    assert!(step.notes[1].contains("it failed 5 times"));
    assert_eq!(host.running.next_tick(), None, "nothing wakes it");
    host.later(3600 * SECOND);
    assert!(host.event("Report", "null").sent.is_empty());

    host.replace("second").unwrap();
    host.seq = 0;
    host.count();
    assert_eq!(host.report(), reported("second", 1, 0), "another version begins where the last good call was");
}

#[test]
fn changed_settings_end_quarantine_as_well() {
    let mut host = Host::start("trap-event");
    while host.count().lifecycle.last() != Some(&LifecycleEvent::Quarantined("on-event: it panicked".into())) {
        host.later(60 * SECOND);
    }
    let mut settings = host.running.settings().clone();
    settings.set("new", true.into()).unwrap();
    host.running.change_settings(settings, host.clock.get()).unwrap();
    assert_eq!(host.count().lifecycle, [LifecycleEvent::Failed("on-event: it panicked".into())]);
}

#[test]
fn old_failures_are_forgotten() {
    let mut host = Host::start("trap-event");
    for _ in 0..20 {
        assert_eq!(host.count().lifecycle, [LifecycleEvent::Failed("on-event: it panicked".into())]);
        host.later(300 * SECOND);
    }
}

#[test]
fn a_state_that_nobody_understands_is_left_behind() {
    let mut host = Host::start("garbage");
    host.count();
    host.replace("second").unwrap();
    host.seq = 0;
    host.count();
    assert_eq!(host.report(), reported("second", 1, 0));
}

/// How many of such calls it takes until it is quarantined for what is written because of it, ten in a second.
fn quarantined_after(host: &mut Host, call: impl Fn(&mut Host) -> Step) -> Option<usize> {
    (1..=300).find(|_| {
        host.later(SECOND / 10);
        let step = call(host);
        let is_it = |event: &LifecycleEvent| {
            matches!(event, LifecycleEvent::Quarantined(reason) if reason.starts_with("it gave more than 200 messages,"))
        };
        step.lifecycle.iter().any(is_it)
    })
}

#[test]
fn messages_blocked_requests_and_states_count_towards_what_is_written() {
    for act in ["error", "undeclared"] {
        let settings = format!(r#"{{"enabled": true, "unique_id": "4711", "act": "{act}"}}"#);
        let mut host = Host::of(MISFIT_PLUGIN.clone(), &settings, None);
        let event = |host: &mut Host| host.event("PrintStarted", r#"{"path": "a.gcode", "origin": "local"}"#);
        assert_eq!(quarantined_after(&mut host, event), Some(201), "{act}");
    }
    // Its state says how much time is left, and so changes with each tick.
    let mut host = Host::start("first");
    host.event("Timer", r#"{"ms": 900000}"#);
    assert_eq!(quarantined_after(&mut host, Host::tick), Some(201));
    assert!(host.running.is_stopped());
}

#[test]
fn changed_settings_renew_the_budget() {
    let mut host = Host::start("first");
    host.event("Timer", r#"{"ms": 900000}"#);
    for new in [true, false] {
        assert_eq!(quarantined_after(&mut host, Host::tick), Some(201));
        let mut settings = host.running.settings().clone();
        settings.set("new", new.into()).unwrap();
        host.running.change_settings(settings, host.clock.get()).unwrap();
    }
}

#[test]
fn what_was_due_when_a_version_could_not_save_is_reported_by_the_one_before() {
    let mut host = Host::of(TRACKING.clone(), &settings(&[]).text(), None);
    host.event("octoprint_started", r#"{"uptime": 1}"#);
    let names = |step: &Step| step.sent.iter().map(|sent| sent.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&host.tick()), ["ping", "pong", "startup"]);
    host.later(900 * SECOND);
    let failing = Arc::new(SANDBOX.prepare("tracking", &puppet("always fail-save")).unwrap());
    host.running.replace(failing, host.clock.get()).unwrap();
    let step = host.tick();
    assert!(matches!(step.lifecycle.as_slice(), [LifecycleEvent::RolledBack(..)]), "{:?}", step.lifecycle);
    assert_eq!(names(&step), ["ping"]);
}
