//! Connecting to a host by its name, wherever that is done: to a tracking server, an OctoPrint or a broker. A name may
//! have addresses that swallow what is sent there, most often because IPv6 is broken somewhere on the way. As RFC 8305
//! ("Happy Eyeballs") has it, addresses are tried one after the other, each with a short start before the next, and
//! the first that answers is taken.

use super::ConnectError;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long an address may be tried alone (RFC 8305, section 8, "Connection Attempt Delay").
const START: Duration = Duration::from_millis(250);

/// At most this many of a name's addresses are tried, which bounds the threads.
const MOST: usize = 16;

/// The stack of a thread that does nothing but wait for the system, in bytes.
const STACK: usize = 128 << 10;

/// Connect to a host and port; that must be done at `until`.
///
/// # Errors
/// When the name cannot be looked up, or none of its addresses answers.
pub fn dial(host: &str, port: u16, until: Instant) -> Result<TcpStream, ConnectError> {
    let found = look_up(host, port, until)?;
    if found.is_empty() {
        return Err(ConnectError::away("its name has no address"));
    }
    Ok(race(&found, until)?)
}

/// The addresses of a name. The system's own time limit can be longer than ours, so it is asked in a thread.
fn look_up(host: &str, port: u16, until: Instant) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let (sender, answer) = mpsc::sync_channel(1);
    let name = host.to_string();
    let ask = move || drop(sender.send((name.as_str(), port).to_socket_addrs()));
    // In a thread of ordinary size, as the system's name service may load what it likes.
    let found = match std::thread::Builder::new().spawn(ask) {
        Ok(_) => {
            answer.recv_timeout(left(until)).map_err(|_| ConnectError::away("its name cannot be looked up in time"))?
        }
        Err(_) => (host, port).to_socket_addrs(),
    };
    let found = found.map_err(|error| ConnectError::away(format!("its name cannot be looked up: {error}")))?;
    Ok(found.collect())
}

/// Connect to the first of these addresses that answers; that must be done at `until`.
///
/// # Errors
/// When none answers: what the last one said, or that it took too long.
pub fn race(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    if let [only] = addresses {
        return connect(*only, until);
    }
    let mut waiting = in_turn(addresses).into_iter().take(MOST);
    let (sender, answers) = mpsc::channel();
    let (mut tried, mut failed) = (0, 0);
    let mut error = io::Error::from(ErrorKind::AddrNotAvailable);
    loop {
        let more = waiting.next();
        if let Some(address) = more {
            tried += 1;
            let answer = sender.clone();
            let attempt = move || drop(answer.send(connect(address, until)));
            if std::thread::Builder::new().stack_size(STACK).spawn(attempt).is_err() {
                // No thread is to be had: one after the other, then.
                let share = Instant::now() + left(until) / 2;
                let _ = sender.send(connect(address, share));
            }
        } else if failed == tried {
            return Err(error);
        }
        let wait = if more.is_some() { left(until).min(START) } else { left(until) };
        match answers.recv_timeout(wait) {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(said)) => {
                failed += 1;
                // "Refused" tells most: somebody is there, and the server is not running.
                if error.kind() != ErrorKind::ConnectionRefused {
                    error = said;
                }
            }
            Err(_) if left(until).is_zero() => return Err(ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
}

/// The same addresses, one of each family in turn (RFC 8305, section 4), so that a broken family costs one start.
fn in_turn(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|address: &SocketAddr| address.is_ipv6() == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut turns = Vec::new();
    while turns.len() < addresses.len() {
        turns.extend(one.next().into_iter().chain(other.next()));
    }
    turns
}

fn connect(address: SocketAddr, until: Instant) -> io::Result<TcpStream> {
    // Zero is no time limit that the system takes.
    let tcp = TcpStream::connect_timeout(&address, left(until).max(Duration::from_millis(1)))?;
    // Messages are small, and somebody waits for each.
    let _ = tcp.set_nodelay(true);
    Ok(tcp)
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// A server that never accepts, whose queue is full: it swallows what is sent there, as a broken network does.
    fn swallows() -> (TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(tcp) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queue.push(tcp);
        }
        (listener, queue)
    }

    #[test]
    fn an_address_that_swallows_everything_costs_a_moment() {
        let (hole, _queue) = swallows();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let (hole, good) = (hole.local_addr().unwrap(), good.local_addr().unwrap());
        let began = Instant::now();
        let tcp = race(&[hole, good], soon()).unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), good);
        assert!(began.elapsed() >= START && began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        // One that is slow but right is not given up when the next is tried.
        let began = Instant::now();
        let error = race(&[hole, hole], began + Duration::from_millis(700)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() >= Duration::from_millis(700));
    }

    #[test]
    fn an_address_that_refuses_costs_nothing() {
        let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = good.local_addr().unwrap();
        // More of them than starts that would fit into the time.
        let mut many = vec![refuses; 14];
        many.push(good);
        assert_eq!(race(&many, soon()).unwrap().peer_addr().unwrap(), good);
        for refused in [&many[..1], &many[..3]] {
            assert_eq!(race(refused, soon()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        }
        assert!(race(&[], soon()).is_err());
    }

    #[test]
    fn families_take_turns_and_the_first_stays_first() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let [a, b, c, d] = ["[::1]:1", "[::2]:1", "[::3]:1", "1.2.3.4:1"].map(address);
        assert_eq!(in_turn(&[a, b, c, d]), [a, d, b, c]);
        assert_eq!(in_turn(&[d, a, b]), [d, a, b]);
        assert_eq!(in_turn(&[d]), [d]);
        assert_eq!(in_turn(&[]), []);
    }

    #[test]
    fn a_name_is_looked_up_and_an_address_needs_no_thread() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(dial("127.0.0.1", port, soon()).is_ok());
        assert!(dial("localhost", port, soon()).is_ok());
        let error = dial("does-not-exist.invalid", port, soon()).unwrap_err();
        assert!(error.what().starts_with("its name cannot be looked up"), "{error}");
    }
}
