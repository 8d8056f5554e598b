//! The frames of a WebSocket (RFC 6455, section 5), as a client reads and writes them. A message may be of any size, and
//! come in any number of pieces: what is not wanted of it is passed over as it comes, and takes no memory.

/// Of a message this much is looked at, in bytes, before it is decided whether all of it is wanted.
pub const BEGINNING: usize = 64;

/// The longest control frame (RFC 6455, section 5.5).
const CONTROL: usize = 125;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message, text or binary.
    Message(Vec<u8>),
    /// A message that was passed over, or was larger than any may be: its beginning.
    PassedOver(Vec<u8>),
    /// A ping, which has to be answered with the same bytes.
    Ping(Vec<u8>),
    /// The answer to a ping.
    Pong,
    /// The end: the reason, if there is one.
    Close(String),
}

/// Reads frames.
#[derive(Debug)]
pub struct FrameReader {
    /// The largest message that is kept, in bytes.
    largest: usize,
    /// Whether a message that begins like this is wanted, if it is longer.
    wanted: fn(&[u8]) -> bool,
    head: Vec<u8>,
    /// What is still to come of the current frame; none while its head is read.
    left: Option<u64>,
    /// Of the current frame.
    operation: u8,
    is_last: bool,
    control: Vec<u8>,
    /// Of a message that began and has not ended.
    message: Option<Vec<u8>>,
    passes_over: bool,
}

impl FrameReader {
    pub fn new(largest: usize, wanted: fn(&[u8]) -> bool) -> Self {
        Self {
            largest,
            wanted,
            head: Vec::new(),
            left: None,
            operation: 0,
            is_last: false,
            control: Vec::new(),
            message: None,
            passes_over: false,
        }
    }

    /// Read from these bytes, up to the end of one frame that is of interest; none where there is none yet. What was read
    /// is taken away from `bytes`.
    ///
    /// # Errors
    /// When this is no WebSocket: what is wrong.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, &'static str> {
        loop {
            let Some(left) = self.left else {
                if self.read_head(bytes)? {
                    continue;
                }
                return Ok(None);
            };
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(count);
            *bytes = later;
            self.take(now);
            let left = left - count as u64;
            self.left = Some(left).filter(|left| *left > 0);
            if left > 0 {
                return Ok(None);
            }
            if let Some(frame) = self.ended() {
                return Ok(Some(frame));
            }
        }
    }

    /// Read one more byte of a frame's head. False if there is none.
    fn read_head(&mut self, bytes: &mut &[u8]) -> Result<bool, &'static str> {
        let Some((byte, later)) = bytes.split_first() else { return Ok(false) };
        *bytes = later;
        self.head.push(*byte);
        let [first, second, length @ ..] = self.head.as_slice() else { return Ok(true) };
        let (operation, is_last) = (first & 0x0f, first & 0x80 != 0);
        if first & 0x70 != 0 {
            return Err("it uses an extension that was not agreed on");
        }
        if second & 0x80 != 0 {
            return Err("it masks what it sends, which a server must not");
        }
        let needed = match second {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        if length.len() < needed {
            return Ok(true);
        }
        let length = match needed {
            0 => u64::from(*second),
            _ => length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        match operation {
            TEXT | BINARY if self.message.is_some() => return Err("it begins a message within another"),
            TEXT | BINARY => (self.message, self.passes_over) = (Some(Vec::new()), false),
            CONTINUATION if self.message.is_none() => return Err("it goes on with a message that did not begin"),
            CONTINUATION => {}
            CLOSE | PING | PONG if is_last && length <= CONTROL as u64 => {}
            _ => return Err("it sends a kind of frame that there is not"),
        }
        (self.operation, self.is_last, self.left) = (operation, is_last, Some(length));
        self.head.clear();
        Ok(true)
    }

    /// Keep what is wanted of this part of the current frame.
    fn take(&mut self, part: &[u8]) {
        if self.operation >= CLOSE {
            return self.control.extend(part);
        }
        let Some(message) = &mut self.message else { return };
        if self.passes_over {
            return;
        }
        let was_short = message.len() < BEGINNING;
        let room = self.largest.saturating_sub(message.len());
        message.extend(&part[..part.len().min(room)]);
        let unwanted = was_short && message.len() >= BEGINNING && !(self.wanted)(&message[..BEGINNING]);
        if unwanted || part.len() > room {
            self.passes_over = true;
            // What was kept so far is given back at once.
            *message = message[..BEGINNING.min(message.len())].to_vec();
        }
    }

    /// The current frame has ended: what it was, unless more of its message has to come.
    fn ended(&mut self) -> Option<Frame> {
        match self.operation {
            PING => Some(Frame::Ping(std::mem::take(&mut self.control))),
            PONG => {
                self.control.clear();
                Some(Frame::Pong)
            }
            CLOSE => {
                // Two bytes are a code; the rest is for people.
                let reason = self.control.get(2..).unwrap_or_default();
                Some(Frame::Close(String::from_utf8_lossy(reason).into()))
            }
            _ if self.is_last => {
                let message = self.message.take()?;
                Some(if self.passes_over { Frame::PassedOver(message) } else { Frame::Message(message) })
            }
            _ => None,
        }
    }
}

