//! What the tests share: the components, a sandbox, and ways to run them.

pub mod load;
pub mod octoprints;
mod skip;

pub use skip::skip;

use glassbox::home::identity::Identified;
use glassbox::plugins::running_plugin::Identify;
use glassbox_audit::conformance::{Corpus, corpus};
use glassbox_audit::fake::{Logged, ManualClock, ManualThrottle, UseLog};
use glassbox_contract::{Deny, Prepare};
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Instance, Memory, Plugin, Sandbox, Settings};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// The component that misbehaves as its settings tell it.
pub const MISFIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/misfit.wasm"));

/// A misfit that does what this word says where it has no settings: the word is written over its mark.
///
/// # Panics
/// When the word is too long.
pub fn misfit(word: &str) -> Vec<u8> {
    marked(MISFIT, b"misfit-mark-is:", word)
}

/// The component that leaks.
const LEAKY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/leaky.wasm"));

/// A component that leaks what it sees, in the way that the word names.
///
/// # Panics
/// When the word is too long.
pub fn leaky(word: &str) -> Vec<u8> {
    marked(LEAKY, b"leaky-mark-is:", word)
}

/// The component that a script bends.
const PUPPET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/puppet.wasm"));

/// The bundled tracker's core and manifest, but not its honesty: what it does when is written over its mark.
///
/// # Panics
/// When the script is too long.
pub fn puppet(script: &str) -> Vec<u8> {
    marked(PUPPET, b"puppet-script-is", script)
}

/// A component with a word written over the 32 bytes after its mark.
fn marked(component: &[u8], mark: &[u8], word: &str) -> Vec<u8> {
    let at = component.windows(mark.len()).position(|part| part == mark).expect("its mark") + 16;
    let mut component = component.to_vec();
    component[at..at + 32].copy_from_slice(format!("{word:32}").as_bytes());
    component
}

/// The component that counts.
const COUNTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/counter.wasm"));

/// A version of the component that counts: the word is written over its mark. Some words make it misbehave.
///
/// # Panics
/// When the word is too long.
pub fn counter(word: &str) -> Vec<u8> {
    marked(COUNTER, b"counter-version:", word)
}

/// The example plugin print-hours, as anybody would build it.
pub const PRINT_HOURS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/print-hours.wasm"));

/// The id under which everything was recorded, and the salt, too.
pub const ID: &str = "11111111-2222-4333-8444-555555555555";

/// One engine for all tests of a process.
pub static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(None).expect("an engine"));

/// The bundled tracker.
pub static TRACKING: LazyLock<Arc<Plugin>> = LazyLock::new(|| prepare("tracking", glassbox::home::BUNDLED));

/// The component that misbehaves.
pub static MISFIT_PLUGIN: LazyLock<Arc<Plugin>> = LazyLock::new(|| prepare("misfit", MISFIT));

/// The example plugin print-hours.
pub static PRINT_HOURS_PLUGIN: LazyLock<Arc<Plugin>> = LazyLock::new(|| prepare("print-hours", PRINT_HOURS));

fn prepare(name: &str, bytes: &[u8]) -> Arc<Plugin> {
    Arc::new(SANDBOX.prepare(name, bytes).unwrap_or_else(|error| panic!("{error}")))
}

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").into()
}

/// The recorded corpora.
pub fn corpora() -> [Corpus; 2] {
    ["octoprint-1.11.8.jsonl", "octoprint-dev-744c8359.jsonl"]
        .map(|name| corpus::read(&workspace().join("tests/corpora").join(name)).unwrap())
}

/// Settings in which tracking is on, with these changes.
///
/// # Panics
/// When a path leads through something that is not an object.
pub fn settings(changes: &[(&str, Value)]) -> Settings {
    let document = json!({"enabled": true, "unique_id": ID, "server": "http://127.0.0.1:1/track/{id}/{event}/"});
    let mut settings = Settings::parse(&document.to_string()).expect("a good document");
    for (path, value) in changes {
        settings.set(path, value.clone()).expect("a good path");
    }
    settings
}

/// An instance, and the controls of the capabilities that it was given.
pub struct Bench {
    /// The instance.
    pub instance: Instance,
    /// Which capabilities it used, and how.
    pub record: UseLog,
    /// Its clock.
    pub clock: ManualClock,
    /// Its throttle query.
    pub throttle: ManualThrottle,
}

/// Leaves the settings as they are, and gives everybody the salt with which everything was recorded.
pub fn identify() -> Identify {
    Box::new(|_, settings| Ok(Identified { settings: settings.clone(), salt: ID.into(), is_new: false, renewed: None }))
}

/// An instance whose requests are recorded, not sent.
///
/// # Panics
/// When it does not start.
pub fn bench(plugin: &Arc<Plugin>) -> Bench {
    let (record, clock, throttle) = (UseLog::default(), ManualClock::default(), ManualThrottle::default());
    let capabilities = Capabilities {
        http: Box::new(Logged(Deny, record.clone())),
        clock: Box::new(clock.clone()),
        hardware: Box::new(Deny),
        throttle: Box::new(throttle.clone()),
        salt: ID.into(),
    };
    let instance =
        Instance::new(plugin, capabilities, None, Memory::default()).unwrap_or_else(|error| panic!("{error}"));
    Bench { instance, record, clock, throttle }
}

/// A folder for one test, removed when it is dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new folder.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("glassbox-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
