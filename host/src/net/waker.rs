//! Waiting for a socket or for another thread, whichever comes first. What is read or done then is not known here.

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

    /// Waits for a socket, or until its waker is called.
    pub struct Waiter(UnixStream);

    /// A waker, and the waiter that it wakes.
    ///
    /// # Errors
    /// When the system has no file descriptor left.
    pub fn waker() -> io::Result<(Waker, Waiter)> {
        let (waker, waiter) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        waiter.set_nonblocking(true)?;
        // When the socket is full, the waiter wakes anyway.
        Ok((Box::new(move || drop((&waker).write(&[1]))), Waiter(waiter)))
    }

    impl Waiter {
        /// Wait until the socket can be read (or, with `write`, written to), the waker is called, or `longest` has
        /// passed.
        ///
        /// # Errors
        /// When the system cannot wait for the socket.
        pub fn wait(&self, tcp: &TcpStream, write: bool, longest: Duration) -> io::Result<()> {
            let mut wanted = PollFlags::POLLIN;
            wanted.set(PollFlags::POLLOUT, write);
            let mut both = [PollFd::new(tcp.as_fd(), wanted), PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            // Rounded up: waking a little early would be of no use.
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

    /// Wakes often, as nothing here can wake it.
    pub struct Waiter;

    /// A function that does nothing, and a waiter that does without it.
    ///
    /// # Errors
    /// Never.
    pub fn waker() -> io::Result<(Waker, Waiter)> {
        Ok((Box::new(|| {}), Waiter))
    }

    impl Waiter {
        /// Wait for at most a tenth of a second.
        ///
        /// # Errors
        /// Never.
        pub fn wait(&self, _: &TcpStream, _: bool, longest: Duration) -> io::Result<()> {
            std::thread::sleep(longest.min(Duration::from_millis(100)));
            Ok(())
        }
    }
}
