//! The tracking servers: whether each can be reached. A connection and a handshake, and no request:
//! nothing is reported by it. But it tells the server an address, so only where somebody opted in.

use super::Examined;
use super::finding::Finding;
use crate::home::Home;
use crate::home::settings::Stored;
use crate::net::reach;
use crate::net::{Address, Peer};
use crate::operations::status::is_on;
use glassbox_sandbox::examine;
use std::collections::BTreeMap;

/// Look at all of them, each once.
pub fn look(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    let names = examined.home.plugin_names().unwrap_or_default();
    let mut servers: BTreeMap<String, bool> = BTreeMap::new();
    for name in &names {
        for one in &examined.sites {
            if let Some(server) = server(&one.home, name) {
                *servers.entry(server).or_default() |= is_on(&one.home, name);
            }
        }
    }
    for (server, wanted) in servers {
        let check = format!("server {server}");
        findings.push(match Address::parse(&server, Peer::OctoPrint) {
            Err(_) => Finding::fail(check, "that is not a URL", "give one like https://stats.example/{id}/{event}/"),
            Ok(_) if !wanted && !examined.options.reach_server => Finding::skipped(
                check,
                "nobody has opted in, and to connect would tell it your address; --reach-server does it all the same",
            ),
            Ok(address) => reach(examined, check, &address),
        });
    }
}

/// Where a plugin's reports go: scheme, host and port.
fn server(home: &Home, name: &str) -> Option<String> {
    let policy = examine(name, &home.read_plugin(name).ok()?).ok()?;
    let http = policy.manifest().capabilities.http.as_ref()?;
    let own = match (home.settings(name), &http.url_setting) {
        (Ok(Stored::Good(settings)), Some(key)) => settings.get(key).and_then(|url| url.as_str()).map(String::from),
        _ => None,
    };
    let url = own.unwrap_or_else(|| http.url.clone());
    let host = url.find("://").map_or(0, |at| at + 3);
    Some(url[..url[host..].find('/').map_or(url.len(), |slash| host + slash)].to_string())
}

fn reach(examined: &Examined<'_>, check: String, address: &Address) -> Finding {
    let advice = "check this machine's network, name service and clock; reports are dropped meanwhile, not kept";
    if let Some(proxy) = ureq::Proxy::try_from_env() {
        let place = format!("{}:{}", proxy.host(), proxy.port());
        return match reach::connect(proxy.host(), proxy.port()) {
            Ok(_) => {
                Finding::ok(check, format!("goes through the proxy {place}, which is reached; nothing was reported"))
            }
            Err(error) => Finding::fail(check, format!("goes through the proxy {place}, and {}", error.what()), advice),
        };
    }
    let how = if address.is_tls() { " over TLS, with a certificate that is trusted" } else { "" };
    match reach::reach(address, &examined.roots) {
        Ok(()) => Finding::ok(check, format!("is reached{how}; nothing was reported by that")),
        Err(error) => Finding::fail(check, error.what(), error.advice().unwrap_or(advice)),
    }
}
