//! Makes plugins ready, on one thread beside everything else: reads the file, compares what it
//! asks for with what was granted, compiles it, and has it rehearse its start where it can touch
//! nothing. What fails here never comes near a plugin that runs.

use super::messages::{Answer, Control, Job, LoadOutcome};
use crate::attest;
use crate::home::Home;
use crate::home::config::audit_policy::AuditPolicy;
use crate::home::grants;
use crate::home::state;
use crate::system::Now;
use anyhow::Result;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Instance, Plugin, Sandbox, consent, examine};
use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Weak};

/// Start the thread. It ends when the returned sender is gone. `homes`: those of all sites, by number.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(homes: Vec<Home>, sandbox: Sandbox, control: Sender<Control>) -> Result<Sender<Job>> {
    let (jobs, todo) = mpsc::channel::<Job>();
    std::thread::Builder::new().name("loader".into()).spawn(move || {
        let mut loader = Loader { homes, sandbox, made: BTreeMap::new() };
        for job in todo {
            if control.send(Control::Loaded(loader.look(job))).is_err() {
                break;
            }
        }
    })?;
    Ok(jobs)
}

struct Loader {
    homes: Vec<Home>,
    sandbox: Sandbox,
    /// What was made of each file, as long as it runs somewhere.
    made: BTreeMap<String, Weak<Plugin>>,
}

impl Loader {
    fn look(&mut self, job: Job) -> Answer {
        let Job { name, sites, policy } = job;
        // The file is the same for all.
        let Some(bytes) = self.homes.first().map(|home| home.read_plugin(&name)) else {
            return Answer { name, digest: None, sites: Vec::new(), outcome: LoadOutcome::Known(None) };
        };
        let digest = bytes.as_ref().ok().map(|bytes| glassbox_sandbox::digest(bytes));
        let known = |known: &[String]| digest.as_ref().is_some_and(|digest| known.contains(digest));
        let sites: Vec<_> = sites.into_iter().filter(|(_, of)| !known(of)).map(|(number, _)| number).collect();
        let outcome = match (bytes, &digest) {
            (Err(error), _) => LoadOutcome::Failed(error.into()),
            (Ok(bytes), Some(digest)) if !sites.is_empty() => {
                self.judge(&name, &bytes, digest, &sites, policy.as_ref()).unwrap_or_else(LoadOutcome::Failed)
            }
            (Ok(_), Some(digest)) => {
                let vouching = attest::standing(&self.homes[0], policy.as_ref(), &name, digest);
                LoadOutcome::Known(vouching.advice(&name))
            }
            _ => LoadOutcome::Known(None),
        };
        Answer { name, digest, sites, outcome }
    }

    fn judge(
        &mut self,
        name: &str,
        bytes: &[u8],
        digest: &str,
        sites: &[usize],
        policy: Option<&AuditPolicy>,
    ) -> Result<LoadOutcome> {
        // Before it is compiled: that takes time in proportion to what somebody dropped here.
        let asked = examine(name, bytes)?;
        let vouching = attest::standing(&self.homes[0], policy, name, digest);
        if let Some(advice) = vouching.advice(name) {
            return Ok(LoadOutcome::Unvouched(advice, vouching.early));
        }
        let granted = grants::read(&self.homes[0], name)?;
        let standing = grants::standing(asked.manifest(), granted.as_ref());
        if let Some(advice) = standing.advice(name) {
            return Ok(LoadOutcome::Waiting(advice));
        }
        let made = self.made.get(name).and_then(Weak::upgrade).filter(|made| made.digest == digest);
        let plugin = match made {
            Some(plugin) => plugin,
            None => Arc::new(self.sandbox.prepare(name, bytes)?),
        };
        self.made.insert(name.into(), Arc::downgrade(&plugin));
        let refused = sites.iter().filter_map(|number| Some((*number, rehearse(&self.homes[*number], &plugin).err()?)));
        let refused = refused.collect();
        Ok(LoadOutcome::Ready(plugin, refused))
    }
}

/// Start it as it will be started, and throw it away: nothing is sent, nothing is kept.
///
/// # Errors
/// What it fails at.
pub fn rehearse(home: &Home, plugin: &Arc<Plugin>) -> Result<()> {
    let capabilities = Capabilities { random: Box::new(crate::system::SystemRandom), ..Capabilities::deny() };
    let mut instance = Instance::new(plugin, capabilities, consent::process_veto())?;
    let settings = home.settings(&plugin.name)?.or_empty(&home.settings_file(&plugin.name))?;
    if let Err(reason) = instance.load(&settings)? {
        return Err(anyhow::anyhow!(reason).context(format!("plugin '{}' does not accept its settings", plugin.name)));
    }
    if let Some(saved) = state::read(home, &plugin.name, &Now::system()) {
        // Whether it likes the state is its own affair; that it survives it is ours.
        let _ = instance.restore(&saved.state, 0)?;
    }
    instance.save()?;
    Ok(())
}
