//! Checks the MQTT brokers: whether each lets us listen, and whether its OctoPrints publish there.

use super::Examined;
use super::finding::Finding;
use crate::home::UNNAMED;
use crate::home::config::mqtt::{self, Broker};
use crate::net::{ConnectError, Timeouts};
use crate::sources::mqtt::client::Client;
use crate::sources::mqtt::topics::{Presence, Topic, slash_hint};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long to wait for the messages that a broker retains. It sends them at once; this is for slow networks.
const RETAINED: Duration = Duration::from_secs(2);

const SEE: &str = "see 'OctoPrints that publish at a broker' in host/docs/mqtt.md";

/// Check all of them, unless only one OctoPrint is to be checked.
pub fn check(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    if examined.options.octoprint.is_some() {
        return;
    }
    let (home, file) = (examined.home, examined.home.config_file());
    for entry in &examined.config.mqtt {
        let check = format!("broker {}", entry.url);
        match mqtt::brokers(std::slice::from_ref(entry), home, &file) {
            Ok(brokers) => brokers.iter().for_each(|broker| one(examined, broker, &check, findings)),
            Err(error) => findings.push(Finding::error(check, &error, SEE)),
        }
    }
}

fn one(examined: &Examined<'_>, broker: &Broker, check: &str, findings: &mut Vec<Finding>) {
    let heard = Client::connect(broker, &examined.trust, Timeouts::default()).and_then(|mut client| {
        findings.push(Finding::ok(check, "it can be reached, and lets us listen"));
        retained(&mut client, broker)
    });
    let presences = match heard {
        Ok(presences) => presences,
        Err(error) => {
            let advice = "start the broker if it is not running; check its address, port and log";
            return findings.push(Finding::fail(check, error.what(), error.advice().unwrap_or(advice)));
        }
    };
    for (name, base) in &broker.octoprints {
        let check = format!("octoprint {}", name.as_deref().unwrap_or(UNNAMED));
        findings.push(match presences.get(base) {
            Some(Presence::Connected) => Finding::ok(check, format!("it is at the broker, and publishes under {base}")),
            Some(Presence::Disconnected) => {
                let advice = "start OctoPrint if it is not running, and check its plugin OctoPrint-MQTT";
                Finding::warn(check, format!("it was at the broker, under {base}, and has gone"), advice)
            }
            None => {
                let slash = slash_hint(base);
                let advice =
                    format!("compare {base} with the base topic in the settings of its plugin OctoPrint-MQTT{slash}");
                Finding::warn(check, format!("nothing says that one publishes under {base}"), advice)
            }
        });
    }
}

/// Whether each OctoPrint is there, by base topic, as the messages say that the broker retains.
fn retained(client: &mut Client, broker: &Broker) -> Result<BTreeMap<String, Presence>, ConnectError> {
    let mut presences = BTreeMap::new();
    let until = Instant::now() + RETAINED;
    while presences.len() < broker.octoprints.len() && Instant::now() < until {
        let Some(message) = client.next(Some(until))? else { continue };
        let is_base = |base: &str| broker.octoprints.iter().any(|(_, ours)| ours == base);
        if let Some(Topic::Presence { base }) = Topic::of(&message.topic, is_base)
            && let Some(presence) = Presence::of(&message.payload)
        {
            presences.insert(base.to_string(), presence);
        }
    }
    Ok(presences)
}
