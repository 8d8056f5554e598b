//! `audit --sign`: puts what an audit found under an auditor's signature.

use anyhow::{Context, Result};
use clap::Args;
use glassbox::attest::dsse::Envelope;
use glassbox::attest::{SecretKey, Statement, file};
use glassbox::home::attestations_beside;
use glassbox_audit::Report;
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};

/// Whether and how a report is signed.
#[derive(Debug, Args)]
pub struct Sign {
    /// Sign what was found, for hosts that require it.
    ///
    /// KEY is what 'openssl genpkey -algorithm ed25519' makes. The statement is signed whether what was found is
    /// good or bad: of each auditor the newest counts.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Where the signed statement is added [default: beside the component, with .intoto.jsonl after its name].
    #[arg(long, value_name = "FILE", requires = "sign")]
    out: Option<PathBuf>,
    /// For how long it counts.
    #[arg(long, value_name = "DAYS", requires = "sign", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    valid_days: u16,
}

impl Sign {
    /// The key, if it is to be signed; before the work is done that may be in vain.
    pub fn key(&self) -> Result<Option<SecretKey>> {
        self.sign.as_deref().map(SecretKey::read).transpose()
    }

    /// Sign a report of this component; `text` is the report as it is published. Returns what was done.
    pub fn sign(&self, key: &SecretKey, component: &Path, report: &Report, text: &[u8]) -> Result<String> {
        let lasts = SignedDuration::from_hours(24 * i64::from(self.valid_days));
        let statement = Statement::of(report, text, Timestamp::now(), lasts).context("it cannot be signed")?;
        let out = self.out.clone().unwrap_or_else(|| attestations_beside(component));
        file::add(&out, &Envelope::seal(&serde_json::to_vec(&statement)?, key))?;
        let said = statement.fails().unwrap_or_else(|| "good".into());
        Ok(format!(
            "signed   with key {} until {}: {said}\n         in {}",
            &key.public().id()[..12],
            statement.predicate.expires.strftime("%Y-%m-%d"),
            out.display()
        ))
    }
}
