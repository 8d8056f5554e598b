//! The gate that every request must pass: consent, then the manifest's rules and the limits, then switches. What is
//! really sent is built here, by the host, from the parts that were checked. Sending it is `host/src/delivery/`'s job.

use crate::encode::{form, percent_encode};
use crate::pins::Context;
use crate::policy::Refused;
use crate::{Consent, Policy, Settings, without_credentials};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The HTTP method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // named as in HTTP
pub enum Method {
    Get,
    Post,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Get { "GET" } else { "POST" })
    }
}

/// What a component asks the host to send. The host trusts nothing in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// GET or POST.
    pub method: Method,
    /// What is reported, for example `print_started`.
    pub name: String,
    /// Names and values, not encoded, in the order in which they are to be sent.
    pub fields: Vec<(String, String)>,
    /// The whole `User-Agent` header.
    pub user_agent: String,
}

/// A request that passed the gate, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// GET, with the form as the query, or POST, with the form as the body.
    pub method: Method,
    /// What is reported, for example `print_started`.
    pub name: String,
    /// Names and values, not encoded, as the component gave them.
    pub fields: Vec<(String, String)>,
    /// The URL without the query. It contains the id.
    pub url: String,
    /// The fields, percent-encoded: `a=1&b=2`.
    pub form: String,
    /// The whole `User-Agent` header.
    pub user_agent: String,
    /// The path to show to people and to keep in the journal: with `{id}` instead of the id, and nothing of the URL
    /// if the user has set one.
    pub shown: String,
}

/// A request that was not let through, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{request} was blocked: {reason}")]
pub struct Blocked {
    /// What would have been reported: the request's name as the manifest writes it, never as the component does.
    pub request: String,
    /// Why not, in words for a log. Names of declared fields and settings may be in it; no values.
    pub reason: String,
    /// Whether the manifest forbids it, so that the component is at fault. Otherwise consent, a switch, a missing
    /// setting or a limit stopped it.
    pub undeclared: bool,
}

/// Let a request pass, or say why not; with its number in the manifest. There is an example at the top of this crate.
/// `occasion` is what a pinned request is made of. It is none only for a request that has passed before and has waited
/// since: then the occasion on which the host compared it with what it makes itself is over, and consent, the manifest's
/// rules and the settings are asked again.
///
/// # Errors
/// The first reason that stops it: no consent, the manifest, a switch that is off, no id, or an unusable URL in the
/// settings.
pub fn pass(
    request: Request,
    policy: &Policy,
    settings: &Settings,
    consent: Consent,
    occasion: Option<&Context>,
) -> Result<(Outgoing, usize), Blocked> {
    let blocked = |reason, undeclared| Blocked::new(&request.name, policy, reason, undeclared);
    if !consent.given() {
        return Err(blocked(consent.to_string(), false));
    }
    let number = policy.check(&request, settings, occasion);
    let number = number.map_err(|Refused { reason, undeclared }| blocked(reason, undeclared))?;
    let (url, shown) = url(&request.name, policy, settings).map_err(|reason| blocked(reason, false))?;
    let Request { method, name, fields, user_agent } = request;
    Ok((Outgoing { form: form(&fields), method, name, fields, url, user_agent, shown }, number))
}

impl Blocked {
    pub(crate) fn new(name: &str, policy: &Policy, reason: String, undeclared: bool) -> Self {
        Self { request: policy.declared_name(name).unwrap_or(UNNAMED).into(), reason, undeclared }
    }
}

/// Stands for the name of a request that the manifest does not declare: a component could hide a message in it.
const UNNAMED: &str = "(undeclared)";

/// The URL, and its path as it is [shown](Outgoing::shown).
fn url(name: &str, policy: &Policy, settings: &Settings) -> Result<(String, String), String> {
    let http = policy.manifest().capabilities.http.as_ref().ok_or("the manifest does not ask for HTTP")?;
    // What is there and is no text is not clear: the manifest's own server is not meant.
    let own = match http.url_setting.as_deref().and_then(|key| Some((key, settings.get(key)?))) {
        None | Some((_, Value::Null)) => None,
        Some((_, Value::String(own))) => Some(own.as_str()),
        Some((key, _)) => return Err(format!("the setting {key} must be text")),
    };
    // The manifest's own was checked with the rest of it.
    own.map_or(Ok(()), check_template)?;
    let template = own.unwrap_or(&http.url);
    let id = settings.get(&http.id_setting).and_then(|id| id.as_str()).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| format!("the setting {} is missing", http.id_setting))?;
    // Each variable becomes one segment of the path. What is encoded has no brace, so it is not filled in again.
    let name = percent_encode(name);
    let url = template.replace("{event}", &name);
    let shown = match own.filter(|own| *own != http.url) {
        None => path(&url).into(),
        Some(_) => format!("(own server)/{name}"),
    };
    Ok((url.replace("{id}", &percent_encode(id)), shown))
}

fn path(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..])
}

/// Whether a URL can be a template, in which `{id}` and `{event}` are filled in.
///
/// # Errors
/// What is wrong with it, in words for whoever wrote it: the manifest's author or the user.
pub fn check_template(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let (host, path) = rest.map_or(("", ""), |rest| rest.split_at(rest.find('/').unwrap_or(rest.len())));
    let is_good = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`|".contains(&byte);
    let bare = path.replace("{id}", "").replace("{event}", "");
    first_wrong(&[
        (rest.is_none(), "must begin with https:// or http://"),
        (host.is_empty() || host.contains(['{', '}', '@']), "must name a host, without variables or a user"),
        (!url.bytes().all(is_good), "must not have spaces, a query, a fragment or characters that must be encoded"),
        (bare.contains(['{', '}']), "must not have variables other than {id} and {event}"),
    ])
    .map_err(|what| format!("the tracking server's URL {what}: {}", without_credentials(url)))
}

/// The first of these that is true, as an error.
pub(crate) fn first_wrong(checks: &[(bool, &'static str)]) -> Result<(), &'static str> {
    checks.iter().find(|(is_wrong, _)| *is_wrong).map_or(Ok(()), |(_, what)| Err(what))
}
