//! The door: what of a request is kept. Its manifest, in the tracker's format and read by the same code, lists what arrives
//! (`sees`, with the form to which a field is reduced) and what is kept (`says`, with the rule for its value); what arrives
//! and is not kept is dropped. A field that does not fit costs itself, never the report (RECEIVING.md, 8.1).

mod form;

use crate::id::Id;
use anyhow::{Context, Result};
use glassbox_sandbox::manifest::{Enters, UserAgent};
use glassbox_sandbox::{Manifest, Policy, enter, limits};
use glassbox_util::text::printable;
use glassbox_util::{Advised, files};
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::Path;

/// The manifest for OctoPrint.
pub const OCTOPRINT: &str = include_str!("../../octoprint.toml");

/// A list that counts even if it is empty: whoever has no achievement yet is one of those who could (RECEIVING.md, 8.9).
const MAY_BE_EMPTY: &str = "achievements";

/// Fields that are whole numbers (RECEIVING.md, 1g).
const WHOLE: [&str; 7] = ["elapsed", "cores", "ram", "bits", "printer_baudrate", "throttled_mask", "octoprint_uptime"];

/// And the one that is not.
const FRACTION: &str = "freq";

/// Characters of a name that no rule knows, which is shown to the operator.
const NAME_CHARS: usize = 64;

/// A request as it came, without anything that says from whom.
pub struct Incoming<'a> {
    /// The target's path, still encoded.
    pub path: &'a str,
    /// Its query if it is a GET, its body if it is a POST.
    pub form: &'a [u8],
    /// The `User-Agent` header.
    pub user_agent: &'a [u8],
}

/// What is kept of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Of whom.
    pub installation: Id,
    /// Of what; empty if no rule knows the name.
    pub event: String,
    /// The version in the user agent.
    pub version: String,
    /// Fields that are kept: texts, numbers, or lists of them where a key came more than once.
    pub fields: Map<String, Value>,
}

/// Something that no rule knows, or that does not fit its rule. It is counted, so that an operator sees what is new.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Odd {
    /// `event`, `field` or `value`.
    pub kind: &'static str,
    /// The event's name, or `event.field`. At most [`NAME_CHARS`] printable characters.
    pub name: String,
}

/// Why a request is no report. Counted, never told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// The path has no id and event.
    Path,
    /// The id is none.
    Id,
    /// The user agent is not the tracker's: a browser or a scanner.
    UserAgent,
    /// The body is too large.
    BodySize,
    /// The body took too long.
    BodyTime,
    /// The body broke off.
    BodyBroken,
    /// No HTTP, or a head that is too large.
    Malformed,
    /// Reports come in faster than they can be written.
    Busy,
}

impl Refusal {
    /// In a word, for counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Id => "id",
            Self::UserAgent => "user_agent",
            Self::BodySize => "body_size",
            Self::BodyTime => "body_time",
            Self::BodyBroken => "body_broken",
            Self::Malformed => "malformed",
            Self::Busy => "busy",
        }
    }
}

/// The rules for what is kept.
pub struct Door {
    policy: Policy,
    /// The form of each field that arrives, by the event's and the field's name.
    arriving: HashMap<String, HashMap<String, Option<Enters>>>,
    /// What stands before the version in a user agent.
    product: String,
    /// What a whole user agent must match.
    user_agent: Regex,
}

impl Door {
    /// With this manifest.
    ///
    /// # Errors
    /// When it cannot be read, its rules cannot be used, or it asks for what no receiver has.
    pub fn new(manifest: &str) -> Result<Self> {
        let policy = Policy::new(Manifest::parse(manifest)?)?;
        let manifest = policy.manifest();
        let arriving: HashMap<_, HashMap<_, _>> = manifest
            .sees
            .iter()
            .map(|sees| {
                (sees.event.clone(), sees.fields.iter().map(|field| (field.name.clone(), field.enters)).collect())
            })
            .collect();
        for (event, fields) in &arriving {
            if let Some((field, _)) =
                fields.iter().find(|(_, form)| !matches!(form, None | Some(Enters::PortKind | Enters::ErrorText)))
            {
                let what = format!("event {event}: {field} cannot be made into that form from a request");
                return Err(Advised::new(what, "use port-kind or error-text, or leave `as` out").into());
            }
        }
        for says in &manifest.says {
            let listed = arriving.get(&says.request);
            if let Some(field) =
                says.fields.iter().find(|field| !listed.is_some_and(|all| all.contains_key(&field.name)))
            {
                let what = format!("request {}: {} is kept, but does not arrive", says.request, field.name);
                return Err(Advised::new(what, "list it under `sees` too").into());
            }
        }
        let user_agent = match &manifest.capabilities.user_agent {
            UserAgent::Pattern(pattern) => pattern.split_once('/').map(|(product, _)| (product, pattern)),
            UserAgent::Pinned(_) => None,
        };
        let advice = "write user_agent = 'OctoPrint/PATTERN' under [capabilities], with a pattern for its version";
        let (product, pattern) =
            user_agent.ok_or_else(|| Advised::new("the user agent has no product and version", advice))?;
        // The policy is made of patterns that are valid by themselves, and small.
        let (product, user_agent) = (product.into(), Regex::new(&format!(r"\A(?:{pattern})\z"))?);
        Ok(Self { arriving, product, user_agent, policy })
    }

