//! A single connection to an OctoPrint, for `glassbox doctor`: log in, wait for the first message of the push API, read
//! what may be read, and leave. No plugin is told of it.

use super::push::{Push, PushMessage};
use super::rest::RestClient;
use super::server_info::ServerInfo;
use super::{must_be_new_enough, own_tracker, permissions};
use crate::home::config::octoprint::Target;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::waker;
use crate::net::{ConnectError, Timeouts};
use std::time::Instant;

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
    let version = version(target, trust)?;
    must_be_new_enough(&target.address, &version)?;
    let missing = ServerInfo::read(&rest, &login, &version).missing;
    let own_tracker = own_tracker::is_on(&rest, &login);
    Ok(Probe { version, user: login.name, missing, own_tracker })
}

/// OctoPrint's version, from the first message of the push API.
fn version(target: &Target, trust: &TlsTrust) -> Result<String, ConnectError> {
    let timeouts = Timeouts::default();
    let until = Instant::now() + timeouts.setup;
    let mut push = Push::connect(&target.address, trust, timeouts)?;
    let (_waker, waiter) = waker()?;
    while Instant::now() < until {
        if let PushMessage::Connected(version) = push.next(&waiter, Some(until))? {
            return Ok(version);
        }
    }
    Err(ConnectError::away("it does not say what it is"))
}
