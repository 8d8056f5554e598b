//! Turns a connection into a WebSocket (RFC 6455, section 4), or says what answered instead.

use crate::net::http_connector::HEAD;
use crate::net::{Address, ConnectError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::io::{ErrorKind, Read, Write};

/// What a server's key is made with.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The head of an answer over HTTP.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// Its headers, with names in lower case.
    headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of that name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines();
        let (version, rest) = lines.next()?.split_once(' ')?;
        let status = rest.get(..3)?.parse().ok().filter(|_| version.starts_with("HTTP/1."))?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().into()));
        Some(Self { status, headers: headers.collect() })
    }
}

/// Ask for a WebSocket below an address. Returns the head of the answer, which is one of status 101 if there is a
/// WebSocket now, and what came after the head.
///
/// # Errors
/// When the connection is lost, or what answers does not speak HTTP.
pub fn upgrade(
    stream: &mut (impl Read + Write),
    address: &Address,
    path: &str,
) -> Result<(Head, Vec<u8>), ConnectError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| ConnectError::away(error.to_string()))?;
    let key = BASE64_STANDARD.encode(random);
    let (host, path) = address.host_and_path(path);
    let login = address.login().map(|login| format!("Authorization: {}\r\n", login.header())).unwrap_or_default();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: Glassbox/{}\r\n{login}\r\n",
        env!("CARGO_PKG_VERSION")
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let (head, rest) = read_head(stream)?;
    let Some(head) = Head::parse(&head) else { return Err(no_http(&head)) };
    let has = |name: &str, word: &str| head.header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word));
    if head.status == 101 {
        let accepted = head.header("sec-websocket-accept") == Some(accept(&key).as_str());
        if !(accepted && has("upgrade", "websocket") && has("connection", "upgrade")) {
            return Err(ConnectError::away("it says that it opens a WebSocket, and does not"));
        }
    }
    Ok((head, rest))
}

/// What the server must answer to this key.
fn accept(key: &str) -> String {
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()))
}

/// What answers does not speak HTTP. `bytes` is the beginning of what it said.
pub fn no_http(bytes: &[u8]) -> ConnectError {
    // An alert of TLS, to which plain HTTP was sent.
    let (what, advice) = match bytes.first() {
        Some(0x15) => ("it speaks TLS at this port", "begin the URL with https://"),
        _ => ("what it answers is not HTTP", "check the host and the port of the URL"),
    };
    ConnectError::Away { down: false, what: what.into(), advice: Some(advice.into()) }
}

/// The head, and what came after it.
fn read_head(stream: &mut impl Read) -> Result<(Vec<u8>, Vec<u8>), ConnectError> {
    let mut head = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = match stream.read(&mut part) {
            Ok(0) if head.is_empty() => return Err(ConnectError::away("it closed the connection")),
            Ok(0) => return Ok((head, Vec::new())),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let looked_at = head.len().saturating_sub(3);
        head.extend(&part[..count]);
        if let Some(at) = head[looked_at..].windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = head.split_off(looked_at + at + 4);
            return Ok((head, rest));
        }
        if !head.starts_with(&b"HTTP/"[..head.len().min(5)]) {
            return Ok((head, Vec::new()));
        }
        if head.len() > HEAD {
            return Err(ConnectError::away(format!("its answer has more than {} KiB of headers", HEAD >> 10)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Peer;
    use std::io::{self, Cursor};

    /// Answers whatever is asked with this; the key is put where `KEY` is.
    struct Server {
        answer: String,
        asked: Vec<u8>,
        reads: Option<Cursor<Vec<u8>>>,
    }

    impl Read for Server {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let asked = String::from_utf8(self.asked.clone()).unwrap();
            let key = asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let answer = self.answer.replace("KEY", &accept(key));
            let reads = self.reads.get_or_insert_with(|| Cursor::new(answer.into_bytes()));
            let most = into.len().min(7);
            reads.read(&mut into[..most])
        }
    }

    impl Write for Server {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ask(answer: impl Into<String>) -> (Result<(Head, Vec<u8>), ConnectError>, String) {
        let mut server = Server { answer: answer.into(), asked: Vec::new(), reads: None };
        let address = Address::parse("http://me:pw@h:5000/o", Peer::OctoPrint).unwrap();
        let answered = upgrade(&mut server, &address, "sockjs/websocket");
        (answered, String::from_utf8(server.asked).unwrap())
    }

    const GOOD: &str =
        "HTTP/1.1 101 On\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: KEY\r\n";

    #[test]
    fn an_agreed_upgrade_leaves_what_follows() {
        // The example of the RFC.
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let (answered, asked) = ask(format!("{GOOD}X: {}\r\n\r\nrest", "x".repeat(64 << 10)));
        let (head, rest) = answered.unwrap();
        // More may be read than the head, and less than all that follows.
        assert!(head.status == 101 && b"rest".starts_with(&rest), "{rest:?}");
        assert!(asked.starts_with("GET /o/sockjs/websocket HTTP/1.1\r\nHost: h:5000\r\n"), "{asked}");
        assert!(asked.contains("\r\nAuthorization: Basic bWU6cHc=\r\n"), "{asked}");
    }

    #[test]
    fn what_answers_instead_is_told() {
        let refused = ask("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n\r\n").0.unwrap().0;
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Basic")));
        let long = format!("{GOOD}X: {}\r\n\r\n", "x".repeat(HEAD));
        let endless = "HTTP/1.1 101 ".to_string() + &"x".repeat(HEAD);
        for (answer, what) in [
            (GOOD.replace("KEY", "other") + "\r\n", "and does not"),
            (GOOD.replace("WebSocket", "h2c") + "\r\n", "and does not"),
            (long, "more than 96 KiB of headers"),
            (endless, "more than 96 KiB of headers"),
            (String::new(), "it closed the connection"),
            ("\u{15}\u{3}\u{1}\u{0}\u{2}".into(), "it speaks TLS at this port"),
            ("SSH-2.0-OpenSSH_9.2".into(), "is not HTTP"),
            ("HTTP/1.1 x\r\n\r\n".into(), "is not HTTP"),
        ] {
            let error = ask(answer).0.unwrap_err();
            assert!(error.what().contains(what), "{error}");
        }
    }
}