    /// The version in a user agent that is the tracker's.
    fn version<'a>(&self, agent: &'a [u8]) -> Option<&'a str> {
        let agent = std::str::from_utf8(agent).ok().filter(|agent| agent.chars().count() <= limits::VALUE_CHARS)?;
        let agent = Some(agent).filter(|agent| self.user_agent.is_match(agent))?;
        agent.strip_prefix(&self.product)?.strip_prefix('/')
    }

    /// With the manifest in a file, or the built-in one.
    ///
    /// # Errors
    /// As for [`Door::new`], and when the file cannot be read; the message names it.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else { return Self::new(OCTOPRINT) };
        let bytes =
            files::read_bounded(file, limits::MANIFEST).with_context(|| format!("reading {}", file.display()))?;
        let text = String::from_utf8(bytes).with_context(|| format!("reading {}", file.display()))?;
        Self::new(&text).with_context(|| file.display().to_string())
    }

    /// What is kept of a request, and what was odd about it.
    ///
    /// # Errors
    /// Why it is no report.
    pub fn take(&self, incoming: &Incoming) -> Result<(Report, Vec<Odd>), Refusal> {
        let (id, event) = form::path(incoming.path).ok_or(Refusal::Path)?;
        let installation = Id::parse(&id).ok_or(Refusal::Id)?;
        let version = self.version(incoming.user_agent).ok_or(Refusal::UserAgent)?.into();
        let mut report = Report { installation, event, version, fields: Map::new() };
        let mut odd = Vec::new();
        let declared = self.policy.declared_name(&report.event).and_then(|name| self.arriving.get_key_value(name));
        let Some((declared, arriving)) = declared else {
            odd.push(Odd::new("event", &report.event));
            report.event.clear();
            return Ok((report, odd));
        };
        for (key, value) in form::fields(incoming.form) {
            let Some(form) = arriving.get(&key) else {
                odd.push(Odd::new("field", &format!("{declared}.{key}")));
                continue;
            };
            if value.is_empty() && key != MAY_BE_EMPTY {
                continue;
            }
            let value = match form {
                None => value,
                Some(form) => match enter(*form, &value.into(), "") {
                    Some(Value::String(text)) => text,
                    _ => continue,
                },
            };
            match self.policy.field_fits(&report.event, &key, &value) {
                // It arrives, and is dropped.
                None => {}
                Some(false) => odd.push(Odd::new("value", &format!("{declared}.{key}"))),
                Some(true) => match typed(&key, value) {
                    Some(value) => put(&mut report.fields, key, value),
                    None => odd.push(Odd::new("value", &format!("{declared}.{key}"))),
                },
            }
        }
        odd.sort();
        odd.dedup();
        Ok((report, odd))
    }

    /// The kind of an event, of which there are as many as the manifest lists, and `unknown`.
    pub fn kind(&self, event: &str) -> String {
        self.policy.declared_name(event).unwrap_or("unknown").to_string()
    }

    /// The form to which a field that arrives is reduced, if it is.
    pub fn form(&self, event: &str, field: &str) -> Option<Enters> {
        *self.arriving.get(event)?.get(field)?
    }

    /// The manifest as it was written.
    pub fn manifest(&self) -> &Manifest {
        self.policy.manifest()
    }
}

impl Odd {
    fn new(kind: &'static str, name: &str) -> Self {
        Self { kind, name: printable(name, NAME_CHARS).chars().take(NAME_CHARS).collect() }
    }
}

/// A value as a number, where its field is one; `unknown` counts as 0, as in the original.
fn typed(key: &str, text: String) -> Option<Value> {
    if WHOLE.contains(&key) {
        let whole = text.split('.').next().unwrap_or_default();
        return if text == "unknown" { Some(0.into()) } else { whole.parse::<i64>().ok().map(Into::into) };
    }
    if key == FRACTION {
        let number = if text == "unknown" { 0.0 } else { text.parse::<f64>().ok()? };
        return serde_json::Number::from_f64(number).map(Into::into);
    }
    Some(text.into())
}

/// A key that comes twice counts under both values.
fn put(fields: &mut Map<String, Value>, key: String, value: Value) {
    match fields.get_mut(&key) {
        None => drop(fields.insert(key, value)),
        Some(Value::Array(list)) => list.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_the_trackers_as_a_whole_or_not_at_all() {
        let door = Door::new(OCTOPRINT).unwrap();
        assert_eq!(door.version(b"OctoPrint/1.12.0.dev3+gabc"), Some("1.12.0.dev3+gabc"));
        for other in ["", "OctoPrint/", "OctoPrint/1.11 x", "x OctoPrint/1.11", "OctoPrint/1.11\n", "octoprint/1.11"] {
            assert_eq!(door.version(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(door.version(b"OctoPrint/1.11\xff"), None);
        // Of a pattern without an end, what is longer than any value may be.
        let endless = Door::new(&OCTOPRINT.replace("{1,64}", "+")).unwrap();
        let agent = |digits| format!("OctoPrint/{}", "1".repeat(digits));
        assert!(endless.version(agent(246).as_bytes()).is_some());
        assert_eq!(endless.version(agent(247).as_bytes()), None);
        let bare = OCTOPRINT.replace("'OctoPrint/", "'OctoPrint ");
        let error = Door::new(&bare).err().unwrap().to_string();
        assert!(error.starts_with("the user agent has no product and version"), "{error}");
    }
}
