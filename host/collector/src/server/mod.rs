//! The service: connections with limits, signals, and what has to be done every minute. What a request is answered with
//! is in `answer.rs`.

mod answer;
pub mod limits;
mod privacy;
mod published;
mod upkeep;

use crate::address::{Address, Peer, Trust};
use crate::config::{Config, Listen};
use crate::door::{Door, Refusal};
use crate::geo::Locator;
use crate::store::Store;
use crate::store::keeper::Keeper;
use answer::Service;
use anyhow::{Context, Result};
use glassbox_util::Advised;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

/// After an accept that fails, as when all file descriptors are used: trying again at once would only burn time.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Receive reports until SIGTERM or SIGINT; then what was answered is written, and it returns. `ready` is told where it
/// listens, as `http://127.0.0.1:8585` or `unix:/run/collector/socket`.
///
/// # Errors
/// When it cannot start: the store cannot be opened, the address is in use, the manifest cannot be used.
pub fn run(config: &Config, ready: impl FnOnce(&str)) -> Result<()> {
    let store = Store::open(&config.data)?;
    let _lock = store.lock()?;
    let door = Door::read(config.manifest.as_deref())?;
    let (keeper, keeping) = Keeper::start(&store, config.retention_days)?;
    let service = Arc::new(Service {
        door: RwLock::new(Arc::new(door)),
        trust: Trust::new(config),
        locator: Locator::new(config.geo_database.as_deref(), config.coordinates),
        keeper: keeper.clone(),
        published: published::Published::new(store.exports()),
        privacy: privacy::Privacy::new(config, &store),
    });
    let upkeep = upkeep::Upkeep::start(config, &store, &service)?;
    more_files();
    // One thread answers: some 20 us for a request, and none for handing it to another thread, which would cost as much
    // again. Whatever takes longer is done elsewhere.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting threads")?;
    let served = runtime.block_on(serve(config, &service, ready));
    upkeep.stop();
    keeping.stop(&keeper);
    served
}

async fn serve(config: &Config, service: &Arc<Service>, ready: impl FnOnce(&str)) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (listener, shown) = listen(&config.listen).await?;
    ready(&shown);
    let connections = Arc::new(Semaphore::new(config.connections));
    let (stop, stopping) = watch::channel(());
    loop {
        // Whoever comes when all are taken waits in the system's queue.
        let accepted = async {
            let place = Arc::clone(&connections).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (service, stopping) = (Arc::clone(service), stopping.clone());
        tokio::spawn(async move {
            match stream {
                Stream::Tcp(stream) => connection(stream, peer, &service, stopping).await,
                Stream::Unix(stream) => connection(stream, peer, &service, stopping).await,
            }
            drop(place);
        });
    }
    drop(listener);
    if let Listen::Unix(path) = &config.listen {
        glassbox_util::files::remove(path)?;
    }
    // What is being answered is answered.
    drop(stop);
    let all = u32::try_from(config.connections).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(limits::GRACE, connections.acquire_many(all)).await;
    Ok(())
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Listener {
    async fn accept(&self) -> std::io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are small, and waiting for more of one only delays it.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::Remote(Address::new(peer.ip()))))
            }
            Self::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), Peer::Local)),
        }
    }
}

async fn listen(address: &Listen) -> Result<(Listener, String)> {
    Ok(match address {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).await.map_err(|error| {
                let advice = "name another address with --listen, or stop what uses it";
                Advised::new(format!("cannot listen on {address}"), advice).because(error)
            })?;
            let shown = format!("http://{}", listener.local_addr()?);
            (Listener::Tcp(listener), shown)
        }
        Listen::Unix(path) => {
            remove_old_socket(path)?;
            let listener = UnixListener::bind(path).map_err(|error| {
                let advice = "its folder must exist and be ours to write";
                Advised::new(format!("cannot make the socket {}", path.display()), advice).because(error)
            })?;
            // Whoever can connect is believed about addresses: the proxy, by its group.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
            (Listener::Unix(listener), format!("unix:{}", path.display()))
        }
    })
}

/// A socket that an earlier run has left behind. Anything else in its place stays.
fn remove_old_socket(path: &Path) -> Result<()> {
    let is_socket = path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        glassbox_util::files::remove(path)?;
    }
    Ok(())
}

async fn connection<S>(stream: S, peer: Peer, service: &Arc<Service>, mut stopping: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let requests = AtomicU32::new(0);
    let answer = service_fn(|request| service.answer(&peer, &requests, request));
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
    if ended.is_err_and(|error| error.is_parse()) {
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
