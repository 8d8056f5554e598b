//! The topics under which OctoPrint-MQTT publishes what we subscribe to, and the two words that say whether it is
//! connected. What is in an event is in `published_octoprint.rs`.
//!
//! Source: the defaults of OctoPrint-MQTT 0.8.16's settings `publish.eventTopic` (`event/{event}`) and
//! `publish.lwTopic` (`mqtt`), below its `publish.baseTopic`.

/// What is subscribed to for each OctoPrint, below its base topic.
pub const TOPICS: [&str; 2] = ["event/+", "mqtt"];

/// What was published under a topic.
#[derive(Debug, PartialEq)]
pub enum Topic<'a> {
    /// An event.
    Event {
        /// The base topic of the OctoPrint.
        base: &'a str,
        /// The event's name.
        name: &'a str,
    },
    /// A [`Presence`].
    Presence {
        /// The base topic of the OctoPrint.
        base: &'a str,
    },
}

impl<'a> Topic<'a> {
    /// Take a topic apart; none for one that we did not subscribe to.
    #[must_use]
    pub fn of(topic: &'a str) -> Option<Self> {
        let (above, last) = topic.rsplit_once('/')?;
        match above.strip_suffix("event") {
            Some(base) => Some(Self::Event { base, name: last }),
            None => (last == "mqtt").then(|| Self::Presence { base: &topic[..=above.len()] }),
        }
    }
}

/// Whether the plugin is connected to the broker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presence {
    /// It is: `connected`.
    Connected,
    /// It is not: `disconnected`, published by itself when it leaves, or by the broker as its last will.
    Disconnected,
}

impl Presence {
    /// Read the word; none for one that the plugin does not use.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Self> {
        match payload {
            b"connected" => Some(Self::Connected),
            b"disconnected" => Some(Self::Disconnected),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_topics_apart() {
        let event = |base, name| Some(Topic::Event { base, name });
        assert_eq!(Topic::of("octoPrint/event/PrintDone"), event("octoPrint/", "PrintDone"));
        assert_eq!(Topic::of("farm/event/mk4/event/mqtt"), event("farm/event/mk4/", "mqtt"));
        assert_eq!(Topic::of("farm/mk4/mqtt"), Some(Topic::Presence { base: "farm/mk4/" }));
        for other in ["", "mqtt", "event", "octoPrint/mqtt/x", "octoPrint/event", "octoPrint/temperature/bed"] {
            assert_eq!(Topic::of(other), None, "{other}");
        }
    }
}
