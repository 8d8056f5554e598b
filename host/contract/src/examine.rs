//! A component that differs from the contract is refused by the trusted core in any case, when it is linked or started.
//! Here it is refused before it is compiled, for all reasons at once, in words.

use crate::world::{Inspection, compare};
use glassbox_sandbox::{Error, Policy, Stage, limits};

/// Read what a component's bytes say about it: imports, exports, manifest, and every difference from the contract.
/// `plugin` is the name for error messages.
///
/// # Errors
/// Of [`Stage::Check`], when the bytes are not a component at all (empty, text, a core module, cut off), or are too
/// many. A component that differs from the contract is not an error here.
pub fn inspect(plugin: &str, bytes: &[u8]) -> Result<Inspection, Error> {
    let fail = |reason: String| Error::new(plugin, Stage::Check, reason);
    if bytes.len() > limits::COMPONENT {
        let size = bytes.len() >> 20;
        return Err(fail(format!("the file has {size} MiB; the limit is {} MiB", limits::COMPONENT >> 20)));
    }
    compare(bytes).map_err(|error| fail(error.to_string()))
}

/// [What the manifest in a component allows](glassbox_sandbox::examine), if the component fits the contract.
///
/// # Errors
/// Everything that is wrong with it, of [`Stage::Check`] or, if only the manifest is wrong, of [`Stage::Manifest`].
pub fn examine(name: &str, bytes: &[u8]) -> Result<Policy, Error> {
    fits(name, bytes)?;
    glassbox_sandbox::examine(name, bytes)
}

/// Whether the component fits the contract; if not, all that is wrong with it and with its manifest.
fn fits(name: &str, bytes: &[u8]) -> Result<(), Error> {
    let Inspection { manifest, differences: mut reasons, .. } = inspect(name, bytes)?;
    if reasons.is_empty() {
        return Ok(());
    }
    // A manifest that cannot be read is among the differences already.
    let wrong = manifest.and_then(|_| glassbox_sandbox::examine(name, bytes).err()).map(|error| error.reasons);
    reasons.extend(wrong.into_iter().flatten().map(|reason| format!("in its manifest: {reason}")));
    Err(Error { plugin: name.into(), stage: Stage::Check, reasons })
}

/// How components are prepared everywhere but in the trusted core.
#[cfg(feature = "engine")]
pub trait Prepare {
    /// [Examine](examine) a component, compile and link it. This is the slow part of starting a plugin, unless the
    /// compiled code is in the cache.
    ///
    /// # Errors
    /// Everything that is wrong with it at the first stage at which anything is.
    fn prepare(&self, name: &str, bytes: &[u8]) -> Result<glassbox_sandbox::Plugin, Error>;
}

#[cfg(feature = "engine")]
impl Prepare for glassbox_sandbox::Sandbox {
    fn prepare(&self, name: &str, bytes: &[u8]) -> Result<glassbox_sandbox::Plugin, Error> {
        fits(name, bytes)?;
        self.load(name, bytes).map_err(not_its_fault)
    }
}

/// Where the system lets no process run code that it has made itself, that is no component's fault.
#[cfg(feature = "engine")]
fn not_its_fault(error: Error) -> Error {
    let refused = error.reasons.iter().find(|reason| reason.contains("make memory executable"));
    let Some(said) = refused.and_then(|reason| reason.rsplit(": ").next()) else { return error };
    let reason = format!(
        "the system does not let this program run code that it has compiled ({said}); for a service, take \
         MemoryDenyWriteExecute=yes out of its unit, and elsewhere let the seccomp profile, or the policy of SELinux \
         (execmem), allow it"
    );
    Error::new(&error.plugin, Stage::Engine, reason)
}
