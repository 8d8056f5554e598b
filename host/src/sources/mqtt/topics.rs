//! What OctoPrint-MQTT publishes that we hear: under which topics, and its words for its presence. What is
//! in an event is told in [`super::life`].
//!
//! Source: OctoPrint-MQTT's settings `publish.eventTopic` and `publish.lwTopic`, as they come.

/// What is asked for of each OctoPrint, below its base topic.
pub const TOPICS: [&str; 2] = ["event/+", "mqtt"];

/// A topic taken apart.
#[derive(Debug, PartialEq)]
pub enum Topic<'a> {
    /// An event was published.
    Event {
        /// The base topic of the OctoPrint.
        base: &'a str,
        /// The event's name.
        name: &'a str,
    },
    /// A [`Presence`] was.
    Presence {
        /// The base topic of the OctoPrint.
        base: &'a str,
    },
}

impl<'a> Topic<'a> {
    /// None for one that nobody asked for.
    #[must_use]
    pub fn of(topic: &'a str) -> Option<Self> {
        let (above, last) = topic.rsplit_once('/')?;
        match above.strip_suffix("event") {
            Some(base) => Some(Self::Event { base, name: last }),
            None => (last == "mqtt").then(|| Self::Presence { base: &topic[..=above.len()] }),
        }
    }
}

/// Whether the plugin is at the broker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presence {
    /// It is.
    Here,
    /// It is not: it said so, or the broker did, in its last will.
    Gone,
}

impl Presence {
    /// None for a word that it does not use.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Self> {
        match payload {
            b"connected" => Some(Self::Here),
            b"disconnected" => Some(Self::Gone),
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
