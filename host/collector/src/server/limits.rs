//! Every limit on who sends reports, each with its reason. What waits to be written is bounded in `store/keeper.rs`.

use std::time::Duration;

/// A request's line and headers. OctoPrint's longest, a failed print with its error's text, has less than 6 KB.
pub const HEAD: usize = 16 << 10;

/// Headers of a request. OctoPrint sends five, and proxies add some.
pub const HEADERS: usize = 64;

/// A body: a pong with the longest list of plugins that is kept, every character encoded, has 48 KB.
pub const BODY: usize = 64 << 10;

/// From a connection's begin, or the answer before, until a request's head is there. OctoPrint gives up after 3 s.
pub const HEAD_TIME: Duration = Duration::from_secs(5);

/// For a body. The longest takes that long at 50 kbit/s.
pub const BODY_TIME: Duration = Duration::from_secs(10);

/// Requests of a connection; then it is closed, so that none lasts for ever. A proxy opens a new one without being asked.
pub const REQUESTS: u32 = 10_000;

/// How long a connection may last, whatever is done on it.
pub const CONNECTION_TIME: Duration = Duration::from_secs(3600);

/// Connections at a time for `/metrics`: of a Prometheus or two, and `status`.
pub const METRICS_CONNECTIONS: usize = 16;

/// What is being answered when a connection or the server is to end may take so much longer.
pub const GRACE: Duration = Duration::from_secs(15);
