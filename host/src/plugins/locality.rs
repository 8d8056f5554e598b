//! On which machine an OctoPrint runs. That decides two things: whether it ends together with the host, and
//! whether what we know of this machine's hardware is true for it.

use crate::net::Address;
use crate::net::address::is_loopback;
use crate::system::{CommandLine, SystemHardware, VcGenCmd};
use glassbox_contract::Deny;
use glassbox_sandbox::capabilities::{Hardware, Throttle};
use std::sync::{Arc, Mutex, PoisonError};

/// Where an OctoPrint runs, seen from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    /// It is known only by a stream of events, and ends when that does.
    Stream,
    /// On this machine. It keeps running when the host ends.
    Here,
    /// On another machine, of which we know nothing. It keeps running when the host ends.
    Elsewhere,
}

impl Locality {
    /// That of the OctoPrint at this address.
    pub fn at(address: &Address) -> Self {
        if is_loopback(address.host()) { Self::Here } else { Self::Elsewhere }
    }

    /// Whether the OctoPrint keeps running when the host ends.
    pub fn outlives_host(self) -> bool {
        self != Self::Stream
    }

    /// The capability that tells plugins about its hardware; it knows nothing of another machine.
    pub fn hardware(self) -> Box<dyn Hardware> {
        if self == Self::Elsewhere { Box::new(Deny) } else { Box::new(SystemHardware::new("/")) }
    }

    /// The throttle query, by this program; it knows nothing of another machine.
    pub fn throttle(self, vcgencmd: &CommandLine) -> ThrottleQuery {
        let query = (self != Self::Elsewhere).then(|| VcGenCmd::new(vcgencmd.clone()));
        ThrottleQuery(Arc::new(Mutex::new(query)))
    }
}

/// The throttle query that a plugin's instances and the host itself share, so that what is wrong with it is said once.
#[derive(Clone, Debug)]
pub struct ThrottleQuery(Arc<Mutex<Option<VcGenCmd>>>);

impl ThrottleQuery {
    /// Use this program from now on.
    pub fn use_program(&self, vcgencmd: &CommandLine) {
        if let Some(query) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
            && query.command() != vcgencmd
        {
            *query = VcGenCmd::new(vcgencmd.clone());
        }
    }
}

impl Throttle for ThrottleQuery {
    fn query(&self) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.query()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_is_certainly_this_machine() {
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
