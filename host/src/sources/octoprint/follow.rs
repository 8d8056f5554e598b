//! Follows one OctoPrint for as long as the host runs: connects, and when the connection is lost, tries again until
//! it is back. What happens during a connection is in `session.rs`, what plugins are told in `announce.rs`.

use super::announce::Announcer;
use super::connection_status::StatusFile;
use super::permissions::Missing;
use super::session::{Found, Session};
use super::{SHOWN, refusal};
use crate::events::Feed;
use crate::home::config::octoprint::Target;
use crate::net::ConnectError;
use crate::net::tls_trust::TlsTrust;
use crate::net::waker::{Waiter, waker};
use crate::sources::outage::{Outages, Retry};
use crate::sources::server_run::RunChange;
use anyhow::Result;
use glassbox_util::text::printable;
use glassbox_util::{Advised, random_part};
use std::time::{Duration, Instant};

/// In a farm the first attempts, also those after an outage, are spread over this much time for each
/// OctoPrint in it, so that the network, a proxy and this machine have them one after the other.
const SHARE: Duration = Duration::from_millis(20);

/// Follow this OctoPrint, as one of `count` sources. Returns only with an error, and only when it is the only source
/// and the very first attempt meets something that waiting does not fix.
///
/// # Errors
/// What is wrong with the URL, the key or the OctoPrint, and what to do about it.
pub fn follow(target: &Target, count: usize, feed: &Feed) -> Result<()> {
    let (waker, waiter) = waker()?;
    feed.router.watch(waker);
    let mut follower = Follower {
        target,
        feed,
        waiter: &waiter,
        status: StatusFile::new(&feed.home, target),
        outages: Outages::new(Some(target.called()), format!("OctoPrint at {}", target.address)),
        announcer: Announcer::new(target, &feed.home, &feed.router),
        missing: None,
    };
    let spread = || random_part(SHARE * u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX));
    let mut retry = Retry::new();
    std::thread::sleep(spread());
    loop {
        let began = Instant::now();
        let error = follower.connect(&feed.trust());
        if count == 1 && error.is_wrong() && !follower.outages.connected_before() {
            return Err(Advised::from(error).into());
        }
        follower.lost(&error);
        std::thread::sleep(retry.wait(&error, began.elapsed(), spread));
    }
}

struct Follower<'a> {
    target: &'a Target,
    feed: &'a Feed,
    waiter: &'a Waiter,
    /// What `glassbox status` shows of it.
    status: StatusFile,
    outages: Outages,
    announcer: Announcer<'a>,
    /// What the log last said to be missing.
    missing: Option<Vec<Missing>>,
}

impl Follower<'_> {
    /// One connection, from the login to its loss. Returns why it failed or was lost.
    fn connect(&mut self, trust: &TlsTrust) -> ConnectError {
        let opened = Session::open(self.target, trust, &self.feed.router, self.waiter);
        let mut session = match opened.and_then(|session| self.taken(session)) {
            Ok(session) => session,
            Err(error) => return error,
        };
        let found = session.find();
        self.status.connected(&printable(&found.version, SHOWN), &found.info.missing, found.own_tracker);
        self.connected(found);
        session.hand_on_early();
        loop {
            if let Err(error) = session.next(&mut self.status) {
                return error;
            }
        }
    }

    /// Wait until OctoPrint has taken what we subscribed to. Until it shows that, nobody is told that it is heard; and as
    /// an event would show it, none is lost by waiting.
    fn taken<'b>(&mut self, mut session: Session<'b>) -> Result<Session<'b>, ConnectError> {
        while !session.is_taken()? {
            self.lost(&refusal::silent());
        }
        Ok(session)
    }

    /// There is a connection: tell the plugins how things are, and the log.
    fn connected(&mut self, found: Found) {
        let Found { version, info, printer, .. } = found;
        let missing = info.missing.clone();
        let change = self.announcer.connected(info, printer, !self.outages.connected_before());
        let (octoprint, address) = (self.target.called(), &self.target.address);
        let restarted = if change == RunChange::New { "; its server was restarted" } else { "" };
        let version = printable(&version, SHOWN);
        match self.outages.over() {
            Some(away) => {
                tracing::info!(octoprint, "hears OctoPrint again after {} s{restarted}", away.as_secs());
            }
            None => tracing::info!(octoprint, "hears OctoPrint {version} at {address}{restarted}"),
        }
        if self.missing.as_ref() != Some(&missing) {
            for what in &missing {
                tracing::info!(octoprint, "not available from OctoPrint: {what}");
            }
            self.missing = Some(missing);
        }
    }

    /// The attempt failed, or the connection was lost.
    fn lost(&mut self, error: &ConnectError) {
        if self.outages.failed(error) {
            self.status.lost(error);
        }
        self.announcer.lost(error);
        self.announcer.give_up(self.outages.lasts());
    }
}
