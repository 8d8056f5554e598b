//! Canaries: marked secrets in everything that a component is given, and where they turn up. How they
//! are told from everything else is in [`needles`].
//!
//! What is a find, and what is not: a value that the manifest says it sees may stand in a request that
//! the manifest says it sends, openly, as whoever reads the journal can see. The same value in another
//! form is hidden from that reader; a setting, or what the manifest does not list, has no business in a
//! request in any form; and no secret belongs in a log that people paste where they ask for help. What
//! is handed over to the next instance stays on the machine, and is only told. A hash with a salt that
//! does not leave is what the manifest's author can do for privacy: it is told as well.

mod needles;
mod planting;

pub use needles::Form;

use super::inputs::Inputs;
use super::scenario::{Run, run};
use needles::Needles;
use planting::{Everywhere, Planted, Secret, everywhere, plant};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Canaries {
    /// Secrets that were planted.
    pub secrets: usize,
    /// Runs in which they were looked for.
    pub runs: usize,
    /// Requests in which they were looked for.
    pub requests: usize,
    /// Where they turned up.
    pub finds: Vec<Find>,
    /// What was tried to be sent although the manifest does not declare it, and how often.
    pub undeclared: BTreeMap<String, usize>,
    /// Why it ended before all were planted.
    pub ended_early: Option<String>,
}

/// Where a secret was put.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Source {
    Payload { event: String, field: String, listed: bool },
    Hardware { field: String, listed: bool },
    Setting { path: String },
}

/// Where it turned up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Place {
    Field { request: String, field: String },
    Name { request: String },
    UserAgent { request: String },
    Address { request: String },
    Log,
    Settings,
    Handover,
}

/// What is to be thought of a find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It should not be there at all.
    Secret,
    /// It is there in a form that its reader does not see.
    Hidden,
    /// It is there as the manifest lets one expect.
    Open,
    /// It is hashed with a salt that does not leave.
    Salted,
    /// It stays on the machine.
    Kept,
}

/// All judgements, the worst first, and the heading of the finds of each.
pub(super) const HEADINGS: [(Judgement, &str); 5] = [
    (Judgement::Secret, "Found, and it should not be there"),
    (Judgement::Hidden, "Found, where its reader does not see it"),
    (Judgement::Open, "Said openly, as the manifest lets one expect"),
    (Judgement::Salted, "Hashed with a salt that does not leave"),
    (Judgement::Kept, "Remembered on the machine, and not sent"),
];

/// A secret that turned up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Find {
    /// What is to be thought of it.
    pub judgement: Judgement,
    /// Where it was put.
    pub source: Source,
    /// Where it turned up.
    pub place: Place,
    /// How.
    pub form: Form,
    /// In so many runs.
    pub runs: usize,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload { event, field, .. } => write!(f, "{event}.{field}"),
            Self::Hardware { field, .. } => write!(f, "hardware {field}"),
            Self::Setting { path } => write!(f, "the setting {path}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { request, field } => write!(f, "{request}.{field}"),
            Self::Name { request } => write!(f, "the name of {request}"),
            Self::UserAgent { request } => write!(f, "the user agent of {request}"),
            Self::Address { request } => write!(f, "the address of {request}"),
            Self::Log => write!(f, "the log"),
            Self::Settings => write!(f, "settings that it asks for"),
            Self::Handover => write!(f, "what it remembers"),
        }
    }
}

impl fmt::Display for Find {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is in {} {}", self.source, self.place, self.form)
    }
}

impl Find {
    /// Whether it should not be there at all.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.judgement == Judgement::Secret
    }

    /// Whether it is there in a form that its reader does not see.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.judgement == Judgement::Hidden
    }
}

fn judge(source: &Source, place: &Place, form: Form) -> Judgement {
    let listed = match source {
        Source::Payload { listed, .. } | Source::Hardware { listed, .. } => *listed,
        Source::Setting { .. } => false,
    };
    match (place, form) {
        // What is not listed never arrived, so it cannot be kept either.
        (Place::Handover | Place::Settings, _) if listed || matches!(source, Source::Setting { .. }) => Judgement::Kept,
        (_, Form::SaltedHash) if listed => Judgement::Salted,
        (Place::Log, _) => Judgement::Secret,
        _ if !listed => Judgement::Secret,
        (_, Form::Plain) => Judgement::Open,
        _ => Judgement::Hidden,
    }
}

