//! `glassbox.toml`: what can be configured, and the file that a new home begins with.

pub mod audit_policy;
mod live;
pub mod mqtt;
pub mod octoprint;

pub use live::LiveConfig;

use super::Home;
use crate::net::TlsTrust;
use crate::system::CommandLine;
use anyhow::{Context, Result, anyhow, bail};
use audit_policy::{AuditPolicy, KEYS};
use glassbox_util::files::read_bounded;
use glassbox_util::{Advised, encoding};
use serde::Deserialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What an OctoPrint without a name is called in the log and in messages.
pub const UNNAMED: &str = "octoprint";

/// The largest configuration, in bytes: hundreds of OctoPrints take less than a tenth of that.
const LARGEST: usize = 1 << 20;

/// The configuration of a new home.
pub(crate) const INITIAL: &str = "\
# Glassbox's configuration. Everything here is optional.
# The path of a file is meant from this folder, unless it begins with / or ~/.

# The program that reports a Raspberry Pi's throttle state, with arguments if need be: \"sudo -n vcgencmd\"
# vcgencmd = \"vcgencmd\"

# Certificates to trust besides those of the usual authorities: a PEM file with your own CA's, or with the very one that
# your server shows. 'glassbox trust URL' does without this.
# ca_file = \"authority.pem\"

# The OctoPrint that 'glassbox run' follows. Nobody but you should be able to read the API key (chmod 600).
# For several, give each an entry with a name: name = \"shop-1\"
# [[octoprint]]
# url = \"http://octopi.local\"
# api_key_file = \"octoprint-api-key\"
# If a proxy before it asks for a user name and a password (HTTP basic auth):
# user = \"pi\"
# password_file = \"octoprint-password\"

# Auditors, one of whom must vouch for a component before it is loaded: files with their public keys, as written
# by 'openssl pkey -pubout'. To require two of them: require = 2
# [policy]
# require_audit_by = [\"keys/alice.pub\", \"keys/bob.pub\"]
# Their audits must be full ones, with 200 trials of each input, unless this says: full = false
# And they must have more trials than that, and these claims, if you like:
# trials = 1000
# claims = [\"works\", \"conforms\"]
# by_construction = [\"enters\", \"says\"]
# And whether a component is refused that decides itself some of what it says, instead of having it granted.
# free = \"refuse\"
# And what does not leave, whoever says it: reports or fields, by name ('glassbox policy tracking --deny-field file').
# deny = [\"file\"]

# An MQTT broker to which OctoPrints publish with the plugin OctoPrint-MQTT, and their base topics.
# [[mqtt]]
# url = \"mqtt://broker.local\"
# octoprints = { mk3 = \"octoPrint/\", mk4 = \"farm/mk4/\" }
";

/// The content of `glassbox.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The program that is asked for the throttle state.
    pub vcgencmd: CommandLine,
    /// A PEM file with certificates to trust, of authorities or of servers, besides the authorities that are built in.
    pub ca_file: Option<PathBuf>,
    /// Who must vouch for a component before it is loaded, and what it may ask for; nobody and anything if there is none.
    pub policy: Option<AuditPolicy>,
    /// The OctoPrints to follow.
    pub octoprint: Vec<octoprint::OctoPrintEntry>,
    /// The brokers to which OctoPrints publish.
    pub mqtt: Vec<mqtt::MqttEntry>,
}

impl Default for Config {
    fn default() -> Self {
        Self { vcgencmd: "vcgencmd".into(), ca_file: None, policy: None, octoprint: Vec::new(), mqtt: Vec::new() }
    }
}

impl Config {
    /// The names of all OctoPrints, in the order in which they are followed; none for one without a name. `file` is
    /// where the configuration was read, for messages.
    ///
    /// # Errors
    /// When a name is not valid, or two OctoPrints cannot be told apart; with advice.
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
    /// The configuration's file.
    pub fn config_file(&self) -> PathBuf {
        self.root().join("glassbox.toml")
    }

    /// The configuration; the default if there is no file.
    ///
    /// # Errors
    /// When the file cannot be read or is not valid; the message names the line, with advice.
    pub fn config(&self) -> Result<Config> {
        self.parse_config(&self.config_bytes()?)
    }

    /// The file with the certificates that `glassbox trust` was told to trust.
    pub fn trusted_file(&self) -> PathBuf {
        self.root().join("trusted.pem")
    }

    /// Whose certificates are trusted with this configuration.
    ///
    /// # Errors
    /// When a file with certificates cannot be used; the message names it.
    pub fn trust(&self, config: &Config) -> Result<TlsTrust> {
        TlsTrust::load(config.ca_file.as_deref(), &self.trusted_file())
    }

    /// The configuration as it is in its file; nothing if there is no file, which is the default configuration.
    ///
    /// # Errors
    /// When the file cannot be read; the message names it.
    pub fn config_bytes(&self) -> Result<Vec<u8>> {
        let file = self.config_file();
        match read_bounded(&file, LARGEST) {
            // A link that leads nowhere is not nothing: what it led to may have had a [policy].
            Err(error) if error.kind() == ErrorKind::NotFound && !file.is_symlink() => Ok(Vec::new()),
            bytes => bytes.with_context(|| format!("reading {}", file.display())),
        }
    }

    /// The configuration in a file with these bytes.
    ///
    /// # Errors
    /// When it is not valid; the message names the line, with advice.
    pub fn parse_config(&self, bytes: &[u8]) -> Result<Config> {
        let file = self.config_file();
        let text = encoding::text(bytes).map_err(|reason| anyhow!("{}: {reason}", file.display()))?;
        let config: Config = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            let what = format!("{}, line {line}: {}", file.display(), error.message());
            Advised::new(what, "fix it, or remove the file")
        })?;
        if config.policy.as_ref().is_some_and(|policy| policy.require_audit_by.len() > KEYS) {
            bail!("{}: require_audit_by has more than {KEYS} keys, the most that are tried", file.display());
        }
        Ok(Config { ca_file: config.ca_file.map(|file| self.path(&file)), ..config })
    }
}
