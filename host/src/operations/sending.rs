//! Whether a plugin sends anything, and which rule decides.

use crate::attest::{self, Vouching};
use crate::home::Home;
use crate::home::grants::{self, Standing};
use crate::home::settings::Stored;
use anyhow::Result;
use glassbox_sandbox::{Consent, consent, digest, examine};

/// Whether the user has switched a plugin on.
pub fn is_on(home: &Home, name: &str) -> bool {
    matches!(home.settings(name), Ok(Stored::Good(settings)) if settings.enabled())
}

/// How a plugin stands with its grant, if it can be loaded; inside, if the grant can be read.
pub fn standing(home: &Home, name: &str, bytes: &[u8]) -> Result<Result<Standing>, glassbox_sandbox::Error> {
    let asked = examine(name, bytes)?;
    Ok(grants::read(home, name).map(|granted| grants::standing(asked.manifest(), granted.as_ref())))
}

/// How a component stands with who must vouch for it.
pub fn vouching(home: &Home, name: &str, bytes: &[u8]) -> Result<Vouching> {
    Ok(attest::standing(home, home.config()?.policy.as_ref(), name, &digest(bytes)))
}

/// Whether a plugin sends anything, and which rule decides. `option`: what a command needs to be about
/// this OctoPrint.
pub fn verdict(home: &Home, name: &str, option: &str) -> String {
    let bytes = match home.read_plugin(name) {
        Ok(bytes) => bytes,
        Err(error) => return format!("nothing is sent: {error}"),
    };
    match vouching(home, name, &bytes) {
        Err(error) => return format!("nothing is sent: {error:#}"),
        // A version that is running already may run on.
        Ok(vouching) => {
            if let Some(advice) = vouching.advice(name) {
                return advice;
            }
        }
    }
    match standing(home, name, &bytes) {
        Err(error) => return format!("nothing is sent: {error}"),
        Ok(Err(error)) => return format!("nothing is sent: {error:#}"),
        Ok(Ok(standing)) => {
            // One that asks for more may run on in the version before.
            let nothing = if standing == Standing::Waiting { "nothing is sent: " } else { "" };
            if let Some(advice) = standing.advice(name) {
                return format!("{nothing}{advice}");
            }
        }
    }
    let consent = match home.settings(name) {
        Ok(Stored::Good(settings)) => Consent::decide(&settings, consent::process_veto()),
        Ok(Stored::Missing) => Consent::Undecided,
        Ok(Stored::Damaged(reason)) => {
            let file = home.settings_file(name);
            return format!(
                "nothing is sent: the settings file {} is damaged: {reason} (fix it, or glassbox opt-in {name}{option} to begin anew)",
                file.display()
            );
        }
        Err(error) => return format!("nothing is sent: {error:#}"),
    };
    match consent {
        Consent::Given => format!("reports are sent while the host runs: {consent}"),
        Consent::Variable(_) => format!("nothing is sent: {consent} here"),
        Consent::Refused | Consent::Undecided => format!("nothing is sent: {consent} (glassbox opt-in {name}{option})"),
    }
}
