//! Compares what two versions send in the same recorded cases, and sorts the differences into groups that a reviewer
//! can read: a hundred cases in which the same field is new are one change.

use crate::conformance::{Corpus, RecordedRequest, replay};
use glassbox_sandbox::{Plugin, printable};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How two versions differ in the cases of one corpus.
#[derive(Debug, Serialize)]
pub struct Behaviour {
    /// The corpus's file.
    pub corpus: PathBuf,
    /// How many cases it has.
    pub cases: usize,
    /// In how many of them both versions sent the same bytes.
    pub same: usize,
    /// The differences in all others. A case may be in several groups.
    pub groups: Vec<Group>,
}

/// Corpus in which the same changed.
#[derive(Debug, Serialize)]
pub struct Group {
    /// The name of the event that each of them ends with.
    pub event: String,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// How many cases there are.
    pub cases: usize,
    /// The first of them, in full.
    pub example: Example,
}

/// A case, with everything that was sent in it.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// Its name.
    pub case: String,
    /// What the old version sent.
    pub old: Vec<RecordedRequest>,
    /// What the new version sends.
    pub new: Vec<RecordedRequest>,
}

/// A change in what is sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// It tries to send something that its manifest does not declare, and is blocked.
    Undeclared {
        /// What was blocked, and why.
        reason: String,
    },
    /// It sends a report that was not sent.
    Sends {
        /// The report.
        report: String,
    },
    /// It adds a field to a report.
    Adds {
        /// The report.
        report: String,
        /// The field.
        field: String,
    },
    /// It sends another value in a field.
    Alters {
        /// The report.
        report: String,
        /// The field.
        field: String,
    },
    /// It sends the same reports or fields in another order, by another method, to another path, or with another
    /// user agent.
    Shape {
        /// The report; `all` for the order of reports.
        report: String,
    },
    /// It fails where it did not fail.
    Fails {
        /// How it fails.
        reason: String,
    },
    /// It no longer sends a report.
    Silent {
        /// The report.
        report: String,
    },
    /// It no longer has a field in a report.
    Drops {
        /// The report.
        report: String,
        /// The field.
        field: String,
    },
}

impl Change {
    /// Whether it sends something that it did not send before.
    pub fn is_more(&self) -> bool {
        !matches!(self, Self::Silent { .. } | Self::Drops { .. } | Self::Fails { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undeclared { reason } => {
                write!(f, "it tries to send something that is not declared: {}", printable(reason, 200))
            }
            Self::Sends { report } => write!(f, "{report} is now sent"),
            Self::Adds { report, field } => write!(f, "{report} now has {field}"),
            Self::Alters { report, field } => write!(f, "{report} has another {field}"),
            Self::Shape { report } => write!(f, "{report}: another order, method, path or user agent"),
            Self::Fails { reason } => write!(f, "it now fails: {}", printable(reason, 200)),
            Self::Silent { report } => write!(f, "{report} is no longer sent"),
            Self::Drops { report, field } => write!(f, "{report} no longer has {field}"),
        }
    }
}

impl Behaviour {
    pub(super) fn of(old: &Arc<Plugin>, new: &Arc<Plugin>, recorded: &Corpus) -> Self {
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

    /// Whether it sends something that it did not send before.
    pub fn is_more(&self) -> bool {
        self.groups.iter().any(|group| group.change.is_more())
    }
}

/// All changes between two runs of a case, each once.
fn changes(old: &replay::CaseRun, new: &replay::CaseRun) -> Vec<Change> {
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

/// Compare reports: the n-th of a name with the n-th of that name in the old version.
fn sent(old: &[RecordedRequest], new: &[RecordedRequest], found: &mut Vec<Change>) {
    let numbered = |requests: &[RecordedRequest]| -> BTreeMap<(String, usize), RecordedRequest> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let number = |request: &RecordedRequest| {
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

/// How a report differs from the old version's. The two are not the same.
fn fields(old: &RecordedRequest, new: &RecordedRequest, report: &str, found: &mut Vec<Change>) {
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
    // A difference that nothing above explains counts as a change of shape, too.
    if order || around || found.len() == before {
        found.push(Change::Shape { report: report.into() });
    }
}
