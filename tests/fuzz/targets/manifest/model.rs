//! What a manifest means, written as plainly as it can be, and slow: a request may leave if one can say
//! of each of its parts where the manifest has it.

use glassbox_sandbox::manifest::{Rule, Says, UserAgent};
use glassbox_sandbox::{Manifest, Request, limits};
use regex::Regex;
use std::cell::RefCell;
use std::collections::HashMap;

/// Whether the request may leave by this manifest. None for one that the host makes itself: what that is, this model does
/// not know.
pub fn may_leave(manifest: &Manifest, request: &Request) -> Option<bool> {
    let decides = decides(manifest, &request.name);
    if decides.is_some_and(Says::is_pinned) {
        return None;
    }
    Some(may_leave_freely(manifest, decides, request))
}

/// Whether this is a user agent of the manifest, while nothing was heard of OctoPrint.
pub fn is_agent(manifest: &Manifest, agent: &str) -> bool {
    match &manifest.capabilities.user_agent {
        UserAgent::Pattern(pattern) => whole(pattern, agent),
        UserAgent::Pinned(pinned) => pinned.text.replace("{}", &pinned.unknown) == agent,
    }
}

fn may_leave_freely(manifest: &Manifest, decides: Option<&Says>, request: &Request) -> bool {
    let lengths = request.fields.iter().map(|(name, value)| name.len() + value.len());
    let within = request.name.len() <= limits::NAME
        && request.user_agent.len() <= limits::NAME
        && request.fields.len() <= limits::FIELDS
        && lengths.sum::<usize>() <= limits::REQUEST;
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    let named = plain(&request.name) && plain(&request.user_agent) && request.name.chars().any(|c| c != '.');
    within
        && named
        && manifest.capabilities.http.is_some()
        && is_agent(manifest, &request.user_agent)
        && decides.is_some_and(|says| says.method == request.method && in_order(says, &request.fields))
}

/// Which entry a request goes by: that of just its name, or the first whose variable takes it.
pub fn decides<'a>(manifest: &'a Manifest, name: &str) -> Option<&'a Says> {
    let exact = manifest.says.iter().find(|says| says.request == name && says.variable.is_none());
    exact.or_else(|| manifest.says.iter().find(|says| is_name_of(says, name)))
}

/// Whether each part of a request that left has its like in what was granted; its order and what is
/// missing are the new manifest's affair.
pub fn was_granted(granted: &Manifest, request: &Request) -> bool {
    is_agent(granted, &request.user_agent)
        && decides(granted, &request.name).is_some_and(|says| {
            says.method == request.method
                && request.fields.iter().all(|(name, value)| {
                    says.fields.iter().any(|field| field.name == *name && fits(&field.rule, value))
                })
        })
}

/// Whether the value fits the rule.
pub fn fits(rule: &Rule, value: &str) -> bool {
    rule.constant.as_ref().is_none_or(|text| text == value)
        && rule.one_of.as_ref().is_none_or(|texts| texts.iter().any(|text| text == value))
        && rule.pattern.as_ref().is_none_or(|pattern| whole(pattern, value))
        && value.chars().count() <= rule.max_length.unwrap_or(256)
}

/// Whether the pattern, which must be one by itself, matches the whole text.
pub fn whole(pattern: &str, text: &str) -> bool {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if known.len() > 1000 {
            known.clear();
        }
        let compiled = known.entry(pattern.into()).or_insert_with(|| {
            Regex::new(pattern).expect("a pattern that was accepted is one by itself");
            Regex::new(&format!(r"\A(?:{pattern})\z")).expect("what was accepted can be compiled")
        });
        compiled.is_match(text)
    })
}

/// What a manifest asks for beside requests and payloads was granted.
pub fn is_no_more(manifest: &Manifest, granted: &Manifest) -> bool {
    let (new, old) = (&manifest.capabilities, &granted.capabilities);
    let sends = new.http.as_ref().is_none_or(|new| {
        old.http.as_ref().is_some_and(|old| {
            let setting = new.url_setting.is_none() || new.url_setting == old.url_setting;
            new.url == old.url && new.id_setting == old.id_setting && setting
        })
    });
    sends
        && new.hardware.iter().all(|field| old.hardware.contains(field))
        && (old.throttle || !new.throttle)
        && manifest.sees.iter().all(|sees| granted.sees.iter().any(|before| before.event == sees.event))
}

fn is_name_of(says: &Says, name: &str) -> bool {
    let Some((before, rest)) = says.request.split_once('{') else { return says.request == name };
    let (_, after) = rest.split_once('}').expect("a variable ends");
    let rule = says.variable.as_ref().expect("a variable has a rule");
    name.len() >= before.len() + after.len()
        && name.starts_with(before)
        && name.ends_with(after)
        && fits(&rule.rule, &name[before.len()..name.len() - after.len()])
}

/// Each declared field, in order, is there or may be missing; nothing else is there.
fn in_order(says: &Says, fields: &[(String, String)]) -> bool {
    let mut rest = fields;
    for declared in &says.fields {
        match rest.split_first() {
            Some(((name, value), after)) if *name == declared.name => {
                if !fits(&declared.rule, value) {
                    return false;
                }
                rest = after;
            }
            _ if declared.optional => {}
            _ => return false,
        }
    }
    rest.is_empty()
}
