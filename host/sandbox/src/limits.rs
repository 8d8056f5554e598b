//! Every limit on a component, with its reason. Sizes are bytes unless the name says otherwise.

use std::time::Duration;

/// One call into a component. A report takes microseconds; a Pi Zero that swaps may take a
/// hundred times as long; nobody waits longer than this for a tracker.
pub const CALL_TIME: Duration = Duration::from_secs(2);

/// How exactly [`CALL_TIME`] is kept; also how often the watchdog looks while a call is running.
pub const WATCHDOG_TICK: Duration = Duration::from_millis(20);

/// Linear memory of an instance. The bundled tracker uses 1.2 MiB; a 200-printer farm must fit
/// into a Raspberry Pi.
pub const MEMORY: usize = 16 << 20;

/// Native stack of a call. Default is twice that; a thread's stack must have room for it.
pub const STACK: usize = 256 << 10;

/// Elements of all tables: function pointers. The bundled tracker has about 100.
pub const TABLE_ELEMENTS: usize = 10_000;

/// Core instances, memories and tables in a component: the encoder makes four, one and two.
pub const CORE_INSTANCES: usize = 16;

/// What a component may pass to the host in one call, before anything looks at it.
pub const HOST_CALL: usize = 1 << 20;

/// A component file. The bundled one has less than 0.2 MiB; compiling takes memory and time in
/// proportion.
pub const COMPONENT: usize = 4 << 20;

/// An event's payload after the host cut it down to what the component may see.
pub const PAYLOAD: usize = 256 << 10;

/// Fields of a request. The richest of OctoPrint's has 14.
pub const FIELDS: usize = 64;

/// All names and values of a request together: long lists of plugins fit.
pub const REQUEST: usize = 32 << 10;

/// A request's name, and a user agent.
pub const NAME: usize = 128;

/// Requests that one call may send: the start of a server run makes three.
pub const REQUESTS_PER_CALL: usize = 32;

/// Requests that an instance may send without a pause, and how fast that much comes back. A busy
/// OctoPrint sends a handful an hour; an evil component would use the server's time, or write a
/// message in how often it sends.
pub const BURST: u32 = 200;
/// Nanoseconds after which one more request may be sent.
pub const REFILL: u64 = 1_000_000_000;

/// A component's message for the log, in characters.
pub const MESSAGE_CHARS: usize = 500;

/// The settings schema and the settings document.
pub const SETTINGS: usize = 64 << 10;

/// The state that is handed over.
pub const HANDOVER: usize = 256 << 10;

/// Random bytes in one call: ids need 16.
pub const RANDOM: u64 = 4096;

/// A pattern's compiled size: keeps a manifest from making the host build a huge automaton.
pub const PATTERN: usize = 64 << 10;

/// Characters of a value whose rule gives no `max_length`: no text is without a bound.
pub const VALUE_CHARS: usize = 256;