/// A frame with a whole text, as a client sends it. The mask only has to keep proxies from taking it for something else.
pub fn text(text: &str, mask: [u8; 4]) -> Vec<u8> {
    frame(TEXT, text.as_bytes(), mask)
}

/// A ping, or the answer to one.
pub fn ping(answers: Option<&[u8]>, mask: [u8; 4]) -> Vec<u8> {
    frame(if answers.is_some() { PONG } else { PING }, answers.unwrap_or_default(), mask)
}

fn frame(operation: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0x80 | operation];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: usize = 1000;

    fn reader() -> FrameReader {
        FrameReader::new(LARGEST, |beginning| beginning.starts_with(b"keep"))
    }

    fn server(operation: u8, is_last: bool, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![if is_last { 0x80 } else { 0 } | operation];
        match payload.len() {
            length @ ..126 => frame.push(u8::try_from(length).unwrap()),
            length @ ..0x1_0000 => {
                frame.push(126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    /// All that comes out when the bytes come in pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, &'static str> {
        let (mut reader, mut frames) = (reader(), Vec::new());
        for mut piece in bytes.chunks(piece) {
            while let Some(frame) = reader.read(&mut piece)? {
                frames.push(frame);
            }
            assert!(piece.is_empty());
        }
        Ok(frames)
    }

    #[test]
    fn messages_come_whole_in_whatever_pieces_they_came() {
        let kept = [b"keep".repeat(50), b"short".to_vec()];
        let large = b"keep".repeat(LARGEST / 4 + 1);
        let unwanted = b"x".repeat(70_000);
        let bytes = [
            server(TEXT, true, &kept[0]),
            server(BINARY, true, &kept[1]),
            server(PING, true, b"ping"),
            server(TEXT, false, b"sh"),
            server(PONG, true, b""),
            server(CONTINUATION, false, b"or"),
            server(CONTINUATION, true, b"t"),
            server(TEXT, true, &large),
            server(TEXT, false, &unwanted),
            server(CONTINUATION, true, &unwanted),
            server(TEXT, true, b""),
            server(CLOSE, true, b"\x03\xe8bye"),
        ]
        .concat();
        let expected = [
            Frame::Message(kept[0].clone()),
            Frame::Message(kept[1].clone()),
            Frame::Ping(b"ping".to_vec()),
            Frame::Pong,
            Frame::Message(kept[1].clone()),
            Frame::PassedOver(large[..BEGINNING].to_vec()),
            Frame::PassedOver(unwanted[..BEGINNING].to_vec()),
            Frame::Message(Vec::new()),
            Frame::Close("bye".into()),
        ];
        for piece in [1, 2, 3, 63, 64, 65, 4096, bytes.len()] {
            assert_eq!(read(&bytes, piece).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_passed_over_takes_no_memory() {
        for beginning in ["nothing ", "keep"] {
            let mut reader = reader();
            // A frame of 2^62 bytes, of which a thousandth comes.
            let mut head: &[u8] = &[0x81, 127, 0x40, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(reader.read(&mut head), Ok(None));
            let mut most = 0;
            for _ in 0..10_000 {
                let piece = beginning.repeat(100);
                assert_eq!(reader.read(&mut piece.as_bytes()), Ok(None));
                most = most.max(reader.message.as_ref().map_or(0, Vec::capacity));
            }
            assert!(most <= 2 * LARGEST, "{most}");
        }
    }

    #[test]
    fn what_is_no_websocket_is_refused() {
        let text = |operation, is_last| server(operation, is_last, b"x");
        for (bytes, why) in [
            (b"HTTP/1.1 400".to_vec(), "an extension"),
            (vec![0x81, 0x81], "masks"),
            (text(3, true), "a kind of frame"),
            (text(PING, false), "a kind of frame"),
            (server(PING, true, &[0; 126]), "a kind of frame"),
            (text(CONTINUATION, true), "did not begin"),
            ([text(TEXT, false), text(TEXT, true)].concat(), "within another"),
        ] {
            let error = read(&bytes, 1).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_a_client_sends_is_masked() {
        assert_eq!(text("ab", [1, 2, 3, 4]), [0x81, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2]);
        assert_eq!(ping(None, [0; 4]), [0x89, 0x80, 0, 0, 0, 0]);
        assert_eq!(ping(Some(b"x"), [0; 4]), [0x8a, 0x81, 0, 0, 0, 0, b'x']);
        assert_eq!(text(&"x".repeat(300), [0; 4])[..4], [0x81, 0xfe, 1, 44]);
        assert_eq!(text(&"x".repeat(70_000), [0; 4])[..10], [0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    }
}
