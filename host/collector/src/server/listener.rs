//! Where connections come from: an address and port, or a Unix socket.

use crate::address::{Address, Peer};
use crate::config::Listen;
use anyhow::Result;
use glassbox_util::Advised;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use tokio::net::{TcpListener, UnixListener};

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

pub(super) enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Listener {
    pub(super) async fn accept(&self) -> std::io::Result<(Stream, Peer)> {
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

/// Listen there; and how that is shown, as `http://127.0.0.1:8585` or `unix:/run/collector/socket`. `option` names it in an
/// error.
pub(super) async fn listen(address: &Listen, option: &str) -> Result<(Listener, String)> {
    Ok(match address {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).await.map_err(|error| {
                let advice = format!("name another address with {option}, or stop what uses it");
                Advised::new(format!("cannot listen on {address}"), advice).because(error)
            })?;
            let shown = format!("http://{}", listener.local_addr()?);
            (Listener::Tcp(listener), shown)
        }
        // Whoever can connect is believed about addresses: the proxy, by its group.
        Listen::Unix(path) => (listen_at(path, 0o660)?, format!("unix:{}", path.display())),
    })
}

/// Listen at a socket with these rights.
pub(super) fn listen_at(path: &Path, rights: u32) -> Result<Listener> {
    remove_old_socket(path)?;
    let listener = UnixListener::bind(path).map_err(|error| {
        let advice = if error.kind() == std::io::ErrorKind::AddrInUse {
            "something is there already: name another, or stop what uses it"
        } else {
            "its folder must exist and be ours to write"
        };
        Advised::new(format!("cannot make the socket {}", path.display()), advice).because(error)
    })?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(rights))?;
    Ok(Listener::Unix(listener))
}

/// A socket that an earlier run has left behind. Anything else in its place stays.
fn remove_old_socket(path: &Path) -> Result<()> {
    let is_socket = path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        glassbox_util::files::remove(path)?;
    }
    Ok(())
}
