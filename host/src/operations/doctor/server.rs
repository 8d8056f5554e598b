//! Checks whether each tracking server can be reached, with a connection and a TLS handshake but no request, so
//! that nothing is reported. The server still sees our address, so it is done only where somebody has opted in.

use super::Examined;
use super::finding::Finding;
use crate::delivery::RULE;
use crate::home::Home;
use crate::home::settings::Stored;
use crate::net::proxy::proxy_for;
use crate::net::reach;
use crate::net::{Address, Peer};
use crate::operations::plugins::sends;
use glassbox_contract::examine;
use glassbox_sandbox::check_template;
use glassbox_util::text::without_credentials;
use std::collections::BTreeMap;

/// What a server's URL is like.
const LIKE: &str = "give one like https://stats.example/{id}/{event}/";

/// Check all of them, each once.
pub fn check(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    let names = examined.home.plugin_names().unwrap_or_default();
    let mut servers: BTreeMap<String, bool> = BTreeMap::new();
    for name in &names {
        for one in &examined.octoprints {
            if let Some(server) = server(&one.home, name) {
                *servers.entry(server).or_default() |= sends(&one.home, name).sending.is_given();
            }
        }
    }
    for (server, wanted) in servers {
        let check = format!("server {}", without_credentials(origin(&server)));
        let usable = check_template(&server).map(|()| Address::parse(origin(&server), Peer::OctoPrint));
        findings.push(match usable {
            Err(wrong) => Finding::fail(check, format!("all reports are blocked: {wrong}"), LIKE),
            Ok(Err(_)) => Finding::fail(check, "it is not a URL", LIKE),
            Ok(Ok(_)) if !wanted && !examined.options.reach_server => Finding::skipped(
                check,
                "nothing is sent there, and connecting would tell it your address; --reach-server connects anyway",
            ),
            Ok(Ok(address)) => reach(examined, check, &address),
        });
    }
}

/// Where a plugin's reports go: scheme, host and port, as in `https://stats.example:8443`; the whole URL, if it can be none.
fn server(home: &Home, name: &str) -> Option<String> {
    let policy = examine(name, &home.read_plugin(name).ok()?).ok()?;
    let http = policy.manifest().capabilities.http.as_ref()?;
    let own = match (home.settings(name), &http.url_setting) {
        (Stored::Good(settings), Some(key)) => settings.get(key).and_then(|url| url.as_str()).map(String::from),
        _ => None,
    };
    let url = own.unwrap_or_else(|| http.url.clone());
    // Several plugins may have one server.
    Some(if check_template(&url).is_ok() { origin(&url).to_string() } else { url })
}

/// Scheme, host and port. Of a URL with a password in it, all: a slash may be part of that.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    if url.contains('@') {
        return url;
    }
    &url[..url[host..].find('/').map_or(url.len(), |slash| host + slash)]
}

fn reach(examined: &Examined<'_>, check: String, address: &Address) -> Finding {
    let advice =
        &format!("check this machine's network, name service (DNS) and clock; until it can be reached, {RULE}");
    if let Some(proxy) = address.to_string().parse().ok().as_ref().and_then(proxy_for) {
        let place = format!("{}:{}", proxy.host(), proxy.port());
        return match reach::connect(proxy.host(), proxy.port()) {
            Ok(_) => Finding::ok(
                check,
                format!("goes through the proxy {place}, which can be reached; nothing was reported"),
            ),
            Err(error) => Finding::fail(check, format!("goes through the proxy {place}, and {}", error.what()), advice),
        };
    }
    let how = if address.is_tls() { " over TLS, with a certificate that is trusted" } else { "" };
    match reach::reach(address, &examined.trust) {
        Ok(()) => Finding::ok(check, format!("can be reached{how}; nothing was reported by this check")),
        Err(error) => Finding::fail(check, error.what(), error.advice().unwrap_or(advice)),
    }
}
