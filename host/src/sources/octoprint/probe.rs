//! A single connection to an OctoPrint, for `glassbox doctor`: log in, subscribe to nothing and see that OctoPrint takes
//! that, read what may be read, and leave. No plugin is told of it.

use super::rest::RestClient;
use super::server_info::ServerInfo;
use super::subscription::Subscription;
use super::{own_tracker, permissions, refusal};
use crate::home::config::octoprint::Target;
use crate::net::ConnectError;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::waker;
use std::collections::BTreeSet;

/// What was found.
#[derive(Debug)]
pub struct Probe {
    /// OctoPrint's version, as it says.
    pub version: String,
    /// The name of the API key's user.
    pub user: String,
    /// What could not be read.
    pub missing: Vec<permissions::Missing>,
    /// Whether OctoPrint's own tracker is on; none where that cannot be known.
    pub own_tracker: Option<bool>,
}

/// Connect to this OctoPrint, and look at it.
///
/// # Errors
/// What is wrong with the URL, the key or the OctoPrint, and what to do about it.
pub fn probe(target: &Target, trust: &TlsTrust) -> Result<Probe, ConnectError> {
    let rest = RestClient::new(&target.address, &target.key, trust);
    let login = rest.login()?;
    login.must_see_events(&target.address)?;
    let (_waker, waiter) = waker()?;
    let mut subscription = Subscription::open(&target.address, trust, &login, &BTreeSet::new(), &waiter)?;
    if !subscription.is_taken(&waiter)? {
        return Err(refusal::silent());
    }
    let version = subscription.version;
    let missing = ServerInfo::read(&rest, &login, &version).missing;
    let own_tracker = own_tracker::is_on(&rest, &login);
    Ok(Probe { version, user: login.name, missing, own_tracker })
}
