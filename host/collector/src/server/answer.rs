//! What a request is answered with. Below `/track/` everything that could be a report is answered 204, whether it is kept
//! or not: clients ignore it, and nobody can try out what is taken.

use super::limits;
use super::metrics::{self, Metrics};
use super::pages::{Pages, nothing_here};
use super::privacy::{self, Privacy, Wish};
use super::published::Published;
use crate::address::{Peer, Trust};
use crate::door::{Door, Incoming, Refusal};
use crate::geo::Locator;
use crate::store::keeper::{Keeper, Kept};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

pub(super) type Body = Full<Bytes>;

/// What all connections share.
pub(super) struct Service {
    pub(super) door: RwLock<Arc<Door>>,
    pub(super) trust: Trust,
    pub(super) locator: Arc<Locator>,
    pub(super) keeper: Keeper,
    pub(super) published: Published,
    pub(super) privacy: Privacy,
    pub(super) metrics: Metrics,
    pub(super) pages: Pages,
}

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Everybody,
    /// For `/metrics`, and nothing else.
    Operator,
}

impl Service {
    pub(super) async fn answer(
        self: &Arc<Self>,
        whom: For,
        peer: &Peer,
        requests: &AtomicU32,
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path();
        let mut answer = if whom == For::Operator {
            match *request.method() {
                Method::GET | Method::HEAD if path == "/metrics" => self.metrics().await,
                _ => status(StatusCode::NOT_FOUND),
            }
        } else if path.starts_with("/track/") {
            match *request.method() {
                Method::GET | Method::POST => {
                    let began = Instant::now();
                    if let Err(refusal) = self.report(peer, request).await {
                        self.keeper.count(Timestamp::now(), refusal);
                    }
                    self.metrics.answered.observe(began.elapsed().as_secs_f64());
                    status(StatusCode::NO_CONTENT)
                }
                _ => not_allowed("GET, POST"),
            }
        } else if path == "/healthz" {
            match *request.method() {
                Method::GET | Method::HEAD => text("text/plain", "ok\n"),
                _ => not_allowed("GET, HEAD"),
            }
        } else if let Some(name) = path.strip_prefix("/export/") {
            match *request.method() {
                Method::GET | Method::HEAD => self.export(name, request.headers()).await,
                _ => not_allowed("GET, HEAD"),
            }
        } else if Pages::has(path) {
            match *request.method() {
                Method::GET | Method::HEAD => self.page(request.uri().clone(), request.headers().clone()).await,
                _ => not_allowed("GET, HEAD"),
            }
        } else if path == "/privacy" {
            match *request.method() {
                Method::GET | Method::HEAD => self.privacy.page(&self.door(), &self.locator.state()),
                _ => not_allowed("GET, HEAD"),
            }
        } else if let Some(wish) = wish(path) {
            match *request.method() {
                Method::POST => self.wish(wish, request.into_body()).await,
                _ => not_allowed("POST"),
            }
        } else {
            nothing_here()
        };
        if requests.fetch_add(1, Relaxed) + 1 >= limits::REQUESTS {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    /// The page, or something of it.
    async fn page(self: &Arc<Self>, uri: Uri, headers: HeaderMap) -> Response<Body> {
        let service = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || service.pages.answer(&uri, &headers));
        answer.await.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
    }

    async fn metrics(self: &Arc<Self>) -> Response<Body> {
        let service = Arc::clone(self);
        match tokio::task::spawn_blocking(move || service.metrics.text(Timestamp::now())).await {
            Ok(Ok(all)) => text(metrics::KIND, all),
            _ => status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// An export. A new one is read and compressed, which may take a second, while others are answered.
    async fn export(self: &Arc<Self>, name: &str, headers: &HeaderMap) -> Response<Body> {
        let (service, name, headers) = (Arc::clone(self), name.to_string(), headers.clone());
        let answer = tokio::task::spawn_blocking(move || service.published.answer(&name, &headers));
        answer.await.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// What somebody asks about an installation of theirs.
    async fn wish(self: &Arc<Self>, wish: Wish, body: hyper::body::Incoming) -> Response<Body> {
        // A body that is too large or breaks off has no id.
        let form = read(body, privacy::BODY).await.unwrap_or_default();
        let Some(asked) = privacy::Asked::read(wish, &form) else { return privacy::no_id() };
        let Ok(_turn) = self.privacy.turns.acquire().await else { return status(StatusCode::INTERNAL_SERVER_ERROR) };
        let service = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || {
            // What came in just now belongs to it.
            service.keeper.commit();
            service.privacy.fulfil(&asked)
        });
        answer.await.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
    }

    fn door(&self) -> Arc<Door> {
        Arc::clone(&self.door.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Take a report. The address lives in this function, up to the look-up.
    async fn report(&self, peer: &Peer, request: Request<hyper::body::Incoming>) -> Result<(), Refusal> {
        let at = Timestamp::now();
        let (head, body) = request.into_parts();
        let form: Cow<[u8]> = if head.method == Method::POST {
            read(body, limits::BODY).await?.to_vec().into()
        } else {
            head.uri.query().unwrap_or_default().as_bytes().into()
        };
        let door = self.door();
        let user_agent = head.headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        let (report, odd) = door.take(&Incoming { path: head.uri.path(), form: &form, user_agent })?;
        let place = self.trust.client(peer, &head.headers).map(|address| self.locator.locate(&address));
        let kind = door.kind(&report.event);
        self.keeper.keep(at, Kept { report, kind, place: place.unwrap_or_default(), odd })
    }
}

fn wish(path: &str) -> Option<Wish> {
    match path {
        "/privacy/show" => Some(Wish::Show),
        "/privacy/forget" => Some(Wish::Forget),
        _ => None,
    }
}

/// A body of at most so many bytes.
async fn read(body: hyper::body::Incoming, most: usize) -> Result<Bytes, Refusal> {
    let body = tokio::time::timeout(limits::BODY_TIME, Limited::new(body, most).collect());
    let body = body
        .await
        .map_err(|_| Refusal::BodyTime)?
        .map_err(|error| if error.is::<LengthLimitError>() { Refusal::BodySize } else { Refusal::BodyBroken })?;
    Ok(body.to_bytes())
}

pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::default());
    *answer.status_mut() = status;
    answer
}

pub(super) fn text(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(Body::new(body.into()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn not_allowed(allowed: &'static str) -> Response<Body> {
    let mut answer = status(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}
