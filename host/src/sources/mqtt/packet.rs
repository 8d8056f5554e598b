//! MQTT 3.1.1 on the wire, as far as a listener needs it: what we say, and what a broker says to us.
//! Nothing here waits or connects.

/// A packet that is larger costs the connection; an event has some kilobytes.
pub const LARGEST: usize = 4 << 20;

/// Asks whether anybody is there.
pub const PING: [u8; 2] = [0xc0, 0];
/// Says that we go.
pub const BYE: [u8; 2] = [0xe0, 0];

/// What a broker says.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// We are let in (0), or not, and why.
    Connected(u8),
    /// For each topic that we asked for, whether it is heard (not 0x80).
    Subscribed(Vec<u8>),
    /// Somebody published something.
    Message(Message),
    /// There is somebody.
    Pong,
}

/// What was published.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Whether it was there before we asked, perhaps long before.
    pub retained: bool,
}

/// Say who we are, and that we say a word at least every so many seconds.
#[must_use]
pub fn connect(id: &str, login: Option<(&str, &str)>, alive: u16) -> Vec<u8> {
    // A clean session; with a user name, and with a password.
    let flags = 0x02 | if login.is_some() { 0xc0 } else { 0 };
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags];
    body.extend(alive.to_be_bytes());
    text(&mut body, id);
    if let Some((user, password)) = login {
        text(&mut body, user);
        text(&mut body, password);
    }
    packet(0x10, &body)
}

/// Ask for topics; what is published there comes at most once, as the plugin publishes its events.
#[must_use]
pub fn subscribe<'a>(topics: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut body = vec![0, 1];
    for topic in topics {
        text(&mut body, topic);
        body.push(0);
    }
    packet(0x82, &body)
}

/// The configuration lets none be longer.
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

/// What has come and was not looked at yet.
#[derive(Default)]
pub struct Heard(Vec<u8>);

impl Heard {
    /// More has come.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next packet, once all of it is there.
    ///
    /// # Errors
    /// When this is not what a broker says to a listener; nothing that follows can be understood.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, String> {
        let Some((kind, start, length)) = header(&self.0)? else { return Ok(None) };
        let Some(body) = self.0.get(start..start + length) else { return Ok(None) };
        let packet = read(kind, body).ok_or_else(|| format!("it sent a packet that makes no sense here ({kind:#04x})"));
        self.0.drain(..start + length);
        if self.0.is_empty() {
            // A large one may have been here.
            self.0 = Vec::new();
        }
        packet.map(Some)
    }
}

/// A packet's kind, where its body starts, and how long that is.
fn header(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, String> {
    let Some((&kind, rest)) = bytes.split_first() else { return Ok(None) };
    // At once: of what is no broker nothing more may come.
    if ![0x20, 0x90, 0x30, 0x31, 0xd0].contains(&kind) {
        return Err("what it sends is not MQTT, or not what we asked for".into());
    }
    let mut length = 0;
    for (i, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if length > LARGEST {
            return Err(format!("it sent a message of more than {} MiB", LARGEST >> 20));
        }
        if byte & 0x80 == 0 {
            return Ok(Some((kind, i + 2, length)));
        }
    }
    if rest.len() < 4 { Ok(None) } else { Err("what it sends is not MQTT".into()) }
}

fn read(kind: u8, body: &[u8]) -> Option<Packet> {
    match kind {
        0x20 => match body {
            [_, code] => Some(Packet::Connected(*code)),
            _ => None,
        },
        0x90 => Some(Packet::Subscribed(body.get(2..)?.to_vec())),
        // At most once, as we asked for it; said again it would have another number.
        0x30 | 0x31 => {
            let (length, rest) = body.split_first_chunk()?;
            let (topic, payload) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let topic = String::from_utf8(topic.to_vec()).ok()?;
            Some(Packet::Message(Message { topic, payload: payload.into(), retained: kind == 0x31 }))
        }
        0xd0 => body.is_empty().then_some(Packet::Pong),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_say_is_as_the_standard_has_it() {
        assert_eq!(connect("g", None, 60), b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01g");
        let with_login = b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01g\x00\x01u\x00\x02pw".to_vec();
        // Its length, which is easily counted wrong by hand.
        let with_login: Vec<u8> = [&[0x10, 20], &with_login[2..]].concat();
        assert_eq!(connect("g", Some(("u", "pw")), 60), with_login);
        assert_eq!(subscribe(["a/+", "b"].into_iter()), b"\x82\x0c\x00\x01\x00\x03a/+\x00\x00\x01b\x00");
        let long = subscribe(["x".repeat(200).as_str()].into_iter());
        assert_eq!((&long[..3], long.len()), (&[0x82, 0xcd, 0x01][..], 3 + 205));
    }

    fn all(chunks: &[&[u8]]) -> Result<Vec<Packet>, String> {
        let (mut heard, mut packets) = (Heard::default(), Vec::new());
        for chunk in chunks {
            heard.add(chunk);
            while let Some(packet) = heard.next_packet()? {
                packets.push(packet);
            }
        }
        Ok(packets)
    }

    #[test]
    fn packets_come_in_any_number_of_pieces() {
        let message = |payload: &[u8], retained| {
            Packet::Message(Message { topic: "a/b".into(), payload: payload.into(), retained })
        };
        let large = [&b"\x31\xcd\x01\x00\x03a/b"[..], &[b'x'; 200]].concat();
        let stream = [b"\x20\x02\x00\x05\x90\x04\x00\x01\x00\x80\x30\x07\x00\x03a/b{}\xd0\x00", &large[..]].concat();
        let expected = || {
            let last = message(&[b'x'; 200], true);
            vec![Packet::Connected(5), Packet::Subscribed(vec![0, 0x80]), message(b"{}", false), Packet::Pong, last]
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
    fn what_makes_no_sense_is_an_error_and_never_a_panic() {
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
