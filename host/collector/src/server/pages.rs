//! Serving the page: `/`, its style sheet, and each chart's numbers. What is on it is `page`'s business.

use super::answer::{Body, status, text};
use crate::page::data::{Data, KINDS, path};
use crate::page::{self, View, charts::CHARTS};
use crate::store::Store;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderValue, LINK, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode, Uri};
use jiff::Timestamp;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Nothing of anybody else's, and no script at all: what strangers wrote can do nothing, even if it were not escaped.
const POLICY: &str =
    "default-src 'self'; script-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What was read, and when each file was made, by which a change is seen.
type Read = (Vec<Option<SystemTime>>, Arc<Data>);

pub(super) struct Pages {
    store: Store,
    /// What was read of either window, 30 days and 7.
    read: [Mutex<Option<Read>>; 2],
}

impl Pages {
    pub(super) fn new(store: &Store) -> Self {
        Self { store: store.clone(), read: Default::default() }
    }

    /// Whether there is something at this path.
    pub(super) fn has(path: &str) -> bool {
        matches!(path, "/" | "/page.css" | "/icon.svg") || path.starts_with("/chart/")
    }

    /// Answer it. It reads files if they have changed.
    pub(super) fn answer(&self, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
        let view = View::of(uri.query().unwrap_or_default());
        let found = match uri.path() {
            "/" => Some(("text/html; charset=utf-8", page::html(&self.data(view.days), &view, Timestamp::now()))),
            "/page.css" => Some(("text/css; charset=utf-8", page::STYLE.into())),
            "/icon.svg" => Some(("image/svg+xml", page::ICON.into())),
            path => path.strip_prefix("/chart/").and_then(|name| self.numbers(name, &view)),
        };
        let Some((kind, content)) = found else { return status(StatusCode::NOT_FOUND) };
        let mut answer = compressed(kind, content, headers);
        let more = answer.headers_mut();
        more.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        more.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        more.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        more.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        if uri.path() == "/" {
            // A slow phone asks for the style sheet before it has read the page.
            more.insert(LINK, HeaderValue::from_static("</page.css>; rel=preload; as=style"));
        }
        answer
    }

    /// A chart's numbers: `versions.csv`.
    fn numbers(&self, name: &str, view: &View) -> Option<(&'static str, String)> {
        let (id, form) = name.split_once('.')?;
        let chart = CHARTS.iter().find(|chart| chart.id == id)?;
        let shown = chart.shown(&self.data(view.days))?;
        match form {
            "csv" => Some(("text/csv; charset=utf-8", page::csv(&shown))),
            "json" => Some(("application/json", format!("{:#}\n", page::json(&shown)))),
            _ => None,
        }
    }

    fn data(&self, days: u32) -> Arc<Data> {
        let modified = |kind: &&str| path(&self.store, kind, days).metadata().ok()?.modified().ok();
        let now: Vec<_> = KINDS.iter().map(modified).collect();
        let mut read = self.read[usize::from(days == 7)].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, data)) = &*read
            && *then == now
        {
            return Arc::clone(data);
        }
        let data = Arc::new(Data::read(&self.store, days));
        *read = Some((now, Arc::clone(&data)));
        data
    }
}

fn compressed(kind: &'static str, content: String, headers: &HeaderMap) -> Response<Body> {
    let takes_gzip = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim() == "gzip")));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let encoded =
        takes_gzip.then(|| encoder.write_all(content.as_bytes()).and_then(|()| encoder.finish()).ok()).flatten();
    let mut answer = match encoded {
        Some(encoded) => {
            let mut answer = text(kind, encoded);
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        }
        None => text(kind, content),
    };
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    answer
}
