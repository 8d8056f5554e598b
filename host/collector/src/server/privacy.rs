//! For who is counted: what is kept at all, and what is kept of their installation, to be seen or removed by whoever knows
//! its id. The id is a random number of 122 bits that the installation, its user and this store know; nobody can guess one.
//! It comes in a body, never in a URL, which others would write down.

use super::answer::{Body, text};
use crate::config::Config;
use crate::door::Door;
use crate::geo::State;
use crate::id::Id;
use crate::installation;
use crate::log;
use crate::store::Store;
use crate::store::day::PING;
use anyhow::Result;
use glassbox_sandbox::manifest::Enters;
use glassbox_util::PerMinute;
use glassbox_util::text::printable;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, RETRY_AFTER};
use hyper::{Response, StatusCode};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;

/// A form with an id.
pub(super) const BODY: usize = 1024;

/// Of all together, in a minute: each goes through all days, and removing holds up who writes. Only ids that are known
/// count, which nobody can guess, so that nobody can keep others from it.
const ASKED: u32 = 10;

/// Who looks at the same time whether an id is known; others wait for their turn.
const TURNS: usize = 8;

/// Characters of a text of the configuration or the database.
const SHOWN: usize = 500;

pub(super) struct Privacy {
    store: Store,
    responsible: String,
    contact: String,
    retention_days: u32,
    coordinates: bool,
    limit: Mutex<PerMinute>,
    pub(super) turns: Semaphore,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Show,
    Forget,
}

/// What is asked for an installation.
pub(super) struct Asked {
    wish: Wish,
    id: Id,
    keep_out: bool,
}

impl Asked {
    /// Of a form. None if it has no id.
    pub(super) fn read(wish: Wish, form: &[u8]) -> Option<Self> {
        let form = std::str::from_utf8(form).ok()?;
        let value = |key: &str| form.split('&').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
        // A browser sends a space that was copied along as a plus.
        let id = Id::parse(value("id")?.trim_matches(['+', ' ', '\r', '\n']))?;
        Some(Self { wish, id, keep_out: value("keep_out") == Some("yes") })
    }
}

impl Privacy {
    pub(super) fn new(config: &Config, store: &Store) -> Self {
        Self {
            store: store.clone(),
            responsible: config.responsible.clone(),
            contact: config.contact.clone(),
            retention_days: config.retention_days,
            coordinates: config.coordinates,
            limit: Mutex::new(PerMinute::new(ASKED)),
            turns: Semaphore::new(TURNS),
        }
    }

    /// Fulfil a wish. It may take seconds.
    pub(super) fn fulfil(&self, asked: &Asked) -> Response<Body> {
        self.try_to(asked).unwrap_or_else(|error| {
            // It names files, and no id.
            let wish = if asked.wish == Wish::Show { "shown" } else { "removed" };
            log(format_args!("what is kept of an installation could not be {wish}: {error:#}"));
            let said = match asked.wish {
                Wish::Show => "that did not work; try again later\n",
                Wish::Forget => "it may not be removed everywhere; try again later\n",
            };
            self::said(StatusCode::SERVICE_UNAVAILABLE, said)
        })
    }

    fn try_to(&self, asked: &Asked) -> Result<Response<Body>> {
        // Keeping out whoever nothing is known of yet would fill the store with ids that strangers make up.
        if !installation::is_known(&self.store, asked.id)? {
            return Ok(match asked.wish {
                Wish::Show => json("null\n".into()),
                Wish::Forget => said(StatusCode::OK, "nothing is kept under this id\n"),
            });
        }
        if !self.limit.lock().unwrap_or_else(PoisonError::into_inner).allows() {
            return Ok(later());
        }
        if asked.wish == Wish::Show {
            return Ok(json(format!("{:#}\n", installation::show(&self.store, asked.id)?)));
        }
        let damaged = installation::forget(&self.store, asked.id, asked.keep_out)?.damaged.len();
        Ok(match (damaged, asked.keep_out) {
            (0, false) => said(StatusCode::OK, "nothing is kept of it any more\n"),
            (0, true) => said(StatusCode::OK, "nothing is kept of it any more, and nothing will be\n"),
            (damaged, _) => {
                log(format_args!(
                    "an installation was forgotten, but for {damaged} files that are damaged: see 'forget --help'"
                ));
                let what = "it is removed, but files that are damaged could not be searched; what they may hold has no id \
                            any more, and can only be removed with them: ask the operator\n";
                said(StatusCode::INTERNAL_SERVER_ERROR, what)
            }
        })
    }

