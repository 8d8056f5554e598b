//! `glassbox demo`: plays a recorded session of a real OctoPrint through the installed component, sends over real
//! HTTP to a receiver of its own, and compares that with what OctoPrint sent. The comparison itself is in
//! [`glassbox_audit::conformance::session`].

mod player;

use super::output;
use anyhow::{Context, Result, bail};
use glassbox::delivery::send_queue::SendQueue;
use glassbox::home::identity::Identified;
use glassbox::home::instance_journal::InstanceJournal;
use glassbox::home::{BUNDLED_NAME, Home};
use glassbox::plugins::running_plugin::{RunningPlugin, Setup};
use glassbox_audit::conformance::RecordedRequest;
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_audit::conformance::session::{self, CausedRequest, EVENTS, KindComparison};
use glassbox_audit::fake::{ManualClock, ManualThrottle};
use glassbox_contract::{Deny, Prepare};
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Outgoing, Plugin, Sandbox, Settings};
use glassbox_util::Advised;
use glassbox_util::files::write_privately;
use glassbox_util::text::{printable, shown, shown_lines};
use player::{Moment, Player};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What OctoPrint sent in the session that comes with this program.
const REQUESTS: &str = include_str!("../../../../examples/sessions/octoprint-1.11.8.requests.jsonl");

/// The id with which the sessions were recorded. It serves as the salt too, which makes hashes of file names those
/// of OctoPrint.
const RECORDED_ID: &str = "11111111-2222-4333-8444-555555555555";

/// Play a session. False if a difference has no reason.
pub fn demo(given: Option<&Path>, speed: f64, recording: Option<&Path>, port: u16) -> Result<bool> {
    if !(0.0..=1e6).contains(&speed) {
        bail!("--speed must be between 0 and 1000000");
    }
    let scratch = tempfile::Builder::new().prefix("glassbox-demo-").tempdir();
    let scratch = scratch.context("making a temporary folder").map_err(|error| {
        error.context(Advised::new(
            "the demo has no place for its home",
            "name a folder that can be written with $TMPDIR",
        ))
    })?;
    let (events, requests) = match recording {
        Some(events) => (events.to_path_buf(), beside(events)?),
        None => write_session(scratch.path())?,
    };
    let script = session::read_events(&events)?;
    let recorded = session::read_requests(&requests)?;
    let home = Home::at(scratch.path().join("home"));
    home.init()?;
    let installed = match given {
        Some(given) => take_plugin(&Home::at(given), &home)?,
        None => home.plugin_file(BUNDLED_NAME),
    };
    let receiver = Receiver::start(port)?;
    let ours = format!("http://{}/", receiver.address());
    let screen = Screen::new(script.last().map_or(0.0, |entry| entry.t));
    screen.line(&format!("home      {}", output::path(home.root())))?;
    screen.line(&format!("component {}", output::path(&installed)))?;
    screen.line(&format!("receiver  {}", receiver.url()))?;
    let sandbox = Sandbox::new(Some(&home.cache()))?;
    let plugin = Arc::new(sandbox.prepare(BUNDLED_NAME, &home.read_plugin(BUNDLED_NAME)?)?);
    let server_setting = server_setting(&plugin)?;
    home.change_settings(BUNDLED_NAME, |settings| opt_in(settings, server_setting, &receiver.url()))?;
    let end = recorded.last().map_or(0.0, |request| request.t).max(script.last().map_or(0.0, |entry| entry.t));
    let speed = if speed == 0.0 { f64::INFINITY } else { speed };
    let (clock, throttle) = (ManualClock::default(), ManualThrottle::default());
    let player = Player { clock, throttle, home: &home, speed, stop: stop_on_signal()? };
    // Nobody consented to anything here, so by construction nothing goes anywhere but to our own receiver.
    let journal = InstanceJournal::new(None, BUNDLED_NAME);
    let send_queue = SendQueue::only_to(receiver.address(), BUNDLED_NAME, &journal);
    let mut running = start(plugin, &home, &player, &send_queue)?;
    let (mut causes, mut astray) = (Vec::new(), None);
    let finished = player.play(&mut running, &script, end, |moment| {
        // A closed pipe ends it too.
        let shown = screen.moment(moment).is_ok();
        let cause = moment.event.map(|(event, payload)| (event.to_string(), payload.clone()));
        causes.extend(moment.sent.iter().map(|sent| (RecordedRequest::from(sent), cause.clone())));
        // The session may have changed the server in the settings.
        astray = moment.sent.iter().find(|sent| !sent.url.starts_with(&ours)).map(|sent| sent.name.clone());
        shown && astray.is_none()
    })?;
    if let Some(report) = astray {
        bail!("{report} was meant for another server than the demo's own receiver, so it was not sent");
    }
    let tally = send_queue.drain(Duration::from_secs(10));
    let received = receiver.wait_for(causes.len(), Duration::from_secs(2));
    if !finished {
        screen.line(&format!("stopped; {} reports had been sent", tally.sent))?;
        return Ok(true);
    }
    screen.done()?;
    let ours = attribute(&received, causes)?;
    let theirs: Vec<_> = recorded.into_iter().map(|recorded| recorded.request).collect();
    report(&session::compare(&ours, &theirs), &screen)
}

