//! Loads plugins, on a thread of its own: reads the file, checks who vouches for it and whether what it asks for
//! was granted, compiles it, and rehearses its start in a sandbox that can touch nothing. What fails here never
//! affects a plugin that runs. Which files to load is up to the supervisor.

use super::messages::{Answer, Control, Job, LoadOutcome};
use crate::attest;
use crate::home::Home;
use crate::home::config::audit_policy::AuditPolicy;
use crate::home::grants;
use crate::home::state;
use crate::plugins::running_plugin::saved::Saved;
use crate::system::Now;
use anyhow::{Result, anyhow};
use glassbox_contract::{Prepare, deny, examine};
use glassbox_describe::free;
use glassbox_sandbox::{Compiled, Error, Instance, Needed, Plugin, Sandbox, Stage, consent};
use glassbox_util::{caught, no_thread};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// Who waits for less is told nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Start the thread, which ends when the returned sender is dropped. `homes` holds each OctoPrint's view of the
/// home, by index. Answers go to `control`, one for each job.
///
/// # Errors
/// When the system cannot start a thread.
pub fn start(homes: Vec<Home>, sandbox: Sandbox, control: Sender<Control>) -> Result<Sender<Job>> {
    let (jobs, received) = mpsc::channel::<Job>();
    let thread = std::thread::Builder::new().name("loader".into()).spawn(move || {
        let mut loader = Loader { homes, sandbox, compiled: BTreeMap::new() };
        for job in received {
            if control.send(Control::Loaded(loader.load(job))).is_err() {
                break;
            }
        }
    });
    thread.map_err(|error| anyhow!("loading plugins: {}", no_thread(&error)))?;
    Ok(jobs)
}

struct Loader {
    homes: Vec<Home>,
    sandbox: Sandbox,
    /// The last version of each plugin that was compiled, as long as it runs somewhere.
    compiled: BTreeMap<String, Weak<Plugin>>,
}

impl Loader {
    fn load(&mut self, job: Job) -> Answer {
        let Job { name, octoprints, policy } = job;
        // The file is the same for all OctoPrints.
        let Some(bytes) = self.homes.first().map(|home| home.read_plugin(&name)) else {
            return Answer { name, digest: None, octoprints: Vec::new(), outcome: LoadOutcome::Known(None) };
        };
        let digest = bytes.as_ref().ok().map(|bytes| glassbox_sandbox::digest(bytes));
        let is_new = |known: &[String]| digest.as_ref().is_none_or(|digest| !known.contains(digest));
        let octoprints: Vec<_> =
            octoprints.into_iter().filter(|(_, known)| is_new(known)).map(|(number, _)| number).collect();
        let outcome = match (bytes, &digest) {
            (Err(error), _) => LoadOutcome::Failed(error.into()),
            (Ok(bytes), Some(digest)) if !octoprints.is_empty() => {
                self.prepare(&name, &bytes, digest, &octoprints, policy.as_ref()).unwrap_or_else(LoadOutcome::Failed)
            }
            (Ok(bytes), Some(digest)) => {
                let free = || examine(&name, &bytes).ok().map(|asked| free::all(&asked));
                let vouching = attest::standing(&self.homes[0], policy.as_ref(), &name, digest, free);
                LoadOutcome::Known(vouching.advice(&name))
            }
            _ => LoadOutcome::Known(None),
        };
        Answer { name, digest, octoprints, outcome }
    }

