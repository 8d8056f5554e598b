//! The running host: a supervisor on the main thread, one thread for each plugin, one that makes
//! plugins ready, one for the source of events, and watchers. An idle host sleeps until an event, a
//! change of a file, or a tick that was asked for.

use crate::home::Home;
use crate::inbox::Event;
use crate::journal::{Entry, Journal, Rules, What};
use crate::loader;
use crate::octoprint::{Target, connection, follow};
use crate::outbox::Tally;
use crate::roots::Roots;
use crate::router::{ENVIRONMENT, Router, STARTED};
use crate::server::Server;
use crate::source::{Line, Lines};
use crate::supervisor::{Control, Supervisor};
use crate::watch::{Folder, Watch};
use crate::worker::Shared;
use anyhow::{Context, Result, bail};
use glassbox_sandbox::Sandbox;
use std::io::BufRead;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the source waits for the plugins that are there at the start; who needs longer, or
/// comes later, hears how things are.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// Where events come from.
pub enum Source {
    /// A stream of JSON lines.
    Lines(Box<dyn BufRead + Send>),
    /// A running OctoPrint.
    OctoPrint(Target),
}

/// How the run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Plugins that ran.
    pub plugins: usize,
    /// Plugins in the folder that did not run at the end.
    pub unloadable: usize,
    /// What became of all requests.
    pub tally: Tally,
}

/// Run until the source ends or a signal comes.
///
/// # Errors
/// When there is no home, another host runs with it, the source cannot be read, or no plugin ran.
pub fn run(home: &Home, source: Source) -> Result<Summary> {
    home.must_exist()?;
    let _only = home.lock()?;
    let config = home.config()?;
    let roots = Roots::load(config.ca_file.as_deref())?;
    let sandbox = Sandbox::new(Some(&home.cache()))?;
    let (control, news) = mpsc::channel();
    let signal = control.clone();
    let mut before = false;
    ctrlc::set_handler(move || {
        // A second one means it: what has not been delivered is dropped.
        if std::mem::replace(&mut before, true) {
            std::process::exit(130);
        }
        let _ = signal.send(Control::Signal);
    })
    .context("listening for signals")?;
    // Before the first look, so that nothing changes between the two.
    let mut watch = Watch::start(home, &control)?;
    let loader = loader::start(home.clone(), sandbox, control.clone())?;
    connection::forget_all(home);
    let router = Router::default();
    let journal = open_journal(home);
    journal.write(&Entry { what: What::Started, ..Entry::default() });
    let server = match &source {
        Source::Lines(_) => Server::Stream,
        Source::OctoPrint(target) => Server::at(&target.address),
    };
    let config = Arc::new(Mutex::new((config, roots)));
    let shared = Shared {
        home: home.clone(),
        config: config.clone(),
        control: control.clone(),
        journal: journal.clone(),
        server,
        router: router.clone(),
    };
    let mut supervisor = Supervisor::new(shared, router.clone(), loader);
    supervisor.scan();
    let mut ended = listen(&mut supervisor, &news, &mut watch, Some(Instant::now() + FIRST_LOOK));
    supervisor.started();
    if ended.is_none() {
        let home = home.clone();
        std::thread::Builder::new().name("source".into()).spawn(move || {
            let roots = || config.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
            let ended = match source {
                Source::Lines(input) => pump(input, &router),
                Source::OctoPrint(target) => follow::follow(&target, roots, &home, &router),
            };
            let _ = control.send(Control::SourceEnded(ended));
        })?;
        ended = listen(&mut supervisor, &news, &mut watch, None);
    }
    drop(watch);
    let (plugins, unloadable) = supervisor.counts();
    let summary = Summary { plugins, unloadable, tally: supervisor.finish() };
    journal.write(&Entry { what: What::Stopped, ..Entry::default() });
    ended.unwrap_or(Ok(()))?;
    if plugins == 0 {
        bail!("no plugin in {} could be started; 'glassbox list' says more", home.plugins().display());
    }
    Ok(summary)
}

/// A journal that cannot be written stops no print and no report; it says so, and counts.
fn open_journal(home: &Home) -> Journal {
    let folder = home.journal();
    Journal::open(&folder).unwrap_or_else(|error| {
        tracing::error!("the journal in {} cannot be opened: {error:#}", folder.display());
        Journal::at(&folder, Rules::default())
    })
}

/// Hear news until the end; with `first`, until every plugin was looked at, or until then.
fn listen(
    supervisor: &mut Supervisor,
    news: &Receiver<Control>,
    watch: &mut Watch,
    first: Option<Instant>,
) -> Option<Result<()>> {
    loop {
        let left = first.map(|first| first.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero() || supervisor.is_settled()) {
            return None;
        }
        let news = match supervisor.patience().into_iter().chain(left).min() {
            Some(longest) => news.recv_timeout(longest),
            None => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match news {
            Ok(Control::Changed(folder)) => {
                if folder == Folder::Root {
                    watch.renew();
                }
                supervisor.changed(folder);
            }
            Ok(Control::Loaded(answer)) => supervisor.loaded(answer),
            Ok(Control::Runs(name, plugin)) => supervisor.runs(&name, plugin),
            Ok(Control::PutBack(name, bad, plugin)) => supervisor.put_back(&name, bad, plugin),
            Ok(Control::Unstarted(name, digest, error)) => supervisor.unstarted(&name, digest, &error),
            Ok(Control::SourceEnded(ended)) => return Some(ended),
            Ok(Control::Signal) | Err(RecvTimeoutError::Disconnected) => return Some(Ok(())),
            Err(RecvTimeoutError::Timeout) => {}
        }
        supervisor.on_time();
    }
}

/// Read events and hand them to every plugin.
fn pump(input: impl BufRead, router: &Router) -> Result<()> {
    let mut lines = Lines::new(input);
    let mut first = true;
    let made_up = |name: &str, payload: &str| {
        router.deliver(Event { name: name.into(), payload: payload.into(), made_up: true });
    };
    while let Some(line) = lines.next_line().context("reading events")? {
        match line {
            Line::Bad(number, reason) => tracing::warn!("line {number} is passed over: {reason}"),
            Line::Event(name, payload) => {
                if std::mem::take(&mut first) && !matches!(name.as_str(), ENVIRONMENT | STARTED) {
                    // A bare stream of bus events: the server runs, and that is all we know.
                    made_up(ENVIRONMENT, "{}");
                    made_up(STARTED, "{\"uptime\": 0}");
                }
                router.deliver(Event { name, payload, made_up: false });
            }
        }
    }
    Ok(())
}
