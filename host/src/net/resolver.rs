//! Looks up names for the HTTP client, as its own resolver does; but that one panics where the system has no thread for it.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// So many addresses of a name are tried.
const MOST: usize = 16;

/// Looks up names within the time that is left.
#[derive(Debug, Default)]
pub struct NameResolver;

impl Resolver for NameResolver {
    fn resolve(&self, url: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let name = url.scheme().zip(url.authority());
        let name = name.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let name = name.ok_or_else(|| Error::BadUri(url.to_string()))?;
        let mut found = self.empty();
        for address in config.ip_family().keep_wanted(look_up(name, timeout)?.into_iter()).take(MOST) {
            found.push(address);
        }
        if found.is_empty() { Err(Error::HostNotFound) } else { Ok(found) }
    }
}

fn look_up(name: String, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = name.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    let (sender, answer) = mpsc::sync_channel(1);
    let own = name.clone();
    let ask = move || drop(sender.send(all(&own)));
    match std::thread::Builder::new().spawn(ask) {
        Ok(_) => answer.recv_timeout(*timeout.after).map_err(|_| Error::Timeout(timeout.reason))?,
        // Perhaps for longer than there is time.
        Err(_) => all(&name),
    }
    .map_err(Into::into)
}

fn all(name: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(name.to_socket_addrs()?.collect())
}
