//! Whether reports are more than those that were granted. A pin can hardly be "less" than another: made otherwise, a
//! report says something else. Only what is gone, narrower, or pinned instead of free, is clearly less.

use super::{MADE_BEFORE, is_within, listed};
use glassbox_describe::{free, timing};
use glassbox_sandbox::Manifest;
use glassbox_sandbox::manifest::{Condition, Field, Says, Versions};

pub(super) fn beyond(asked: &Manifest, granted: &Manifest, more: &mut Vec<String>) {
    for says in &asked.says {
        let before: Vec<_> = granted.says.iter().filter(|before| before.request == says.request).collect();
        let is_only = before.len() == 1 && asked.says.iter().filter(|other| other.request == says.request).count() == 1;
        match counterpart(says, &before, is_only) {
            Some(before) => exceeds(says, before, more),
            None => {
                let fields: Vec<_> = says.fields.iter().map(|field| field.name.as_str()).collect();
                let also = if before.is_empty() { String::new() } else { format!(" also {}", timing(says)) };
                let freely = if says.is_pinned() { "" } else { ", which it makes itself" };
                more.push(format!("report {}{also} ({}){freely}", says.request, listed(&fields)));
            }
        }
    }
}

/// The one of several requests of its name that it takes the place of: sent on the same causes, or on one of them, or
/// free.
fn counterpart<'a>(says: &Says, before: &[&'a Says], is_only: bool) -> Option<&'a Says> {
    let mut mine = says.on.clone();
    mine.sort();
    let same = |old: &&&Says| {
        let mut theirs = old.on.clone();
        theirs.sort();
        theirs == mine
    };
    let shares = |old: &&&Says| old.on.iter().any(|cause| says.on.contains(cause));
    let mut all = before.iter();
    let found = all.clone().find(same).or_else(|| all.clone().find(shares));
    // A free one allowed all of this. A pinned one that is replaced by a free one is named as what it was.
    let found = found.or_else(|| all.clone().find(|old| !old.is_pinned()));
    found.or_else(|| all.next().filter(|_| is_only || !says.is_pinned())).copied()
}

fn exceeds(says: &Says, before: &Says, more: &mut Vec<String>) {
    let request = &says.request;
    if says.method != before.method {
        more.push(format!("report {request} with {} instead of {}", says.method, before.method));
    }
    if before.switch.is_some() && says.switch != before.switch {
        let switch = before.switch.as_deref().unwrap_or_default();
        more.push(format!("report {request} even while {switch} is off"));
    }
    let set_free = before.is_pinned() && !says.is_pinned();
    if set_free {
        more.push(format!("report {request} freely{MADE_BEFORE}"));
    } else if before.is_pinned() {
        occasions_beyond(says, before, more);
    }
    if let (Some(variable), Some(old)) = (&says.variable, &before.variable) {
        if variable.from != old.from && !old.from.is_empty() {
            more.push(if variable.from.is_empty() {
                format!("choose the name of {request} freely{MADE_BEFORE}")
            } else {
                format!("make the name of {request} of other sources ({})", variable.from.join(", "))
            });
        }
        let other_first = variable.from.len() > 1 && variable.rule != old.rule;
        if other_first || !is_within(&variable.rule, &old.rule) {
            more.push(format!("put other text into the name of {request}"));
        }
    }
    for field in &says.fields {
        let same_name = || before.fields.iter().filter(|old| old.name == field.name);
        match same_name().find(|old| old.octoprint == field.octoprint).or_else(|| same_name().next()) {
            None if says.is_pinned() && free::is_field(field, says) => {
                more.push(format!("also report {} in {request}, which it makes itself", field.name));
            }
            None => more.push(format!("also report {} in {request}", field.name)),
            Some(old) => {
                if before.is_pinned() && !free::is_field(old, before) && !set_free {
                    is_made_otherwise(field, old, says, more);
                }
                // Where there are several sources, a narrower rule may choose another one.
                let other_first = field.from.len() > 1 && !old.from.is_empty() && field.rule != old.rule;
                if other_first || !is_field_within(field, old) {
                    more.push(format!("report other values of {} in {request}", field.name));
                }
            }
        }
    }
    let common = |these: &Says, those: &Says| -> Vec<(String, Option<String>)> {
        let key = |field: &Field| (field.name.clone(), field.octoprint.map(|versions| versions.to_string()));
        let those: Vec<_> = those.fields.iter().map(key).collect();
        these.fields.iter().map(key).filter(|key| those.contains(key)).collect()
    };
    if before.is_pinned() && common(says, before) != common(before, says) {
        more.push(format!("report the fields of {request} in another order"));
    }
}

/// Both are pinned: when it is sent.
fn occasions_beyond(says: &Says, before: &Says, more: &mut Vec<String>) {
    let request = &says.request;
    let new_on: Vec<_> = says.on.iter().filter(|cause| !before.on.contains(cause)).map(String::as_str).collect();
    if !new_on.is_empty() {
        more.push(format!("report {request} also on {}", new_on.join(", ")));
    }
    let times = |says: &Says| (says.every.clone(), says.once.clone(), says.after, says.until.clone());
    if times(says) != times(before) {
        more.push(format!("report {request} {} instead of {}", timing(says), timing(before)));
    }
    if says.octoprint != before.octoprint {
        let (now, before) = (versions(says.octoprint), versions(before.octoprint));
        more.push(format!("report {request} for OctoPrint {now} instead of {before}"));
    }
}

fn is_field_within(field: &Field, old: &Field) -> bool {
    let switch = old.switch.is_none() || field.switch == old.switch;
    // That a field is missing can be a message too.
    switch && (old.optional || !field.optional) && is_within(&field.rule, &old.rule)
}

/// The host made the old one; how it makes this one, if that differs.
fn is_made_otherwise(field: &Field, old: &Field, says: &Says, more: &mut Vec<String>) {
    let (name, request) = (&field.name, &says.request);
    if free::is_field(field, says) {
        more.push(format!("report {name} in {request} freely{MADE_BEFORE}"));
        return;
    }
    if field.from != old.from {
        let sources = |field: &Field| match field.from.as_slice() {
            [] => format!("always {}", field.rule.constant.as_deref().unwrap_or_default()),
            from => from.join(", "),
        };
        let (now, before) = (sources(field), sources(old));
        more.push(format!("make {name} in {request} of other sources ({now}, and not {before})"));
    }
    if field.unknown != old.unknown {
        let what = field.unknown.as_ref().map_or("nothing".into(), |word| format!("'{word}'"));
        more.push(format!("say {what} for {name} in {request} where it is not known"));
    }
    if field.grows != old.grows {
        let now = if field.grows { "let it grow" } else { "no longer let it grow" };
        more.push(format!("report {name} in {request} and {now} with time"));
    }
    if field.condition != old.condition {
        let when = match field.condition {
            Some(Condition::ThrottleIssue) => "only while the machine is or was throttled",
            None => "whether or not the machine is throttled",
        };
        more.push(format!("report {name} in {request} {when}"));
    }
    if field.octoprint != old.octoprint {
        let (now, before) = (versions(field.octoprint), versions(old.octoprint));
        more.push(format!("report {name} in {request} for OctoPrint {now} instead of {before}"));
    }
}

fn versions(versions: Option<Versions>) -> String {
    versions.map_or("any".into(), |versions| versions.to_string())
}

#[cfg(test)]
#[path = "reports_test.rs"]
mod tests;
