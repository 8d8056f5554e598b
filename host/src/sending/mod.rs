//! Whether a plugin's reports may leave, and which rule decides. [`Permission`] decides it, from the files as they are
//! at that moment; the running host asks it right before each report leaves, and `status`, `list` and `doctor` ask the
//! same. What a request must look like is decided in the sandbox; what was sent so far is in `operations/status.rs`.

mod permission;

pub use permission::{Component, Permission};

use crate::attest::{self, Vouching};
use crate::home::grants::{self, Standing};
use crate::home::running::{self, Running};
use crate::home::{Home, identity};
use anyhow::{Error, Result};
use glassbox_contract::examine;
use glassbox_describe::free;
use glassbox_sandbox::{Consent, Manifest, Settings, consent, digest};
use glassbox_util::files::is_denied;
use std::path::PathBuf;

/// The rule that decides whether anything is sent: the first that says no, in the order of these variants; or else
/// [`Consent::Given`]. Whatever is not clear is a no.
#[derive(Debug)]
pub enum Sending {
    /// The settings file is not a settings document, so nobody knows what the user wants.
    DamagedSettings {
        /// The settings file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The user has decided, or has not yet; or a variable of the environment has.
    Decided(Consent),
    /// The plugin, its grant, its salt or the configuration cannot be read or used.
    Unusable(Error),
    /// Too few auditors vouch for the component, or the operator refuses what it leaves free.
    Unvouched(Vouching),
    /// The operator has not granted all that the plugin asks for: never [`Standing::Granted`].
    Ungranted(Standing),
    /// The running host has stopped it, or has not been able to start it: why.
    Stopped(String),
    /// A host runs, and it is not known what it does: what it reads cannot be read by whoever asks, or it could not say.
    Unknown(String),
}

/// Whether a plugin sends anything for one OctoPrint, for people.
#[derive(Debug)]
pub struct Answer {
    /// The rule that decides.
    pub sending: Sending,
    /// Where the variable that decides is set: for the running host rather than for this process.
    by_host: bool,
    /// Why the plugin's file does not run, where another version of it does.
    pub waiting: Option<String>,
}

impl Sending {
    /// Whether reports are sent.
    pub fn is_given(&self) -> bool {
        matches!(self, Self::Decided(Consent::Given))
    }

    /// Whether it is not known if reports are sent.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether that is a doubt: what the user or the operator wants cannot be read.
    pub fn is_doubt(&self) -> bool {
        matches!(self, Self::DamagedSettings { .. } | Self::Unusable(_))
    }

    /// Find the rule that decides for a plugin of the home, which is that of the OctoPrint: for the version that the
    /// running host runs, or else for the one in `plugins/`.
    pub fn of(home: &Home, name: &str) -> Answer {
        let host = home.running_host();
        let by_host = host.is_some();
        let veto = match host {
            None => consent::process_veto(),
            // If it cannot be read, reports may be sent: that is what has to be said.
            Some(host) => host.ok().and_then(|host| {
                let veto = host.veto?;
                consent::VARIABLES.into_iter().find(|known| *known == veto)
            }),
        };
        let permission = Permission::new(home, name, veto);
        if by_host && let Some(reason) = unreadable(home, name, &permission) {
            return Answer { sending: Self::Unknown(reason), by_host, waiting: None };
        }
        let running = if by_host { running::read(home, name) } else { None };
        let bytes = home.read_plugin(name);
        let file = bytes.as_ref().ok().map(|bytes| digest(bytes));
        let (sending, waiting) = match running {
            Some(Running { stopped: Some(reason), .. }) => match of_file(home, &permission, name, bytes) {
                Self::Decided(Consent::Given) => (Self::Stopped(reason), None),
                no => (no, None),
            },
            Some(Running { digest, .. }) if file.as_ref() != Some(&digest) => {
                let sending = permission.decide(&Component { digest: Some(&digest), manifest: None }).0;
                (sending, Some(file_of_another_version(home, &permission, name, bytes)))
            }
            Some(_) => (of_file(home, &permission, name, bytes), None),
            // Which version runs is not known: only what holds for any of them is a no.
            None if by_host => {
                let (sending, settings) = permission.decide(&Component { digest: None, manifest: None });
                let asked = bytes.and_then(|bytes| examine(name, &bytes)).ok();
                let known = asked.map_or(Ok(()), |asked| must_know_itself(home, name, asked.manifest(), &settings));
                match known {
                    // It may have started before that was so; or not at all, without being able to say so.
                    Err(error) if sending.is_given() => {
                        (Self::Unknown(format!("what the host runs is not known, and {error:#}")), None)
                    }
                    _ => (sending, None),
                }
            }
            None => (of_next_start(home, &permission, name, bytes), None),
        };
        Answer { sending, by_host, waiting }
    }

