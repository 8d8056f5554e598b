//! What is signed: an in-toto Statement, <https://github.com/in-toto/attestation>, v1, that binds a
//! component's digest to what an audit found. Who signed it, and whether that counts, is elsewhere.

use crate::VERSION;
use anyhow::{Context, Result};
use glassbox_audit::Report;
use glassbox_audit::verdict::Holds;
use glassbox_sandbox::{digest, printable};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The format.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// What it says of its subject: an audit, as this program makes it. The name is not an address.
pub const PREDICATE: &str = "urn:glassbox:audit:v1";

/// A statement. Keys that are not known are ignored, as the format demands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// [`STATEMENT`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// [`PREDICATE`].
    pub predicate_type: String,
    /// What is said.
    pub predicate: Predicate,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
}

/// A digest of a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Digest {
    /// In hex, with small letters.
    pub sha256: String,
}

/// An audit, in short.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Predicate {
    /// The plugin, by its manifest's name.
    pub plugin: String,
    /// What it was audited with.
    pub auditor: Tool,
    /// When it was signed.
    pub time: Timestamp,
    /// From when on it counts no more.
    pub expires: Timestamp,
    /// The whole report, as `audit --json` prints it.
    pub report: Digest,
    /// A line for each claim.
    pub verdicts: Vec<Claim>,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What was found of one claim.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Claim {
    /// The claim.
    pub claim: String,
    /// What became of it. A word that is not among these is not a statement of ours.
    pub verdict: Holds,
}

impl Statement {
    /// What a report says. `text` is the report as it is published.
    ///
    /// # Errors
    /// When it is about nothing that has a name.
    pub fn of(report: &Report, text: &[u8], time: Timestamp, lasts: SignedDuration) -> Result<Self> {
        let manifest = report.manifest.as_ref().context("it has no manifest, so it is not a plugin to vouch for")?;
        let plugin = manifest.plugin.name.clone();
        Ok(Self {
            kind: STATEMENT.into(),
            subject: vec![Subject { name: format!("{plugin}.wasm"), digest: Digest { sha256: report.digest.clone() } }],
            predicate_type: PREDICATE.into(),
            predicate: Predicate {
                plugin,
                auditor: Tool { name: "glassbox".into(), version: VERSION.into() },
                time,
                expires: time.checked_add(lasts).context("that is too far away")?,
                report: Digest { sha256: digest(text) },
                verdicts: claims(report),
            },
        })
    }

    /// Read what was signed.
    ///
    /// # Errors
    /// When it is not a statement of ours; the message says why.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        // First what it is: another kind of predicate is not a damaged one of ours.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            #[serde(rename = "_type")]
            kind: String,
            predicate_type: String,
        }
        let what = |error: serde_json::Error| format!("it is not a statement of an audit: {error}");
        let kind: Kind = serde_json::from_slice(body).map_err(what)?;
        for (is, ours) in [(&kind.kind, STATEMENT), (&kind.predicate_type, PREDICATE)] {
            if is != ours {
                return Err(format!("it is '{}', and not '{ours}'", printable(is, 80)));
            }
        }
        serde_json::from_slice(body).map_err(what)
    }

    /// The claims that fail; none where it says nothing at all is no good sign either.
    #[must_use]
    pub fn fails(&self) -> Option<String> {
        let verdicts = &self.predicate.verdicts;
        let failed = verdicts.iter().filter(|claim| claim.verdict == Holds::Fails);
        let failed: Vec<_> = failed.map(|claim| printable(&claim.claim, 120)).take(5).collect();
        match verdicts.iter().any(|claim| claim.verdict == Holds::Holds) {
            _ if !failed.is_empty() => Some(format!("fails: {}", failed.join("; "))),
            true => None,
            false => Some("shows nothing".into()),
        }
    }
}

/// What a report claims.
fn claims(report: &Report) -> Vec<Claim> {
    let claims = report.verdicts.iter();
    claims.map(|verdict| Claim { claim: verdict.claim.into(), verdict: verdict.verdict }).collect()
}
