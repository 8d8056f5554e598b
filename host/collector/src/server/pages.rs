//! Serving the page: `/`, its style sheet, and each chart's numbers. What is on it is `page`'s business.

use super::answer::{Body, text};
use crate::page::data::{Data, KINDS, path};
use crate::page::{self, View, charts::CHARTS};
use crate::store::Store;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderValue, LINK,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
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
        let answer = match uri.path() {
            "/" => Some(self.page(&view, headers)),
            "/page.css" => Some(compressed("text/css; charset=utf-8", page::STYLE.into(), headers)),
            "/icon.svg" => Some(compressed("image/svg+xml", page::ICON.into(), headers)),
            path => path.strip_prefix("/chart/").and_then(|name| self.numbers(name, &view, headers)),
        };
        let Some(mut answer) = answer else { return nothing_here() };
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        safe(answer)
    }

    fn page(&self, view: &View, headers: &HeaderMap) -> Response<Body> {
        let page = page::html(&self.data(view.days), view, Timestamp::now());
        let mut answer = compressed("text/html; charset=utf-8", page, headers);
        // A slow phone asks for the style sheet before it has read the page.
        answer.headers_mut().insert(LINK, HeaderValue::from_static("</page.css>; rel=preload; as=style"));
        answer
    }

    /// A chart's numbers: `versions.csv`. The name under which they are kept says of when they are.
    fn numbers(&self, name: &str, view: &View, headers: &HeaderMap) -> Option<Response<Body>> {
        let (id, form) = name.split_once('.')?;
        let chart = CHARTS.iter().find(|chart| chart.id == id)?;
        let data = self.data(view.days);
        let shown = page::shown(chart, &data, view)?;
        let (kind, content) = match form {
            "csv" => ("text/csv; charset=utf-8", page::csv(&shown)),
            "json" => ("application/json", format!("{:#}\n", page::json(&shown))),
            _ => return None,
        };
        let mut answer = compressed(kind, content, headers);
        let name = format!("inline; filename=\"{}\"", page::file_name(chart, &data, form));
        answer.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_str(&name).ok()?);
        Some(answer)
    }

    fn data(&self, days: u32) -> Arc<Data> {
        let modified = |kind: &&str| path(&self.store, kind, days).metadata().ok()?.modified().ok();
        let now: Vec<_> = KINDS.iter().map(modified).collect();
        let mut read = self.read[usize::from(days == 7)].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, data)) = &*read
            && *then == now
            // What is not there yet is looked for each time.
            && now.iter().any(Option::is_some)
        {
            return Arc::clone(data);
        }
        let data = Arc::new(Data::read(&self.store, days));
        *read = Some((now, Arc::clone(&data)));
        data
    }
}

/// What is no page, said to whoever looks for one.
pub(super) fn nothing_here() -> Response<Body> {
    let mut answer = text("text/plain; charset=utf-8", "There is nothing here. What the reports show is at /\n");
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

/// With what keeps a page from doing anything that it should not.
pub(super) fn safe(mut answer: Response<Body>) -> Response<Body> {
    let more = answer.headers_mut();
    more.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    more.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    more.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

/// Whether who asks takes gzip: `br, gzip;q=0.5`, but not `gzip;q=0`.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| {
        value.split(',').any(|one| {
            let (name, weight) = one.split_once(';').unwrap_or((one, ""));
            let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok());
            name.trim() == "gzip" && weight.unwrap_or(1.0_f32) > 0.0
        })
    })
}

fn compressed(kind: &'static str, content: String, headers: &HeaderMap) -> Response<Body> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let gzip = || encoder.write_all(content.as_bytes()).and_then(|()| encoder.finish()).ok();
    let encoded = takes_gzip(headers).then(gzip).flatten();
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