    /// The sentence that host, `status`, `list` and `doctor` say of the plugin with this name.
    pub fn sentence(&self, name: &str) -> String {
        let reason = match self {
            Self::Decided(Consent::Given) => {
                return format!("reports are sent while the host runs: {}", Consent::Given);
            }
            Self::Decided(consent) => consent.to_string(),
            Self::DamagedSettings { file, reason } => {
                format!("the settings file {} is damaged: {reason}", file.display())
            }
            Self::Unusable(error) => format!("{error:#}"),
            Self::Unvouched(vouching) => vouching.advice(name).unwrap_or_default(),
            Self::Ungranted(standing) => standing.advice(name).unwrap_or_default(),
            Self::Stopped(reason) => reason.clone(),
            Self::Unknown(reason) => return format!("reports may be sent: {reason}"),
        };
        format!("nothing is sent: {reason}")
    }
}

impl Answer {
    /// The sentence, and what the user can do about it. `option` is what makes a command be about this OctoPrint, such
    /// as ` --octoprint one`; empty where there is only one.
    pub fn in_words(&self, name: &str, option: &str) -> String {
        let sentence = self.sending.sentence(name);
        match &self.sending {
            Sending::DamagedSettings { .. } => {
                format!("{sentence} (fix it, or start over with: glassbox opt-in {name}{option})")
            }
            Sending::Decided(Consent::Variable(_)) if self.by_host => format!("{sentence} where the host was started"),
            Sending::Decided(Consent::Variable(_)) => format!("{sentence} here"),
            Sending::Decided(Consent::Refused | Consent::Undecided) => {
                format!("{sentence} (glassbox opt-in {name}{option})")
            }
            _ => sentence,
        }
    }
}

/// Which file that decides the running host may be able to read, and we are not; none if there is no such file.
fn unreadable(home: &Home, name: &str, permission: &Permission) -> Option<String> {
    let mut files = vec![home.settings_file(name)];
    // The others decide only what the user has said yes to.
    if permission.of_user().0.is_given() {
        files.extend([home.grant_file(name), home.config_file()]);
    }
    let file = files.into_iter().find(|file| is_denied(file))?;
    Some(format!("{} cannot be read here; ask as the user that the host runs as", file.display()))
}

/// The rule for the version in `plugins/`, while a host runs it: that has a salt, whatever has become of its file, but takes
/// no id that cannot be one.
fn of_file(
    home: &Home,
    permission: &Permission,
    name: &str,
    bytes: Result<Vec<u8>, glassbox_sandbox::Error>,
) -> Sending {
    of_file_if(permission, name, bytes, |manifest, settings| match &manifest.capabilities.http {
        Some(http) => identity::check_id(home, name, settings, &http.id_setting),
        None => Ok(()),
    })
}

/// The same for a host that starts now: it has to know who it is. One that runs knows that already, whatever has become
/// of the file.
fn of_next_start(
    home: &Home,
    permission: &Permission,
    name: &str,
    bytes: Result<Vec<u8>, glassbox_sandbox::Error>,
) -> Sending {
    of_file_if(permission, name, bytes, |manifest, settings| must_know_itself(home, name, manifest, settings))
}

/// Check that a host that starts now would know who it is: that there are an id and a salt, or they can be made.
fn must_know_itself(home: &Home, name: &str, manifest: &Manifest, settings: &Settings) -> Result<()> {
    match &manifest.capabilities.http {
        Some(http) => identity::look(home, name, settings, &http.id_setting).map(drop),
        None => Ok(()),
    }
}

/// The rule for the version in `plugins/`; where that is a yes, whatever else there must be decides.
fn of_file_if(
    permission: &Permission,
    name: &str,
    bytes: Result<Vec<u8>, glassbox_sandbox::Error>,
    check: impl Fn(&Manifest, &Settings) -> Result<()>,
) -> Sending {
    let examined = bytes.and_then(|bytes| Ok((digest(&bytes), examine(name, &bytes)?)));
    match examined {
        Ok((digest, asked)) => {
            let component = Component { digest: Some(&digest), manifest: Some(asked.manifest()) };
            let (sending, settings) = permission.decide(&component);
            match sending {
                Sending::Decided(Consent::Given) => {
                    check(asked.manifest(), &settings).map_or_else(Sending::Unusable, |()| sending)
                }
                no => no,
            }
        }
        Err(error) => permission.of_user_or(Sending::Unusable(error.into())),
    }
}

/// Why the version in `plugins/` does not run although another one does, for people.
fn file_of_another_version(
    home: &Home,
    permission: &Permission,
    name: &str,
    bytes: Result<Vec<u8>, glassbox_sandbox::Error>,
) -> String {
    let file = home.plugin_file(name);
    let why = match of_file(home, permission, name, bytes) {
        Sending::Unusable(error) => format!("{error:#}"),
        Sending::Unvouched(vouching) => vouching.advice(name).unwrap_or_default(),
        Sending::Ungranted(standing) => standing.advice(name).unwrap_or_default(),
        _ => "the journal says why: glassbox journal".into(),
    };
    format!("{} is another version, which does not run: {why}", file.display())
}

/// Whether the user has switched a plugin on. False where that is not clear.
pub fn is_on(home: &Home, name: &str) -> bool {
    Permission::new(home, name, None).of_user().0.is_given()
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
    let free = || examine(name, bytes).ok().map(|asked| free::all(&asked));
    Ok(attest::standing(home, home.config()?.policy.as_ref(), name, &digest(bytes), free))
}
