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
    /// Take a topic apart, given which base topics there are; none for one that we did not subscribe to. Base topics are
    /// prefixes as they are written: below `farm` there are `farmevent/..` and `farmmqtt`.
    pub fn of(topic: &'a str, is_base: impl Fn(&str) -> bool) -> Option<Self> {
        let event = topic.rsplit_once('/').and_then(|(above, name)| Some((above.strip_suffix("event")?, name)));
        match (event, topic.strip_suffix("mqtt")) {
            (Some((base, name)), _) if is_base(base) => Some(Self::Event { base, name }),
            (_, Some(base)) if is_base(base) => Some(Self::Presence { base }),
            _ => None,
        }
    }
}

/// What to add to the advice to compare a base topic with OctoPrint-MQTT's: most end with a slash, which is easily forgotten.
pub fn slash_hint(base: &str) -> String {
    let is_odd = !base.is_empty() && !base.ends_with('/');
    if is_odd { format!("; if there is a slash at its end, write {base}/ here too") } else { String::new() }
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
        let bases = ["octoPrint/", "farm/event/mk4/", "farm/mk4/", "AuroraA4", "x/event/", ""];
        let of = |topic| Topic::of(topic, |base| bases.contains(&base));
        let event = |base, name| Some(Topic::Event { base, name });
        let presence = |base| Some(Topic::Presence { base });
        assert_eq!(of("octoPrint/event/PrintDone"), event("octoPrint/", "PrintDone"));
        assert_eq!(of("farm/event/mk4/event/mqtt"), event("farm/event/mk4/", "mqtt"));
        assert_eq!(of("farm/mk4/mqtt"), presence("farm/mk4/"));
        // As they are written, with or without a slash.
        assert_eq!(of("AuroraA4event/PrintDone"), event("AuroraA4", "PrintDone"));
        assert_eq!(of("AuroraA4mqtt"), presence("AuroraA4"));
        assert_eq!((of("event/PrintDone"), of("mqtt")), (event("", "PrintDone"), presence("")));
        assert_eq!(of("x/event/mqtt"), presence("x/event/"), "there is no x/");
        for other in ["", "event", "octoPrint/mqtt/x", "octoPrint/event", "octoPrint/temperature/bed", "farm/mk5/mqtt"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
