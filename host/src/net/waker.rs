//! Waiting for a connection or for somebody who wants us to look up, whichever comes first.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

/// Wakes the [`Waiter`] that was made with it, from any thread; never blocks.
pub type Waker = Box<dyn Fn() + Send + Sync>;

#[cfg(unix)]
pub use unix::{Waiter, waker};

#[cfg(unix)]
mod unix {
    use super::{Duration, TcpStream, Waker, io};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// What waits, for a socket or to be woken.
    pub struct Waiter(UnixStream);

    /// A waker, and what it wakes.
    pub fn waker() -> io::Result<(Waker, Waiter)> {
        let (waker, waiter) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        waiter.set_nonblocking(true)?;
        // A pipe that is full wakes already.
        Ok((Box::new(move || drop((&waker).write(&[1]))), Waiter(waiter)))
    }

    impl Waiter {
        /// Wait until the socket can be read (or written, if that is wanted), the waker wakes us, or for
        /// so long.
        pub fn wait(&self, tcp: &TcpStream, write: bool, longest: Duration) -> io::Result<()> {
            let mut wanted = PollFlags::POLLIN;
            wanted.set(PollFlags::POLLOUT, write);
            let mut both = [PollFd::new(tcp.as_fd(), wanted), PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            // Rounded up: waking a little early would be for nothing.
            let longest = PollTimeout::try_from(longest.as_millis() + 1).unwrap_or(PollTimeout::MAX);
            match poll(&mut both, longest) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            while matches!((&self.0).read(&mut [0; 64]), Ok(1..)) {}
            Ok(())
        }
    }
}

#[cfg(not(unix))]
pub use elsewhere::{Waiter, waker};

#[cfg(not(unix))]
mod elsewhere {
    use super::{Duration, TcpStream, Waker, io};

    /// Looks up often, as nothing here can wake it.
    pub struct Waiter;

    /// A function that does nothing, and what looks up without it.
    pub fn waker() -> io::Result<(Waker, Waiter)> {
        Ok((Box::new(|| {}), Waiter))
    }

    impl Waiter {
        /// Wait for a moment.
        pub fn wait(&self, _: &TcpStream, _: bool, longest: Duration) -> io::Result<()> {
            std::thread::sleep(longest.min(Duration::from_millis(100)));
            Ok(())
        }
    }
}
