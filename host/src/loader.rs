//! Makes plugins ready, on one thread beside everything else: reads the file, compares what it
//! asks for with what was granted, compiles it, and has it rehearse its start where it can touch
//! nothing. What fails here never comes near a plugin that runs.

use crate::grants::{self, Standing};
use crate::home::Home;
use crate::state::{self, Now};
use crate::supervisor::Control;
use anyhow::Result;
use glassbox_sandbox::capabilities::Capabilities;
use glassbox_sandbox::{Instance, Plugin, Sandbox, consent, examine};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

/// A file to look at.
#[derive(Debug)]
pub struct Job {
    /// The plugin.
    pub name: String,
    /// Digests of which nothing new is to be said: the one that runs, and those that failed.
    pub known: Vec<String>,
}

/// What came of it.
pub struct Answer {
    /// The plugin.
    pub name: String,
    /// The file's digest; none if it could not be read.
    pub digest: Option<String>,
    /// Whether it can run.
    pub verdict: Verdict,
}

/// Whether a file can run.
pub enum Verdict {
    /// Its content is known.
    Known,
    /// It can.
    Ready(Arc<Plugin>),
    /// Somebody has to grant something first.
    Waiting(Standing),
    /// It cannot, and why.
    Failed(anyhow::Error),
}

/// Start the thread. It ends when the returned sender is gone.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(home: Home, sandbox: Sandbox, control: Sender<Control>) -> Result<Sender<Job>> {
    let (jobs, todo) = mpsc::channel::<Job>();
    std::thread::Builder::new().name("loader".into()).spawn(move || {
        for job in todo {
            if control.send(Control::Loaded(look(&home, &sandbox, &job))).is_err() {
                break;
            }
        }
    })?;
    Ok(jobs)
}

fn look(home: &Home, sandbox: &Sandbox, job: &Job) -> Answer {
    let mut answer = Answer { name: job.name.clone(), digest: None, verdict: Verdict::Known };
    answer.verdict = match home.read_plugin(&job.name) {
        Err(error) => Verdict::Failed(error.into()),
        Ok(bytes) => {
            let digest = glassbox_sandbox::digest(&bytes);
            let known = job.known.contains(&digest);
            answer.digest = Some(digest);
            if known { Verdict::Known } else { judge(home, sandbox, &job.name, &bytes) }
        }
    };
    answer
}

fn judge(home: &Home, sandbox: &Sandbox, name: &str, bytes: &[u8]) -> Verdict {
    let judged = || -> Result<Verdict> {
        // Before it is compiled: that takes time in proportion to what somebody dropped here.
        let asked = examine(name, bytes)?;
        let standing = grants::standing(asked.manifest(), grants::read(home, name)?.as_ref());
        Ok(match standing {
            Standing::Granted => Verdict::Ready(prepare(home, sandbox, name, bytes)?),
            standing => Verdict::Waiting(standing),
        })
    };
    judged().unwrap_or_else(Verdict::Failed)
}

/// Compile it and have it rehearse.
///
/// # Errors
/// What it fails at.
pub fn prepare(home: &Home, sandbox: &Sandbox, name: &str, bytes: &[u8]) -> Result<Arc<Plugin>> {
    let plugin = Arc::new(sandbox.prepare(name, bytes)?);
    rehearse(home, &plugin)?;
    Ok(plugin)
}

/// Start it as it will be started, and throw it away: nothing is sent, nothing is kept.
fn rehearse(home: &Home, plugin: &Arc<Plugin>) -> Result<()> {
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
