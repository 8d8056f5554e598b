//! The exports, as they are served. A file is read when it has changed, and its compressed form is made once.

use super::answer::{Body, status, text};
use super::pages::{nothing_here, safe, takes_gzip};
use crate::exports::names;
use crate::page;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY,
};
use hyper::{HeaderMap, Response, StatusCode};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// An export of a thousand plugins with a thousand versions each has 60 MB; a usual one less than 1.
const LARGEST: usize = 128 << 20;

/// The folder of the exports, and what was read there.
pub(super) struct Published {
    folder: PathBuf,
    read: Mutex<HashMap<String, File>>,
}

#[derive(Clone)]
struct File {
    modified: SystemTime,
    tag: HeaderValue,
    plain: Bytes,
    compressed: Bytes,
}

impl Published {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, read: Mutex::default() }
    }

    /// One of the exports, or the list of them. Other pages may read them: `data.octoprint.org` is not the only one.
    pub(super) fn answer(&self, name: &str, headers: &HeaderMap) -> Response<Body> {
        let mut answer = match self.file(name) {
            _ if name.is_empty() => safe(text("text/html; charset=utf-8", page::list(names()))),
            Some(file) => file.answer(headers),
            None => nothing_here(),
        };
        answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        answer
    }

    fn file(&self, name: &str) -> Option<File> {
        // Nothing else in the folder is served, and no name leads out of it.
        names().find(|known| known == name)?;
        let path = self.folder.join(name);
        let modified = path.metadata().ok()?.modified().ok()?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = read.get(name).filter(|file| file.modified == modified) {
            return Some(file.clone());
        }
        let plain = glassbox_util::files::read_bounded(&path, LARGEST).ok()?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain).ok()?;
        let mut tag = String::from("\"");
        Sha256::digest(&plain).iter().take(16).for_each(|byte| {
            // Writing to a string does not fail.
            let _ = write!(tag, "{byte:02x}");
        });
        tag.push('"');
        let file = File {
            modified,
            tag: HeaderValue::from_str(&tag).ok()?,
            plain: plain.into(),
            compressed: encoder.finish().ok()?.into(),
        };
        read.insert(name.into(), file.clone());
        Some(file)
    }
}

impl File {
    fn answer(self, headers: &HeaderMap) -> Response<Body> {
        let tag = self.tag.to_str().unwrap_or_default();
        let same = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
        });
        let mut answer = if same {
            status(StatusCode::NOT_MODIFIED)
        } else if takes_gzip(headers) {
            let mut answer = text("application/json", self.compressed);
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        } else {
            text("application/json", self.plain)
        };
        let more = answer.headers_mut();
        more.insert(ETAG, self.tag);
        more.insert(VARY, HeaderValue::from_static("accept-encoding"));
        // They change every hour.
        more.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
        answer
    }
}
