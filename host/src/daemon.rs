//! The running host: a supervisor on the main thread, one thread for each instance of a plugin, one that
//! makes plugins ready, one for each source of events, and watchers. An idle host sleeps until an event, a
//! change of a file, or a tick that was asked for.

use crate::delivery::send_queue::Tally;
use crate::events::Feed;
use crate::home::config::mqtt::Broker;
use crate::home::config::octoprint::Target;
use crate::home::{Home, LiveConfig};
use crate::net::TlsTrust;
use crate::plugins::context::{HostContext, OctoPrint};
use crate::plugins::loader;
use crate::plugins::locality::Locality;
use crate::plugins::messages::Control;
use crate::plugins::supervisor::Supervisor;
use crate::plugins::supervisor::main_loop::listen;
use crate::plugins::watcher::Watch;
use crate::record::{self, Sink};
use crate::sources::octoprint::{connection_status, follow};
use crate::sources::{jsonl, mqtt};
use anyhow::{Context, Result, bail};
use glassbox_journal::{Journal, JournalEntry, Rules, What};
use std::io::BufRead;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long the source waits for the plugins that are there at the start; who needs longer, or
/// comes later, hears how things are.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// A source's thread. As it is not so large that the system makes it of huge pages, only what is used of
/// it is memory.
const STACK: usize = 1 << 20;

/// Where events come from.
pub enum Source {
    /// A stream of JSON lines.
    Lines(Box<dyn BufRead + Send>),
    /// Running OctoPrints, and brokers at which others publish.
    OctoPrints(Vec<Target>, Vec<Broker>),
}

/// What a source does from its first event to its end.
type Hear = Box<dyn FnMut(&Feed) -> Result<()> + Send>;

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

/// Run until the source ends or a signal comes, and record it where that is wanted.
///
/// # Errors
/// When there is no home, another host runs with it, the source cannot be read, or no plugin ran.
pub fn run(home: &Home, source: Source, recording: Option<Sink>) -> Result<Summary> {
    home.must_exist()?;
    let _only = home.lock()?;
    let config = home.config()?;
    let roots = TlsTrust::load(config.ca_file.as_deref())?;
    // What is written down can be compared to the instruction; that costs a little, and nobody else pays it.
    let sandbox = record::sandbox(Some(&home.cache()), recording.is_some())?;
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
    connection_status::forget_all(home);
    let journal = open_journal(home);
    journal.write(&JournalEntry { what: What::Started, ..JournalEntry::default() });
    let config = LiveConfig::new(config, roots);
    let whole = recording.clone();
    let shared =
        HostContext { home: home.clone(), config, control: control.clone(), journal: journal.clone(), recording };
    let sites = sites(&source, &shared);
    allow_files(sites.len());
    let homes: Vec<_> = sites.iter().map(|site| site.home.clone()).collect();
    // Before the first look, so that nothing changes between the two.
    let mut watch = Watch::start(home, &homes, &control)?;
    let loader = loader::start(homes, sandbox, control.clone())?;
    let mut supervisor = Supervisor::new(shared, sites.clone(), loader);
    supervisor.scan();
    let mut ended = listen(&mut supervisor, &news, &mut watch, Some(Instant::now() + FIRST_LOOK));
    supervisor.started();
    if ended.is_none() {
        listen_to(source, &sites)?;
        ended = listen(&mut supervisor, &news, &mut watch, None);
    }
    drop(watch);
    let (plugins, unloadable) = supervisor.counts();
    let summary = Summary { plugins, unloadable, tally: supervisor.finish() };
    whole.iter().for_each(Sink::close);
    journal.write(&JournalEntry { what: What::Stopped, ..JournalEntry::default() });
    ended.unwrap_or(Ok(()))?;
    if plugins == 0 {
        bail!("no plugin in {} could be started; 'glassbox list' says more", home.plugins().display());
    }
    Ok(summary)
}

/// One for each server whose events are heard.
fn sites(source: &Source, shared: &HostContext) -> Vec<Arc<OctoPrint>> {
    let servers: Vec<_> = match source {
        Source::Lines(_) => vec![(None, Locality::Stream)],
        Source::OctoPrints(targets, brokers) => {
            let heard = targets.iter().map(|target| (target.name.clone(), Locality::at(&target.address)));
            // Where a broker's OctoPrints run nobody knows.
            let published = brokers.iter().flat_map(|broker| &broker.octoprints);
            heard.chain(published.map(|(name, _)| (name.clone(), Locality::Elsewhere))).collect()
        }
    };
    let site = |(number, (name, server))| Arc::new(OctoPrint::new(number, name, server, shared));
    servers.into_iter().enumerate().map(site).collect()
}

/// Files and connections that one instance may have open at once.
const FILES: u64 = 8;
/// And those of the host itself.
const OWN_FILES: u64 = 100;

/// Have as many files open as so many sites may need, as far as the system lets us.
#[cfg(unix)]
fn allow_files(sites: usize) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let needed = OWN_FILES + FILES * sites as u64;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < needed && setrlimit(Resource::RLIMIT_NOFILE, needed.min(hard), hard).is_err() || hard < needed {
        tracing::warn!(
            "{sites} OctoPrints may need {needed} open files, and the system allows {}; raise that with 'ulimit -Hn', or \
             LimitNOFILE for a service",
            soft.max(needed.min(hard))
        );
    }
}

#[cfg(not(unix))]
fn allow_files(_: usize) {}

/// Events come from now on.
fn listen_to(source: Source, sites: &[Arc<OctoPrint>]) -> Result<()> {
    let start = |site: &Arc<OctoPrint>, mut hear: Hear| {
        let (feed, control) = (site.feed(), site.shared.control.clone());
        let thread = std::thread::Builder::new().name(site.label("source")).stack_size(STACK);
        thread.spawn(move || drop(control.send(Control::SourceEnded(hear(&feed)))))
    };
    match source {
        Source::Lines(input) => {
            let mut input = Some(input);
            start(
                &sites[0],
                Box::new(move |feed| input.take().map_or(Ok(()), |input| jsonl::feed(input, &feed.router))),
            )?;
        }
        Source::OctoPrints(targets, brokers) => {
            let (count, only) = (sites.len(), targets.is_empty() && brokers.len() == 1);
            let (heard, mut published) = sites.split_at(targets.len());
            for (site, target) in heard.iter().zip(targets) {
                start(site, Box::new(move |feed| follow::follow(&target, count, feed)))?;
            }
            for broker in brokers {
                let (own, others) = published.split_at(broker.octoprints.len());
                published = others;
                let feeds: Vec<_> = own.iter().map(|site| site.feed()).collect();
                start(&own[0], Box::new(move |_| mqtt::follow::follow(&broker, &feeds, only)))?;
            }
        }
    }
    Ok(())
}

/// A journal that cannot be written stops no print and no report; it says so, and counts.
fn open_journal(home: &Home) -> Journal {
    let folder = home.journal();
    Journal::open(&folder).unwrap_or_else(|error| {
        tracing::error!("the journal in {} cannot be opened: {error:#}", folder.display());
        Journal::at(&folder, Rules::default())
    })
}
