//! The service: connections with limits, signals, and what has to be done every minute. What a request is answered with
//! is in `answer.rs`.

mod answer;
pub mod limits;
mod listener;
mod metrics;
mod pages;
mod privacy;
mod published;
mod upkeep;

use crate::address::{Peer, Trust};
use crate::config::{Config, Listen};
use crate::door::{Door, Refusal};
use crate::geo::Locator;
use crate::log;
use crate::store::Store;
use crate::store::keeper::Keeper;
use answer::{For, Service};
use anyhow::{Context, Result};
use glassbox_util::Advised;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use listener::{Listener, Stream, listen, listen_at};
use metrics::Metrics;
use std::pin::pin;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

/// After an accept that fails, as when all file descriptors are used: trying again at once would only burn time.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// 2026-01-01. A machine that has not been told the time yet would keep reports under a day of 1970, for good.
const EARLIEST: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Where a server listens, as `http://127.0.0.1:8585` or `unix:/run/collector/socket`.
pub struct Listening {
    /// For reports, exports and `/privacy`.
    pub everybody: String,
    /// For `/metrics`, if that is configured.
    pub metrics: Option<String>,
}

/// Receive reports until SIGTERM, SIGINT or SIGHUP; then what was answered is written, and it returns. `ready` is told where it
/// listens.
///
/// # Errors
/// When it cannot start: the store cannot be opened, the address is in use, the manifest cannot be used, the clock is
/// not set.
pub fn run(config: &Config, ready: impl FnOnce(&Listening)) -> Result<()> {
    if Timestamp::now() < EARLIEST {
        let what = format!("the clock says {}, before there was this program", Timestamp::now());
        return Err(Advised::new(what, "set it: by its clock a report has its day").into());
    }
    let store = Store::open(&config.data)?;
    let _lock = store.lock()?;
    let door = Door::read(config.manifest.as_deref())?;
    let (keeper, keeping) = Keeper::start(&store, config.retention_days)?;
    let locator = Locator::new(config.geo_database.as_deref(), config.coordinates);
    locator.log_problem();
    let service = Arc::new(Service {
        door: RwLock::new(Arc::new(door)),
        trust: Trust::new(config),
        metrics: Metrics::new(&keeper.counters, &store, &locator),
        locator,
        keeper: keeper.clone(),
        pages: pages::Pages::new(&store),
        published: published::Published::new(store.exports()),
        privacy: privacy::Privacy::new(config, &store),
    });
    let upkeep = upkeep::Upkeep::start(config, &store, &service)?;
    more_files();
    // One thread answers: some 20 us for a request, and none for handing it to another thread, which would cost as much
    // again. Whatever takes longer is done elsewhere.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting threads")?;
    let served = runtime.block_on(serve(config, &store, &service, ready));
    upkeep.stop();
    keeping.stop(&keeper);
    served
}

async fn serve(config: &Config, store: &Store, service: &Arc<Service>, ready: impl FnOnce(&Listening)) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // The terminal is closed. For who started it with `nohup` it never comes.
    let mut hangup = signal(SignalKind::hangup())?;
    let (stop, stopping) = watch::channel(());
    let few = Arc::new(Semaphore::new(limits::METRICS_CONNECTIONS));
    let tell = |listener| {
        tokio::spawn(accept(listener, Arc::clone(&few), Arc::clone(service), stopping.clone(), For::Operator));
    };
    let (listener, everybody) = listen(&config.listen, "--listen").await?;
    let mut listening = Listening { everybody, metrics: None };
    if let Some(address) = &config.metrics_listen {
        let (listener, shown) = listen(address, "metrics_listen").await?;
        listening.metrics = Some(shown);
        tell(listener);
    }
    let socket = store.status_socket();
    match listen_at(&socket, 0o600) {
        Ok(listener) => tell(listener),
        // A path of more than 107 bytes cannot be one.
        Err(error) => log(format_args!("'status' will not know how many reports wait: {error:#}")),
    }
    ready(&listening);
    let connections = Arc::new(Semaphore::new(config.connections));
    tokio::select! {
        () = accept(listener, Arc::clone(&connections), Arc::clone(service), stopping.clone(), For::Everybody) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
    let sockets = [Some(&config.listen), config.metrics_listen.as_ref()].into_iter().flatten();
    let sockets = sockets.filter_map(|listen| if let Listen::Unix(path) = listen { Some(path) } else { None });
    for socket in sockets.chain([&socket]) {
        glassbox_util::files::remove(socket)?;
    }
    // What is being answered is answered.
    drop(stop);
    let all = u32::try_from(config.connections).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(limits::GRACE, connections.acquire_many(all)).await;
    Ok(())
}

/// Take connections, so many at a time: whoever comes when all places are taken waits in the system's queue. It never ends.
async fn accept(
    listener: Listener,
    places: Arc<Semaphore>,
    service: Arc<Service>,
    stopping: watch::Receiver<()>,
    whom: For,
) {
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (service, stopping) = (Arc::clone(&service), stopping.clone());
        tokio::spawn(async move {
            match stream {
                Stream::Tcp(stream) => connection(stream, whom, peer, &service, stopping).await,
                Stream::Unix(stream) => connection(stream, whom, peer, &service, stopping).await,
            }
            drop(place);
        });
    }
}

async fn connection<S>(stream: S, whom: For, peer: Peer, service: &Arc<Service>, mut stopping: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let requests = AtomicU32::new(0);
    let answer = service_fn(|request| service.answer(whom, &peer, &requests, request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits::HEAD_TIME);
    builder.max_buf_size(limits::HEAD).max_headers(limits::HEADERS);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // It is only ever dropped.
        _ = stopping.changed() => end(connection).await,
        () = tokio::time::sleep(limits::CONNECTION_TIME) => end(connection).await,
    };
    if whom == For::Everybody && ended.is_err_and(|error| error.is_parse()) {
        service.keeper.count(Timestamp::now(), Refusal::Malformed);
    }
}

/// Let what is being answered come to its end.
async fn end<C>(mut connection: std::pin::Pin<&mut C>) -> hyper::Result<()>
where
    C: Graceful,
{
    connection.as_mut().shut_down();
    tokio::time::timeout(limits::GRACE, connection).await.unwrap_or(Ok(()))
}

/// A connection of hyper's, which has no trait for this.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn shut_down(self: std::pin::Pin<&mut Self>);
}

impl<I, S> Graceful for http1::Connection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = answer::Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn shut_down(self: std::pin::Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Each connection takes a file descriptor, and the usual limit is 1024. Where it cannot be raised, more have to wait.
fn more_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 20), hard);
    }
}
