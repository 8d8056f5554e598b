//! Whether a server can be reached: a connection, and TLS where that is spoken, and not a byte more.
//! It hears that somebody came, from which address, and nothing else.

use super::connect_error::{unreachable, why};
use super::{Address, TlsTrust, stream};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// For a connection, and for each step of the handshake.
const LIMIT: Duration = Duration::from_secs(5);

/// Connect, shake hands, and hang up.
///
/// # Errors
/// Why that did not come about, in words.
pub fn reach(address: &Address, roots: &TlsTrust) -> Result<(), String> {
    let mut tcp = connect(address.host(), address.port())?;
    if !address.is_tls() {
        return Ok(());
    }
    let mut tls = stream::connection(address.host(), roots).map_err(|trouble| trouble.reason().to_string())?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).map_err(|error| why(&error))?;
    }
    tls.send_close_notify();
    let _ = tls.write_tls(&mut tcp);
    Ok(())
}

/// Connect to the first address that answers.
///
/// # Errors
/// Why none did, in words.
pub fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let found = (host, port).to_socket_addrs().map_err(|error| format!("its name cannot be looked up: {error}"))?;
    let mut last = "its name leads nowhere".to_string();
    for one in found {
        match TcpStream::connect_timeout(&one, LIMIT) {
            Ok(tcp) => {
                let limits = tcp.set_read_timeout(Some(LIMIT)).and_then(|()| tcp.set_write_timeout(Some(LIMIT)));
                limits.map_err(|error| error.to_string())?;
                return Ok(tcp);
            }
            Err(error) => last = unreachable(&error).reason().to_string(),
        }
    }
    Err(last)
}