/// Copy the plugin from a home that somebody uses, whose settings the demo must not change.
fn take_plugin(from: &Home, to: &Home) -> Result<PathBuf> {
    if !from.plugins().is_dir() {
        from.init()?;
    }
    write_privately(&to.plugin_file(BUNDLED_NAME), &from.read_plugin(BUNDLED_NAME)?)?;
    Ok(from.plugin_file(BUNDLED_NAME))
}

/// The setting in which the plugin is told its server. One that cannot be told is not played.
fn server_setting(plugin: &Plugin) -> Result<&str> {
    match &plugin.policy.manifest().capabilities.http {
        Some(http) => http.url_setting.as_deref().with_context(|| {
            format!(
                "this tracker always sends to {}: its manifest has no url_setting; the demo sends to its own receiver and \
                 nowhere else, so it cannot show it",
                http.url
            )
        }),
        // It sends nothing at all.
        None => Ok("server"),
    }
}

/// Opt in, with the settings with which the session was recorded.
fn opt_in(settings: &mut Settings, server_setting: &str, server: &str) -> Result<()> {
    let changes: [(&str, Value); 5] = [
        ("enabled", true.into()),
        ("unique_id", RECORDED_ID.into()),
        (server_setting, server.into()),
        ("ping", json!(20)),
        ("pong", json!(60)),
    ];
    changes.into_iter().try_for_each(|(key, value)| settings.set(key, value).map_err(anyhow::Error::msg))
}

/// Start the installed plugin.
fn start(plugin: Arc<Plugin>, home: &Home, player: &Player, send_queue: &SendQueue) -> Result<RunningPlugin> {
    let settings = home.settings(BUNDLED_NAME).or_empty(&home.settings_file(BUNDLED_NAME))?;
    let (clock, throttle, queue) = (player.clock.clone(), player.throttle.clone(), send_queue.clone());
    let make_capabilities = Box::new(move |_: &Arc<Plugin>| Capabilities {
        http: Box::new(queue.of_instance(Arc::new(|_: &Outgoing| Ok(())))),
        clock: Box::new(clock.clone()),
        // The session's own events describe its machine.
        hardware: Box::new(Deny),
        throttle: Box::new(throttle.clone()),
        salt: String::new(),
    });
    // The salt with which the session was recorded.
    let identify = Box::new(|_: &Arc<Plugin>, settings: &Settings| {
        Ok(Identified { settings: settings.clone(), salt: RECORDED_ID.into(), is_new: false, renewed: None })
    });
    let save_state = Box::new(|_: &str| ());
    // No veto: CI and the like forbid reports that leave the machine, and these go to our own receiver.
    let veto = None;
    let throttle = Box::new(player.throttle.clone());
    let setup = Setup { plugin, settings, veto, identify, make_capabilities, throttle, save_state, saved: None };
    RunningPlugin::start(setup, 0)
}

fn stop_on_signal() -> Result<mpsc::Receiver<()>> {
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || stop.send(()).unwrap_or_default()).context("listening for signals")?;
    Ok(stopped)
}

