//! `glassbox.toml`: what can be configured, and what a new home begins with.

use crate::home::Home;
use crate::octoprint::Entry;
use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

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
";

/// `glassbox.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The program that is asked for the throttle state.
    pub vcgencmd: PathBuf,
    /// Authorities to be trusted beside those that are built in.
    pub ca_file: Option<PathBuf>,
    /// The OctoPrints that are followed.
    pub octoprint: Vec<Entry>,
}

impl Default for Config {
    fn default() -> Self {
        Self { vcgencmd: "vcgencmd".into(), ca_file: None, octoprint: Vec::new() }
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
            anyhow!("{}, line {line}: {}; mend it, or remove the file", file.display(), error.message())
        })?;
        Ok(Config { ca_file: config.ca_file.map(|file| self.root().join(file)), ..config })
    }
}
