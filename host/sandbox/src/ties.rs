//! For whose sake what enters: an event, a field, a fact of the machine or the throttle query enters only while a report
//! that names it is switched on. A few control facts enter always, each with its reason in the manifest.

use crate::Settings;
use crate::manifest::{HardwareField, Manifest, Says, SeenField, Sees};
use crate::pins::{Source, THROTTLE_EVENT};
use crate::rules::{RequestRules, TICK};

/// For whose sake something enters.
#[derive(Clone, Debug, PartialEq)]
pub enum Tie {
    /// It enters always, for a reason that the manifest gives.
    Control,
    /// It enters always, as no report names it.
    Untied,
    /// It enters while one of these is on. There may be none: then only the host hears it.
    For(Vec<User>),
}

/// A report, by its number under `says`, and the number of the field that is made of it, if it is one: both must be on.
pub type User = (usize, Option<usize>);

impl Tie {
    /// To these reports, if there are any.
    fn of(users: Vec<User>) -> Self {
        if users.is_empty() { Self::Untied } else { Self::For(users) }
    }
}

/// The ties of all that a manifest lists.
#[derive(Debug)]
pub struct Ties {
    /// One for each event under `sees`: its own, and its fields'.
    pub events: Vec<(Tie, Vec<Tie>)>,
    /// Those of what the manifest lists of the machine.
    pub hardware: Vec<(HardwareField, Tie)>,
    /// That of the throttle query; none if the manifest does not ask for it.
    pub throttle: Option<Tie>,
}

/// What enters while certain settings are in force.
#[derive(Clone, Debug, Default)]
pub struct Doors {
    /// One for each event under `sees`: none if it does not enter; else which of its fields do.
    events: Vec<Option<Vec<bool>>>,
    /// What of the machine.
    pub hardware: Vec<HardwareField>,
    /// Whether the throttle query is answered.
    pub throttle: bool,
}

impl Doors {
    /// Of the event of this number, which fields enter; none if it does not enter at all.
    pub fn event(&self, number: usize) -> Option<&[bool]> {
        self.events.get(number)?.as_deref()
    }
}

impl Ties {
    pub(crate) fn new(manifest: &Manifest, requests: &[RequestRules], agent: &[Source]) -> Self {
        let uses = requests.iter().enumerate().flat_map(|(number, rules)| {
            let sources = rules.sources().chain(agent.iter().map(|source| (source.clone(), None)));
            sources.map(move |(source, field)| (source, (number, field)))
        });
        let named = Named { requests, uses: uses.collect() };
        let machine = &manifest.capabilities;
        let hardware = machine.hardware.iter().map(|field| (*field, Tie::of(named.by(&Source::Hardware(*field)))));
        Self {
            events: manifest.sees.iter().map(|sees| named.event(sees, manifest)).collect(),
            hardware: hardware.collect(),
            throttle: machine.throttle.then(|| Tie::of(named.throttle())),
        }
    }

    pub(crate) fn doors(&self, manifest: &Manifest, settings: &Settings) -> Doors {
        let is_on = |(request, field): &User| {
            let says = &manifest.says[*request];
            let switch = field.and_then(|field| says.fields[field].switch.as_ref());
            says.is_on(settings) && switch.is_none_or(|switch| settings.switch(switch))
        };
        let is_open = |tie: &Tie| match tie {
            Tie::Control | Tie::Untied => true,
            Tie::For(users) => users.iter().any(is_on),
        };
        let event = |(tie, fields): &(Tie, Vec<Tie>)| is_open(tie).then(|| fields.iter().map(is_open).collect());
        Doors {
            events: self.events.iter().map(event).collect(),
            hardware: self.hardware.iter().filter(|(_, tie)| is_open(tie)).map(|(field, _)| *field).collect(),
            throttle: self.throttle.as_ref().is_some_and(is_open),
        }
    }
}

/// Who names what.
struct Named<'a> {
    requests: &'a [RequestRules],
    /// All sources that reports name, each with the report that is made of it.
    uses: Vec<(Source, User)>,
}

impl Named<'_> {
    /// The reports that are made of a source.
    fn by(&self, source: &Source) -> Vec<User> {
        self.of(|used| used == source)
    }

    /// The reports with what is known of throttling in them.
    fn throttle(&self) -> Vec<User> {
        self.of(|used| matches!(used, Source::Throttle(_)))
    }

    fn of(&self, is_it: impl Fn(&Source) -> bool) -> Vec<User> {
        self.uses.iter().filter(|(used, _)| is_it(used)).map(|(_, user)| *user).collect()
    }

    /// The ties of an event and of its fields.
    fn event(&self, sees: &Sees, manifest: &Manifest) -> (Tie, Vec<Tie>) {
        let reports = |is_one: &dyn Fn(&Says) -> bool| -> Vec<User> {
            let all = self.requests.iter().enumerate();
            all.filter(|(_, rules)| is_one(&rules.declared)).map(|(number, _)| (number, None)).collect()
        };
        let handled = reports(&|says| sees.event != TICK && says.on.contains(&sees.event));
        let used_for = reports(&|says| sees.used_for.contains(&says.request));
        let fields: Vec<_> = sees.fields.iter().map(|field| self.field(sees, field, manifest)).collect();
        let all: Vec<User> = handled.iter().chain(&used_for).chain(fields.iter().flatten()).copied().collect();
        // What is due may depend on it; the component need not know.
        let is_timer = |event: &Option<String>| event.as_ref() == Some(&sees.event);
        let in_time = manifest.says.iter().any(|says| is_timer(&says.once) || is_timer(&says.until));
        let tie = if sees.control.is_some() || sees.fields.iter().any(|field| field.control.is_some()) {
            Tie::Control
        } else if in_time {
            Tie::For(all)
        } else {
            Tie::of(all)
        };
        let field_tie = |(users, field): (Vec<User>, &SeenField)| {
            if field.control.is_some() || sees.control.is_some() && users.is_empty() {
                Tie::Control
            } else {
                Tie::of(if users.is_empty() { used_for.clone() } else { users })
            }
        };
        (tie, fields.into_iter().zip(&sees.fields).map(field_tie).collect())
    }

    fn field(&self, sees: &Sees, field: &SeenField, manifest: &Manifest) -> Vec<User> {
        let source = |sees: &Sees, field: &SeenField| Source::of(&sees.event, field);
        let mut users = self.by(&source(sees, field));
        // Where the query is not answered, throttling is known from OctoPrint's report.
        if sees.event == THROTTLE_EVENT && is_throttling(field) {
            users.extend(self.throttle());
        }
        // A list of words that grows enters by the events that it grows by, too.
        let path = format!("{}.{}", sees.event, field.name);
        for grown in &manifest.sees {
            let lists = grown.fields.iter().filter(|list| list.grows_by.as_ref() == Some(&path));
            users.extend(lists.flat_map(|list| self.by(&source(grown, list))));
        }
        users
    }
}

/// Whether this is one of the fields of OctoPrint's report from which `throttle.now`, `.past` and `.mask` are known.
fn is_throttling(field: &SeenField) -> bool {
    field.enters.is_none() && ["raw_value", "current_issue", "past_issue"].contains(&&*field.name)
}