    /// The page: what is kept, made from the manifest and the configuration.
    pub(super) fn page(&self, door: &Door, places: &State) -> Response<Body> {
        let mut answer = text("text/html; charset=utf-8", self.html(door, places));
        let headers = answer.headers_mut();
        // No script, no style, nothing of anybody else's.
        let policy = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        answer
    }

    fn html(&self, door: &Door, places: &State) -> String {
        let mut out = String::from(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>What is kept</title>\n<h1>What is kept</h1>\n",
        );
        let not_said = "(the operator has not said)";
        let or = |text: &str| if text.is_empty() { not_said.into() } else { html(text) };
        let time = match self.retention_days {
            0 => "until they are removed".to_string(),
            days => format!("for {days} days"),
        };
        let place = match (&places.database, self.coordinates) {
            (None, _) => "No place is derived from it.".to_string(),
            (Some((kind, _)), coordinates) => {
                let with = if coordinates { ", and the coordinates of that place" } else { "" };
                format!(
                    "From it the continent, country, region and city{with} are looked up, in the database {}. {}",
                    html(kind),
                    attribution(kind)
                )
            }
        };
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "<p>Responsible: {}. Contact: {}.</p>\n\
             <p>Reports are kept {time}, under the installation's id, a random number: they are pseudonymous. After that only \
             each day's totals stay. The address that a report comes from is not kept. {place}</p>\n\
             <h2>See or remove what is kept of an installation</h2>\n\
             <p>Whoever knows its id can. OctoPrint shows it in the settings of its usage tracking. Backups, and totals and \
             charts that were published, are not changed.</p>\n\
             <form method=\"post\" action=\"/privacy/show\"><p><label>Id: <input name=\"id\" size=\"36\" required></label>\n\
             <button>Show it</button></p>\n\
             <p><label><input type=\"checkbox\" name=\"keep_out\" value=\"yes\"> and keep nothing that it reports from now \
             on</label>\n<button formaction=\"/privacy/forget\">Remove it for good</button></p></form>\n\
             <h2>What is kept of each report</h2>\n<p>The day, the second, the version of OctoPrint, the place, and:</p>\n<dl>\n",
            or(&self.responsible),
            or(&self.contact),
        );
        for says in &door.manifest().says {
            let fields = says.fields.iter().map(|field| {
                let form = door.form(&says.request, &field.name);
                html(&field.name) + form.map_or("", form_in_words)
            });
            let fields = match says.request.as_str() {
                // As `store/day.rs` keeps them.
                PING => {
                    "not one by one: how many there were in a day, in which quarters of an hour, and when the first \
                         and the last was"
                        .into()
                }
                _ if says.fields.is_empty() => "nothing more".into(),
                _ => fields.collect::<Vec<_>>().join(", "),
            };
            let _ = writeln!(out, "<dt>{}</dt><dd>{fields}</dd>", html(&says.request));
        }
        out + "</dl>\n"
    }
}

/// What is left of a field that is kept in another form than it arrives.
fn form_in_words(form: Enters) -> &'static str {
    match form {
        Enters::PortKind => " (only its kind, such as usb or network)",
        Enters::ErrorText => " (without what looks like a path, an address or a number of a machine)",
        // A door takes no other (`Door::new`).
        _ => " (reduced)",
    }
}

/// What the makers of databases ask to be said.
fn attribution(kind: &str) -> &'static str {
    if kind.starts_with("GeoLite2") {
        "This product includes GeoLite2 data created by MaxMind, available from https://www.maxmind.com."
    } else if kind.starts_with("DBIP") {
        "IP geolocation by DB-IP, https://db-ip.com."
    } else {
        ""
    }
}

/// A stranger's text within a page.
fn html(text: &str) -> String {
    let text = printable(text, SHOWN);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn said(status: StatusCode, what: &'static str) -> Response<Body> {
    let mut answer = text("text/plain; charset=utf-8", what);
    *answer.status_mut() = status;
    private(&mut answer);
    answer
}

fn json(text: String) -> Response<Body> {
    let mut answer = self::text("application/json", text);
    private(&mut answer);
    answer
}

/// A form without an id.
pub(super) fn no_id() -> Response<Body> {
    said(StatusCode::BAD_REQUEST, "send a form with id=UUID\n")
}

/// Too many have asked.
fn later() -> Response<Body> {
    let mut answer = said(StatusCode::TOO_MANY_REQUESTS, "too many ask; try again in a minute\n");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    answer
}

fn private(answer: &mut Response<Body>) {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
