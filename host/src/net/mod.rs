//! The network: addresses, which CAs to trust, connections with and without TLS, and why one failed. What is said
//! over a connection belongs to the room that says it.

pub mod address;
pub mod connect_error;
pub mod proxy;
pub mod reach;
pub mod stream;
pub mod timeouts;
pub mod tls_trust;
pub mod waker;

pub use address::{Address, Peer};
pub use connect_error::ConnectError;
pub use timeouts::Timeouts;
pub use tls_trust::TlsTrust;
