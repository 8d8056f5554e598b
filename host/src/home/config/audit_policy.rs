//! `[policy]` in `glassbox.toml`: which auditors must vouch for a component before it is loaded, and whether it may decide
//! itself what it says; and what may not leave, whoever says it.

use serde::Deserialize;
use std::num::NonZeroUsize;

/// The most keys that a policy may name: each is tried on each signature, which takes time.
pub const KEYS: usize = 16;

/// The most entries of `deny`: each is compared with each report.
pub const DENIED: usize = 64;

/// Things that are free, in a sentence about a component that is refused for them.
const NAMED: usize = 5;

/// The trials of each input that make an audit a full one.
pub const FULL_TRIALS: usize = 200;
#[cfg(feature = "audit")]
const _: () = assert!(FULL_TRIALS == glassbox_audit::flow::FULL_TRIALS);

/// How many of which auditors must vouch for a component, and what it may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct AuditPolicy {
    /// Files with public keys; or the keys themselves.
    pub require_audit_by: Vec<String>,
    /// How many of them at least; 0 if no keys are asked for. If it is more than there are keys, nothing is loaded:
    /// removing a key must not make the policy weaker.
    pub require: usize,
    /// What their audits must have tried and shown.
    pub minimum: Minimum,
    /// What happens to a component that decides itself some of what it says.
    pub free: Free,
    /// What may not leave: names of reports, of fields, or `report.field`.
    pub deny: Vec<String>,
}

/// What an audit must have tried and shown, for its statement to count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minimum {
    /// Whether it must be a full audit: the component was run, in at least [`FULL_TRIALS`] trials of each input, and all
    /// of them were made. An audit with `--quick` is none of these. In `[policy]` it must, unless that says otherwise.
    pub full: bool,
    /// At least so many trials of each input of each event.
    pub trials: usize,
    /// Claims that must hold, by name.
    pub claims: Vec<String>,
    /// Claims that must hold by construction, by name.
    pub by_construction: Vec<String>,
}

impl Minimum {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What happens to a component whose manifest leaves something free: a report, a field, or what enters without a report
/// that needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Free {
    /// It is granted like anything else.
    #[default]
    Grant,
    /// It is not run, whatever was granted.
    Refuse,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    require_audit_by: Option<Vec<String>>,
    require: Option<NonZeroUsize>,
    free: Option<Free>,
    deny: Option<Vec<String>>,
    full: Option<bool>,
    #[serde(default)]
    trials: usize,
    #[serde(default)]
    claims: Vec<String>,
    #[serde(default)]
    by_construction: Vec<String>,
}

impl TryFrom<Written> for AuditPolicy {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { require_audit_by, require, free, deny, full, trials, claims, by_construction } = written;
        let about_audits = require.is_some() || full.is_some();
        // Keys without a word of what their audits must be ask for full ones: that one was quick is easily overlooked.
        let full = full.unwrap_or(require_audit_by.is_some());
        let minimum = Minimum { full, trials, claims, by_construction };
        let alone = free.is_some() || deny.is_some();
        if require_audit_by.is_none() && (about_audits || !alone || !minimum.is_none()) {
            return Err("missing field `require_audit_by`");
        }
        let deny = deny.unwrap_or_default();
        if deny.len() > DENIED {
            return Err("deny has more than 64 entries");
        }
        let require = if require_audit_by.is_some() { require.map_or(1, NonZeroUsize::get) } else { 0 };
        let require_audit_by = require_audit_by.unwrap_or_default();
        Ok(Self { require_audit_by, require, minimum, free: free.unwrap_or_default(), deny })
    }
}

impl AuditPolicy {
    /// The entry of `deny` for which a report with this name and these fields may not leave; none if it may.
    pub fn denies<'a>(&self, report: &str, fields: impl Iterator<Item = &'a str> + Clone) -> Option<&str> {
        let has = |field: &str| fields.clone().any(|one| one == field);
        let denied = |entry: &&String| match entry.split_once('.') {
            Some((name, field)) => is_report(name, report) && has(field),
            None => is_report(entry, report) || has(entry),
        };
        self.deny.iter().find(denied).map(String::as_str)
    }

    /// Why a plugin is not run for what its manifest leaves free, for people; none if it may run. `free` are the names of
    /// that; it is not called where it does not matter. None: its manifest cannot be read.
    pub fn refusal(&self, plugin: &str, free: impl FnOnce() -> Option<Vec<String>>) -> Option<String> {
        if self.free == Free::Grant {
            return None;
        }
        let begin = "refused: [policy] in glassbox.toml has free = \"refuse\", and";
        let Some(free) = free() else { return Some(format!("{begin} what it asks for cannot be read")) };
        let more = match free.len().saturating_sub(NAMED) {
            _ if free.is_empty() => return None,
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let named: Vec<_> = free.iter().take(NAMED).map(String::as_str).collect();
        Some(format!(
            "{begin} this is free in its manifest: {}{more} ('glassbox policy {plugin}' shows it)",
            named.join(", ")
        ))
    }
}

/// Whether this is the report's name; or the one in the manifest, as `commerror_{reason}`, where that has a variable in it.
fn is_report(entry: &str, report: &str) -> bool {
    let parts = entry.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?.1)));
    let fits = |(before, after)| report.strip_prefix(before).is_some_and(|rest: &str| rest.ends_with(after));
    entry == report || parts.is_some_and(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_is_a_report_a_field_or_one_of_the_other() {
        let policy: AuditPolicy =
            toml::from_str(r#"deny = ["file", "ping", "print_done.elapsed", "commerror_{reason}"]"#).unwrap();
        let denies = |report, fields: &[&str]| policy.denies(report, fields.iter().copied()).map(String::from);
        for (report, fields, by) in [
            ("print_started", &["origin", "file"][..], Some("file")),
            ("print_started", &["origin"], None),
            ("ping", &[], Some("ping")),
            ("print_done", &["elapsed"], Some("print_done.elapsed")),
            ("print_failed", &["elapsed"], None),
            ("commerror_timeout", &[], Some("commerror_{reason}")),
            ("commerror_{reason}", &[], Some("commerror_{reason}")),
            ("commerro", &[], None),
        ] {
            assert_eq!(denies(report, fields).as_deref(), by, "{report} {fields:?}");
        }
        assert!(toml::from_str::<AuditPolicy>("require = 1\ndeny = []").is_err());
        let many = format!("deny = [{}]", "\"a\",".repeat(DENIED + 1));
        assert!(toml::from_str::<AuditPolicy>(&many).is_err());
    }
}
