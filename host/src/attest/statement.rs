//! What an auditor signs: an in-toto Statement v1, <https://github.com/in-toto/attestation>, that ties a
//! component's digest to the findings of an audit. Signatures are in [`super::dsse`], and the rule for which
//! statements count in [`super::rule`].

use glassbox_sandbox::printable;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The `_type` of a statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The `predicateType` of an audit by this program. It is a name; there is nothing to download.
pub const PREDICATE: &str = "urn:glassbox:audit:v1";

/// A statement. Unknown keys are ignored, as the format requires.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// [`STATEMENT`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// The files that it is about.
    pub subject: Vec<Subject>,
    /// [`PREDICATE`].
    pub predicate_type: String,
    /// What it says about them.
    pub predicate: Predicate,
}

/// A file that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Subject {
    /// Its name, without folders: `NAME.wasm`.
    pub name: String,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// The digest of a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Digest {
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// A summary of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Predicate {
    /// The plugin's name, from its manifest.
    pub plugin: String,
    /// The program that audited it.
    pub auditor: Tool,
    /// When it was signed.
    pub time: Timestamp,
    /// When it stops counting.
    pub expires: Timestamp,
    /// The digest of the whole report, as `glassbox audit --json` prints it.
    pub report: Digest,
    /// One for each claim of the report, in its order.
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

/// A claim about the component, and whether the auditor found it to be true.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Claim {
    /// The claim, as a sentence.
    pub claim: String,
    /// The auditor's verdict. A statement with any other word here is not accepted.
    pub verdict: AttestedStatus,
}

/// An auditor's verdict on one claim. This is the signed format, so it does not depend on the crate that
/// makes audits: a host without it checks signatures all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttestedStatus {
    /// It was examined, and nothing speaks against it.
    Holds,
    /// Something speaks against it.
    Fails,
    /// It was not examined, or not enough.
    NotShown,
}

impl Statement {
    /// Read the payload of a signed envelope.
    ///
    /// # Errors
    /// When it is not a statement about an audit by this program. The text says why; it is a note for people,
    /// and is shown as it is.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        // The type first: a predicate of another kind is not a damaged one of ours.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Types {
            #[serde(rename = "_type")]
            kind: String,
            predicate_type: String,
        }
        let what = |error: serde_json::Error| format!("it is not a statement of an audit: {error}");
        let types: Types = serde_json::from_slice(body).map_err(what)?;
        for (found, ours) in [(&types.kind, STATEMENT), (&types.predicate_type, PREDICATE)] {
            if found != ours {
                return Err(format!("it is '{}', and not '{ours}'", printable(found, 80)));
            }
        }
        serde_json::from_slice(body).map_err(what)
    }

    /// Why it does not vouch for the component, for people: the first five failed claims, or that no claim was
    /// shown to hold. None if it vouches for it.
    #[must_use]
    pub fn fails(&self) -> Option<String> {
        let verdicts = &self.predicate.verdicts;
        let failed = verdicts.iter().filter(|claim| claim.verdict == AttestedStatus::Fails);
        let failed: Vec<_> = failed.map(|claim| printable(&claim.claim, 120)).take(5).collect();
        match verdicts.iter().any(|claim| claim.verdict == AttestedStatus::Holds) {
            _ if !failed.is_empty() => Some(format!("fails: {}", failed.join("; "))),
            true => None,
            false => Some("shows nothing".into()),
        }
    }
}

#[cfg(feature = "audit")]
mod from_report {
    use super::{AttestedStatus, Claim, Digest, PREDICATE, Predicate, STATEMENT, Statement, Subject, Tool};
    use crate::VERSION;
    use anyhow::{Context, Result};
    use glassbox_audit::Report;
    use glassbox_audit::verdict::ClaimStatus;
    use glassbox_sandbox::digest;
    use jiff::{SignedDuration, Timestamp};

    impl Statement {
        /// The statement about a report. `text` is the report as it is published, byte for byte; the statement
        /// counts from `time` on, for as long as `lasts`.
        ///
        /// # Errors
        /// When the component has no manifest, and so no name; or when it would expire beyond the year 9999.
        pub fn of(report: &Report, text: &[u8], time: Timestamp, lasts: SignedDuration) -> Result<Self> {
            let manifest = report.manifest.as_ref();
            let manifest =
                manifest.context("it has no manifest, so it is not a plugin that anybody could vouch for")?;
            let plugin = manifest.plugin.name.clone();
            let digest_of_component = Digest { sha256: report.digest.clone() };
            let verdicts = report.verdicts.iter();
            let verdicts = verdicts.map(|one| Claim { claim: one.claim.into(), verdict: one.verdict.into() }).collect();
            Ok(Self {
                kind: STATEMENT.into(),
                subject: vec![Subject { name: format!("{plugin}.wasm"), digest: digest_of_component }],
                predicate_type: PREDICATE.into(),
                predicate: Predicate {
                    plugin,
                    auditor: Tool { name: "glassbox".into(), version: VERSION.into() },
                    time,
                    expires: time.checked_add(lasts).context("the statement would expire beyond the year 9999")?,
                    report: Digest { sha256: digest(text) },
                    verdicts,
                },
            })
        }
    }

    impl From<ClaimStatus> for AttestedStatus {
        fn from(status: ClaimStatus) -> Self {
            match status {
                ClaimStatus::Holds => Self::Holds,
                ClaimStatus::Fails => Self::Fails,
                ClaimStatus::NotShown => Self::NotShown,
            }
        }
    }
}
