//! Something answers, and is no OctoPrint that can be followed: what it is, in words, and what to change.

use super::{SHOWN, push};
use crate::net::websocket::Head;
use crate::net::{Address, ConnectError};
use glassbox_util::text::{printable, without_credentials};

/// What to do about a key that is not accepted.
const MAKE_A_KEY: &str = "make one in OctoPrint, in Settings > Application Keys, or for a user of its own";

/// What to do about somebody who stands before OctoPrint.
const LET_PASS: &str = "have it let api/, plugin/ and sockjs/ pass for this machine, or give OctoPrint's own address \
                        (often http://HOST:5000)";

/// The key is not accepted.
pub(super) fn key(address: &Address, status: u16) -> ConnectError {
    ConnectError::wrong(format!("{address} does not accept the API key (it answered {status})"), MAKE_A_KEY)
}

/// The key belongs to nobody who can log in, but for example to the server itself.
pub(super) fn no_session(address: &Address, name: Option<&str>) -> ConnectError {
    match name {
        None => ConnectError::wrong(format!("{address} does not know whose API key this is"), MAKE_A_KEY),
        Some(name) => {
            let name = printable(name, SHOWN);
            let what = format!("{address} takes the API key as that of '{name}', who gets no session for events");
            ConnectError::wrong(what, MAKE_A_KEY)
        }
    }
}

/// A proxy wants to know who we are. `wanted` is what it says in `www-authenticate`.
pub(super) fn wants_login(address: &Address, wanted: &str) -> ConnectError {
    let shown = printable(wanted, SHOWN);
    if !wanted.trim_start().to_ascii_lowercase().starts_with("basic") {
        let what =
            format!("something before OctoPrint at {address} wants a login of a kind that cannot be given ({shown})");
        return ConnectError::wrong(what, LET_PASS);
    }
    if address.login().is_some() {
        let what =
            format!("the proxy before OctoPrint at {address} does not accept the user name and password ({shown})");
        return ConnectError::wrong(what, "correct them in the URL, or user and password_file in glassbox.toml");
    }
    let what = format!("a proxy before OctoPrint at {address} wants a user name and password ({shown})");
    let advice = "set user and password_file of its [[octoprint]] entry in glassbox.toml, or put them into its url \
                  there, as in http://USER:PASSWORD@HOST";
    ConnectError::wrong(what, advice)
}

/// It sends us elsewhere, where the key must not go by itself.
pub(super) fn redirected(address: &Address, status: u16, location: Option<&str>) -> ConnectError {
    let to = target(location);
    let is_moved = to.strip_suffix("api/login");
    let what = format!("{address} redirects elsewhere ({status} to {})", printable(is_moved.unwrap_or(&to), SHOWN));
    match is_moved {
        Some(_) => ConnectError::wrong(what, "give the URL that it redirects to"),
        None => ConnectError::wrong(what, format!("if that is the login page of a portal, {LET_PASS}")),
    }
}

/// Where a redirect leads. What is before an `@`, or after the path, may be a secret of the one who redirects.
fn target(location: Option<&str>) -> String {
    without_credentials(location.unwrap_or("nowhere").split(['?', '#']).next().unwrap_or_default())
}

/// A web page instead of an answer.
pub(super) fn web_page(address: &Address, status: u16, page: &[u8]) -> ConnectError {
    let title = title(page).map_or_else(|| "without a title".into(), |title| format!("'{title}'"));
    let what =
        format!("{address} answers api/login with a web page, {title} (status {status}), and not as OctoPrint does");
    let advice = format!("check the URL, and the path that a proxy may add to it; if it is a login portal, {LET_PASS}");
    ConnectError::wrong(what, advice)
}

/// Whether this is a web page.
pub(super) fn is_web_page(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let has = |tag: &[u8]| start.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    has(b"<!doctype") || has(b"<html") || has(b"<head") || has(b"<?xml")
}

fn title(page: &[u8]) -> Option<String> {
    let page = String::from_utf8_lossy(&page[..page.len().min(64 << 10)]).into_owned();
    // Of the same length, so that what is found in one is at the same place in the other.
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let text = page[start..start + lower[start..].find("</")?].split_whitespace().collect::<Vec<_>>().join(" ");
    Some(printable(&text, SHOWN)).filter(|text| !text.is_empty())
}

/// Something that is no OctoPrint. `version` is what it says at `api/version`: what it calls itself, if it does.
pub(super) fn not_octoprint(address: &Address, what: &str, version: Option<&str>) -> ConnectError {
    let Some(name) = version else {
        let what = format!("there is no OctoPrint at {address}: {what}");
        return ConnectError::wrong(what, "check the URL, and the path that a proxy may add to it");
    };
    let name = printable(name, SHOWN);
    ConnectError::wrong(
        format!("{address} is no OctoPrint, but '{name}', which answers some of its requests: {what}"),
        "give the URL of an OctoPrint; others have no push API, over which events come",
    )
}

