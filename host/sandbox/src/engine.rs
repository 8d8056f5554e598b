//! The engine that all instances share, its configuration, its watchdog, and plugins: components
//! that are checked, compiled and linked, ready to be instantiated.

use crate::bindings::TrackerPre;
use crate::instance::State;
use crate::{Error, Inspection, Policy, Stage, bindings, cache, check, digest, limits, manifest::Manifest};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, WasmFeatures};

/// The engine. One for a process.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<State>,
    watchdog: Arc<Watchdog>,
    cache: Option<PathBuf>,
}

/// A component that may be instantiated.
pub struct Plugin {
    /// Its name, from its manifest.
    pub name: String,
    /// SHA-256 of its file, in hex.
    pub digest: String,
    /// Size of its file in bytes.
    pub size: usize,
    /// What its manifest asks for, ready to be enforced.
    pub policy: Arc<Policy>,
    pub(crate) pre: TrackerPre<State>,
    pub(crate) watchdog: Arc<Watchdog>,
}

/// Check a component without compiling it: what kind of file it is, its imports and exports, and
/// its manifest. `name` is its file's name without `.wasm`; the manifest must say the same.
///
/// # Errors
/// Everything that is wrong with it.
pub fn examine(name: &str, bytes: &[u8]) -> Result<Policy, Error> {
    let Inspection { manifest, differences: mut reasons, .. } = check::inspect(name, bytes)?;
    let fits = reasons.is_empty();
    let mut wrong = |reason| reasons.push(if fits { reason } else { format!("in its manifest: {reason}") });
    let manifest = manifest.and_then(|text| Manifest::parse(&text).map_err(&mut wrong).ok());
    if let Some(other) = manifest.as_ref().map(|manifest| &manifest.plugin.name).filter(|other| *other != name) {
        wrong(format!("it says that the plugin is '{other}', but the file is '{name}.wasm'; rename the file"));
    }
    let policy =
        manifest.and_then(|manifest| Policy::new(manifest).map_err(|all| all.into_iter().for_each(wrong)).ok());
    let stage = if fits { Stage::Manifest } else { Stage::Check };
    policy.filter(|_| reasons.is_empty()).ok_or(Error { plugin: name.into(), stage, reasons })
}

impl Sandbox {
    /// A new engine. `cache`: a directory for compiled code, made where it is missing.
    ///
    /// # Errors
    /// When wasmtime does not run on this machine.
    pub fn new(cache: Option<&Path>) -> Result<Self, Error> {
        Self::with(&config(), cache)
    }

    /// As [`Self::new`], but configured otherwise: where fuel is counted.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(config: &Config, cache: Option<&Path>) -> Result<Self, Error> {
        let fail = |error: wasmtime::Error| Error::new("(any)", Stage::Compile, format!("{error:#}"));
        let engine = Engine::new(config).map_err(fail)?;
        let mut linker = Linker::new(&engine);
        bindings::Tracker::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(fail)?;
        let watchdog = Watchdog::start(engine.clone());
        Ok(Self { engine, linker, watchdog, cache: cache.map(Into::into) })
    }

    /// Check, compile and link a component, named as for [`examine`].
    ///
    /// # Errors
    /// Everything that is wrong with it, at the first stage at which something is.
    pub fn prepare(&self, name: &str, bytes: &[u8]) -> Result<Plugin, Error> {
        let policy = examine(name, bytes)?;
        let digest = digest(bytes);
        let wrong = |reasons| Error { plugin: name.into(), stage: Stage::Compile, reasons };
        let component = cache::load(&self.engine, self.cache.as_deref(), bytes, &digest).map_err(wrong)?;
        let pre = self.linker.instantiate_pre(&component).and_then(TrackerPre::new);
        let pre = pre.map_err(|error| Error::new(name, Stage::Link, format!("{error:#}")))?;
        let (policy, watchdog) = (Arc::new(policy), self.watchdog.clone());
        Ok(Plugin { name: name.into(), digest, size: bytes.len(), policy, pre, watchdog })
    }
}