    fn prepare(
        &mut self,
        name: &str,
        bytes: &[u8],
        digest: &str,
        octoprints: &[usize],
        policy: Option<&AuditPolicy>,
    ) -> Result<LoadOutcome> {
        // Checks come before compiling, which takes time in proportion to the file that somebody dropped here.
        let asked = examine(name, bytes)?;
        let vouching = attest::standing(&self.homes[0], policy, name, digest, || Some(free::all(&asked)));
        if let Some(advice) = vouching.advice(name) {
            return Ok(LoadOutcome::Unvouched(advice, vouching.early));
        }
        let granted = grants::read(&self.homes[0], name)?;
        let standing = grants::standing(asked.manifest(), granted.as_ref());
        if let Some(advice) = standing.advice(name) {
            return Ok(LoadOutcome::Waiting(advice));
        }
        let compiled = self.compiled.get(name).and_then(Weak::upgrade).filter(|plugin| plugin.digest == digest);
        let plugin = match compiled {
            Some(plugin) => plugin,
            None => {
                let plugin = in_sight(name, || self.sandbox.prepare(name, bytes))?;
                match &plugin.compiled {
                    Compiled::Apart(Needed { time, memory }) => {
                        let (seconds, memory) = (time.as_secs_f64(), memory >> 20);
                        tracing::debug!(plugin = name, "compiling it took {seconds:.1} s and {memory} MiB of memory");
                    }
                    Compiled::Here(Some(why)) => tracing::warn!(
                        plugin = name,
                        "it was compiled by the host itself, and not by a process of its own: {why}"
                    ),
                    Compiled::Earlier | Compiled::Here(None) => {}
                }
                Arc::new(plugin)
            }
        };
        self.compiled.insert(name.into(), Arc::downgrade(&plugin));
        let refused =
            octoprints.iter().filter_map(|number| Some((*number, rehearse(&self.homes[*number], &plugin).err()?)));
        let refused = refused.collect();
        Ok(LoadOutcome::Ready(plugin, refused))
    }
}

/// Start a plugin as a worker would, and discard it again: nothing is sent or stored.
///
/// # Errors
/// When it traps, its settings file cannot be read or is damaged, or it does not accept its settings; and when the engine
/// panics, as it does where the system refuses it a call that it needs for running anything.
pub fn rehearse(home: &Home, plugin: &Arc<Plugin>) -> Result<()> {
    caught(|| try_out(home, plugin)).unwrap_or_else(|panic| {
        let what = panic.lines().next().unwrap_or_default();
        Err(match what.contains("os error") {
            true => {
                let advice = "let the container's seccomp profile, or the unit's SystemCallFilter, allow that call";
                Error::new(&plugin.name, Stage::Engine, format!("the engine does not start: {what}; {advice}"))
            }
            false => Error::new(&plugin.name, Stage::Instantiate, format!("the engine panicked: {what}")),
        }
        .into())
    })
}

fn try_out(home: &Home, plugin: &Arc<Plugin>) -> Result<()> {
    let saved = state::read(home, &plugin.name, &Now::system())?;
    let Saved { memory, state, .. } = saved.map(|saved| Saved::read(&saved.state, 0, 0)).unwrap_or_default();
    let mut instance = Instance::new(plugin, deny(), consent::process_veto(), memory)?;
    let settings = home.settings(&plugin.name).or_empty(&home.settings_file(&plugin.name))?;
    if let Err(reason) = instance.load(&settings)? {
        return Err(anyhow::anyhow!(reason).context(format!("plugin '{}' does not accept its settings", plugin.name)));
    }
    // It may reject the state, but it must not trap on it.
    let heard = instance.heard_again();
    let _ = instance.restore(&heard, &state, 0)?;
    instance.save()?;
    Ok(())
}

/// Compile a plugin. If that takes long, whoever sits before a terminal is told what is being done.
fn in_sight<T>(name: &str, compile: impl FnOnce() -> T) -> T {
    let (done, waits) = mpsc::channel::<()>();
    let name = name.to_string();
    let tell = move || {
        if waits.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            tracing::info!(plugin = name, "it is being compiled, which takes a while the first time");
        }
    };
    // Without a thread nobody is told, and it is compiled all the same.
    let teller = std::io::stderr().is_terminal().then(|| thread::Builder::new().name("progress".into()).spawn(tell));
    let compiled = compile();
    drop(done);
    if let Some(Ok(teller)) = teller {
        let _ = teller.join();
    }
    compiled
}
