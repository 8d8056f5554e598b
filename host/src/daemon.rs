//! The running host: wires sources, plugins and delivery together. The supervisor runs on the main thread; each
//! plugin's instance, the loader, each source of events and the file watcher have threads of their own. An idle
//! host sleeps until an event comes, a file changes, or a tick is due; only where files may change without the system
//! telling, it looks at them every 5 s. The main loop is in
//! [`crate::plugins::supervisor::main_loop`].

use crate::delivery::send_queue::Tally;
use crate::events::Feed;
use crate::home::config::mqtt::Broker;
use crate::home::config::octoprint::Target;
use crate::home::{Home, LiveConfig, RunningHost, running};
use crate::plugins::context::{HostContext, OctoPrint};
use crate::plugins::loader;
use crate::plugins::locality::Locality;
use crate::plugins::messages::Control;
use crate::plugins::supervisor::Supervisor;
use crate::plugins::supervisor::main_loop;
use crate::plugins::watcher::HomeWatcher;
use crate::record::{self, Sink};
use crate::sources::octoprint::{connection_status, follow};
use crate::sources::{jsonl, mqtt};
use anyhow::{Result, anyhow, bail};
use glassbox_journal::{Journal, JournalEntry, Rules, What};
use glassbox_sandbox::consent;
use glassbox_util::no_thread;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long sources wait for the plugins that are there at the start. A plugin that needs longer, or comes later, is
/// told how things are by then.
const STARTUP_WAIT: Duration = Duration::from_secs(10);

/// The stack of a source's thread, in bytes. It takes no memory before it is used, as long as it is too small for the
/// system to use huge pages.
const STACK: usize = 1 << 20;

/// Where events come from.
pub enum Source {
    /// A stream of JSON lines.
    Lines(Box<dyn BufRead + Send>),
    /// Running OctoPrints, and brokers to which OctoPrints publish.
    OctoPrints(Vec<Target>, Vec<Broker>),
}

/// Feeds events from a source, until it ends.
type FeedEvents = Box<dyn FnMut(&Feed) -> Result<()> + Send>;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of instances that ran: one for each plugin and OctoPrint.
    pub plugins: usize,
    /// Number of plugins in the folder of which no instance ran at the end.
    pub unloadable: usize,
    /// What became of all requests.
    pub tally: Tally,
}

/// Run until the source ends or a signal comes; record the run if there is a `recording`.
///
/// # Errors
/// When there is no home, another host runs with it, the configuration cannot be read, a source fails, or no plugin
/// ran.
pub fn run(home: &Home, source: Source, recording: Option<Sink>) -> Result<Summary> {
    home.must_exist()?;
    let veto = consent::process_veto().map(Into::into);
    let octoprints = origins(&source);
    let names = octoprints.iter().map(|(name, _)| name.clone()).collect();
    let lock = home.lock(&RunningHost { pid: std::process::id(), veto, octoprints: names })?;
    let config = home.config()?;
    let trust = home.trust(&config)?;
    // Counting fuel costs a little, and only a recording needs it.
    let sandbox = record::sandbox(Some(&home.cache()), recording.is_some())?;
    let (control, messages) = mpsc::channel();
    let signal = control.clone();
    let mut stopping = false;
    ctrlc::set_handler(move || {
        // A second signal stops the host at once, without delivering what waits.
        if std::mem::replace(&mut stopping, true) {
            std::process::exit(130);
        }
        let _ = signal.send(Control::Signal);
    })
    .map_err(|error| match error {
        ctrlc::Error::System(error) => anyhow!("listening for signals: {}", no_thread(&error)),
        error => anyhow!(error).context("listening for signals"),
    })?;
    connection_status::forget_all(home);
    let journal = open_journal(home);
    journal.write(&JournalEntry { what: What::Started, ..JournalEntry::default() });
    let config = LiveConfig::new(config, trust);
    let sink = recording.clone();
    let host =
        HostContext { home: home.clone(), config, control: control.clone(), journal: journal.clone(), recording };
    let octoprint = |(number, (name, locality))| Arc::new(OctoPrint::new(number, name, locality, &host));
    let octoprints: Vec<_> = octoprints.into_iter().enumerate().map(octoprint).collect();
    allow_files(octoprints.len());
    allow_large_files();
    octoprints.iter().for_each(|octoprint| running::forget_all(&octoprint.home));
    let homes: Vec<_> = octoprints.iter().map(|octoprint| octoprint.home.clone()).collect();
    // Before the first scan, so that no change between the two is missed.
    let watcher = HomeWatcher::start(home, &homes, &control)?;
    let loader = loader::start(homes, sandbox, control.clone())?;
    let mut supervisor = Supervisor::new(host, octoprints.clone(), loader, lock);
    supervisor.scan();
    let mut ended = main_loop::run(&mut supervisor, &messages, Some(Instant::now() + STARTUP_WAIT));
    supervisor.started();
    if ended.is_none() {
        start_sources(source, &octoprints)?;
        ended = main_loop::run(&mut supervisor, &messages, None);
    }
    drop(watcher);
    let (plugins, unloadable) = supervisor.counts();
    let summary = Summary { plugins, unloadable, tally: supervisor.finish() };
    sink.iter().for_each(Sink::close);
    journal.write(&JournalEntry { what: What::Stopped, ..JournalEntry::default() });
    ended.unwrap_or(Ok(()))?;
    if plugins == 0 {
        bail!("no plugin in {} could be started; 'glassbox list' says more", home.plugins().display());
    }
    Ok(summary)
}

