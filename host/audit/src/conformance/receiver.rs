//! A tracking server for the demo and for tests: it accepts requests on a loopback port, keeps them in memory, and
//! answers 204. It understands only as much HTTP/1.1 as our own client speaks, and is no server for real use.

use crate::conformance::RecordedRequest;
use anyhow::Result;
use glassbox_util::Advised;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most bytes of a connection that are read; our requests are much smaller.
const LARGEST: u64 = 1 << 20;

/// A server that keeps the requests it gets. It runs until the process ends; clones share what was kept.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    requests: Mutex<Vec<RecordedRequest>>,
    more: Condvar,
}

impl Receiver {
    /// Listen on a loopback port; 0 stands for any that is free.
    ///
    /// # Errors
    /// When the port cannot be used, for example because another program has it.
    pub fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| {
            let what = format!("port {port} cannot be used");
            Advised::new(what, "choose another with --port, or 0 for any").because(error)
        })?;
        let address = listener.local_addr()?;
        let kept = Arc::<Kept>::default();
        let receiver = Self { address, kept: kept.clone() };
        std::thread::Builder::new().name("receiver".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                // A connection that cannot be served is closed, which its sender notices.
                let _ = std::thread::Builder::new().spawn(move || serve(stream, &kept));
            }
        })?;
        Ok(receiver)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL template of this server, with `{id}` and `{event}`.
    pub fn url(&self) -> String {
        format!("http://{}/track/{{id}}/{{event}}/", self.address)
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.kept.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wait until there are `count` requests, for no longer than `longest`. Returns all so far, which may be fewer.
    pub fn wait_for(&self, count: usize, longest: Duration) -> Vec<RecordedRequest> {
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

/// Read the next request on a connection; none at its end, and for bytes that are not a request.
pub fn read_request(input: &mut impl BufRead) -> Option<RecordedRequest> {
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
    Some(RecordedRequest {
        method,
        path: path.into(),
        query: query.into(),
        body: String::from_utf8_lossy(&body).into_owned(),
        user_agent,
    })
}
