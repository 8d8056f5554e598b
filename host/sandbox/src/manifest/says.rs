//! What a tracker may say: its requests, and where the host takes their values from.

use super::either::one_or_many;
use crate::version::Versions;
use serde::{Deserialize, Serialize};

/// A request that may be sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Says {
    /// Its name, which several pinned requests may share; it may contain one variable in braces: `commerror_{reason}`.
    pub request: String,
    /// `GET`, with the fields as a query, or `POST`, with the fields as a form.
    pub method: crate::Method,
    /// The rule for the variable in the name; there must be one if, and only if, there is a variable.
    pub variable: Option<Variable>,
    /// The setting that turns it off where it is `false`, as a path: `events.printjob`.
    pub switch: Option<String>,
    /// In the handling of which events it may be sent, `tick` among them, once in each. If any is given, the request is
    /// **pinned**: the host makes it itself, and only that passes. None: it is **free**.
    #[serde(default)]
    pub on: Vec<String>,
    /// It is due when a run of OctoPrint begins, and then in this rhythm until the run ends.
    pub every: Option<Every>,
    /// It may be sent once after each event of this name. On a tick, it is due [`after`](Self::after) that.
    pub once: Option<String>,
    /// Seconds from that event until it is due.
    #[serde(default)]
    pub after: u32,
    /// It is not due any more when this event is heard.
    pub until: Option<String>,
    /// Of which versions of OctoPrint: `<1.12` or `>=1.12`.
    pub octoprint: Option<Versions>,
    /// Its fields. They are sent in this order, each at most once: order and repetition could carry a message.
    pub fields: Vec<Field>,
}

/// A field of a request. (Serde checks for unknown keys here, and not in what is flattened into it.)
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether it may be left out.
    #[serde(default)]
    pub optional: bool,
    /// The setting that turns this field off, beside the request's own.
    pub switch: Option<String>,
    /// Where the host takes its value from: `PrintDone.time`, `hardware.cores` or `throttle.mask`. Of several sources, the
    /// first that has a value that fits counts. If there is none, the field is **free**, unless it is a constant of a
    /// pinned request.
    #[serde(default, deserialize_with = "one_or_many")]
    pub from: Vec<String>,
    /// Its value where no source has one.
    pub unknown: Option<String>,
    /// It is a number of seconds, which has grown since the event was heard.
    #[serde(default)]
    pub grows: bool,
    /// A condition without which the field is left out.
    #[serde(rename = "if")]
    pub condition: Option<Condition>,
    /// Of which versions of OctoPrint, as in [`Says::octoprint`].
    pub octoprint: Option<Versions>,
    /// What its value may be.
    #[serde(flatten)]
    pub rule: Rule,
}

/// A condition of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Condition {
    /// The machine is throttled, or was since it booted.
    #[serde(rename = "throttle.issue")]
    ThrottleIssue,
}

/// The rule for a variable in a request's name.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Where the host takes it from, as in [`Field::from`].
    #[serde(default, deserialize_with = "one_or_many")]
    pub from: Vec<String>,
    /// What it may be.
    #[serde(flatten)]
    pub rule: Rule,
}

/// A rhythm.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// The setting that holds the seconds, as a path; 0, and what is no whole number, means never.
    pub setting: String,
    /// The seconds where the setting is not set.
    pub default: u64,
}

/// What a value may be. At least one of these must be given, and all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Exactly this text.
    #[serde(rename = "const")]
    pub constant: Option<String>,
    /// One of these texts.
    #[serde(rename = "enum")]
    pub one_of: Option<Vec<String>>,
    /// A regular expression that the whole value must match.
    pub pattern: Option<String>,
    /// The most characters; [`crate::limits::VALUE_CHARS`] if this is not given. By itself it allows free text.
    pub max_length: Option<usize>,
}
