//! Every limit on a component, with its reason. Sizes are bytes unless the name says otherwise.

use std::time::Duration;

/// One call into a component. A report takes microseconds; a Pi Zero that swaps may take a
/// hundred times as long; nobody waits longer than this for a tracker.
pub const CALL_TIME: Duration = Duration::from_secs(2);

/// One call into a component where fuel is counted: in audits and recorded runs, which must give the same
/// result on any machine. About an instruction each; the bundled tracker's longest call takes less than 2,000,000.
pub const FUEL: u64 = 20_000_000;

/// How exactly [`CALL_TIME`] is kept; also how often the watchdog looks while a call is running.
pub const WATCHDOG_TICK: Duration = Duration::from_millis(20);

/// Linear memory of an instance. The bundled tracker uses 1.2 MiB; a 200-printer farm must fit
/// into a Raspberry Pi.
pub const MEMORY: usize = 16 << 20;

/// Native stack of a call. Default is twice that; a thread's stack must have room for it.
pub const STACK: usize = 256 << 10;

/// Elements of all tables: function pointers. The bundled tracker has about 100.
pub const TABLE_ELEMENTS: usize = 10_000;

/// Core instances and tables in a component: the encoder makes four and two.
pub const CORE_INSTANCES: usize = 16;

/// Memories: each may have [`MEMORY`], and a module needs one.
pub const MEMORIES: usize = 1;

/// What a component may pass to the host in one call, before anything looks at it.
pub const HOST_CALL: usize = 1 << 20;

/// A manifest. The bundled one has less than 12 KiB.
pub const MANIFEST: usize = 64 << 10;

/// A component file. The bundled one has less than 0.2 MiB; compiling takes memory and time in
/// proportion.
pub const COMPONENT: usize = 4 << 20;

/// Code in a component: compiling the worst of it takes half a minute.
pub const CODE: usize = 1 << 20;

/// Functions and types in a component, each of which costs something however small it is. The
/// bundled one has about 300.
pub const FUNCTIONS: usize = 10_000;

/// Code of one function. The bundled tracker's largest has 15 KiB.
pub const FUNCTION: usize = 64 << 10;

/// Loops in one another. The bundled tracker has 4.
pub const LOOP_DEPTH: usize = 32;

/// Loops of each function times its variables, together. The bundled tracker has about 10,000.
pub const LOOP_WORK: usize = 1_000_000;

/// An event's payload after the host cut it down to what the component may see.
pub const PAYLOAD: usize = 256 << 10;

/// Fields of a request. The richest of OctoPrint's has 14.
pub const FIELDS: usize = 64;

/// All names and values of a request together: long lists of plugins fit.
pub const REQUEST: usize = 32 << 10;

/// A request's name, and a user agent.
pub const NAME: usize = 128;

/// An id that a component makes: a UUID has 36.
pub const ID: usize = 64;

/// Requests that one call may send: the start of a server run makes three.
pub const REQUESTS_PER_CALL: usize = 32;

/// Requests that may wait to be sent. An instance makes a handful an hour; more than this means that the network is
/// away, and what is late is wrong anyway.
pub const QUEUE: usize = 256;

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

/// A pattern's text: a parser makes ten thousand times as much of it before the compiled size is known.
/// The bundled ones have less than 100.
pub const PATTERN_TEXT: usize = 500;

/// A pattern's compiled size: keeps a manifest from making the host build a huge automaton.
pub const PATTERN: usize = 64 << 10;

/// Patterns in a manifest. The bundled one has 30.
pub const PATTERNS: usize = 200;

/// Names in a path like `a.b.c` under `sees`. The bundled manifest has 2.
pub const PATH: usize = 16;

/// Characters of a value whose rule gives no `max_length`: no text is without a bound.
pub const VALUE_CHARS: usize = 256;
