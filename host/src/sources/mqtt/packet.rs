//! The packets of MQTT 3.1.1, as far as a subscriber needs them: those that we send, and those that a broker sends
//! to us. Nothing here connects or waits.
//!
//! The bytes are those of the OASIS standard "MQTT Version 3.1.1" (29 October 2014), chapters 2 and 3.
//!
//! Our own code, because no maintained client is synchronous: they bring an async runtime and a dozen crates.

/// The largest packet that is read, in bytes; the connection is closed for a larger one. An event has a few kilobytes.
pub const LARGEST: usize = 4 << 20;

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
    /// Somebody published something.
    Publish(Message),
    /// The answer to a ping.
    Pingresp,
}

/// Why bytes from a broker are not a packet that a subscriber may be sent. Nothing after them can be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Another protocol, or a packet that we never asked for.
    #[error("what it sends is not MQTT, or not what we asked for")]
    NotOurs,
    /// The packet is larger than [`LARGEST`].
    #[error("it sent a message of more than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// The content does not fit the packet's type, which is the first byte.
    #[error("it sent a malformed packet ({0:#04x})")]
    Malformed(u8),
}

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

/// A CONNECT packet: our id, user and password if there are any, and the keep-alive in seconds.
#[must_use]
pub fn connect(id: &str, login: Option<(&str, &str)>, keep_alive: u16) -> Vec<u8> {
    // A clean session; with a user name, and with a password.
    let flags = 0x02 | if login.is_some() { 0xc0 } else { 0 };
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags];
    body.extend(keep_alive.to_be_bytes());
    text(&mut body, id);
    if let Some((user, password)) = login {
        text(&mut body, user);
        text(&mut body, password);
    }
    packet(0x10, &body)
}

/// A SUBSCRIBE packet for these topics, with quality of service 0, as OctoPrint-MQTT publishes its events.
#[must_use]
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

/// Bytes that have come, and are cut into packets.
#[derive(Default)]
pub struct PacketReader(Vec<u8>);

impl PacketReader {
    /// More bytes have come.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next packet; none until all of it is there.
    ///
    /// # Errors
    /// When this is not a packet that a broker sends to a subscriber.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, PacketError> {
        let Some((kind, start, length)) = header(&self.0)? else { return Ok(None) };
        let Some(body) = self.0.get(start..start + length) else { return Ok(None) };
        let packet = read(kind, body).ok_or(PacketError::Malformed(kind));
        self.0.drain(..start + length);
        if self.0.is_empty() {
            // Gives back the memory of a large packet.
            self.0 = Vec::new();
        }
        packet.map(Some)
    }
}

/// The packet's first byte (its type), where its body starts, and how long that is; none until that can be told.
fn header(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, PacketError> {
    let Some((&kind, rest)) = bytes.split_first() else { return Ok(None) };
    // Checked before the rest is there: something that is not a broker may never send more.
    if ![0x20, 0x90, 0x30, 0x31, 0xd0].contains(&kind) {
        return Err(PacketError::NotOurs);
    }
    let mut length = 0;
    for (i, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if length > LARGEST {
            return Err(PacketError::TooLarge);
        }
        if byte & 0x80 == 0 {
            return Ok(Some((kind, i + 2, length)));
        }
    }
    if rest.len() < 4 { Ok(None) } else { Err(PacketError::NotOurs) }
}

fn read(kind: u8, body: &[u8]) -> Option<Packet> {
    match kind {
        0x20 => match body {
            [_, code] => Some(Packet::Connack(*code)),
            _ => None,
        },
        0x90 => Some(Packet::Suback(body.get(2..)?.to_vec())),
        // Quality of service 0, as we subscribed, and therefore never a duplicate: only the retain bit may differ.
        0x30 | 0x31 => {
            let (length, rest) = body.split_first_chunk()?;
            let (topic, payload) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let topic = String::from_utf8(topic.to_vec()).ok()?;
            Some(Packet::Publish(Message { topic, payload: payload.into(), retained: kind == 0x31 }))
        }
        0xd0 => body.is_empty().then_some(Packet::Pingresp),
        _ => None,
    }
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
        assert_eq!(connect("g", Some(("u", "pw")), 60), with_login);
        assert_eq!(subscribe(["a/+", "b"].into_iter()), b"\x82\x0c\x00\x01\x00\x03a/+\x00\x00\x01b\x00");
        let long = subscribe(["x".repeat(200).as_str()].into_iter());
        assert_eq!((&long[..3], long.len()), (&[0x82, 0xcd, 0x01][..], 3 + 205));
    }

    fn all(chunks: &[&[u8]]) -> Result<Vec<Packet>, PacketError> {
        let (mut reader, mut packets) = (PacketReader::default(), Vec::new());
        for chunk in chunks {
            reader.add(chunk);
            while let Some(packet) = reader.next_packet()? {
                packets.push(packet);
            }
        }
        Ok(packets)
    }

    #[test]
    fn packets_come_in_any_number_of_pieces() {
        let message = |payload: &[u8], retained| {
            Packet::Publish(Message { topic: "a/b".into(), payload: payload.into(), retained })
        };
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
    fn a_malformed_packet_is_an_error_and_never_a_panic() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\x20\x01\x00",
            b"\x90\x01\x00",
            b"\x30\x01\x00",
            b"\x30\x02\x00\x01",
            b"\x30\x04\x00\x02\xff\xff",
            b"\x32\x05\x00\x01a\x00\x01",
            b"\xd0\x01\x00",
            b"\xf0\x00",
            b"\x30\xff\xff\xff\xff",
            b"\x30\x81\x80\x80\x02",
        ] {
            assert!(all(&[bytes]).is_err(), "{bytes:x?}");
        }
        // Any bytes at all, always the same ones.
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = [0; 12];
            for byte in &mut bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
            bytes[0] = [0x20, 0x90, 0x30, 0x31, 0xd0, bytes[0]][usize::from(bytes[0]) % 6];
            bytes[1] %= 14;
            let _ = all(&[&bytes]);
        }
    }
}
