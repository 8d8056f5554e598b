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
use glassbox_util::text::without_credentials;
use std::collections::BTreeMap;

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
        let check = format!("server {}", without_credentials(&server));
        // A tracking server's URL may have no user and password in it, other than an OctoPrint's.
        let address = Address::parse(&server, Peer::OctoPrint).ok().filter(|_| !server.contains('@'));
        findings.push(match address {
            None => Finding::fail(check, "it is not a URL", "give one like https://stats.example/{id}/{event}/"),
            Some(_) if !wanted && !examined.options.reach_server => Finding::skipped(
                check,
                "nothing is sent there, and connecting would tell it your address; --reach-server connects anyway",
            ),
            Some(address) => reach(examined, check, &address),
        });
    }
}

/// Where a plugin's reports go: scheme, host and port, as in `https://stats.example:8443`.
fn server(home: &Home, name: &str) -> Option<String> {
    let policy = examine(name, &home.read_plugin(name).ok()?).ok()?;
    let http = policy.manifest().capabilities.http.as_ref()?;
    let own = match (home.settings(name), &http.url_setting) {
        (Stored::Good(settings), Some(key)) => settings.get(key).and_then(|url| url.as_str()).map(String::from),
        _ => None,
    };
    let url = own.unwrap_or_else(|| http.url.clone());
    let host = url.find("://").map_or(0, |at| at + 3);
    if url.contains('@') {
        // No server's URL may have that, and a slash may be part of a password.
        return Some(url);
    }
    Some(url[..url[host..].find('/').map_or(url.len(), |slash| host + slash)].to_string())
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
