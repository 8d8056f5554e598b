//! Checks this machine: its clock, and a Raspberry Pi's throttle state.

use super::Examined;
use super::finding::Finding;
use crate::plugins::locality::Locality;
use crate::system::{SystemHardware, throttle, wall_time};
use glassbox_journal::Reader;
use glassbox_journal::chain::Chained;
use jiff::{SignedDuration, Timestamp};

/// A clock that shows an earlier time is wrong: this program did not exist then.
const EARLIEST: &str = "2024-01-01T00:00:00Z";

/// How far a clock may be set back by the network time service without anybody having to know.
const SLACK: SignedDuration = SignedDuration::from_secs(60);

/// Check both.
pub fn check(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    findings.push(clock(wall_time(), last_entry(examined)));
    findings.push(throttled(examined));
}

/// When the journal was last written to; none if it was not, or cannot be read.
fn last_entry(examined: &Examined<'_>) -> Option<Timestamp> {
    let mut last = None;
    let read = Reader::new(examined.home.journal()).read(|line| {
        if let Ok(chained) = Chained::parse(line) {
            last = Some(chained.time);
        }
        Ok(())
    });
    last.filter(|_| read.is_ok())?.parse().ok()
}

fn clock(now: Timestamp, journal: Option<Timestamp>) -> Finding {
    let set = "set it: 'timedatectl set-ntp true', and wait until 'timedatectl' says that it is synchronized; a Raspberry \
               Pi has no clock of its own, and starts with an old time";
    let earliest: Timestamp = EARLIEST.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    if now < earliest {
        let says = format!(
            "this machine's clock says {now:.0}, which is wrong: with that time, no server's certificate is valid"
        );
        return Finding::fail("clock", says, set);
    }
    match journal {
        Some(journal) if now.saturating_add(SLACK).is_ok_and(|latest| journal > latest) => {
            let says = format!(
                "this machine's clock says {now:.0}, but the journal was written to at {journal:.0}: the clock jumped"
            );
            Finding::warn("clock", says, set)
        }
        _ => Finding::ok("clock", format!("it is {now:.0}, as far as this machine knows")),
    }
}

fn throttled(examined: &Examined<'_>) -> Finding {
    let given = examined
        .options
        .octoprint
        .as_deref()
        .and_then(|url| crate::net::Address::parse(url, crate::net::Peer::OctoPrint).ok());
    let mut servers =
        given.iter().chain(examined.config.octoprint.iter().map(|entry| &entry.url)).map(Locality::at).peekable();
    if servers.peek().is_some() && servers.all(|server| server == Locality::Elsewhere) {
        return Finding::skipped("throttle", "OctoPrint runs on another machine, so this one is not asked");
    }
    let program = &examined.config.vcgencmd;
    let query = throttle::query(program);
    match throttle::ask(program) {
        Ok(Some(mask)) => Finding::ok("throttle", format!("'{query}' says 0x{mask:x}")),
        Ok(None) => no_tool(&program.to_string(), SystemHardware::new("/").is_raspberry_pi()),
        Err(reason) => {
            let advice = reason.advice(program);
            Finding::warn("throttle", format!("no answer from '{query}': {reason}"), advice)
        }
    }
}

/// There is no such program, on what may be a Raspberry Pi.
fn no_tool(program: &str, is_pi: Option<bool>) -> Finding {
    let says = format!("there is no {program}, so throttling is not reported");
    match is_pi {
        Some(true) => Finding::warn("throttle", says, "install it, or name it as vcgencmd in glassbox.toml"),
        Some(false) => {
            Finding::ok("throttle", format!("there is no {program}: nothing to ask, as this is not a Raspberry Pi"))
        }
        None => Finding::ok("throttle", format!("{says}; whether this is a Raspberry Pi cannot be seen from here")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn that_this_is_no_raspberry_pi_is_said_where_it_is_known() {
        let said = |is_pi| no_tool("vcgencmd", is_pi).to_string();
        assert!(said(Some(false)).contains("as this is not a Raspberry Pi"));
        assert!(said(None).starts_with("ok ") && said(None).contains("whether this is a Raspberry Pi cannot be seen"));
        assert!(said(Some(true)).starts_with("warn ") && said(Some(true)).contains("do: install it"));
    }

    #[test]
    fn a_clock_that_is_wrong_or_jumped_is_seen() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let verdict = |now: &str, journal: Option<&str>| clock(at(now), journal.map(at)).severity;
        assert_eq!(verdict("1970-01-01T00:01:00Z", None), Severity::Fail);
        assert_eq!(verdict("2023-12-31T23:59:59Z", None), Severity::Fail);
        assert_eq!(verdict("2026-02-01T00:00:00Z", None), Severity::Ok);
        assert_eq!(clock(Timestamp::MAX, Some(Timestamp::MAX)).severity, Severity::Ok);
        assert_eq!(verdict("2026-02-01T00:00:00Z", Some("2026-02-01T00:00:59Z")), Severity::Ok);
        assert_eq!(verdict("2026-02-01T00:00:00Z", Some("2026-02-01T00:02:00Z")), Severity::Warn);
    }
}
