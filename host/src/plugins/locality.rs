//! Whose events a host hears: what that means for the end of the host, and for what plugins may ask
//! of the machine.

use crate::net::Address;
use crate::system::{SystemHardware, VcGenCmd};
use glassbox_sandbox::capabilities::{Deny, Hardware, Throttle};
use std::net::IpAddr;
use std::path::Path;

/// The server whose events are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    /// Known by a stream of events only, and over when that is.
    Stream,
    /// An OctoPrint on this machine, which outlives us.
    Here,
    /// An OctoPrint on another machine, which outlives us; of that machine we know nothing.
    Elsewhere,
}

impl Locality {
    /// The OctoPrint at this address.
    #[must_use]
    pub fn at(address: &Address) -> Self {
        let host = address.host();
        let is_loopback = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if is_loopback || host.eq_ignore_ascii_case("localhost") { Self::Here } else { Self::Elsewhere }
    }

    /// Whether it runs on when we end.
    #[must_use]
    pub fn outlives_us(self) -> bool {
        self != Self::Stream
    }

    /// What plugins hear of its machine.
    #[must_use]
    pub fn hardware(self) -> Box<dyn Hardware> {
        if self == Self::Elsewhere { Box::new(Deny) } else { Box::new(SystemHardware::new("/")) }
    }

    /// What plugins hear of its throttling.
    #[must_use]
    pub fn throttle(self, vcgencmd: &Path) -> Box<dyn Throttle> {
        if self == Self::Elsewhere { Box::new(Deny) } else { Box::new(VcGenCmd::new(vcgencmd)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_is_surely_this_machine() {
        let at = |url: &str| Locality::at(&Address::parse(url, crate::net::Peer::OctoPrint).unwrap());
        for url in ["http://127.0.0.1:5000", "http://[::1]", "http://LocalHost/octoprint"] {
            assert_eq!(at(url), Locality::Here, "{url}");
        }
        assert_eq!(at("http://octopi.local"), Locality::Elsewhere);
        assert_eq!(at("http://192.168.1.2"), Locality::Elsewhere);
        assert_eq!(Locality::Elsewhere.hardware().probe(), Deny.probe());
        assert!(Locality::Here.hardware().probe() != Deny.probe());
    }
}
