//! The packets of MQTT 3.1.1, as far as a subscriber needs them: those that we send, and those that a broker sends
//! to us. Nothing here connects or waits.
//!
//! The bytes are those of the OASIS standard "MQTT Version 3.1.1" (29 October 2014), chapters 2 and 3.
//!
//! Our own code, because no maintained client is synchronous: they bring an async runtime and a dozen crates.

use std::fmt;

/// The largest packet that is read, in bytes; of a larger one nothing is kept. An event has a few kilobytes.
pub const LARGEST: usize = 1 << 20;

/// A PINGREQ packet: asks whether the broker is still there.
pub const PINGREQ: [u8; 2] = [0xc0, 0];
/// A DISCONNECT packet.
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

/// A packet from a broker.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// Whether we are let in: 0, or a code that says why not.
    Connack(u8),
    /// For each topic that we subscribed to, in that order: 0x80 if it was refused.
    Suback(Vec<u8>),
    /// Somebody published something; and the packet that the broker waits for, if it sent this as if we had subscribed
    /// with a higher quality of service.
    Publish(Message, Option<Reply>),
    /// The broker waits for this packet.
    Asks(Reply),
    /// The answer to a ping.
    Pingresp,
    /// Something that is passed over.
    Faulty(Fault),
}

/// A packet that acknowledges another.
pub type Reply = [u8; 4];

/// What is wrong with a packet that is passed over: where the next one begins is known all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is larger than [`LARGEST`].
    TooLarge,
    /// Its content does not fit its type, which is the first byte.
    Malformed(u8),
    /// A packet, with this first byte, that answers nothing of ours.
    Unasked(u8),
    /// It came when more had come than we keep until the broker says that we are subscribed.
    TooEarly,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "a message of more than {} KiB", LARGEST >> 10),
            Self::Malformed(kind) => write!(f, "a malformed packet ({kind:#04x})"),
            Self::Unasked(kind) => write!(f, "a packet that answers nothing of ours ({kind:#04x})"),
            Self::TooEarly => write!(f, "too many messages before it said that we are subscribed"),
        }
    }
}

/// Bytes that are not what a broker sends to a subscriber. Where a packet begins after them is not known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("what it sends is not MQTT")]
pub struct NotMqtt;

/// What was published.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The content.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it from before we subscribed, perhaps for a long time.
    pub retained: bool,
}

/// A CONNECT packet: our id, the user and the password if there are any, and the keep-alive in seconds. A user may have no
/// password, or an empty one, which is not the same.
pub fn connect(id: &str, login: Option<(&str, Option<&str>)>, keep_alive: u16) -> Vec<u8> {
    let (user, password) = (login.map(|(user, _)| user), login.and_then(|(_, password)| password));
    // A clean session; with a user name; with a password.
    let flags = 0x02 | if user.is_some() { 0x80 } else { 0 } | if password.is_some() { 0x40 } else { 0 };
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags];
    body.extend(keep_alive.to_be_bytes());
    [Some(id), user, password].into_iter().flatten().for_each(|part| text(&mut body, part));
    packet(0x10, &body)
}

/// A SUBSCRIBE packet for these topics, with quality of service 0, as OctoPrint-MQTT publishes its events.
pub fn subscribe<'a>(topics: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut body = vec![0, 1];
    for topic in topics {
        text(&mut body, topic);
        body.push(0);
    }
    packet(0x82, &body)
}

/// A string with its length before it. The configuration accepts none that is longer than 65,535 bytes.
fn text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    body.extend(length.to_be_bytes());
    body.extend(&text.as_bytes()[..usize::from(length)]);
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut left = body.len();
    loop {
        let part = (left & 0x7f) as u8;
        left >>= 7;
        packet.push(if left > 0 { part | 0x80 } else { part });
        if left == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// Bytes that have come, and are cut into packets. It never keeps more than one of [`LARGEST`], and what came with its
/// last piece.
#[derive(Default)]
pub struct PacketReader {
    bytes: Vec<u8>,
    /// How much is still to come of a packet that is passed over.
    skip: usize,
    /// Whether the first packet was what a broker begins with.
    is_broker: bool,
}

impl PacketReader {
    /// More bytes have come.
    pub fn add(&mut self, bytes: &[u8]) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.bytes.extend_from_slice(&bytes[skipped..]);
    }

    /// The next packet; none until all of it is there.
    ///
    /// # Errors
    /// When this is not what a broker sends to a subscriber.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, NotMqtt> {
        let Some((kind, start, length)) = header(&self.bytes, self.is_broker)? else { return Ok(None) };
        if length > LARGEST {
            self.skip = (start + length).saturating_sub(self.bytes.len());
            self.remove(start + length);
            return Ok(Some(Packet::Faulty(Fault::TooLarge)));
        }
        let Some(body) = self.bytes.get(start..start + length) else { return Ok(None) };
        let packet = read(kind, body).unwrap_or(Packet::Faulty(Fault::Malformed(kind)));
        self.remove(start + length);
        self.is_broker = true;
        Ok(Some(packet))
    }

    fn remove(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        if self.bytes.is_empty() {
            // Gives back the memory of a large packet.
            self.bytes = Vec::new();
        }
    }
}

