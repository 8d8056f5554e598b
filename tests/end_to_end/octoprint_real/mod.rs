//! A real OctoPrint, with its virtual printer and its own tracker on: both trackers follow the same
//! day, and their reports are compared. Skipped where there is no OctoPrint.

mod compare;
mod day;
mod planted;
mod server;

use crate::octoprint::follow;
use crate::support::{Home, LONG, Process, SILENCE, names, receiver};
use compare::{Comparison, Why, compare};
use glassbox::home::identity;
use glassbox_audit::conformance::RecordedRequest;
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::skip;
use serde_json::{Value, json};
use server::{ID, OctoPrint};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// OctoPrint takes its time, and more on a busy machine.
const VERY_LONG: Duration = Duration::from_secs(180);

/// An OctoPrint, and a host that follows it: two trackers, two receivers.
struct Both {
    octoprint: OctoPrint,
    home: Home,
    /// None while it does not run.
    host: Option<Process>,
    theirs: Receiver,
    ours: Receiver,
}

impl Both {
    fn start(program: &str) -> Self {
        let (theirs, ours) = (receiver(), receiver());
        let home = Home::opted_in(&ours.url());
        let settings = json!({"enabled": true, "server": ours.url(), "unique_id": ID, "ping": 1});
        home.write_settings(settings.to_string());
        // As OctoPrint does, so that hashes can be compared.
        identity::keep(&glassbox::home::Home::at(home.root()), "tracking", ID, ID).unwrap();
        let octoprint = OctoPrint::set_up(program, &home, &theirs);
        let mut both = Self { octoprint, home, host: None, theirs, ours };
        both.start_host();
        both.wait_for("startup", 1);
        both
    }

    fn start_host(&mut self) {
        self.host = Some(follow(&self.home, &self.octoprint.url()));
    }

    fn stop_host(&mut self) {
        let host = self.host.take().unwrap();
        host.signal("TERM");
        host.wait(LONG).log();
    }

    fn host(&self) -> &Process {
        self.host.as_ref().unwrap()
    }

    /// Wait until both have reported something so often.
    #[track_caller]
    fn wait_for(&self, kind: &str, times: usize) {
        for (who, receiver) in [("OctoPrint", &self.theirs), ("here", &self.ours)] {
            wait_long(&format!("{times} times {kind}, {who}"), || count(&receiver.requests(), kind) >= times);
        }
    }

    fn compare(&self) -> Comparison {
        let answer = self.octoprint.get("plugin/achievements/").expect("achievements");
        let one = |one: &Value| Some((one["key"].as_str()?.to_string(), one["achieved"].as_i64()?));
        let unlocked: BTreeMap<_, _> = answer["achievements"].as_array().unwrap().iter().filter_map(one).collect();
        compare(&self.theirs.requests(), &self.ours.requests(), &unlocked)
    }

    /// Both have reported the same so far; one may be slower than the other.
    #[track_caller]
    fn agree(&self, after: &str) {
        let end = Instant::now() + LONG;
        let mut now = self.compare();
        while !now.unexplained.is_empty() && Instant::now() < end {
            std::thread::sleep(SILENCE / 10);
            now = self.compare();
        }
        let log = self.host.as_ref().map(Process::log).unwrap_or_default();
        assert!(now.unexplained.is_empty(), "after {after}:\n{}\n{log}", now.unexplained.join("\n"));
    }

    /// Both ping that the printer is in this state, and since about when the server has been running.
    #[track_caller]
    fn both_ping(&self, state: &str) {
        let last = |receiver: &Receiver| {
            let ping = receiver.requests().into_iter().rfind(|request| request.kind() == "ping")?;
            let uptime = ping.value("octoprint_uptime")?.parse::<u64>().ok()?;
            (ping.value("printer_state").as_deref() == Some(state)).then_some(uptime)
        };
        wait_long(&format!("pings with {state}"), || {
            let uptimes = last(&self.theirs).zip(last(&self.ours));
            // What comes later may have arrived earlier.
            uptimes.is_some_and(|(their, our)| (our.saturating_sub(3)..our + VERY_LONG.as_secs()).contains(&their))
        });
    }

    /// Change settings of both trackers, and wait until both know.
    #[track_caller]
    fn set(&self, change: &Value) {
        let told = || self.host().log().matches(" INFO tracking: ").count();
        let before = told();
        self.octoprint.order("api/settings", &json!({"plugins": {"tracking": change}}));
        let mut settings = self.home.settings();
        for (key, value) in change.as_object().unwrap() {
            match value.as_object() {
                Some(events) => events.iter().for_each(|(name, value)| settings[key][name] = value.clone()),
                None => settings[key] = value.clone(),
            }
        }
        self.home.write_settings(settings.to_string());
        wait_long("the settings were changed", || told() > before);
    }
}

/// Wait until this is true, longer than for anything of our own.
#[track_caller]
fn wait_long(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + VERY_LONG;
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn count(requests: &[RecordedRequest], kind: &str) -> usize {
    requests.iter().filter(|request| request.kind() == kind).count()
}

#[test]
fn reports_what_octoprint_itself_reports() {
    let Some(program) = std::env::var("GLASSBOX_TEST_OCTOPRINT").ok().filter(|program| !program.is_empty()) else {
        let how = "GLASSBOX_TEST_OCTOPRINT=$(tests/octoprint/install) cargo test --workspace";
        return skip(&format!("there is no real OctoPrint to compare with; to run this test: {how}"));
    };
    assert!(Path::new(&program).is_file(), "GLASSBOX_TEST_OCTOPRINT: there is no {program}");
    let mut both = Both::start(&program);
    day::prints(&both);
    day::errors(&both);
    day::plugins(&both);
    day::switches(&both);
    day::a_page_is_loaded(&both);
    day::we_start_again(&mut both);
    day::it_starts_again(&mut both);
    day::it_starts_and_connects_while_we_are_away(&mut both);
    day::another_hears_it_through_a_proxy(&both);
    // What must not come has had time to come.
    std::thread::sleep(2 * SILENCE);
    both.agree("all");
    let Comparison { same, reasons, .. } = both.compare();
    both.stop_host();
    both.octoprint.stop();
    let times = |why| reasons.get(&why).copied().unwrap_or_default();
    let expected = [(Why::ShutdownIsSent, 2), (Why::WebPage, 1), (Why::Null, 2), (Why::Pings, 1)];
    assert_eq!(expected.map(|(why, _)| (why, times(why))), expected, "{reasons:?}");
    // On a busy machine it may come late enough to be heard.
    assert!(times(Why::UnlockedBeforeWeCame) <= 1, "{reasons:?}");
    assert!(same >= 40, "{same}");
    for kind in day::KINDS {
        let ours = both.ours.requests();
        assert!(count(&ours, kind) >= 1, "{kind} is missing: {:?}", names(&ours));
    }
}
