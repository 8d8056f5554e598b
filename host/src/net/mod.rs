//! The network: addresses, connections with and without TLS, whose certificates to trust, WebSockets, and why a
//! connection failed. What is said over one belongs to the room that says it.

pub mod address;
pub mod certificate;
pub mod connect_error;
pub mod dial;
mod http_buffers;
pub mod http_connector;
mod login;
mod pinned;
pub mod proxy;
pub mod reach;
pub mod resolver;
pub mod stream;
pub mod timeouts;
pub mod tls_trust;
pub mod waker;
pub mod websocket;

pub use address::{Address, Peer};
pub use connect_error::ConnectError;
pub use login::Login;
pub use timeouts::Timeouts;
pub use tls_trust::TlsTrust;
