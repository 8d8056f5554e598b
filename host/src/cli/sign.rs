//! `glassbox audit --sign`: signs the findings of an audit. Keys and statements are in [`glassbox::attest`].

use anyhow::{Context, Result};
use clap::Args;
use glassbox::attest::dsse::Envelope;
use glassbox::attest::{SecretKey, Statement, file};
use glassbox::home::attestations_beside;
use glassbox::system::wall_time;
use glassbox_audit::Report;
use jiff::SignedDuration;
use std::path::{Path, PathBuf};

/// The arguments of `glassbox audit` about signing.
#[derive(Debug, Args)]
pub struct Sign {
    /// Sign the findings with this key, for hosts that require signed audits.
    ///
    /// KEY is a file as 'openssl genpkey -algorithm ed25519' makes it. The findings are signed whether they are good
    /// or bad: the newest statement of each auditor counts.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// The file to which the signed statement is added [default: the component's, with .intoto.jsonl after its name].
    #[arg(long, value_name = "FILE", requires = "sign")]
    out: Option<PathBuf>,
    /// How many days the statement counts.
    #[arg(long, value_name = "DAYS", requires = "sign", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    valid_days: u16,
}

impl Sign {
    /// Read the key, if there is one. Called before the audit, so that a wrong key does not waste the time for it.
    pub fn key(&self) -> Result<Option<SecretKey>> {
        self.sign.as_deref().map(SecretKey::read).transpose()
    }

    /// Sign a report of this component; `text` is the report as it is published. Returns two lines for people.
    pub fn sign(&self, key: &SecretKey, component: &Path, report: &Report, text: &[u8]) -> Result<String> {
        let lasts = SignedDuration::from_hours(24 * i64::from(self.valid_days));
        let statement = Statement::of(report, text, wall_time(), lasts).context("it cannot be signed")?;
        let out = self.out.clone().unwrap_or_else(|| attestations_beside(component));
        file::add(&out, &Envelope::seal(&serde_json::to_vec(&statement)?, key))?;
        let said = statement.fails().unwrap_or_else(|| "good".into());
        Ok(format!(
            "signed   with key {} until {}: {said}\n         in {}",
            &key.public().id()[..12],
            statement.predicate.expires.strftime("%Y-%m-%d"),
            super::output::path(&out)
        ))
    }
}