/// Give each request that was received its cause: what was received must be what was sent, in the same order.
fn attribute(
    received: &[RecordedRequest],
    causes: Vec<(RecordedRequest, Option<(String, Value)>)>,
) -> Result<Vec<CausedRequest>> {
    if !received.iter().eq(causes.iter().map(|(request, _)| request)) {
        bail!("the receiver got {} requests, not the {} that were sent, in order", received.len(), causes.len());
    }
    Ok(causes.into_iter().map(|(request, cause)| CausedRequest { request, cause }).collect())
}

fn report(kinds: &BTreeMap<String, KindComparison>, screen: &Screen) -> Result<bool> {
    let mut out = output::out();
    writeln!(out, "\n{:24} {:>5} {:>9} {:>10}  why it differs", "report", "here", "OctoPrint", "same bytes")?;
    let (mut here, mut there, mut same, mut unexplained) = (0, 0, 0, 0);
    for (name, kind) in kinds {
        let mut reasons: Vec<_> = kind.reasons.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
        if !kind.unexplained.is_empty() {
            reasons.push(screen.red(&format!("{}: NO REASON", kind.unexplained.len())));
        }
        let name = shown(name);
        writeln!(out, "{name:24} {:>5} {:>9} {:>10}  {}", kind.here, kind.there, kind.same, reasons.join("; "))?;
        (here, there, same) = (here + kind.here, there + kind.there, same + kind.same);
        unexplained += kind.unexplained.len();
    }
    writeln!(out, "{:24} {here:>5} {there:>9} {same:>10}", "all")?;
    for (name, kind) in kinds {
        for difference in &kind.unexplained {
            writeln!(out, "\n{}\n  {}", shown(name), shown_lines(&difference.to_string(), 2))?;
        }
    }
    let verdict = match unexplained {
        0 => "every difference has a reason".to_string(),
        count => screen.red(&format!("differences without a reason: {count}")),
    };
    writeln!(out, "\n{verdict}")?;
    Ok(unexplained == 0)
}

/// The file of requests that belongs to a file of events.
fn beside(events: &Path) -> Result<PathBuf> {
    let name = events.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".events.jsonl"));
    let name = name.context("the name of a session's file must end in .events.jsonl")?;
    Ok(events.with_file_name(format!("{name}.requests.jsonl")))
}

fn write_session(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let (events, requests) = (folder.join("session.events.jsonl"), folder.join("session.requests.jsonl"));
    std::fs::write(&events, EVENTS)?;
    std::fs::write(&requests, REQUESTS)?;
    Ok((events, requests))
}

/// Colour and a progress line on a terminal, plain lines in a pipe.
struct Screen {
    terminal: bool,
    end: f64,
}

impl Screen {
    fn new(end: f64) -> Self {
        Self { terminal: super::colours(), end: end.max(1.0) }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.terminal { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }

    fn red(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    fn line(&self, text: &str) -> io::Result<()> {
        self.done()?;
        writeln!(output::out(), "{text}")
    }

    fn moment(&self, moment: &Moment) -> io::Result<()> {
        let time = format!("{:8.3} s", moment.t);
        if !moment.sent.is_empty() || moment.what.starts_with("settings") {
            self.line(&format!("{time}  {}", self.paint("1", &shown(moment.what))))?;
        }
        for request in moment.sent {
            self.line(&format!("            -> {} {}", self.paint("32", &shown(&request.name)), fields(request)))?;
        }
        for note in moment.notes {
            self.line(&format!("{time}  {}", self.red(&shown(note))))?;
        }
        if self.terminal {
            let done = (moment.t / self.end).clamp(0.0, 1.0);
            let bar = "#".repeat((done * 30.0) as usize);
            write!(io::stdout(), "\r\x1b[K[{bar:30}] {time}  {}", printable(moment.what, 40))?;
            io::stdout().flush()?;
        }
        Ok(())
    }

    fn done(&self) -> io::Result<()> {
        if self.terminal { write!(io::stdout(), "\r\x1b[K") } else { Ok(()) }
    }
}

fn fields(request: &Outgoing) -> String {
    let fields: Vec<_> = request.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    shown(&fields.join(" "))
}
