//! Whether a server can be reached: a TCP connection, a TLS handshake where the server speaks TLS, and nothing
//! else. The server learns that somebody connected, and from which address.

use super::{Address, ConnectError, TlsTrust, stream};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// For connecting to one address, and for each step of the handshake.
const LIMIT: Duration = Duration::from_secs(5);

/// Connect, complete the TLS handshake if there is one, and hang up.
///
/// # Errors
/// Why that failed: the name, the connection, or the certificate.
pub fn reach(address: &Address, trust: &TlsTrust) -> Result<(), ConnectError> {
    let mut tcp = connect(address.host(), address.port())?;
    if !address.is_tls() {
        return Ok(());
    }
    let mut tls = stream::tls_client(address.host(), trust)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    tls.send_close_notify();
    let _ = tls.write_tls(&mut tcp);
    Ok(())
}

/// Connect to the first of the host's addresses that answers. Each attempt, and each read and write on the
/// connection, takes at most 5 seconds.
///
/// # Errors
/// When the name cannot be looked up, or none of its addresses answers.
pub fn connect(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| ConnectError::away(format!("its name cannot be looked up: {error}")))?;
    let mut last = ConnectError::away("its name has no address");
    for one in addresses {
        match TcpStream::connect_timeout(&one, LIMIT) {
            Ok(tcp) => {
                tcp.set_read_timeout(Some(LIMIT))?;
                tcp.set_write_timeout(Some(LIMIT))?;
                return Ok(tcp);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}
