//! The gate that every request passes: consent, the manifest's rules, limits; then what is really
//! sent is built here, by the host, from checked parts.

use crate::encode::{form, percent_encode};
use crate::{Consent, Policy, Settings, limits, printable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Post,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
        })
    }
}

/// What a component asks to have sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// How it is to travel.
    pub method: Method,
    /// What is reported.
    pub name: String,
    /// Names and values, in their order.
    pub fields: Vec<(String, String)>,
    /// The whole header.
    pub user_agent: String,
}

/// A request as it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// GET with the form as a query, POST with the form as the body.
    pub method: Method,
    /// What is reported, for example `print_started`.
    pub name: String,
    /// Names and values, as the component gave them.
    pub fields: Vec<(String, String)>,
    /// The URL without the query.
    pub url: String,
    /// The fields, encoded.
    pub form: String,
    /// The whole header.
    pub user_agent: String,
    /// The path for people: `{id}` stays, and of a server of the user's own nothing is told.
    pub shown: String,
}

impl Outgoing {
    /// The URL's path.
    #[must_use]
    pub fn path(&self) -> &str {
        path(&self.url)
    }

    /// The query as it is sent.
    #[must_use]
    pub fn query(&self) -> &str {
        if self.method == Method::Get { &self.form } else { "" }
    }

    /// The body as it is sent.
    #[must_use]
    pub fn body(&self) -> &str {
        if self.method == Method::Post { &self.form } else { "" }
    }
}

/// A request that was not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What would have been reported.
    pub request: String,
    /// Why not.
    pub reason: String,
    /// Whether it broke the manifest; if not, consent or a switch stopped it.
    pub undeclared: bool,
}

/// Let a request through, or say why not.
///
/// # Errors
/// The first reason that stops it.
pub fn pass(request: Request, policy: &Policy, settings: &Settings, consent: Consent) -> Result<Outgoing, Blocked> {
    let blocked =
        |name: &str, reason: String, undeclared| Blocked { request: printable(name, limits::NAME), reason, undeclared };
    if !consent.given() {
        return Err(blocked(&request.name, consent.to_string(), false));
    }
    policy.check(&request).map_err(|reason| blocked(&request.name, reason, true))?;
    if let Some(switch) = policy.switched_off(&request, settings) {
        return Err(blocked(&request.name, format!("the setting {switch} is off"), false));
    }
    let (url, shown) = url(&request.name, policy, settings).map_err(|reason| blocked(&request.name, reason, false))?;
    Ok(Outgoing {
        shown,
        method: request.method,
        form: form(&request.fields),
        name: request.name,
        fields: request.fields,
        url,
        user_agent: request.user_agent,
    })
}

/// The URL, and its path for people.
fn url(name: &str, policy: &Policy, settings: &Settings) -> Result<(String, String), String> {
    let http = policy.manifest().capabilities.http.as_ref().ok_or("the manifest asks for no HTTP")?;
    let own = http.url_setting.as_deref().and_then(|key| settings.get(key)).and_then(|url| url.as_str());
    let template = own.unwrap_or(&http.url);
    check_template(template)?;
    let id = settings.get(&http.id_setting).and_then(|id| id.as_str()).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| format!("the setting {} is missing", http.id_setting))?;
    let shown = match own.filter(|own| *own != http.url) {
        None => path(&fill(template, "{id}", &percent_encode(name))).into(),
        Some(_) => format!("(own server)/{}", percent_encode(name)),
    };
    Ok((fill(template, &percent_encode(id), &percent_encode(name)), shown))
}

/// Fill in the template, each variable as one path segment.
fn fill(template: &str, id: &str, name: &str) -> String {
    // One pass over the template: what is filled in is not looked at again.
    let mut out = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let end = rest[start..].find('}').map_or(rest.len(), |end| start + end + 1);
        out.push_str(&rest[..start]);
        out.push_str(if &rest[start..end] == "{id}" { id } else { name });
        rest = &rest[end..];
    }
    out + rest
}

fn path(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..])
}

/// Whether a URL can be a template.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_template(url: &str) -> Result<(), String> {
    let fail = |what: &str| Err(format!("the tracking server's URL {what}: {url}"));
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return fail("must begin with https:// or http://");
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if host.is_empty() || host.contains(['{', '}', '@']) {
        return fail("must name a host, without variables or a user");
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>\\^`|".contains(&byte)) {
        return fail("may have no spaces, query, fragment or characters that must be encoded");
    }
    let bare = path.replace("{id}", "").replace("{event}", "");
    if bare.contains(['{', '}']) {
        return fail("may have no variables but {id} and {event}");
    }
    Ok(())
}
