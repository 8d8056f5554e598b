//! What two versions send in the same recorded cases, and how that differs, in groups that a reviewer can
//! read: a hundred cases in which one field is new are one change.

use crate::conformance::{Cases, Request, replay};
use glassbox_sandbox::{Plugin, printable};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What came of one corpus.
#[derive(Debug, Serialize)]
pub struct Behaviour {
    /// The file.
    pub corpus: PathBuf,
    /// Its cases.
    pub cases: usize,
    /// Those in which both sent the same bytes.
    pub same: usize,
    /// All else. A case may be in several.
    pub groups: Vec<Group>,
}

/// Cases in which the same changed.
#[derive(Debug, Serialize)]
pub struct Group {
    /// The event that each ends with.
    pub event: String,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
    /// How many cases.
    pub cases: usize,
    /// The first of them.
    pub example: Example,
}

/// One case, in full.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// Its name.
    pub case: String,
    /// What the old version sent.
    pub old: Vec<Request>,
    /// What the new version sends.
    pub new: Vec<Request>,
}

/// How what is sent changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// It tries to send what its manifest does not declare, and is stopped.
    Undeclared {
        /// Why it was stopped.
        reason: String,
    },
    /// A report that was not sent.
    Sends {
        /// The report.
        report: String,
    },
    /// A field that was not in a report.
    Adds {
        /// The report.
        report: String,
        /// The field.
        field: String,
    },
    /// A field with another value.
    Alters {
        /// The report.
        report: String,
        /// The field.
        field: String,
    },
    /// The same reports or fields, but in another order, by another method, to another path or as another agent.
    Shape {
        /// The report, or all of them.
        report: String,
    },
    /// It fails where it did not.
    Fails {
        /// How.
        reason: String,
    },
    /// A report that is not sent any more.
    Silent {
        /// The report.
        report: String,
    },
    /// A field that is not in a report any more.
    Drops {
        /// The report.
        report: String,
        /// The field.
        field: String,
    },
}

impl Change {
    /// Whether something is said that was not said before.
    #[must_use]
    pub fn is_more(&self) -> bool {
        !matches!(self, Self::Silent { .. } | Self::Drops { .. } | Self::Fails { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undeclared { reason } => write!(f, "tries to send what is not declared: {}", printable(reason, 200)),
            Self::Sends { report } => write!(f, "{report} is sent, and was not"),
            Self::Adds { report, field } => write!(f, "{report} has {field}, and had not"),
            Self::Alters { report, field } => write!(f, "{report} has another {field}"),
            Self::Shape { report } => write!(f, "{report}: another order, method, path or user agent"),
            Self::Fails { reason } => write!(f, "it fails, and did not: {}", printable(reason, 200)),
            Self::Silent { report } => write!(f, "{report} is sent no more"),
            Self::Drops { report, field } => write!(f, "{report} has {field} no more"),
        }
    }
}

impl Behaviour {
    pub(super) fn of(old: &Arc<Plugin>, new: &Arc<Plugin>, recorded: &Cases) -> Self {
        let mut same = 0;
        let mut groups: BTreeMap<(Change, String), Group> = BTreeMap::new();
        for case in &recorded.cases {
            let (was, is) = (replay::run(old, case), replay::run(new, case));
            let changes = changes(&was, &is);
            same += usize::from(changes.is_empty());
            for change in changes {
                let event = case.last_event().to_string();
                let group = groups.entry((change.clone(), event.clone())).or_insert_with(|| Group {
                    event,
                    change,
                    cases: 0,
                    example: Example { case: case.name.clone(), old: was.sent.clone(), new: is.sent.clone() },
                });
                group.cases += 1;
            }
        }
        let (corpus, cases) = (recorded.file.clone(), recorded.cases.len());
        Self { corpus, cases, same, groups: groups.into_values().collect() }
    }

    /// Whether something is said that was not said before.
    #[must_use]
    pub fn is_more(&self) -> bool {
        self.groups.iter().any(|group| group.change.is_more())
    }
}

/// All that is different, each once.
fn changes(old: &replay::Run, new: &replay::Run) -> Vec<Change> {
    let mut found = Vec::new();
    if let (Some(reason), None) = (&new.failed, &old.failed) {
        found.push(Change::Fails { reason: reason.clone() });
    }
    for blocked in &new.undeclared {
        let same =
            |before: &&glassbox_sandbox::Blocked| before.reason == blocked.reason && before.request == blocked.request;
        if !old.undeclared.iter().any(|before| same(&before)) {
            found.push(Change::Undeclared { reason: format!("{}: {}", blocked.request, blocked.reason) });
        }
    }
    sent(&old.sent, &new.sent, &mut found);
    found.sort();
    found.dedup();
    found
}

/// The n-th report of a name is compared with the n-th one before.
fn sent(old: &[Request], new: &[Request], found: &mut Vec<Change>) {
    let numbered = |requests: &[Request]| -> BTreeMap<(String, usize), Request> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let number = |request: &Request| {
            let count = counts.entry(request.kind().into()).or_default();
            *count += 1;
            ((request.kind().to_string(), *count), request.clone())
        };
        requests.iter().map(number).collect()
    };
    let (was, is) = (numbered(old), numbered(new));
    let mut alike = was.len() == is.len();
    for (key, request) in &is {
        let report = key.0.clone();
        match was.get(key) {
            None => found.push(Change::Sends { report }),
            Some(before) if before != request => fields(before, request, &report, found),
            Some(_) => continue,
        }
        alike = false;
    }
    let gone = was.keys().filter(|key| !is.contains_key(*key));
    found.extend(gone.map(|(report, _)| Change::Silent { report: report.clone() }));
    if alike && old != new {
        found.push(Change::Shape { report: "all".into() });
    }
}

/// How one report differs from the one before; it does.
fn fields(old: &Request, new: &Request, report: &str, found: &mut Vec<Change>) {
    let before = found.len();
    let (was, is) = (old.fields(), new.fields());
    let names = |fields: &[(&str, &str)]| -> Vec<String> { fields.iter().map(|(name, _)| (*name).into()).collect() };
    for (name, value) in &is {
        let (report, field) = (report.to_string(), (*name).to_string());
        match was.iter().find(|(other, _)| other == name) {
            None => found.push(Change::Adds { report, field }),
            Some((_, other)) if other != value => found.push(Change::Alters { report, field }),
            Some(_) => {}
        }
    }
    for (name, _) in was.iter().filter(|(name, _)| !is.iter().any(|(other, _)| other == name)) {
        found.push(Change::Drops { report: report.into(), field: (*name).into() });
    }
    let (was_names, is_names) = (names(&was), names(&is));
    let common = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|name| those.contains(name)).cloned().collect()
    };
    let order = common(&was_names, &is_names) != common(&is_names, &was_names);
    let around = (&old.method, &old.path, &old.user_agent) != (&new.method, &new.path, &new.user_agent);
    // What none of these explains is a change of shape, too.
    if order || around || found.len() == before {
        found.push(Change::Shape { report: report.into() });
    }
}
