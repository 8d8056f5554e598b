//! A load generator: plain threads with plain sockets, each with one request at a time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How it is sent.
#[derive(Clone, Copy)]
pub struct Load {
    /// Connections at a time.
    pub connections: usize,
    /// Whether each is used again, or each request has its own, as OctoPrint's do.
    pub kept: bool,
    /// Requests in all.
    pub count: usize,
    /// So many a second; as fast as it goes without.
    pub rate: Option<f64>,
}

pub struct Outcome {
    /// Requests a second.
    pub rate: f64,
    /// From the moment at which each was due, in order.
    latencies: Vec<Duration>,
}

impl Outcome {
    pub fn p99(&self) -> Duration {
        self.latencies[self.latencies.len() * 99 / 100]
    }
}

/// Send them in turn; all must be answered 204.
pub fn send(address: &str, requests: &[Vec<u8>], load: Load) -> Outcome {
    let began = Instant::now();
    let one = |number: usize| {
        let mut latencies = Vec::new();
        let mut connection = None;
        for at in (number..load.count).step_by(load.connections) {
            let mut due = Instant::now();
            if let Some(rate) = load.rate {
                due = began + Duration::from_secs_f64(at as f64 / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let mut stream = connection.take().unwrap_or_else(|| connect(address));
            stream.write_all(&requests[at % requests.len()]).unwrap();
            let goes_on = read(&mut stream);
            latencies.push(due.elapsed());
            connection = Some(stream).filter(|_| load.kept && goes_on);
        }
        latencies
    };
    let mut latencies: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.connections).map(|number| scope.spawn(move || one(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    latencies.sort();
    Outcome { rate: load.count as f64 / began.elapsed().as_secs_f64(), latencies }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Whether the connection goes on after the answer.
fn read(stream: &mut TcpStream) -> bool {
    let (mut answer, mut end) = ([0; 1024], 0);
    while !answer[..end].ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut answer[end..]).unwrap();
        assert!(read > 0, "cut off: {}", String::from_utf8_lossy(&answer[..end]));
        end += read;
    }
    assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer[..end]));
    !String::from_utf8_lossy(&answer[..end]).to_lowercase().contains("connection: close")
}