/// Address space for an instance's memory, and guard pages behind it. Where there is plenty of it,
/// 4 GiB and a guard spare a check at every access (a tenth of an event's time); elsewhere, a Pi
/// whose kernel has 512 GiB for a process, or 32 bits, every access is checked, so that hundreds of
/// instances fit. Nothing of it is memory before it is used.
const RESERVATION: u64 = if cfg!(target_arch = "x86_64") { 4 << 30 } else { limits::MEMORY as u64 };
const GUARD: u64 = if cfg!(target_arch = "x86_64") { 32 << 20 } else { 0 };

/// What no tracker needs: all of the proposals beyond what Rust uses.
const UNUSED: WasmFeatures = WasmFeatures::RELAXED_SIMD
    .union(WasmFeatures::SIMD.union(WasmFeatures::TAIL_CALL).union(WasmFeatures::MULTI_MEMORY))
    .union(WasmFeatures::MULTI_VALUE.union(WasmFeatures::MEMORY64).union(WasmFeatures::EXTENDED_CONST))
    .union(WasmFeatures::WIDE_ARITHMETIC.union(WasmFeatures::CUSTOM_PAGE_SIZES))
    .union(WasmFeatures::THREADS.union(WasmFeatures::EXCEPTIONS).union(WasmFeatures::GC));

/// How the engine is configured; public for whoever wants to measure the same engine.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(limits::STACK)
        // All memory that an instance may have is reserved at once and never moves.
        .memory_reservation(RESERVATION)
        .memory_reservation_for_growth(0)
        .memory_guard_size(GUARD)
        .memory_may_move(false)
        // Nobody looks at a plugin's backtrace, and without it compiled code is a third smaller.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        // Trackers are plain modules: no async.
        .concurrency_support(false)
        .wasm_features(UNUSED, false);
    config
}

/// Ends calls that take too long: counts the engine's epoch up while a call is running, and
/// sleeps while none is, so that an idle host does not wake up.
pub(crate) struct Watchdog {
    running: AtomicUsize,
    parked: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

/// Ticks without a call before the watchdog goes to sleep; waking it costs a system call.
const LINGER: u32 = 50;

impl Watchdog {
    fn start(engine: Engine) -> Arc<Self> {
        let watchdog = Arc::new(Self {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
        });
        let weak = Arc::downgrade(&watchdog);
        let spawned = std::thread::Builder::new()
            .name("watchdog".into())
            .stack_size(64 << 10)
            .spawn(move || watch(&weak, &engine));
        // Without its thread no call would ever be ended: better no host than that.
        let thread = spawned.expect("a thread for the watchdog").thread().clone();
        let _ = watchdog.thread.set(thread);
        watchdog
    }

    /// Count a call as running until the guard is dropped.
    pub(crate) fn guard(&self) -> Guard<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.parked.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
        Guard(self)
    }
}

pub(crate) struct Guard<'a>(&'a Watchdog);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

fn watch(watchdog: &Weak<Watchdog>, engine: &Engine) {
    let mut idle = 0;
    // The last plugin's end is the watchdog's end.
    while let Some(alive) = watchdog.upgrade() {
        idle = if alive.running.load(Ordering::SeqCst) > 0 { 0 } else { idle + 1 };
        if idle > LINGER {
            alive.parked.store(true, Ordering::SeqCst);
            // A call that began just now has seen `parked` unset, or sees it and wakes us.
            if alive.running.load(Ordering::SeqCst) == 0 {
                drop(alive);
                std::thread::park();
            } else {
                alive.parked.store(false, Ordering::SeqCst);
            }
            idle = 0;
        } else {
            drop(alive);
            std::thread::sleep(limits::WATCHDOG_TICK);
            engine.increment_epoch();
        }
    }
}
