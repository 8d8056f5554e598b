//! The engine that all instances share, its configuration and its watchdog; and plugins: components that are checked,
//! compiled and linked, ready to be instantiated.

use crate::bindings::TrackerPre;
#[cfg(unix)]
use crate::cache;
use crate::imports::State;
use crate::{Error, Inspection, Policy, Stage, bindings, check, digest, limits, manifest::Manifest};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, WasmFeatures};

/// The engine; a process needs one. It starts a thread, the watchdog, which ends with it and the last of its plugins.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<State>,
    watchdog: Arc<Watchdog>,
    cache: Option<PathBuf>,
}

/// A component that can be instantiated, any number of times.
pub struct Plugin {
    /// Its name, from its manifest.
    pub name: String,
    /// The [digest](crate::digest) of its file.
    pub digest: String,
    /// The size of its file in bytes.
    pub size: usize,
    /// Its manifest, ready to be enforced.
    pub policy: Arc<Policy>,
    pub(crate) pre: TrackerPre<State>,
    pub(crate) watchdog: Arc<Watchdog>,
}

/// Check a component without compiling it: what kind of file it is, its imports and exports, and its manifest. `name`
/// is its file's name without `.wasm`; the manifest must give the same.
///
/// # Errors
/// Everything that is wrong with it, of [`Stage::Check`] or, if only the manifest is wrong, of [`Stage::Manifest`].
pub fn examine(name: &str, bytes: &[u8]) -> Result<Policy, Error> {
    let Inspection { manifest, differences: mut reasons, .. } = check::inspect(name, bytes)?;
    let fits = reasons.is_empty();
    let mut wrong = |reason| reasons.push(if fits { reason } else { format!("in its manifest: {reason}") });
    let manifest = manifest.and_then(|text| Manifest::parse(&text).map_err(|error| wrong(error.to_string())).ok());
    if let Some(other) = manifest.as_ref().map(|manifest| &manifest.plugin.name).filter(|other| *other != name) {
        wrong(format!("it says that the plugin is '{other}', but the file is '{name}.wasm'; rename the file"));
    }
    let policy =
        manifest.and_then(|manifest| Policy::new(manifest).map_err(|all| all.0.into_iter().for_each(wrong)).ok());
    let stage = if fits { Stage::Manifest } else { Stage::Check };
    policy.filter(|_| reasons.is_empty()).ok_or(Error { plugin: name.into(), stage, reasons })
}

/// Compile a component that has been checked.
fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, Vec<String>> {
    check::compilable(bytes)?;
    // A compiler is large: a panic in it, over somebody's file, must not end the host.
    let compiled = catch_unwind(AssertUnwindSafe(|| Component::from_binary(engine, bytes)));
    let compiled = compiled.map_err(|_| vec!["the compiler panicked".into()])?;
    compiled.map_err(|error| vec![format!("{error:#}")])
}

impl Sandbox {
    /// A new engine. `cache` is a directory for compiled code, created if it is missing; none to compile each time.
    ///
    /// # Errors
    /// When wasmtime does not run on this machine.
    pub fn new(cache: Option<&Path>) -> Result<Self, Error> {
        Self::with(&config(), cache)
    }

    /// Like [`Self::new`], with another configuration, for example one that counts fuel. Start from [`config`].
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

    /// Check, compile and link a component. `name` is as for [`examine`]. This is the slow part of starting a
    /// plugin, unless the compiled code is in the cache.
    ///
    /// # Errors
    /// Everything that is wrong with it at the first stage at which anything is.
    pub fn prepare(&self, name: &str, bytes: &[u8]) -> Result<Plugin, Error> {
        let policy = examine(name, bytes)?;
        let digest = digest(bytes);
        let wrong = |reasons| Error { plugin: name.into(), stage: Stage::Compile, reasons };
        let compile = || compile(&self.engine, bytes);
        #[cfg(unix)]
        let component = cache::load(&self.engine, self.cache.as_deref(), &digest, compile).map_err(wrong)?;
        // Elsewhere it cannot be checked whether a file is ours, so there is no cache.
        #[cfg(not(unix))]
        let component = compile().map_err(wrong)?;
        let pre = self.linker.instantiate_pre(&component).and_then(TrackerPre::new);
        let pre = pre.map_err(|error| Error::new(name, Stage::Link, format!("{error:#}")))?;
        let (policy, watchdog) = (Arc::new(policy), self.watchdog.clone());
        Ok(Plugin { name: name.into(), digest, size: bytes.len(), policy, pre, watchdog })
    }
}

/// Address space for an instance's memory and the guard pages behind it, in bytes; none of it takes memory before it
/// is used. Where address space is plentiful, 4 GiB and a guard save a check at every access (a tenth of an event's
/// time). Elsewhere (a Pi whose kernel gives a process 512 GiB, or 32 bits) every access is checked instead, so that
/// hundreds of instances fit.
const RESERVATION: u64 = if cfg!(target_arch = "x86_64") { 4 << 30 } else { limits::MEMORY as u64 };
const GUARD: u64 = if cfg!(target_arch = "x86_64") { 32 << 20 } else { 0 };

/// The proposals that are turned off: all those that Rust's output does not use.
const UNUSED: WasmFeatures = WasmFeatures::RELAXED_SIMD
    .union(WasmFeatures::SIMD.union(WasmFeatures::TAIL_CALL).union(WasmFeatures::MULTI_MEMORY))
    .union(WasmFeatures::MULTI_VALUE.union(WasmFeatures::MEMORY64).union(WasmFeatures::EXTENDED_CONST))
    .union(WasmFeatures::WIDE_ARITHMETIC.union(WasmFeatures::CUSTOM_PAGE_SIZES))
    .union(WasmFeatures::THREADS.union(WasmFeatures::EXCEPTIONS).union(WasmFeatures::GC));

/// How the engine is configured; public so that audits and benchmarks can start from the same configuration.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(limits::STACK)
        // All the memory that an instance may have is reserved at once, and never moves.
        .memory_reservation(RESERVATION)
        .memory_reservation_for_growth(0)
        .memory_guard_size(GUARD)
        .memory_may_move(false)
        // Nobody sees a plugin's backtrace, and without this compiled code is a third smaller.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        // The contract has no async functions.
        .concurrency_support(false)
        .wasm_features(UNUSED, false);
    config
}

/// Ends calls that take too long: it advances the engine's epoch while a call is running, and sleeps while none is, so
/// that an idle host does not wake up.
pub(crate) struct Watchdog {
    running: AtomicUsize,
    parked: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

/// Ticks without a call before the watchdog goes to sleep, one second: waking it for each event costs a system call.
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
            // It calls nothing that needs more, and a small machine has little memory.
            .stack_size(64 << 10)
            .spawn(move || watch(&weak, &engine));
        // Without its thread no call would ever be ended; better to have no host at all.
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
    // It ends when the sandbox and the last plugin are dropped.
    while let Some(alive) = watchdog.upgrade() {
        idle = if alive.running.load(Ordering::SeqCst) > 0 { 0 } else { idle + 1 };
        if idle > LINGER {
            alive.parked.store(true, Ordering::SeqCst);
            // A call that begins just now is counted below, or sees `parked` and wakes us.
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
