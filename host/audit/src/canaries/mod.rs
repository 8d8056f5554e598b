//! Canaries: marked secrets are put into everything that a component is given, and searched for in everything that
//! comes out of it. Where they are put is in [`planting`], and how they are recognised in [`needles`].
//!
//! How a finding is judged: a value that the manifest says it sees may appear in a request that the manifest says
//! it sends, as long as it appears openly, so that whoever reads the journal sees it. The same value in another form
//! is hidden from that reader. A setting, or a field that the manifest does not list, must not appear in a request in
//! any form. No secret belongs in the log, which people publish when they ask for help. The state that is kept for
//! the next instance stays on the machine; a hash with a salt that never leaves the machine is the best that a
//! manifest's author can do for privacy: both are only reported.

mod needles;
mod planting;

pub use needles::Form;

use super::inputs::Inputs;
use super::scenario::{Trace, run};
use glassbox_sandbox::manifest::Says;
use glassbox_sandbox::printable;
use needles::Needles;
use planting::{Everywhere, Secret, everywhere, plant};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

/// The result of the search.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Canaries {
    /// How many inputs had a secret put into them.
    pub secrets: usize,
    /// The runs that were searched.
    pub runs: usize,
    /// Those in which it was handed the state of another version, made up here.
    pub runs_with_foreign_state: usize,
    /// The requests in those runs.
    pub requests: usize,
    /// Every secret that turned up, the worst first.
    pub finds: Vec<Finding>,
    /// What the component tried to send although its manifest does not declare it, and how often.
    pub undeclared: BTreeMap<String, usize>,
    /// Why it refused settings or a state, or did not start, and how often.
    pub refused: BTreeMap<String, usize>,
    /// Runs that did not begin for that.
    pub not_begun: usize,
    /// Why the search stopped before all secrets had been planted, if it did.
    pub ended_early: Option<String>,
}

/// The input that a secret was put into. `listed`: whether the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Source {
    Payload { event: String, field: String, listed: bool },
    Hardware { field: String, listed: bool },
    Setting { path: String },
}

/// The output that a secret turned up in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Place {
    Field { request: String, field: String },
    Name { request: String },
    UserAgent { request: String },
    Address { request: String },
    Log,
    Handover,
}

/// How a finding is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It should not be there at all.
    Secret,
    /// It is there in a form in which a reader would not recognise it.
    Hidden,
    /// It is there as it is, and the manifest says so.
    Open,
    /// It is there as a hash, with a salt that never leaves the machine.
    Salted,
    /// It is kept on the machine, and not sent.
    Kept,
}

/// All judgements, the worst first, and the heading under which the findings of each are shown.
pub(super) const HEADINGS: [(Judgement, &str); 5] = [
    (Judgement::Secret, "Found where it should not be"),
    (Judgement::Hidden, "Found in a form that a reader would not recognise"),
    (Judgement::Open, "Said openly, as the manifest declares"),
    (Judgement::Salted, "Hashed with a salt that never leaves the machine"),
    (Judgement::Kept, "Kept on the machine, and not sent"),
];

/// A secret that turned up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How it is judged.
    pub judgement: Judgement,
    /// The input that it was put into.
    pub source: Source,
    /// The output that it turned up in.
    pub place: Place,
    /// In which form.
    pub form: Form,
    /// In how many runs.
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
            Self::Handover => write!(f, "its saved state"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is in {} {}", self.source, self.place, self.form)
    }
}

impl Finding {
    /// Whether it should not be there at all.
    pub fn is_secret(&self) -> bool {
        self.judgement == Judgement::Secret
    }

    /// Whether it is there in a form in which a reader would not recognise it.
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
        // A field that is not listed was never delivered, so it should not be kept either.
        (Place::Handover, _) if listed || matches!(source, Source::Setting { .. }) => Judgement::Kept,
        (_, Form::SaltedHash) if listed => Judgement::Salted,
        (Place::Log, _) => Judgement::Secret,
        _ if !listed => Judgement::Secret,
        (_, Form::Plain) => Judgement::Open,
        _ => Judgement::Hidden,
    }
}