/// Whether what something calls itself at `api/version` is OctoPrint's name for itself. Others put theirs behind it, as in
/// `OctoPrint (Moonraker v0.9)`.
pub(super) fn is_octoprint(version: &str) -> bool {
    version.strip_prefix("OctoPrint").is_some_and(|rest| !rest.trim_start().starts_with('('))
}

/// There is no WebSocket at the push API.
pub(super) fn no_websocket(address: &Address, head: &Head) -> ConnectError {
    let at = address.below(push::PATH);
    match head.status {
        401 if head.header("www-authenticate").is_some() => {
            wants_login(address, head.header("www-authenticate").unwrap_or_default())
        }
        status @ (429 | 500..=599) => {
            ConnectError::Away { down: is_down(status), what: format!("it answered {status}"), advice: None }
        }
        status @ 300..=399 => {
            let to = printable(&target(head.header("location")), SHOWN);
            let what = format!("{at} redirects elsewhere ({status} to {to}) instead of opening a WebSocket");
            ConnectError::wrong(what, format!("if that is the login page of a portal, {LET_PASS}"))
        }
        404 => ConnectError::wrong(
            format!("{at} answered 404 instead of opening a WebSocket, so there is no push API"),
            "check that this is an OctoPrint, and let a proxy in front of it pass WebSockets on",
        ),
        status => ConnectError::wrong(
            format!("{at} answered {status} instead of opening a WebSocket"),
            "let the proxy in front of OctoPrint pass WebSockets on",
        ),
    }
}

/// Whether this is an answer in place of a server that is not running: from a proxy, or from OctoPrint's placeholder
/// while it starts (503).
pub(super) fn is_down(status: u16) -> bool {
    matches!(status, 501..=504)
}

/// There is a WebSocket, and it does not begin as the push API does.
pub(super) fn no_greeting() -> ConnectError {
    ConnectError::Away {
        down: false,
        what: "it opened a WebSocket, and does not say what it is".into(),
        advice: Some("check that the URL is that of an OctoPrint; if a proxy is in front of it, see that it passes on what comes over WebSockets".into()),
    }
}

/// The name of the key's user is one that OctoPrint's push API cannot take: it splits name and session at the colon, and
/// passes over what has more than one, without a word.
pub(super) fn colon(name: &str) -> ConnectError {
    ConnectError::wrong(
        format!(
            "the name of the API key's user, '{}', has a colon (':') in it, which OctoPrint's push API cannot take",
            printable(name, SHOWN)
        ),
        "make the key for a user without one",
    )
}

/// OctoPrint was told who we are and what to send, and has not shown that it took that.
pub(super) fn silent() -> ConnectError {
    ConnectError::Away {
        down: false,
        what: "it lets us in, and does not show that it took our subscription, so it may send nothing".into(),
        advice: Some(
            "check OctoPrint's log (octoprint.log) for 'auth message' and for plugins that hold back messages".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Peer;

    #[test]
    fn what_answered_is_named_and_shown_safely() {
        let address = Address::parse("http://h", Peer::OctoPrint).unwrap();
        let page = b"\n<!DOCTYPE html><html><head>\n<TITLE lang=en> Sign\x1b[31m in\n\xc2\xb7 Authelia </title>";
        assert!(is_web_page(page) && !is_web_page(b"{}") && !is_web_page(b"<"));
        let said = web_page(&address, 200, page).to_string();
        assert!(said.contains(r"a web page, 'Sign\u{1b}[31m in · Authelia' (status 200)"), "{said}");
        for none in [&b"<html>"[..], b"<html><title", b"<html><title>", b"<html><title></title>"] {
            assert!(web_page(&address, 200, none).to_string().contains("without a title"));
        }
        for (location, shown, advice) in [
            (Some("https://auth/login?rd=secret"), "302 to https://auth/login)", "login page of a portal"),
            (Some("https://other/o/api/login"), "302 to https://other/o/)", "give the URL that it redirects to"),
            (None, "302 to nowhere)", "login page of a portal"),
        ] {
            let said = redirected(&address, 302, location).to_string();
            assert!(said.contains(shown) && said.contains(advice), "{said}");
        }
        assert!(is_octoprint("OctoPrint 1.11.8") && is_octoprint("OctoPrint 0+unknown"));
        assert!(!is_octoprint("OctoPrint (Moonraker v0.9.3)") && !is_octoprint("PrusaLink MINI"));
    }

    #[test]
    fn a_login_that_is_wanted_says_how_it_is_given() {
        let address = Address::parse("http://h", Peer::OctoPrint).unwrap();
        let said = wants_login(&address, "Basic realm=\"restricted\"").to_string();
        assert!(said.contains("wants a user name and password") && said.contains("password_file"), "{said}");
        let given = Address::parse("http://me:secret@h", Peer::OctoPrint).unwrap();
        let said = wants_login(&given, "basic").to_string();
        assert!(said.contains("does not accept the user name") && !said.contains("secret"), "{said}");
        let said = wants_login(&address, "Digest realm=\"Printer API\"").to_string();
        assert!(said.contains("a kind that cannot be given (Digest realm"), "{said}");
    }
}
