//! What an auditor signs: an in-toto Statement v1, <https://github.com/in-toto/attestation>, that ties a
//! component's digest to the findings of an audit. Signatures are in [`super::dsse`], and the rule for which
//! statements count in [`super::rule`].

use crate::home::config::audit_policy::{FULL_TRIALS, Minimum};
use glassbox_sandbox::printable;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The `_type` of a statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The `predicateType` of an audit by this program. It is a name; there is nothing to download.
pub const PREDICATE: &str = "urn:glassbox:audit:v1";

/// The [`Claim::kind`] of what the host enforces, whatever a component does.
pub const BY_CONSTRUCTION: &str = "by-construction";

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
    /// What was tried; none in statements of programs that did not say.
    #[serde(default)]
    pub tried: Option<Tried>,
    /// One for each claim of the report, in its order.
    pub verdicts: Vec<Claim>,
}

/// What an audit tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Tried {
    /// Whether it was run, in as many trials as a full audit has, and all of them were made; otherwise it was read only,
    /// there were fewer, or it ended early.
    pub full: bool,
    /// Trials of each input of each event.
    pub trials: usize,
    /// The seed of their random choices.
    pub seed: u64,
    /// The recorded cases through which it was run.
    pub corpora: Vec<TriedCorpus>,
}

/// A file of recorded cases.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TriedCorpus {
    /// Its name, without folders.
    pub name: String,
    /// The digest of its bytes.
    pub digest: Digest,
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
    /// For programs: one lower-case word; empty in statements of programs that did not say.
    #[serde(default)]
    pub name: String,
    /// What the verdict rests on: `by-construction`, `seen-in-trials` or `not-shown`.
    #[serde(default)]
    pub kind: String,
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

    /// Why it is not enough for what the operator asks of an audit, for people; none if it is.
    pub fn misses(&self, minimum: &Minimum) -> Option<String> {
        let tried = self.predicate.tried.clone().unwrap_or_default();
        // Earlier versions called any number of trials full.
        if minimum.full && !(tried.full && tried.trials >= FULL_TRIALS) {
            return Some(format!(
                "is of no full audit ({FULL_TRIALS} trials of each input or more, all of them made), which [policy] asks \
                 for unless it says full = false"
            ));
        }
        if tried.trials < minimum.trials {
            return Some(format!("is of {} trials, and [policy] asks for {}", tried.trials, minimum.trials));
        }
        let held = |name: &str| {
            let named = self.predicate.verdicts.iter().filter(|claim| claim.name == name);
            // What says different things of one claim says nothing.
            let [claim] = named.collect::<Vec<_>>()[..] else { return None };
            (claim.verdict == AttestedStatus::Holds).then_some(claim)
        };
        let constructed = |name: &str| held(name).is_some_and(|claim| claim.kind == BY_CONSTRUCTION);
        if let Some(name) = minimum.by_construction.iter().find(|name| !constructed(name)) {
            return Some(format!("does not show by construction '{}', which [policy] asks for", printable(name, 64)));
        }
        let missing = minimum.claims.iter().find(|name| held(name).is_none());
        missing.map(|name| format!("does not show '{}', which [policy] asks for", printable(name, 64)))
    }
}

#[cfg(feature = "audit")]
mod from_report {
    use super::{
        AttestedStatus, BY_CONSTRUCTION, Claim, Digest, PREDICATE, Predicate, STATEMENT, Statement, Subject, Tool,
        Tried, TriedCorpus,
    };
    use crate::VERSION;
    use anyhow::{Context, Result};
    use glassbox_audit::Report;
    use glassbox_audit::verdict::{ClaimStatus, ClaimVerdict, Kind};
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
                    tried: Some(tried(report)),
                    verdicts: report.verdicts.iter().map(claim).collect(),
                },
            })
        }
    }

    fn claim(one: &ClaimVerdict) -> Claim {
        let kind = match one.kind {
            Kind::ByConstruction => BY_CONSTRUCTION,
            Kind::SeenInTrials => "seen-in-trials",
            Kind::NotShown => "not-shown",
        };
        Claim { name: one.name.into(), kind: kind.into(), claim: one.claim.clone(), verdict: one.verdict.into() }
    }

    fn tried(report: &Report) -> Tried {
        let corpora = report.corpora.iter().map(|corpus| TriedCorpus {
            name: corpus.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            digest: Digest { sha256: corpus.sha256.clone() },
        });
        let flow = report.flow.as_ref();
        Tried {
            full: report.is_full(),
            trials: flow.map_or(0, |flow| flow.reached),
            seed: flow.map_or(0, |flow| flow.seed),
            corpora: corpora.collect(),
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
