//! A tracking server for demonstrations and tests: takes requests on a loopback port, keeps them,
//! and answers 204. It understands just as much HTTP/1.1 as our own client speaks.

use crate::conformance::Request;
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No request of ours is larger.
const LARGEST: u64 = 1 << 20;

/// A server that keeps what it gets. It serves until the process ends.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    requests: Mutex<Vec<Request>>,
    more: Condvar,
}

impl Receiver {
    /// Listen on this loopback port; 0 for any that is free.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("port {port} cannot be used; choose another with --port, or 0 for any"))?;
        let address = listener.local_addr()?;
        let kept = Arc::<Kept>::default();
        let receiver = Self { address, kept: kept.clone() };
        std::thread::Builder::new().name("receiver".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                // One that cannot be served is closed: the sender sees that.
                let _ = std::thread::Builder::new().spawn(move || serve(stream, &kept));
            }
        })?;
        Ok(receiver)
    }

    /// The URL template of this server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/track/{{id}}/{{event}}/", self.address)
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.kept.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wait until there are so many requests, but not longer than this; returns all so far.
    #[must_use]
    pub fn wait_for(&self, count: usize, longest: Duration) -> Vec<Request> {
        let end = Instant::now() + longest;
        let mut requests = self.kept.requests.lock().unwrap_or_else(PoisonError::into_inner);
        while requests.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            requests = self.kept.more.wait_timeout(requests, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        requests.clone()
    }
}

fn serve(stream: TcpStream, kept: &Kept) {
    let Ok(mut answers) = stream.try_clone() else { return };
    let mut input = BufReader::new(stream);
    while let Some(request) = read_request(&mut input) {
        kept.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        kept.more.notify_all();
        if answers.write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

/// The next request on a connection; none at its end, and for what is not a request.
pub fn read_request(input: &mut impl BufRead) -> Option<Request> {
    let mut input = input.take(LARGEST);
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_string(), words.next()?.to_string());
    let mut length = 0;
    let mut user_agent = String::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "user-agent" => user_agent = value.trim().into(),
            _ => {}
        }
    }
    let mut body = Vec::new();
    input.take(length).read_to_end(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.into(),
        query: query.into(),
        body: String::from_utf8_lossy(&body).into_owned(),
        user_agent,
    })
}
