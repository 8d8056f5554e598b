//! A small HTTP client, with which the program talks to itself: a connection for each request, as OctoPrint makes one.

use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longer than the server takes for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest answer that is read: the exports are read from their files.
const LONGEST: u64 = 1 << 20;

/// A request. Its target is sent as it is.
pub struct Sent<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Path and query, encoded.
    pub target: &'a str,
    /// Names and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// Empty if there is none.
    pub body: &'a str,
}

/// Send a request, and wait for the status of its answer.
///
/// # Errors
/// When nobody listens there, or what answers is no HTTP.
pub fn send(address: SocketAddr, sent: &Sent) -> Result<u16> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n", sent.method, sent.target);
    for (name, value) in sent.headers {
        write!(head, "{name}: {value}\r\n")?;
    }
    if !sent.body.is_empty() {
        write!(head, "Content-Length: {}\r\n", sent.body.len())?;
    }
    let answer = exchange(stream, &format!("{head}\r\n{}", sent.body))?;
    status(&answer).with_context(|| format!("what {address} answers is no HTTP"))
}

/// The body of what is answered at a Unix socket.
///
/// # Errors
/// When nobody listens there, or the answer's status is not 200.
pub fn ask(socket: &Path, target: &str) -> Result<String> {
    let stream = UnixStream::connect(socket).with_context(|| format!("connecting to {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let answer = exchange(stream, &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))?;
    anyhow::ensure!(status(&answer) == Some(200), "{} does not answer {target}", socket.display());
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or_default())
}

fn exchange(mut stream: impl Read + Write, request: &str) -> Result<String> {
    stream.write_all(request.as_bytes()).context("sending a request")?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).context("reading an answer")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

/// Whether anybody listens at a Unix socket.
pub fn listens(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}