/// Plant secrets everywhere, and search everything that comes out, for no longer than `longest`.
pub fn search(inputs: &Inputs, longest: Duration) -> Canaries {
    let end = Instant::now() + longest;
    let mut all = Canaries::default();
    let mut sources = BTreeSet::new();
    let mut finds = BTreeMap::new();
    let everywhere = everywhere(inputs);
    let general = needles(&everywhere.secrets, &everywhere);
    for mut planted in plant(inputs, &everywhere) {
        planted.scenario.saves_after_each_call = true;
        if Instant::now() > end {
            all.ended_early = Some(format!("{} seconds had passed", longest.as_secs()));
            break;
        }
        let mut refused = |reason: &str| *all.refused.entry(printable(reason, 200)).or_default() += 1;
        let run = match run(inputs.plugin, &planted.scenario) {
            Ok(Ok(run)) => run,
            other => {
                refused(&other.map_or_else(
                    |error| error.reasons.join("; "),
                    |refused| format!("settings: {}", refused.err().unwrap_or_default()),
                ));
                all.not_begun += 1;
                continue;
            }
        };
        run.refused.iter().for_each(|reason| refused(reason));
        all.runs += 1;
        all.requests += run.all().map(|call| call.sent.len()).sum::<usize>();
        let own_state = !planted.scenario.has_foreign_state();
        all.runs_with_foreign_state += usize::from(!own_state);
        for what in run.all().flat_map(super::scenario::Call::undeclared).filter(|_| own_state) {
            *all.undeclared.entry(what).or_default() += 1;
        }
        let own = needles(&planted.secrets, &everywhere);
        let of_all = look(&run, inputs, &general, &everywhere).into_iter().map(|find| (&everywhere.secrets, find));
        let of_own = look(&run, inputs, &own, &everywhere).into_iter().map(|find| (&planted.secrets, find));
        for (secrets, (number, place, form)) in of_all.chain(of_own) {
            let source = secrets[number].source.clone();
            let judgement = judge(&source, &place, form);
            *finds.entry((judgement, source, place, form)).or_insert(0) += 1;
        }
        sources.extend(planted.secrets.into_iter().map(|secret| secret.source));
    }
    sources.extend(everywhere.secrets.into_iter().map(|secret| secret.source));
    all.secrets = sources.len();
    let find = |((judgement, source, place, form), runs)| Finding { judgement, source, place, form, runs };
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

/// Search everything that a run gave out. Found secrets are numbered as in `needles`.
fn look(run: &Trace, inputs: &Inputs, needles: &Needles, everywhere: &Everywhere) -> BTreeSet<(usize, Place, Form)> {
    let mut found = BTreeSet::new();
    let search = |place: Place, text: &str, found: &mut BTreeSet<_>| {
        found.extend(needles.search(text).into_iter().map(|(number, form)| (number, place.clone(), form)));
    };
    for call in run.all() {
        for sent in &call.sent {
            let request = declared(&sent.name, inputs);
            for (field, value) in &sent.fields {
                let place = Place::Field { request: request.clone(), field: field.clone() };
                // The host itself has made what is pinned, in the form that the manifest says: no other is looked for.
                let made = is_made(&request, field, inputs);
                let counts = |form: Form| !made || matches!(form, Form::Plain | Form::SaltedHash);
                let searched = needles.search(value).into_iter().filter(|(_, form)| counts(*form));
                found.extend(searched.map(|(number, form)| (number, place.clone(), form)));
            }
            search(Place::UserAgent { request: request.clone() }, &sent.user_agent, &mut found);
            search(Place::Name { request: request.clone() }, &sent.name, &mut found);
            // The host puts the id, the server and the name there; that is not the component's doing.
            let address =
                everywhere.host.iter().chain([&sent.name]).fold(sent.url.clone(), |url, own| url.replace(own, ""));
            search(Place::Address { request }, &address, &mut found);
        }
        let refused = call.blocked.iter().map(|blocked| blocked.request.as_str());
        call.message
            .iter()
            .chain(&call.failed)
            .map(String::as_str)
            .chain(refused)
            .for_each(|text| search(Place::Log, text, &mut found));
    }
    // Its state after the event, and at the end.
    for call in run.calls.first().into_iter().chain(run.calls.last()) {
        search(Place::Handover, &call.saved, &mut found);
    }
    found
}

/// Whether the host makes this field itself.
fn is_made(request: &str, field: &str, inputs: &Inputs) -> bool {
    let mut entries = inputs.plugin.policy.manifest().says.iter().filter(|says| says.request == request).peekable();
    let is_made =
        |says: &Says| says.fields.iter().all(|one| one.name != field || !glassbox_describe::free::is_field(one, says));
    entries.peek().is_some() && entries.all(|says| says.is_pinned() && is_made(says))
}

fn declared(name: &str, inputs: &Inputs) -> String {
    super::difference::declared(name, inputs.plugin.policy.manifest()).0.to_string()
}
