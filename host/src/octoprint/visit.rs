//! One look at an OctoPrint, as `doctor` takes it: log in, hear its first word over the push API, read
//! what may be read, and go. Nobody is told of it, and no plugin hears anything.

use super::facts::Facts;
use super::poll::bell;
use super::push::{Heard, Patience, Push};
use super::rest::Rest;
use super::{Target, Trouble, must_be_new_enough, own_tracker, permissions};
use crate::roots::Roots;
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
pub fn visit(target: &Target, roots: &Roots) -> Result<Visit, Trouble> {
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
fn first_word(target: &Target, roots: &Roots) -> Result<String, Trouble> {
    let patience = Patience::default();
    let until = Instant::now() + patience.setup;
    let mut push = Push::connect(&target.address, roots, patience)?;
    let (_rope, bell) = bell().map_err(|error| Trouble::away(error.to_string()))?;
    while Instant::now() < until {
        if let Heard::Connected(version) = push.next(&bell, Some(until))? {
            return Ok(version);
        }
    }
    Err(Trouble::away("it does not say what it is"))
}
