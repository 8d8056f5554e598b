//! Every limit on a component, each with its reason. Sizes are in bytes unless the name says otherwise. Limits on what
//! inspecting a component costs are in `host/contract/`; those on sources and delivery are where they are applied.

use std::time::Duration;

/// Time of one call into a component. A report takes microseconds, and perhaps a hundred times as long on a Pi Zero
/// that swaps; nobody should wait longer than this for a tracker.
pub const CALL_TIME: Duration = Duration::from_secs(2);

/// Fuel for one call, about an instruction each, where it is counted: in audits and recorded runs, which must give the
/// same result on any machine. The bundled tracker's longest call takes less than 2,000,000.
pub const FUEL: u64 = 20_000_000;

/// How precisely [`CALL_TIME`] is kept, and how often the watchdog wakes up while a call is running: often enough for a
/// limit of seconds, and seldom enough to cost nothing.
pub const WATCHDOG_TICK: Duration = Duration::from_millis(20);

/// The clock's step, in nanoseconds: a tracker counts in seconds, and finer digits could only hide something.
pub const CLOCK_STEP: u64 = 1_000_000;

/// A report leaves at a multiple of this after that which it reports came, or was due, so that a component says next to
/// nothing by how long it takes: a call takes microseconds, and hardly ever a quarter of a second, even on a Pi Zero that swaps.
pub const DEPARTURE: Duration = Duration::from_millis(250);

/// Linear memory of an instance. The bundled tracker uses 1.2 MiB; the host of a farm with 200 printers must fit on a
/// Raspberry Pi.
pub const MEMORY: usize = 16 << 20;

/// Native stack of a call. A thread's stack must have room for it, and a farm has many threads; half of wasmtime's
/// default is plenty for a tracker.
pub const STACK: usize = 256 << 10;

/// Elements of each table, which are function pointers. The bundled tracker has about 100.
pub const TABLE_ELEMENTS: usize = 10_000;

/// Core instances and tables in a component. The encoder makes four and two; each costs memory.
pub const CORE_INSTANCES: usize = 16;

/// Memories in a component: each may have [`MEMORY`], and a tracker needs one.
pub const MEMORIES: usize = 1;

/// What a component may pass to the host in one call, before the host checks it: thirty times the largest request, and
/// little enough for a small machine.
pub const HOST_CALL: usize = 1 << 20;

/// A manifest. The bundled one has less than 12 KiB; somebody is to read it.
pub const MANIFEST: usize = 64 << 10;

/// A component file. The bundled one has less than 0.2 MiB; reading and compiling it take memory and time in
/// proportion.
pub const COMPONENT: usize = 4 << 20;

/// Code in a component. What this much can cost to compile is not known beforehand: with the other limits kept, some takes
/// five seconds and some takes all memory. So a process of its own compiles it, within the limits that follow.
pub const CODE: usize = 1 << 20;

/// The processor's time for compiling a component. The bundled one takes a quarter of a second on a PC, half a second
/// where fuel is counted, and 40 times as long on the slowest Pi: 20 s.
pub const COMPILE_TIME: Duration = Duration::from_secs(60);

/// Memory for compiling a component, in bytes. The bundled one takes less than 20 MiB; a Pi has 512 MiB, half of which
/// OctoPrint needs.
pub const COMPILE_MEMORY: u32 = 192 << 20;

/// How long to wait for a component to be compiled: a machine that is busy with other things, or swaps, takes five times
/// as long as its processor needs.
pub const COMPILE_PATIENCE: Duration = Duration::from_secs(300);

/// Code in a component that is compiled without a process of its own, so that nothing else bounds what it costs. The
/// bundled one has 150 KiB.
pub const CODE_HERE: usize = 256 << 10;

/// The same for [`LOOP_WORK`], which is what takes most memory.
pub const LOOP_WORK_HERE: usize = 50_000;

/// Compiled code that is kept in the cache. The bundled tracker's is less than three times as large as its component; of
/// the largest [`COMPONENT`] that is 12 MiB. All of it is read and digested before it is used, and is in memory twice until
/// it is loaded: this much takes less than a second on a Pi Zero.
pub const COMPILED: usize = 16 << 20;

/// Functions and types in a component: each costs something to compile, however small it is. The bundled tracker has
/// about 300.
pub const FUNCTIONS: usize = 10_000;

/// Code of one function: compile time grows faster than it does. The bundled tracker's largest has 15 KiB.
pub const FUNCTION: usize = 64 << 10;

/// Depth of nested loops: compile time grows faster than it does. The bundled tracker has 4.
pub const LOOP_DEPTH: usize = 32;

/// Loops times local variables, summed over all functions: compile time and memory grow with it. The bundled tracker
/// has about 10,000.
pub const LOOP_WORK: usize = 1_000_000;

/// An event's payload, cut down to what the component may see: room for the longest list of plugins, and a small part
/// of the component's memory.
pub const PAYLOAD: usize = 256 << 10;

/// Fields of a request. The richest of OctoPrint's requests has 14.
pub const FIELDS: usize = 64;

/// All names and values of a request together. The longest field of the bundled tracker, the list of plugins, may have
/// 16 KiB.
pub const REQUEST: usize = 32 << 10;

/// A request's name, and a user agent. The bundled manifest allows 74 for the latter.
pub const NAME: usize = 128;

/// Requests that one call may send. The bundled tracker sends three when OctoPrint starts, and otherwise one.
pub const REQUESTS_PER_CALL: usize = 32;

/// Requests of an instance that may wait to be sent. It makes a handful an hour; if more than this wait, the network is
/// down, and a late report is wrong anyway, as the server stamps its arrival.
pub const QUEUE: usize = 256;

/// Requests that an instance may send in a burst; afterwards one more for each [`REFILL`]. A busy OctoPrint sends a
/// handful an hour; a malicious component could overload the server, or hide a message in how often it sends.
pub const BURST: u32 = 200;
/// Nanoseconds after which one more request may be sent: one a second, far above what is needed.
pub const REFILL: u64 = 1_000_000_000;

/// Characters of what a component says, for the log and for people: a line, so that the log stays readable.
pub const MESSAGE_CHARS: usize = 80;

/// The settings schema, and the settings document. Both are kept in memory. The bundled tracker's
/// schema has 4 KiB.
pub const SETTINGS: usize = 64 << 10;

/// The state that a component hands over: the flags and numbers that its manifest lists. The bundled tracker has two.
pub const HANDOVER: usize = 4 << 10;

/// What is remembered of OctoPrint's events, kept in memory and on disk for each instance. A long list of plugins has
/// 16 KiB.
pub const HEARD: usize = 256 << 10;

/// Names that a manifest may list under `state`.
pub const STATE: usize = 64;

/// Events that a manifest may list, and requests, and fields of one of them: each costs something at every call.
pub const LISTED: usize = 256;

/// The text of a pattern: before its compiled size is known, parsing can take ten thousand times as much memory. The
/// bundled ones have less than 100.
pub const PATTERN_TEXT: usize = 500;

/// The compiled size of a pattern, so that a manifest cannot make the host build huge automata.
pub const PATTERN: usize = 64 << 10;

/// Patterns in a manifest, each of which may take [`PATTERN`]. The bundled one has 30.
pub const PATTERNS: usize = 200;

/// Names in a path like `a.b.c` under `sees`, as cutting a payload recurses that deep. The bundled manifest has 2.
pub const PATH: usize = 16;

/// Characters of a value whose rule gives no `max_length`, so that no text is unbounded.
pub const VALUE_CHARS: usize = 256;
