//! What enters the box, in words: for the sake of which report, and so with which switches it stays outside; always, with
//! the manifest's reason; or always, and no report names it.

use super::{lines, name, one_line};
use glassbox_sandbox::manifest::{Enters, SeenField};
use glassbox_sandbox::{Policy, Settings, Tie, User};
use std::fmt::{Result, Write};

/// What enters, in groups with the same origin and the same settings that keep it outside.
#[derive(Default)]
struct Groups(Vec<Group>);

struct Group {
    of: String,
    what: Vec<String>,
    off: String,
}

impl Groups {
    fn add(&mut self, of: &str, what: String, off: String) {
        match self.0.iter_mut().find(|group| group.of == of && group.off == off) {
            Some(group) => group.what.push(what),
            None => self.0.push(Group { of: of.into(), what: vec![what], off }),
        }
    }

    fn write(self, out: &mut String) -> Result {
        for Group { of, mut what, off } in self.0 {
            what.first_mut().into_iter().for_each(|first| first.insert_str(0, &format!("{of}: ")));
            what.last_mut().into_iter().for_each(|last| last.push_str(&off));
            lines(out, 2, &what, ", ")?;
        }
        Ok(())
    }
}

pub(super) fn write(out: &mut String, policy: &Policy) -> Result {
    const HAPPENED: &str = "that it happened";
    const MACHINE: &str = "this machine";
    let manifest = policy.manifest();
    let (mut tied, mut control, mut free) = (Groups::default(), Groups::default(), Groups::default());
    for (sees, (own, fields)) in manifest.sees.iter().zip(&policy.ties().events) {
        let event = &*name(&sees.event);
        let reason = |reason: &String| format!(" ({:?})", one_line(reason));
        match (&sees.control, own) {
            (Some(why), _) => control.add(event, HAPPENED.into(), reason(why)),
            (None, Tie::For(users)) => {
                let off = off(users, policy);
                let with_it = |tie: &Tie| matches!(tie, Tie::For(users) if self::off(users, policy) == off);
                if !fields.iter().any(with_it) {
                    tied.add(event, HAPPENED.into(), off);
                }
            }
            (None, Tie::Untied) if fields.is_empty() => free.add(event, HAPPENED.into(), String::new()),
            (None, Tie::Untied | Tie::Control) => {}
        }
        for (field, tie) in sees.fields.iter().zip(fields) {
            let what = in_words(field);
            let why = field.control.as_ref().or(sees.control.as_ref());
            match tie {
                Tie::For(users) => tied.add(event, what, off(users, policy)),
                Tie::Control => control.add(event, what, why.map(reason).unwrap_or_default()),
                Tie::Untied => free.add(event, what, String::new()),
            }
        }
    }
    let hardware = policy.ties().hardware.iter().map(|(field, tie)| (field.name(), tie));
    let throttle = policy.ties().throttle.as_ref().map(|tie| ("throttle state".to_string(), tie));
    for (what, tie) in hardware.chain(throttle) {
        match tie {
            Tie::For(users) => tied.add(MACHINE, what, off(users, policy)),
            Tie::Control | Tie::Untied => free.add(MACHINE, what, String::new()),
        }
    }
    for (heading, groups) in [
        ("For the sake of reports it sees, while one of them is on:", tied),
        ("Even when everything is off, it sees:", control),
        ("FREE, tied to no report, so that it sees it always:", free),
    ] {
        if !groups.0.is_empty() {
            writeln!(out, "\n{heading}")?;
            groups.write(out)?;
        }
    }
    Ok(())
}

/// The settings with which none of these reports, or fields of reports, is on.
fn off(users: &[User], policy: &Policy) -> String {
    let stops = |(request, field): &User| {
        let says = &policy.manifest().says[*request];
        let field = field.and_then(|field| says.fields[field].switch.as_ref());
        let mut stops: Vec<_> = says.switch.iter().chain(field).map(|switch| format!("{switch}=false")).collect();
        stops.extend(says.every.as_ref().map(|every| format!("{}=0", every.setting)));
        stops.sort();
        stops.dedup();
        stops
    };
    let mut all: Vec<_> = users.iter().map(stops).collect();
    all.sort();
    all.dedup();
    // One that is on whenever another is says nothing new.
    let within = |one: &Vec<String>, other: &Vec<String>| one != other && one.iter().all(|stop| other.contains(stop));
    let needed: Vec<_> = all.iter().filter(|stops| !all.iter().any(|other| within(other, stops))).collect();
    if needed.is_empty() {
        return " (only the host hears it)".into();
    }
    if needed.iter().any(|stops| stops.is_empty()) {
        return " [cannot be switched off]".into();
    }
    let needed: Vec<_> = needed.iter().map(|stops| stops.join(" or ")).collect();
    format!(" [off: {}]", needed.join(", and "))
}

fn in_words(field: &SeenField) -> String {
    let how = field.enters.map(|how| format!(" ({})", form_in_words(how))).unwrap_or_default();
    let grows = field.grows_by.as_ref().map(|by| format!(" and {by}")).unwrap_or_default();
    format!("{}{how}{grows}", name(&field.name))
}

fn form_in_words(how: Enters) -> &'static str {
    match how {
        Enters::SaltedSha1 => "only hashed, with a salt of this installation",
        Enters::PortKind => "only its kind",
        Enters::WholeSeconds => "only whole seconds",
        Enters::NamesAndVersions => "only names and versions",
        Enters::Words => "only words",
        Enters::ErrorText => "without paths, addresses and serial numbers",
    }
}

/// All that enters while tracking is on with these settings, by name: `PrintDone.time`, `octoprint_stopping` for an event
/// without fields, `hardware.os`, `throttle`.
pub fn entering(policy: &Policy, settings: &Settings) -> Vec<String> {
    let doors = policy.doors(settings);
    let mut names = Vec::new();
    for (number, sees) in policy.manifest().sees.iter().enumerate() {
        let Some(open) = doors.event(number) else { continue };
        let fields: Vec<_> = sees.fields.iter().zip(open).filter(|(_, open)| **open).collect();
        names.extend(fields.is_empty().then(|| sees.event.clone()));
        names.extend(fields.iter().map(|(field, _)| format!("{}.{}", sees.event, field.name)));
    }
    names.extend(doors.hardware.iter().map(|field| format!("hardware.{}", field.name())));
    names.extend(doors.throttle.then(|| "throttle".into()));
    names
}