/// The packet's first byte (its type, and flags), where its body starts, and how long that is; none until that can be told.
fn header(bytes: &[u8], is_broker: bool) -> Result<Option<(u8, usize, usize)>, NotMqtt> {
    let Some((&kind, rest)) = bytes.split_first() else { return Ok(None) };
    // Checked before the rest is there: something that is not a broker may never send more.
    let is_possible = match kind >> 4 {
        // A broker begins with CONNACK.
        2 => true,
        // PUBLISH and all that answers something.
        3..=7 | 9 | 11 | 13 => is_broker,
        // What only a client sends, and what no version of the protocol has.
        _ => false,
    };
    if !is_possible {
        return Err(NotMqtt);
    }
    let mut length = 0;
    for (i, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some((kind, i + 2, length)));
        }
    }
    if rest.len() < 4 { Ok(None) } else { Err(NotMqtt) }
}

/// None if the content does not fit the type. Flags that make no sense are not looked at: what a broker means is clear
/// without them.
fn read(kind: u8, body: &[u8]) -> Option<Packet> {
    Some(match kind >> 4 {
        2 => Packet::Connack(*body.get(1)?),
        3 => return publish(kind, body),
        // PUBREL wants PUBCOMP.
        6 => Packet::Asks([0x70, 2, *body.first()?, *body.get(1)?]),
        9 => Packet::Suback(body.get(2..)?.to_vec()),
        13 => Packet::Pingresp,
        _ => Packet::Faulty(Fault::Unasked(kind)),
    })
}