/// The OctoPrints that a source's events come from, by name, and where they run: first those that we connect to, then the
/// brokers'.
fn origins(source: &Source) -> Vec<(Option<String>, Locality)> {
    match source {
        Source::Lines(_) => vec![(None, Locality::Stream)],
        Source::OctoPrints(targets, brokers) => {
            let connected = targets.iter().map(|target| (target.name.clone(), Locality::at(&target.address)));
            // On which machines they run is not known.
            let published = brokers.iter().flat_map(|broker| &broker.octoprints);
            connected.chain(published.map(|(name, _)| (name.clone(), Locality::Elsewhere))).collect()
        }
    }
}

/// Raise the limit of open files to what so many OctoPrints may need, as far as the system permits.
#[cfg(unix)]
fn allow_files(octoprints: usize) {
    // The type of a limit is as wide as the machine: 32 bits on an older Pi.
    use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
    /// Files and connections that the plugins of one OctoPrint may have open at once.
    const FILES: rlim_t = 8;
    /// Those of the host itself.
    const OWN_FILES: rlim_t = 100;
    let octoprints = rlim_t::try_from(octoprints).unwrap_or(rlim_t::MAX);
    let needed = FILES.saturating_mul(octoprints).saturating_add(OWN_FILES);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < needed && setrlimit(Resource::RLIMIT_NOFILE, needed.min(hard), hard).is_err() || hard < needed {
        tracing::warn!(
            "{octoprints} OctoPrint(s) may need {needed} open files, and the system allows {}; raise that with 'ulimit -Hn', or \
             LimitNOFILE for a service",
            soft.max(needed.min(hard))
        );
    }
}

#[cfg(not(unix))]
fn allow_files(_: usize) {}

/// Raise the limit on the size of a file as far as the system permits: it would end the host, without a word, when a file
/// gets larger.
#[cfg(unix)]
fn allow_large_files() {
    use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
    /// More than any of the host's files has, in bytes.
    const LARGEST: nix::sys::resource::rlim_t = 64 << 20;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_FSIZE) else { return };
    if soft != RLIM_INFINITY
        && soft < LARGEST
        && (hard < LARGEST || setrlimit(Resource::RLIMIT_FSIZE, hard, hard).is_err())
    {
        tracing::warn!(
            "a file may have at most {} KiB, and the system ends this program when one gets larger; raise that with 'ulimit -f', \
             or LimitFSIZE for a service",
            soft >> 10
        );
    }
}

#[cfg(not(unix))]
fn allow_large_files() {}

/// Start a thread for each source: from now on events come.
fn start_sources(source: Source, octoprints: &[Arc<OctoPrint>]) -> Result<()> {
    let start = |octoprint: &Arc<OctoPrint>, mut feed_events: FeedEvents| {
        let (feed, control) = (octoprint.feed(), octoprint.host.control.clone());
        let thread = std::thread::Builder::new().name(octoprint.label("source")).stack_size(STACK);
        let thread = thread.spawn(move || drop(control.send(Control::SourceEnded(feed_events(&feed)))));
        thread.map(drop).map_err(|error| anyhow!("hearing of events: {}", no_thread(&error)))
    };
    match source {
        Source::Lines(input) => {
            let mut input = Some(input);
            start(
                &octoprints[0],
                Box::new(move |feed| input.take().map_or(Ok(()), |input| jsonl::feed(input, &feed.router))),
            )?;
        }
        Source::OctoPrints(targets, brokers) => {
            let (count, only) = (octoprints.len(), targets.is_empty() && brokers.len() == 1);
            let (connected, mut published) = octoprints.split_at(targets.len());
            for (octoprint, target) in connected.iter().zip(targets) {
                start(octoprint, Box::new(move |feed| follow::follow(&target, count, feed)))?;
            }
            for broker in brokers {
                let (own, others) = published.split_at(broker.octoprints.len());
                published = others;
                let feeds: Vec<_> = own.iter().map(|octoprint| octoprint.feed()).collect();
                start(&own[0], Box::new(move |_| mqtt::follow::follow(&broker, &feeds, only)))?;
            }
        }
    }
    Ok(())
}

/// Open the journal. If it cannot be opened, the host runs all the same; the journal counts what it could not write.
fn open_journal(home: &Home) -> Journal {
    let folder = home.journal();
    Journal::open(&folder).unwrap_or_else(|error| {
        tracing::error!("the journal in {} cannot be opened: {error:#}", folder.display());
        Journal::at(&folder, Rules::default())
    })
}