/// Plant them, and look everywhere; no longer than this.
#[must_use]
pub fn search(inputs: &Inputs, longest: Duration) -> Canaries {
    let end = Instant::now() + longest;
    let mut all = Canaries::default();
    let mut sources = BTreeSet::new();
    let mut finds = BTreeMap::new();
    let everywhere = everywhere(inputs);
    let general = needles(&everywhere.secrets, &everywhere);
    for mut planted in plant(inputs, &everywhere) {
        planted.scene.looks = true;
        if Instant::now() > end {
            all.ended_early = Some(format!("{} seconds were over", longest.as_secs()));
            break;
        }
        let Ok(Some(run)) = run(inputs.plugin, &planted.scene) else { continue };
        all.runs += 1;
        all.requests += run.all().map(|call| call.sent.len()).sum::<usize>();
        for what in run.all().flat_map(super::scenario::Call::undeclared) {
            *all.undeclared.entry(what).or_default() += 1;
        }
        let own = needles(&planted.secrets, &everywhere);
        let of_all =
            look(&planted, &run, inputs, &general, &everywhere).into_iter().map(|find| (&everywhere.secrets, find));
        let of_own = look(&planted, &run, inputs, &own, &everywhere).into_iter().map(|find| (&planted.secrets, find));
        for (secrets, (number, place, form)) in of_all.chain(of_own) {
            let source = secrets[number].source.clone();
            let judgement = judge(&source, &place, form);
            *finds.entry((judgement, source, place, form)).or_insert(0) += 1;
        }
        sources.extend(planted.secrets.into_iter().map(|secret| secret.source));
    }
    sources.extend(everywhere.secrets.into_iter().map(|secret| secret.source));
    all.secrets = sources.len();
    let find = |((judgement, source, place, form), runs)| Find { judgement, source, place, form, runs };
    all.finds = finds.into_iter().map(find).collect();
    all
}

fn needles(secrets: &[Secret], everywhere: &Everywhere) -> Needles {
    let mut needles = Needles::default();
    for (number, secret) in secrets.iter().enumerate() {
        needles.add(number, &secret.mark, &secret.value, &everywhere.id, &everywhere.salts);
    }
    needles
}

/// Everything that the run gave out, and which secrets are in it.
fn look(
    planted: &Planted,
    run: &Run,
    inputs: &Inputs,
    needles: &Needles,
    everywhere: &Everywhere,
) -> BTreeSet<(usize, Place, Form)> {
    let mut found = BTreeSet::new();
    let mut search = |place: Place, text: &str| {
        found.extend(needles.search(text).into_iter().map(|(number, form)| (number, place.clone(), form)));
    };
    for call in run.all() {
        for sent in &call.sent {
            let request = declared(&sent.name, inputs);
            for (field, value) in &sent.fields {
                search(Place::Field { request: request.clone(), field: field.clone() }, value);
            }
            search(Place::UserAgent { request: request.clone() }, &sent.user_agent);
            search(Place::Name { request: request.clone() }, &sent.name);
            // The id, the server and the name are put there by the host.
            let address =
                everywhere.host.iter().chain([&sent.name]).fold(sent.url.clone(), |url, own| url.replace(own, ""));
            search(Place::Address { request }, &address);
        }
        let refused = call.blocked.iter().map(|blocked| blocked.request.as_str());
        call.message
            .iter()
            .chain(&call.failed)
            .map(String::as_str)
            .chain(refused)
            .for_each(|text| search(Place::Log, text));
    }
    // What it remembers of the event, and in the end.
    for call in run.calls.first().into_iter().chain(run.calls.last()) {
        search(Place::Handover, &call.saved);
    }
    let given = planted.scene.settings.text();
    let added = run.settings.text();
    if given != added {
        let added = added.lines().filter(|line| !given.contains(line.trim_end_matches(','))).collect::<Vec<_>>();
        search(Place::Settings, &added.join("\n"));
    }
    found
}

fn declared(name: &str, inputs: &Inputs) -> String {
    super::difference::declared(name, inputs.plugin.policy.manifest()).0.to_string()
}
