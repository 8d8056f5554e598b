//! Attestations: statements signed by auditors, in a file beside a plugin, and the operator's rule of how many of which
//! auditors must vouch for a component before it is loaded. What an audit consists of is in the crate `glassbox-audit`; what a
//! plugin may do once it is loaded is in [`crate::home::grants`].

pub mod dsse;
pub mod file;
pub mod key;
pub mod rule;
pub mod statement;
pub mod trusted_keys;

pub use key::{PublicKey, SecretKey};
pub use rule::{Subject, Vouching};
pub use statement::Statement;

use crate::home::Home;
use crate::home::config::audit_policy::AuditPolicy;
use crate::system::wall_time;
use trusted_keys::TrustedKeys;

/// Whether enough auditors vouch for a plugin's component, by the files as they are now, and whether the operator lets it
/// run with what its manifest leaves free. `digest` is the component's; without a policy nobody has to vouch, and anything
/// may be free. `free` has the names of what is (see `Policy::free`), or nothing if that is not known. A file that cannot be read vouches for nothing, and is in the notes.
pub fn standing(
    home: &Home,
    policy: Option<&AuditPolicy>,
    plugin: &str,
    digest: &str,
    free: impl FnOnce() -> Option<Vec<String>>,
) -> Vouching {
    let Some(policy) = policy else { return Vouching::default() };
    let refused = policy.refusal(plugin, free);
    if policy.require == 0 {
        return Vouching { refused, ..Vouching::default() };
    }
    let keys = TrustedKeys::read(home, policy);
    let subject = Subject { plugin, digest, now: wall_time() };
    let path = home.attestations_file(plugin);
    let mut vouching = match file::read(&path) {
        Ok(lines) => rule::judge(&lines, &keys, &policy.minimum, &subject),
        Err(error) => Vouching { notes: vec![format!("{error:#}")], ..Vouching::default() },
    };
    vouching.needed = policy.require;
    vouching.refused = refused;
    vouching.notes.extend(keys.faults);
    vouching
}
