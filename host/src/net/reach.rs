//! Whether a server can be reached: a TCP connection, a TLS handshake where the server speaks TLS, and nothing
//! else. The server learns that somebody connected, and from which address.

use super::dial::dial;
use super::stream::server_name;
use super::tls_trust::looker;
use super::{Address, ConnectError, TlsTrust, stream};
use rustls::ClientConnection;
use rustls::pki_types::CertificateDer;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// For connecting, and for each step of the handshake.
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
        tls.complete_io(&mut tcp).map_err(ConnectError::of_handshake)?;
    }
    tls.send_close_notify();
    let _ = tls.write_tls(&mut tcp);
    Ok(())
}

/// The certificate that a server shows, whether or not it can be trusted. The handshake ends there, and nothing is said.
///
/// # Errors
/// When it cannot be reached, or shows none.
pub fn certificate(address: &Address) -> Result<CertificateDer<'static>, ConnectError> {
    let mut tcp = connect(address.host(), address.port())?;
    let away = |error: rustls::Error| ConnectError::away(error.to_string());
    let (config, seen) = looker().map_err(away)?;
    let mut tls = ClientConnection::new(config, server_name(address.host())?).map_err(away)?;
    loop {
        let done = tls.complete_io(&mut tcp);
        match (seen(), done) {
            (Some(certificate), _) => return Ok(certificate),
            (None, Err(error)) => return Err(ConnectError::of_handshake(error)),
            (None, Ok(_)) if tls.is_handshaking() => {}
            (None, Ok(_)) => return Err(ConnectError::away("it shows no certificate")),
        }
    }
}

/// Connect within 5 seconds. Each read and write on the connection takes at most as long.
///
/// # Errors
/// When the name cannot be looked up, or none of its addresses answers.
pub fn connect(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let tcp = dial(host, port, Instant::now() + LIMIT)?;
    tcp.set_read_timeout(Some(LIMIT))?;
    tcp.set_write_timeout(Some(LIMIT))?;
    Ok(tcp)
}
