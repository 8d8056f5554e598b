//! Whether a plugin sends anything, and which rule decides. What was sent so far is in `status`.

use crate::attest::{self, Vouching};
use crate::home::Home;
use crate::home::grants::{self, Standing};
use crate::home::settings::Stored;
use anyhow::{Error, Result};
use glassbox_sandbox::{Consent, consent, digest, examine};
use std::path::PathBuf;

/// The rule that decides whether a plugin sends anything for one OctoPrint: the first that says no, in the
/// order of these variants, or else the user's consent.
#[derive(Debug)]
pub enum Sending {
    /// The plugin, its grant, its settings or the configuration cannot be read, or the plugin cannot be loaded.
    Unusable(Error),
    /// Too few auditors vouch for the component.
    Unvouched(Vouching),
    /// The operator has not granted all that the plugin asks for: never [`Standing::Granted`].
    Ungranted(Standing),
    /// The settings file is not a settings document, so nobody knows what the user wants.
    DamagedSettings {
        /// The settings file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The user has decided, or has not yet.
    Decided(Consent),
}

impl Sending {
    /// Find the rule that decides, by the files as they are now. `home` is that of the OctoPrint.
    #[must_use]
    pub fn of(home: &Home, name: &str) -> Self {
        Self::find(home, name).unwrap_or_else(Self::Unusable)
    }

    fn find(home: &Home, name: &str) -> Result<Self> {
        let bytes = home.read_plugin(name)?;
        let vouching = vouching(home, name, &bytes)?;
        if !vouching.is_enough() {
            return Ok(Self::Unvouched(vouching));
        }
        let standing = standing(home, name, &bytes)??;
        if standing != Standing::Granted {
            return Ok(Self::Ungranted(standing));
        }
        Ok(match home.settings(name) {
            Stored::Damaged(reason) => Self::DamagedSettings { file: home.settings_file(name), reason },
            Stored::Good(settings) => Self::Decided(Consent::decide(&settings, consent::process_veto())),
            Stored::Missing => Self::Decided(Consent::Undecided),
        })
    }

    /// The rule in words, and what the user can do about it. `option` is what makes a command be about this
    /// OctoPrint, such as ` --octoprint one`; empty where there is only one.
    #[must_use]
    pub fn in_words(&self, name: &str, option: &str) -> String {
        match self {
            Self::Unusable(error) => format!("nothing is sent: {error:#}"),
            // A version that is running already may run on, so nothing is said about sending.
            Self::Unvouched(vouching) => vouching.advice(name).unwrap_or_default(),
            Self::Ungranted(standing) => {
                // When a version asks for more, the one before it may still run.
                let nothing = if *standing == Standing::Waiting { "nothing is sent: " } else { "" };
                format!("{nothing}{}", standing.advice(name).unwrap_or_default())
            }
            Self::DamagedSettings { file, reason } => format!(
                "nothing is sent: the settings file {} is damaged: {reason} (fix it, or start over with: glassbox opt-in \
                 {name}{option})",
                file.display()
            ),
            Self::Decided(consent) => match consent {
                Consent::Given => format!("reports are sent while the host runs: {consent}"),
                Consent::Variable(_) => format!("nothing is sent: {consent} here"),
                Consent::Refused | Consent::Undecided => {
                    format!("nothing is sent: {consent} (glassbox opt-in {name}{option})")
                }
            },
        }
    }
}

/// Whether the user has switched a plugin on. False where that is not clear.
#[must_use]
pub fn is_on(home: &Home, name: &str) -> bool {
    matches!(home.settings(name), Stored::Good(settings) if settings.enabled())
}

/// How what a plugin asks for compares with what was granted to it.
///
/// # Errors
/// When the plugin's component or manifest cannot be used; inside that, when the grant cannot be read.
pub fn standing(home: &Home, name: &str, bytes: &[u8]) -> Result<Result<Standing>, glassbox_sandbox::Error> {
    let asked = examine(name, bytes)?;
    Ok(grants::read(home, name).map(|granted| grants::standing(asked.manifest(), granted.as_ref())))
}

/// Who vouches for a component, and whether those are as many as the operator requires.
///
/// # Errors
/// When `glassbox.toml` cannot be used.
pub fn vouching(home: &Home, name: &str, bytes: &[u8]) -> Result<Vouching> {
    Ok(attest::standing(home, home.config()?.policy.as_ref(), name, &digest(bytes)))
}
