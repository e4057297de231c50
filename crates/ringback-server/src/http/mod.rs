//! The server asked over HTTP: metrics, health, and an API for those who hold the token.
//!
//! It listens on this machine only, unless told otherwise, has a thread of its own, and answers one request after the
//! other: whoever asks too much slows down those who ask, and no call. `/openapi.json` says what can be asked;
//! it is made from the same table by which requests are answered.

mod api;
mod listings;
mod openapi;
mod prometheus;
mod token;

use crate::admin::Asked;
use crate::config::{AdminConfig, ConfigError, Storage};
use api::{Answer, Endpoint};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use token::Token;
use tokio::sync::{Semaphore, oneshot};

/// How long somebody may take to ask, head and body each.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may stay, whatever it does.
const LONGEST: Duration = Duration::from_secs(600);
/// The most connections at once; others wait in the queue of the system.
const CONNECTIONS: usize = 64;
/// The longest body of a request.
const BODY: usize = 64 << 10;

/// A place to listen at, and what has to be shown there.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    token: Token,
}

/// Listens where the configuration says, if it says so.
///
/// # Errors
/// When the address is not of this machine alone, or taken, or the token cannot be read or made.
pub(crate) fn bind(
    config: &AdminConfig,
    storage: &Storage,
    taken_over: Option<TcpListener>,
) -> Result<Option<Bound>, ConfigError> {
    let Some(listen) = config.listen else { return Ok(None) };
    let token = Token::read_or_make(config, storage)?;
    let fail = |error: io::Error| ConfigError::new(format!("admin.listen: {listen}: {error}"));
    let listener = taken_over.map_or_else(|| TcpListener::bind(listen), Ok).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok(Some(Bound { listener, address, token }))
}

/// The thread that answers.
pub(crate) struct Http {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bound {
    /// The socket once more, for a successor.
    pub(crate) fn duplicate(&self) -> io::Result<TcpListener> {
        self.listener.try_clone()
    }
}

impl Http {
    pub(crate) fn start(bound: Bound, asked: Asked) -> io::Result<Self> {
        let Bound { listener, address, token } = bound;
        let core = asked.core.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::new(Served { asked, token, is_local: address.ip().is_loopback() });
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = core.hand_over.over() => {}
                    ended = accept(listener, served) => {
                        if let Err(error) = ended {
                            tracing::error!(%error, "the admin API has ended");
                        }
                    }
                }
            });
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("admin-http".into()).spawn(run)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

/// What connections share.
struct Served {
    asked: Asked,
    token: Token,
    /// Whether only this machine can connect. Then metrics take no token, for they name nobody.
    is_local: bool,
}

async fn accept(listener: TcpListener, served: Arc<Served>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the admin API");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let served = served.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(served.clone(), request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .max_buf_size(BODY)
                .serve_connection(TokioIo::new(stream), answer);
            // How a connection ends is the other side's business.
            let _ = tokio::time::timeout(LONGEST, connection).await;
            drop(place);
        });
    }
}

async fn answer(
    served: Arc<Served>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let (endpoint, path) = match api::find(head.method.as_str(), head.uri.path()) {
        Ok(found) => found,
        Err(api::NotFound::Path) => {
            return Ok(written(Answer::error(404, "there is nothing; ask /openapi.json")));
        }
        Err(api::NotFound::Method(allowed)) => {
            let mut response = written(Answer::error(405, format!("only {allowed} is answered here")));
            if let Ok(allowed) = allowed.parse() {
                response.headers_mut().insert(ALLOW, allowed);
            }
            return Ok(response);
        }
    };
    let is_open = endpoint.is_open() || (endpoint.is_open_here() && served.is_local);
    let shown = head.headers.get(AUTHORIZATION).map(hyper::header::HeaderValue::as_bytes);
    if !is_open && !served.token.is_shown(shown) {
        let mut response = written(Answer::error(401, "show the token: Authorization: Bearer TOKEN"));
        let asks = hyper::header::HeaderValue::from_static("Bearer realm=\"ringback\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, asks);
        return Ok(response);
    }
    let body = match tokio::time::timeout(PATIENCE, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Ok(written(Answer::error(413, format!("a body is at most {BODY} bytes")))),
        Err(_) => return Ok(written(Answer::error(408, "the body did not come"))),
    };
    let query = head.uri.query().unwrap_or_default();
    Ok(written(run(endpoint, &served.asked, path, query, &body)))
}

fn run(endpoint: &Endpoint, asked: &Asked, path: Option<&str>, query: &str, body: &[u8]) -> Answer {
    endpoint.answer(asked, &api::Question::new(path, query, body))
}

fn written(answer: Answer) -> Response<Full<Bytes>> {
    let Answer { status, kind, body } = answer;
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, kind)
        .header(CACHE_CONTROL, "no-store")
        .body(Full::new(body.into()));
    // Statuses and kinds are words of ours.
    response.unwrap_or_default()
}
