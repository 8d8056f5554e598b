//! One look at an OctoPrint, as `doctor` takes it: log in, hear its first word over the push API, read
//! what may be read, and go. Nobody is told of it, and no plugin hears anything.

use super::facts::Facts;
use super::push::{Heard, Push};
use super::rest::Rest;
use super::{must_be_new_enough, own_tracker, permissions};
use crate::home::config::octoprint::Target;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::waker;
use crate::net::{ConnectError, Timeouts};
use std::time::Instant;

/// What was seen.
#[derive(Debug)]
pub struct Visit {
    /// Its version, as it says.
    pub version: String,
    /// Whose the key is.
    pub user: String,
    /// What could not be read.
    pub missing: Vec<permissions::Missing>,
    /// Whether its own tracker is on; none where that is not known.
    pub own_tracker: Option<bool>,
}

/// Look.
///
/// # Errors
/// What is wrong with the URL, the key or the OctoPrint, and what to do about it.
pub fn visit(target: &Target, roots: &TlsTrust) -> Result<Visit, ConnectError> {
    let rest = Rest::new(&target.address, &target.key, roots);
    let login = rest.login()?;
    login.must_hear(&target.address)?;
    let version = first_word(target, roots)?;
    must_be_new_enough(&target.address, &version)?;
    let missing = Facts::read(&rest, &login, &version).missing;
    let own_tracker = own_tracker::is_on(&rest, &login);
    Ok(Visit { version, user: login.name, missing, own_tracker })
}

/// What it says first over the push API.
fn first_word(target: &Target, roots: &TlsTrust) -> Result<String, ConnectError> {
    let patience = Timeouts::default();
    let until = Instant::now() + patience.setup;
    let mut push = Push::connect(&target.address, roots, patience)?;
    let (_waker, waiter) = waker().map_err(|error| ConnectError::away(error.to_string()))?;
    while Instant::now() < until {
        if let Heard::Connected(version) = push.next(&waiter, Some(until))? {
            return Ok(version);
        }
    }
    Err(ConnectError::away("it does not say what it is"))
}
