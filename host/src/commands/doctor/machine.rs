//! The machine: its clock, and a Raspberry Pi's throttle state.

use super::Patient;
use super::finding::Finding;
use glassbox::journal::Reader;
use glassbox::server::Server;
use glassbox::system::{SystemHardware, throttle};
use glassbox_sandbox::capabilities::Hardware;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// No clock that is right shows less: this program is younger.
const YOUNGEST: &str = "2024-01-01T00:00:00Z";

/// What a clock that is set over the network may jump back.
const SLACK: SignedDuration = SignedDuration::from_secs(60);

/// Look.
pub fn look(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    findings.push(clock(Timestamp::now(), last_entry(patient)));
    findings.push(throttled(patient));
}

/// When the journal was last written to.
fn last_entry(patient: &Patient<'_>) -> Option<Timestamp> {
    let mut last = None;
    let read = Reader::new(patient.home.journal()).read(|line| {
        last = Some(line.to_vec());
        Ok(())
    });
    let line: Value = serde_json::from_slice(&last.filter(|_| read.is_ok())?).ok()?;
    line.get("time")?.as_str()?.parse().ok()
}

fn clock(now: Timestamp, journal: Option<Timestamp>) -> Finding {
    let set = "set it: 'timedatectl set-ntp true', and wait until 'timedatectl' says that it is synchronized; a Raspberry \
               Pi has no clock of its own, and starts with an old time";
    let youngest: Timestamp = YOUNGEST.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    if now < youngest {
        let says =
            format!("this machine's clock says {now:.0}, which is wrong: no certificate of a server is valid then");
        return Finding::fail("clock", says, set);
    }
    match journal {
        Some(journal) if journal > now + SLACK => {
            let says = format!(
                "this machine's clock says {now:.0}, but the journal was written to at {journal:.0}: it jumped"
            );
            Finding::warn("clock", says, set)
        }
        _ => Finding::ok("clock", format!("it is {now:.0}, as far as this machine knows")),
    }
}

fn throttled(patient: &Patient<'_>) -> Finding {
    let given = patient.options.octoprint.as_deref().and_then(|url| glassbox::octoprint::Address::parse(url).ok());
    let mut servers =
        given.iter().chain(patient.config.octoprint.iter().map(|entry| &entry.url)).map(Server::at).peekable();
    if servers.peek().is_some() && servers.all(|server| server == Server::Elsewhere) {
        return Finding::skipped("throttle", "OctoPrint runs on another machine, so this one is not asked");
    }
    let program = patient.config.vcgencmd.display();
    let hint = format!(
        "run '{program} get_throttled' as the user that glassbox runs as; that user may have to be in the group 'video'"
    );
    match throttle::ask(&patient.config.vcgencmd) {
        Ok(Some(mask)) => Finding::ok("throttle", format!("'{program} get_throttled' says 0x{mask:x}")),
        Ok(None) if SystemHardware::new("/").probe().pi_model.is_none() => {
            Finding::ok("throttle", format!("there is no {program}: nothing to ask, as this is no Raspberry Pi"))
        }
        Ok(None) => Finding::warn(
            "throttle",
            format!("there is no {program}, so throttling is not reported"),
            "install it, or name it as vcgencmd in glassbox.toml",
        ),
        Err(reason) => Finding::warn("throttle", format!("no answer from '{program} get_throttled': {reason}"), hint),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_or_jumped_is_seen() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let verdict = |now: &str, journal: Option<&str>| clock(at(now), journal.map(at)).verdict;
        assert_eq!(verdict("1970-01-01T00:01:00Z", None), Verdict::Fail);
        assert_eq!(verdict("2023-12-31T23:59:59Z", None), Verdict::Fail);
        assert_eq!(verdict("2026-02-01T00:00:00Z", None), Verdict::Ok);
        assert_eq!(verdict("2026-02-01T00:00:00Z", Some("2026-02-01T00:00:59Z")), Verdict::Ok);
        assert_eq!(verdict("2026-02-01T00:00:00Z", Some("2026-02-01T00:02:00Z")), Verdict::Warn);
    }
}