/// We subscribe with quality of service 0, but there are brokers that pass messages on with the one that they were
/// published with; and some leave the mark of a duplicate on them.
fn publish(kind: u8, body: &[u8]) -> Option<Packet> {
    let (length, rest) = body.split_first_chunk()?;
    let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (reply, payload) = match (kind >> 1) & 3 {
        0 => (None, rest),
        quality @ (1 | 2) => {
            let ([high, low], payload) = rest.split_first_chunk()?;
            // PUBACK or PUBREC.
            (Some([0x30 + 0x10 * quality, 2, *high, *low]), payload)
        }
        _ => return None,
    };
    let topic = String::from_utf8(topic.to_vec()).ok()?;
    Some(Packet::Publish(Message { topic, payload: payload.into(), retained: kind & 1 == 1 }, reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_packets_are_as_the_standard_has_them() {
        assert_eq!(connect("g", None, 60), b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01g");
        let with_login = b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01g\x00\x01u\x00\x02pw".to_vec();
        // Its length, which is easily counted wrong by hand.
        let with_login: Vec<u8> = [&[0x10, 20], &with_login[2..]].concat();
        assert_eq!(connect("g", Some(("u", Some("pw"))), 60), with_login);
        assert_eq!(connect("g", Some(("u", None)), 60), b"\x10\x10\x00\x04MQTT\x04\x82\x00\x3c\x00\x01g\x00\x01u");
        let empty = b"\x10\x12\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01g\x00\x01u\x00\x00";
        assert_eq!(connect("g", Some(("u", Some(""))), 60), empty);
        assert_eq!(subscribe(["a/+", "b"].into_iter()), b"\x82\x0c\x00\x01\x00\x03a/+\x00\x00\x01b\x00");
        let long = subscribe(["x".repeat(200).as_str()].into_iter());
        assert_eq!((&long[..3], long.len()), (&[0x82, 0xcd, 0x01][..], 3 + 205));
    }

    /// What a broker begins with.
    const LET_IN: &[u8] = b"\x20\x02\x00\x00";

    fn all(chunks: &[&[u8]]) -> Result<Vec<Packet>, NotMqtt> {
        let (mut reader, mut packets) = (PacketReader::default(), Vec::new());
        for chunk in chunks {
            reader.add(chunk);
            while let Some(packet) = reader.next_packet()? {
                packets.push(packet);
            }
        }
        Ok(packets)
    }

    fn message(payload: &[u8], retained: bool, reply: Option<Reply>) -> Packet {
        Packet::Publish(Message { topic: "a/b".into(), payload: payload.into(), retained }, reply)
    }

    #[test]
    fn packets_come_in_any_number_of_pieces() {
        let message = |payload: &[u8], retained| message(payload, retained, None);
        let large = [&b"\x31\xcd\x01\x00\x03a/b"[..], &[b'x'; 200]].concat();
        let stream = [b"\x20\x02\x00\x05\x90\x04\x00\x01\x00\x80\x30\x07\x00\x03a/b{}\xd0\x00", &large[..]].concat();
        let expected = || {
            let last = message(&[b'x'; 200], true);
            vec![Packet::Connack(5), Packet::Suback(vec![0, 0x80]), message(b"{}", false), Packet::Pingresp, last]
        };
        assert_eq!(all(&[&stream]), Ok(expected()));
        for cut in 1..stream.len() {
            let (one, two) = stream.split_at(cut);
            assert_eq!(all(&[one, two]), Ok(expected()), "{cut}");
        }
        let bytes: Vec<_> = stream.chunks(1).collect();
        assert_eq!(all(&bytes), Ok(expected()));
    }

    #[test]
    fn a_malformed_packet_costs_itself_and_no_other() {
        let sound = b"\x30\x07\x00\x03a/b{}";
        let one = |bytes: &[u8]| {
            let mut packets = all(&[LET_IN, bytes, sound]).unwrap_or_else(|_| panic!("{bytes:x?}"));
            assert_eq!(packets.pop(), Some(message(b"{}", false, None)), "{bytes:x?}");
            assert_eq!(packets.len(), 2, "{bytes:x?}: {packets:?}");
            packets.pop().unwrap()
        };
        for bytes in [
            &b"\x20\x01\x00"[..],
            b"\x90\x01\x00",
            b"\x30\x01\x00",
            b"\x30\x02\x00\x01",
            b"\x30\x04\x00\x02\xff\xff",
            // Without the number that its quality of service calls for, and with one that there is not.
            b"\x32\x05\x00\x03a/b",
            b"\x36\x07\x00\x03a/b\x00\x01",
            b"\x62\x01\x00",
        ] {
            assert_eq!(one(bytes), Packet::Faulty(Fault::Malformed(bytes[0])), "{bytes:x?}");
        }
        for unasked in [&b"\x40\x02\x00\x01"[..], b"\xb0\x02\x00\x01", b"\x70\x00"] {
            assert_eq!(one(unasked), Packet::Faulty(Fault::Unasked(unasked[0])));
        }
        // More in it than there should be.
        assert_eq!(one(b"\xd0\x01\x00"), Packet::Pingresp);
        assert_eq!(one(b"\x20\x03\x00\x00\x00"), Packet::Connack(0));
    }

    #[test]
    fn flags_do_not_matter() {
        let at = |kind: u8, number: &[u8]| {
            let length = u8::try_from(5 + number.len() + 2).unwrap();
            let packet = [&[kind, length, 0, 3], &b"a/b"[..], number, b"{}"].concat();
            all(&[LET_IN, &packet]).unwrap().pop().unwrap()
        };
        assert_eq!(at(0x38, b""), message(b"{}", false, None), "a duplicate");
        assert_eq!(at(0x39, b""), message(b"{}", true, None));
        assert_eq!(at(0x32, b"\x00\x07"), message(b"{}", false, Some([0x40, 2, 0, 7])), "it waits for PUBACK");
        assert_eq!(at(0x3d, b"\x01\x07"), message(b"{}", true, Some([0x50, 2, 1, 7])), "and for PUBREC");
        assert_eq!(all(&[LET_IN, b"\x62\x02\x01\x07"]).unwrap()[1], Packet::Asks([0x70, 2, 1, 7]));
    }

    #[test]
    fn of_what_is_too_large_nothing_is_kept() {
        let mut reader = PacketReader::default();
        reader.add(LET_IN);
        assert_eq!(reader.next_packet(), Ok(Some(Packet::Connack(0))));
        // 256 MiB less one byte: the largest that there can be.
        reader.add(b"\x30\xff\xff\xff\x7f");
        assert_eq!(reader.next_packet(), Ok(Some(Packet::Faulty(Fault::TooLarge))));
        let piece = [b'x'; 4096];
        for _ in 1..(256 << 20) / 4096 {
            reader.add(&piece);
            assert_eq!(reader.bytes.capacity(), 0);
        }
        // The last piece, and what follows.
        reader.add(&[&piece[1..], b"\xd0\x00"].concat());
        assert_eq!(reader.next_packet(), Ok(Some(Packet::Pingresp)));
        assert_eq!((reader.bytes.capacity(), reader.skip), (0, 0));
    }

    #[test]
    fn what_is_no_broker_is_known_at_once() {
        for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"220 mail", b"SSH-2.0-", b"\x30", b"\xd0\x00", b"\x16\x03"]
        {
            assert_eq!(all(&[bytes]), Err(NotMqtt), "{bytes:x?}");
        }
        // And later: where the next packet begins is no longer known.
        for bytes in [&b"\x10"[..], b"\x82", b"\xc0", b"\xe0\x00", b"\xf0\x00", b"\x00", b"\x30\xff\xff\xff\xff"] {
            assert_eq!(all(&[LET_IN, bytes]), Err(NotMqtt), "{bytes:x?}");
        }
    }

    #[test]
    fn no_bytes_are_a_panic() {
        // Always the same ones.
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = [0; 12];
            for byte in &mut bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
            bytes[0] = [0x20, 0x90, 0x30, 0x31, 0xd0, bytes[0]][usize::from(bytes[0]) % 6];
            bytes[1] %= 14;
            let _ = all(&[LET_IN, &bytes]);
        }
    }
}
