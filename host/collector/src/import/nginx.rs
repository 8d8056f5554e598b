//! A line of the log that nginx writes on OctoPrint's server (RECEIVING.md, 1.1): `ADDRESS [TIME] "REQUEST" STATUS BYTES
//! "BODY" "USER AGENT"`. In quotes nginx writes `"`, `\`, control characters and what is not ASCII as `\xHH`.

use jiff::Timestamp;
use jiff::fmt::strtime;
use std::net::IpAddr;

/// The status of what OctoPrint's server keeps (RECEIVING.md, 8.11).
const KEPT: &str = "204";

/// A request, as the log has it.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub(super) address: Option<IpAddr>,
    pub(super) at: Timestamp,
    pub(super) is_post: bool,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: Vec<u8>,
    pub(super) user_agent: Vec<u8>,
}

/// Why a line is no report, beside what the door says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoReport {
    /// It has another form.
    Form,
    /// Its time is none.
    Time,
    /// It is of a day that is not kept any more.
    Old,
    /// The server has refused it.
    Status,
    /// It is a request of another kind: not a GET or POST below `/track/`.
    Request,
}

impl NoReport {
    /// In words, for who imports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Form => "not a line of this log",
            Self::Time => "no time, or one in the future",
            Self::Old => "older than retention_days",
            Self::Status => "not answered with 204",
            Self::Request => "another request",
        }
    }
}

impl Line {
    pub(super) fn parse(line: &[u8]) -> Result<Self, NoReport> {
        let line = std::str::from_utf8(line).map_err(|_| NoReport::Form)?;
        let form = || {
            let (address, rest) = line.split_once(" [")?;
            let (time, rest) = rest.split_once("] \"")?;
            let (request, rest) = rest.split_once("\" ")?;
            let (numbers, rest) = rest.split_once(" \"")?;
            let (body, rest) = rest.split_once("\" \"")?;
            let are_numbers = numbers.split(' ').all(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
            are_numbers.then_some((address, time, request, numbers, body, rest.strip_suffix('"')?))
        };
        let (address, time, request, numbers, body, user_agent) = form().ok_or(NoReport::Form)?;
        let at = strtime::parse("%d/%b/%Y:%H:%M:%S %z", time).and_then(|time| time.to_timestamp());
        let at = at.map_err(|_| NoReport::Time)?;
        let mut parts = request.split(' ');
        let (method, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if !["GET", "POST"].contains(&method) || !target.starts_with("/track/") {
            return Err(NoReport::Request);
        }
        if numbers.split(' ').next() != Some(KEPT) {
            return Err(NoReport::Status);
        }
        let target = String::from_utf8(unescaped(target)).map_err(|_| NoReport::Request)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        Ok(Self {
            // A name instead of an address has no place.
            address: address.parse().ok(),
            at,
            is_post: method == "POST",
            path: path.into(),
            query: query.into(),
            // Where there was none, nginx writes a dash.
            body: if body == "-" { Vec::new() } else { unescaped(body) },
            user_agent: unescaped(user_agent),
        })
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let byte = rest.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(byte.unwrap_or(b'\\'));
        rest = &rest[if byte.is_some() { at + 4 } else { at + 1 }..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_nginx_writes_it() {
        let line = br#"2001:db8::7 [26/Nov/2026:18:00:01 +0100] "POST /track/AB/pong/?x=1 HTTP/1.1" 204 0 "a=\x22k\xC3\xA4se\x22&b=\q" "OctoPrint/1.11.8""#;
        let found = Line::parse(line).unwrap();
        let expected = Line {
            address: "2001:db8::7".parse().ok(),
            at: "2026-11-26T17:00:01Z".parse().unwrap(),
            is_post: true,
            path: "/track/AB/pong/".into(),
            query: "x=1".into(),
            body: "a=\"käse\"&b=\\q".into(),
            user_agent: "OctoPrint/1.11.8".into(),
        };
        assert_eq!(found, expected);
        for (line, why) in [
            (r#""#, NoReport::Form),
            (r#"nonsense"#, NoReport::Form),
            (r#"1.2.3.4 - - [26/Nov/2026:18:00:01 +0100] "GET /track/A/b/ HTTP/1.1" 204 0 "-" "x"#, NoReport::Form),
            (r#"1.2.3.4 [26/Nov/2026:18:00:01 +0100] "GET /track/A/b/ HTTP/1.1" two 0 "-" "x""#, NoReport::Form),
            (r#"1.2.3.4 [31/Feb/2026:18:00:01 +0100] "GET /track/A/b/ HTTP/1.1" 204 0 "-" "x""#, NoReport::Time),
            (r#"1.2.3.4 [26/Nov/2026:18:00:01 +0100] "GET /robots.txt HTTP/1.1" 204 0 "-" "x""#, NoReport::Request),
            (r#"1.2.3.4 [26/Nov/2026:18:00:01 +0100] "PUT /track/A/b/ HTTP/1.1" 204 0 "-" "x""#, NoReport::Request),
            (r#"1.2.3.4 [26/Nov/2026:18:00:01 +0100] "GET /track/A/b/ HTTP/1.1" 404 9 "-" "x""#, NoReport::Status),
            (r#"1.2.3.4 [26/Nov/2026:18:00:01 +0100] "\x16\x03" 400 0 "-" "-""#, NoReport::Request),
        ] {
            assert_eq!(Line::parse(line.as_bytes()), Err(why), "{line}");
        }
        assert_eq!(Line::parse(b"\xff"), Err(NoReport::Form));
    }
}
