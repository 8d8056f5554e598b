//! Whose address a request has. An address lives from here to the look-up of its place, and nowhere else: [`Address`] has no
//! `Debug` and no `Display`, so that nothing can print it.

use crate::config::Config;
use hyper::HeaderMap;
use serde::Deserialize;
use std::net::IpAddr;

/// The address of whoever sent a report.
pub struct Address(IpAddr);

impl Address {
    /// Of this address; one of IPv4 in the clothes of IPv6 is one of IPv4.
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// For the look-up.
    pub(crate) fn get(&self) -> IpAddr {
        self.0
    }
}

/// Who is at the other end of a connection.
pub enum Peer {
    /// A program on this machine, over a Unix socket.
    Local,
    /// This address.
    Remote(Address),
}

/// Some addresses: `10.0.0.0/8`, or one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither an address nor a network such as 10.0.0.0/8");
        let (address, bits) = text.split_once('/').map_or((text.as_str(), None), |(one, two)| (one, Some(two)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(longest), str::parse).map_err(|_| wrong())?;
        if bits > longest {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }
}

impl Network {
    /// Whether every address of its kind is in it.
    pub fn is_everything(&self) -> bool {
        self.bits == 0
    }

    /// Whether an address is in it.
    fn contains(&self, address: &Address) -> bool {
        let number = |address: IpAddr| match address {
            // Both are compared from their first bit on.
            IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
            IpAddr::V6(v6) => v6.into(),
        };
        let differing = number(self.address) ^ number(address.0);
        let same_kind = self.address.is_ipv4() == address.0.is_ipv4();
        same_kind && differing.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
    }
}

/// Whose word is taken for an address.
pub struct Trust {
    proxies: Vec<Network>,
    header: Option<String>,
}

impl Trust {
    /// As it is configured.
    pub fn new(config: &Config) -> Self {
        Self { proxies: config.trusted_proxies.clone(), header: config.address_header.clone() }
    }

    /// The address of whoever made a request: the peer's own, or, from a proxy that is trusted, the last value of the one
    /// header that is configured (RECEIVING.md, 7: never the first, which the client writes). None if such a proxy does
    /// not say: its own place is not the client's.
    pub fn client(&self, peer: &Peer, headers: &HeaderMap) -> Option<Address> {
        match peer {
            Peer::Remote(address) if !self.proxies.iter().any(|network| network.contains(address)) => {
                Some(Address(address.0))
            }
            _ => {
                let value = headers.get_all(self.header.as_deref()?).iter().next_back()?.to_str().ok()?;
                let last = value.rsplit(',').next()?.trim();
                parse(last).map(Address::new)
            }
        }
    }
}

/// An address as proxies write it, perhaps in brackets and with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let socket = || text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(socket).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(address: &str) -> Peer {
        Peer::Remote(Address::new(address.parse().unwrap()))
    }

    #[test]
    fn only_a_trusted_proxy_names_another_address_and_its_last_one_counts() {
        let config = "trusted_proxies = [\"10.0.0.0/8\", \"2001:db8::/32\", \"::ffff:0:0/96\"]\naddress_header = \"X-Forwarded-For\"";
        let trust = Trust::new(&Config::parse(config).unwrap());
        let client = |peer: &Peer, values: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert("forwarded", "for=6.6.6.6".parse().unwrap());
            headers.insert("x-real-ip", "6.6.6.6".parse().unwrap());
            for value in values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            trust.client(peer, &headers).map(|address| address.0.to_string())
        };
        let own = |peer: &str, values: &[&str]| client(&remote(peer), values);
        assert_eq!(own("8.8.8.8", &["1.1.1.1"]).as_deref(), Some("8.8.8.8"), "nobody trusts this one");
        assert_eq!(own("10.1.2.3", &["6.6.6.6, 1.1.1.1"]).as_deref(), Some("1.1.1.1"));
        assert_eq!(own("10.1.2.3", &["6.6.6.6", "7.7.7.7, 1.1.1.1:443"]).as_deref(), Some("1.1.1.1"));
        assert_eq!(own("::ffff:10.1.2.3", &["::ffff:1.1.1.1"]).as_deref(), Some("1.1.1.1"));
        assert_eq!(own("::ffff:11.1.2.3", &["1.1.1.1"]).as_deref(), Some("11.1.2.3"));
        assert_eq!(own("2001:db8::1", &["[2a02::7]:80"]).as_deref(), Some("2a02::7"));
        assert_eq!(own("2001:db9::1", &["2a02::7"]).as_deref(), Some("2001:db9::1"));
        assert_eq!(client(&Peer::Local, &["1.1.1.1"]).as_deref(), Some("1.1.1.1"));
        // A proxy that does not say is no client.
        for nothing in [&[][..], &["unknown"], &["1.1.1.1, "], &["1.1.1.1, _hidden"]] {
            assert_eq!(own("10.1.2.3", nothing), None, "{nothing:?}");
            assert_eq!(client(&Peer::Local, nothing), None);
        }
        // Without a header nobody is asked.
        let trust = Trust::new(&Config::parse("trusted_proxies = [\"10.0.0.0/8\"]").unwrap());
        assert!(trust.client(&remote("10.0.0.1"), &HeaderMap::new()).is_none());
        assert!(trust.client(&Peer::Local, &HeaderMap::new()).is_none());
    }
}
