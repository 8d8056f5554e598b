//! Waiting for a connection or for somebody who wants us to look up, whichever comes first.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

#[cfg(unix)]
pub use unix::{Bell, bell};

#[cfg(unix)]
mod unix {
    use super::{Duration, TcpStream, io};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// Wakes who waits.
    pub struct Bell(UnixStream);

    /// A function that rings, and what hears it.
    pub fn bell() -> io::Result<(Box<dyn Fn() + Send + Sync>, Bell)> {
        let (rope, bell) = UnixStream::pair()?;
        rope.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        // A pipe that is full rings already.
        Ok((Box::new(move || drop((&rope).write(&[1]))), Bell(bell)))
    }

    impl Bell {
        /// Wait until the socket can be read (or written, if that is wanted), the bell rings, or for
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
pub use elsewhere::{Bell, bell};

#[cfg(not(unix))]
mod elsewhere {
    use super::{Duration, TcpStream, io};

    /// Looks up often, as nothing here can wake it.
    pub struct Bell;

    /// A function that does nothing, and what looks up without it.
    pub fn bell() -> io::Result<(Box<dyn Fn() + Send + Sync>, Bell)> {
        Ok((Box::new(|| {}), Bell))
    }

    impl Bell {
        /// Wait for a moment.
        pub fn wait(&self, _: &TcpStream, _: bool, longest: Duration) -> io::Result<()> {
            std::thread::sleep(longest.min(Duration::from_millis(100)));
            Ok(())
        }
    }
}
