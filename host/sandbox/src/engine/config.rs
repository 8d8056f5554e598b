//! How the engine is configured: for what it is used, and for how much address space there is.

use crate::limits;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use serde::{Deserialize, Serialize};
use wasmtime::{Config, Engine, Memory, MemoryType, Store, WasmFeatures};

/// What components are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Purpose {
    /// To be run.
    Run,
    /// To be run and recorded: fuel is counted, so that a replay ends where the run did.
    Record,
    /// To be run a hundred thousand times, for an audit: fuel is counted, and memory is taken from the heap, as such short
    /// runs on several threads would spend a third of their time on mapping and unmapping memory.
    Measure,
}

/// Address space for an instance's memory; none of it takes memory before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Room {
    /// All that an instance may have is reserved at once, and never moves. Where address space is plentiful that is 4 GiB
    /// and a guard, which save a check at every access (a tenth of an event's time). Elsewhere (a Pi whose kernel gives a
    /// process 512 GiB) every access is checked instead, so that hundreds of instances fit.
    Large,
    /// What an instance uses, and a little to grow into: under `ulimit -v`, and on 32 bits.
    Small,
}

/// What is reserved in [`Room::Large`], with the guard pages behind it, in bytes.
const RESERVATION: u64 = if cfg!(target_arch = "x86_64") { 4 << 30 } else { limits::MEMORY as u64 };
const GUARD: u64 = if cfg!(target_arch = "x86_64") { 32 << 20 } else { 0 };
/// What an instance may grow by before its memory is copied to another place, in [`Room::Small`].
const GROWTH: u64 = 256 << 10;

/// How many instances must fit, for [`Room::Large`] to be chosen.
const TRIED: usize = 16;

/// The proposals that are turned off: all those that Rust's output does not use.
const UNUSED: WasmFeatures = WasmFeatures::RELAXED_SIMD
    .union(WasmFeatures::SIMD.union(WasmFeatures::TAIL_CALL).union(WasmFeatures::MULTI_MEMORY))
    .union(WasmFeatures::MULTI_VALUE.union(WasmFeatures::MEMORY64).union(WasmFeatures::EXTENDED_CONST))
    .union(WasmFeatures::WIDE_ARITHMETIC.union(WasmFeatures::CUSTOM_PAGE_SIZES))
    .union(WasmFeatures::THREADS.union(WasmFeatures::EXCEPTIONS).union(WasmFeatures::GC));

/// How the engine is configured; public so that benchmarks can start from the same configuration.
pub fn config_for(purpose: Purpose, room: Room) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(purpose != Purpose::Run)
        .max_wasm_stack(limits::STACK)
        // Nobody sees a plugin's backtrace, and without this compiled code is a third smaller.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        // The contract has no async functions.
        .concurrency_support(false)
        .wasm_features(UNUSED, false);
    match (purpose, room) {
        (Purpose::Measure, _) => small(config.signals_based_traps(false).memory_init_cow(false)),
        (_, Room::Small) => small(&mut config),
        (_, Room::Large) => config
            .memory_reservation(RESERVATION)
            .memory_reservation_for_growth(0)
            .memory_guard_size(GUARD)
            .memory_may_move(false),
    };
    config
}

fn small(config: &mut Config) -> &mut Config {
    config.memory_reservation(0).memory_reservation_for_growth(GROWTH).memory_guard_size(0).memory_may_move(true)
}

impl Room {
    /// What there is. A system that has no limit may still refuse; so it is tried.
    pub(crate) fn here() -> Self {
        let large = cfg!(target_pointer_width = "64") && !is_limited() && fits();
        if large { Self::Large } else { Self::Small }
    }
}

/// Whether memories for some instances can be reserved at once.
fn fits() -> bool {
    let Ok(engine) = Engine::new(&config_for(Purpose::Run, Room::Large)) else { return false };
    let mut store = Store::new(&engine, ());
    (0..TRIED).all(|_| Memory::new(&mut store, MemoryType::new(0, None)).is_ok())
}

/// Whether somebody limits this process's memory (`ulimit -v`, `-d`), and so that of a process of its.
pub(crate) fn is_limited() -> bool {
    let is_limited = |what| getrlimit(what).is_ok_and(|(soft, _)| soft != RLIM_INFINITY);
    is_limited(Resource::RLIMIT_AS) || is_limited(Resource::RLIMIT_DATA)
}
