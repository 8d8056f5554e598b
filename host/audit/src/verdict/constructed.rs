//! What holds by construction. All of it follows from the manifest, which the host enforces, and nothing from trials;
//! should a trial ever show otherwise, the claim fails.

use super::super::Report;
use super::{ClaimVerdict, Kind, few, seen};
use glassbox_capacity::{Capacity, bits};
use glassbox_describe::free;
use glassbox_sandbox::manifest::{Field, Says, SeenField, Sees, UserAgent};
use glassbox_sandbox::{Manifest, Policy};
use serde::Serialize;
use std::fmt::Write;

/// What the host makes of a component's reports, and what it leaves to the component.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Made {
    /// How each event enters, as `PrintStarted: path as salted-sha1, origin`.
    pub enters: Vec<String>,
    /// How the host makes each value that may leave, as `print_started.file: from PrintStarted.path as salted-sha1`.
    pub says: Vec<String>,
    /// What it leaves to the component, by name; nothing in a manifest that is pinned as a whole.
    pub free: Vec<String>,
    /// How much a component could hide at most.
    pub capacity: Hidden,
}

/// How much a component could hide, in bits.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Hidden {
    /// In each report.
    pub reports: Vec<HiddenInReport>,
    /// In a day, in words.
    pub day: String,
    /// All of it in words, line by line.
    pub words: Vec<String>,
}

/// How much a component could hide in one report, in bits.
#[derive(Clone, Debug, Serialize)]
pub struct HiddenInReport {
    /// Its name in the manifest.
    pub request: String,
    /// In what it says.
    pub values: f64,
    /// In whether, in which form, or when it is sent.
    pub sent: f64,
    /// Both, in words.
    pub words: String,
}

/// What the host makes of a manifest; none of one with rules that cannot be used.
pub fn made(manifest: &Manifest) -> Option<Made> {
    let policy = Policy::new(manifest.clone()).ok()?;
    let capacity = Capacity::of(manifest);
    let report = |report: &glassbox_capacity::Report| HiddenInReport {
        request: report.request.clone(),
        values: report.values,
        sent: report.sent,
        words: bits(report.bits()),
    };
    let capacity = Hidden {
        reports: capacity.reports.iter().map(report).collect(),
        day: capacity.day.to_string(),
        words: capacity.to_string().lines().map(|line| line.trim().into()).collect(),
    };
    Some(Made { enters: entering(manifest), says: saying(manifest), free: free::all(&policy), capacity })
}

fn entering(manifest: &Manifest) -> Vec<String> {
    let event = |sees: &Sees| {
        let fields: Vec<_> = sees.fields.iter().map(ToString::to_string).collect();
        format!("{}: {}", sees.event, if fields.is_empty() { "no field".into() } else { fields.join(", ") })
    };
    let hardware: Vec<_> = manifest.capabilities.hardware.iter().map(|field| field.name()).collect();
    let machine = (!hardware.is_empty()).then(|| format!("hardware: {}", hardware.join(", ")));
    let throttle = manifest.capabilities.throttle.then(|| "throttle: true".into());
    let shows = &manifest.settings.shows;
    let shows = (!shows.is_empty()).then(|| format!("settings: {}", shows.join(", ")));
    manifest.sees.iter().map(event).chain(machine).chain(throttle).chain(shows).collect()
}

fn saying(manifest: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    if let UserAgent::Pinned(agent) = &manifest.capabilities.user_agent {
        lines.push(format!("user agent: {} from {}", agent.text, agent.from));
    }
    for says in manifest.says.iter().filter(|says| says.is_pinned()) {
        lines.push(format!("{}: on {}", says.request, causes(says)));
        if let Some(variable) = says.variable.as_ref().filter(|variable| !variable.from.is_empty()) {
            lines.push(format!("name of {}: from {}", says.request, sources(&variable.from, manifest)));
        }
        let pinned = says.fields.iter().filter(|field| !free::is_field(field, says));
        lines.extend(pinned.map(|field| format!("{}.{}: {}", says.request, field.name, value(field, manifest))));
    }
    lines
}

fn causes(says: &Says) -> String {
    let mut line = says.on.join(", ");
    if let Some(every) = &says.every {
        let _ = write!(line, " every {} seconds (setting {})", every.default, every.setting);
    }
    if let Some(once) = &says.once {
        let _ = write!(line, " once after {once}");
    }
    line
}

fn value(field: &Field, manifest: &Manifest) -> String {
    let constant = field.rule.constant.as_ref().map(|constant| format!("const \"{constant}\""));
    let from = (!field.from.is_empty()).then(|| format!("from {}", sources(&field.from, manifest)));
    let mut line = from.into_iter().chain(constant).collect::<Vec<_>>().join(", ");
    if field.grows {
        line += ", which grows";
    }
    if let Some(unknown) = &field.unknown {
        let _ = write!(line, ", else \"{unknown}\"");
    }
    if field.condition.is_some() {
        line += ", if throttle.issue";
    }
    if let Some(versions) = &field.octoprint {
        let _ = write!(line, ", octoprint {versions}");
    }
    line
}

/// The sources, each with the form in which it enters.
fn sources(from: &[String], manifest: &Manifest) -> String {
    let form = |source: &String| {
        let (event, path) = source.split_once('.')?;
        let is = |field: &&SeenField| field.name == path;
        let field = manifest.sees.iter().find(|sees| sees.event == event)?.fields.iter().find(is)?;
        Some(format!("{source} as {}", field.enters?.name()))
    };
    from.iter().map(|source| form(source).unwrap_or_else(|| source.clone())).collect::<Vec<_>>().join(", then ")
}

/// The claims that hold by construction, with those that would if nothing were free.
pub(super) fn claims(report: &Report) -> Vec<ClaimVerdict> {
    let mut claims = vec![touches(report)];
    let never = "What its manifest does not list never reaches it";
    let Some(made) = report.made.as_ref().filter(|_| report.error.is_none()) else {
        claims.push(ClaimVerdict::not_shown("enters", never, "it cannot be loaded"));
        return claims;
    };
    claims.push(match seen::entered(report) {
        Some(wrong) => ClaimVerdict::fails("enters", never, Kind::SeenInTrials, wrong),
        None => {
            let why = "the host cuts away all else, before it calls the component";
            ClaimVerdict::holds("enters", never, why, made.enters.clone())
        }
    });
    if made.free.is_empty() {
        let why = "the host makes every value of every report itself, and stops whatever differs from that";
        for (name, claim) in seen::OF_REPORTS {
            claims.push(match seen::against(name, report) {
                Some(wrong) => ClaimVerdict::fails(name, claim, Kind::SeenInTrials, wrong),
                None => ClaimVerdict::holds(name, claim, why, made.says.clone()),
            });
        }
    }
    claims
}

fn touches(report: &Report) -> ClaimVerdict {
    let claim = "It is a tracker, and touches nothing but what the contract gives it";
    match (&report.error, report.differences.first()) {
        (None, None) => ClaimVerdict::holds(
            "touches",
            claim,
            "every import and export is part of the contract, and a sandbox has nothing else",
            report.imports.iter().map(|import| format!("import {import}")).collect(),
        ),
        (error, difference) => {
            let why = difference.or(error.as_ref()).cloned().unwrap_or_default();
            ClaimVerdict::fails("touches", claim, Kind::ByConstruction, why)
        }
    }
}

/// In words, for whoever cannot be told by construction.
pub(super) fn free_in_words(report: &Report) -> String {
    let free = report.made.as_ref().map(|made| few(&made.free, 6, ", ")).unwrap_or_default();
    format!("its manifest leaves free: {free}")
}
