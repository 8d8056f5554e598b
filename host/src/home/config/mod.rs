//! `glassbox.toml`: what can be configured, and what a new home begins with.

pub mod audit_policy;
mod live;
pub mod mqtt;
pub mod octoprint;

pub use live::LiveConfig;

use super::Home;
use anyhow::{Context, Result, bail};
use audit_policy::{AuditPolicy, KEYS};
use glassbox_util::Advised;
use serde::Deserialize;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What an OctoPrint without a name is called.
pub const UNNAMED: &str = "octoprint";

/// What a new home has.
pub(crate) const INITIAL: &str = "\
# Glassbox's configuration. Everything here is optional.

# The program that tells a Raspberry Pi's throttle state.
# vcgencmd = \"vcgencmd\"

# Who may vouch for a tracking server of your own, beside the usual authorities: a PEM file with one
# certificate or more. Where it begins without a /, it is looked for in this folder.
# ca_file = \"authority.pem\"

# The OctoPrint that 'glassbox run' follows; a file with its API key is best left to you alone (chmod 600).
# Several have an entry each, and a name each: name = \"shop-1\"
# [[octoprint]]
# url = \"http://octopi.local\"
# api_key_file = \"octoprint-api-key\"

# Auditors of whom one must vouch for a component before it is loaded: their public keys, as 'openssl pkey
# -pubout' writes them, in files here or with a / from anywhere. For two of them: require = 2
# [policy]
# require_audit_by = [\"keys/alice.pub\", \"keys/bob.pub\"]

# A broker at which OctoPrints publish with the plugin OctoPrint-MQTT, and their base topics there.
# [[mqtt]]
# url = \"mqtt://broker.local\"
# octoprints = { mk3 = \"octoPrint/\", mk4 = \"farm/mk4/\" }
";

/// `glassbox.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The program that is asked for the throttle state.
    pub vcgencmd: PathBuf,
    /// Authorities to be trusted beside those that are built in.
    pub ca_file: Option<PathBuf>,
    /// Who must vouch for a component before it is loaded; nobody where it is not there.
    pub policy: Option<AuditPolicy>,
    /// The OctoPrints that are followed.
    pub octoprint: Vec<octoprint::OctoPrintEntry>,
    /// The brokers at which others publish.
    pub mqtt: Vec<mqtt::MqttEntry>,
}

impl Default for Config {
    fn default() -> Self {
        Self { vcgencmd: "vcgencmd".into(), ca_file: None, policy: None, octoprint: Vec::new(), mqtt: Vec::new() }
    }
}

impl Config {
    /// The names of all OctoPrints, in the order in which they are followed; none for one without. `file` is
    /// where the configuration stands.
    ///
    /// # Errors
    /// When a name cannot be one, or two OctoPrints cannot be told apart.
    pub fn names(&self, file: &Path) -> Result<Vec<Option<String>>> {
        let mut names = octoprint::names(&self.octoprint, file)?;
        for name in mqtt::names(&self.mqtt, file)? {
            let called = name.as_deref().unwrap_or(UNNAMED);
            if !octoprint::is_name(called) {
                bail!(
                    "{}: the name of an OctoPrint at a broker is 1 to 64 lower-case letters, digits and '-', and not \
                     '{}'; '{called}' is not",
                    file.display(),
                    octoprint::ALL
                );
            }
            if names.iter().any(|other| other.as_deref().unwrap_or(UNNAMED) == called) {
                let what = format!("{}: two OctoPrints are called '{called}'", file.display());
                return Err(Advised::new(what, "give each a name of its own").into());
            }
            names.push(name);
        }
        Ok(names)
    }
}

impl Home {
    /// Where the configuration is.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.root().join("glassbox.toml")
    }

    /// The configuration; defaults where there is no file.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong; the message says where.
    pub fn config(&self) -> Result<Config> {
        let file = self.config_file();
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Config::default()),
            text => text.with_context(|| format!("reading {}", file.display()))?,
        };
        let config: Config = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            let what = format!("{}, line {line}: {}", file.display(), error.message());
            Advised::new(what, "fix it, or remove the file")
        })?;
        if config.policy.as_ref().is_some_and(|policy| policy.require_audit_by.len() > KEYS) {
            bail!("{}: require_audit_by has more than {KEYS} keys, the most that are tried", file.display());
        }
        Ok(Config { ca_file: config.ca_file.map(|file| self.root().join(file)), ..config })
    }
}
