//! Which connections go through the proxy that the environment names. None to this machine itself do: a proxy would
//! carry elsewhere what was never to leave it.

use super::address::is_loopback;
use ureq::Proxy;
use ureq::http::Uri;

/// The proxy through which a connection to this URL goes; none where it is made directly: where the environment names
/// no proxy, `NO_PROXY` names the host, or the host is this machine.
pub fn proxy_for(url: &Uri) -> Option<Proxy> {
    let is_direct = |proxy: &Proxy| url.host().is_some_and(is_loopback) || proxy.is_no_proxy(url);
    Proxy::try_from_env().filter(|proxy| !is_direct(proxy))
}
