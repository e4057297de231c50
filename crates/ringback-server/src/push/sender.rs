//! Telling push notification services: what is told, and the way that comes with the server, a webhook.

use super::config::{PushConfig, place};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use tokio::net::TcpStream;

/// A device is to be woken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PushNotification {
    /// The service, under the name that it has in the configuration.
    pub provider: String,
    /// What else the service has to know of the application: `pn-param`, escapes resolved.
    pub param: Option<String>,
    /// What the service calls the device: `pn-prid`, escapes resolved.
    pub prid: String,
    /// Whose device it is: an address of record.
    pub aor: String,
    /// The method of the request that waits; `REGISTER` where none waits and the device is to refresh its registration.
    pub method: String,
    /// The Call-ID of the request that waits.
    pub call_id: Option<String>,
    /// Who sends it, the URI of From. Nobody has proved that.
    pub from: Option<String>,
    /// The name that the sender gives himself.
    pub from_name: Option<String>,
}

/// Why a device was not woken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushFailure {
    /// The service does not know the device, or does not want to: to ask again is of no use.
    Refused(String),
    /// The service could not be asked, or is in trouble: it may be better the next time.
    Unreachable(String),
}

impl fmt::Display for PushFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Unreachable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for PushFailure {}

/// What comes of a notification, later.
pub type PushSent<'a> = Pin<Box<dyn Future<Output = Result<(), PushFailure>> + Send + 'a>>;

/// Tells push notification services that a device is to be woken. It runs on a thread of its own; many may be under way at once, each
/// for as long as the configuration says.
pub trait PushSender: fmt::Debug + Send + Sync {
    /// Sends a notification, once.
    fn send<'a>(&'a self, notification: &'a PushNotification) -> PushSent<'a>;
}

/// Posts notifications as JSON to where the configuration says. Redirections are not followed.
#[derive(Debug)]
pub(super) struct Webhook {
    places: BTreeMap<String, (Uri, String, u16)>,
}

impl Webhook {
    pub(super) fn new(config: &PushConfig) -> Self {
        let places = config.providers.iter();
        let places = places.filter_map(|(name, provider)| Some((name.clone(), place(&provider.url).ok()?)));
        Self { places: places.collect() }
    }

    async fn post(&self, notification: &PushNotification) -> Result<(), PushFailure> {
        let refused = |why: String| PushFailure::Refused(why);
        let unreachable = |why: &dyn fmt::Display| PushFailure::Unreachable(why.to_string());
        let place = self.places.get(&notification.provider);
        let (uri, host, port) = place.ok_or_else(|| refused("there is no such provider".into()))?;
        let body = serde_json::to_vec(notification).map_err(|error| refused(error.to_string()))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, uri.authority().map_or(host.as_str(), |authority| authority.as_str()))
            .header(USER_AGENT, concat!("ringback/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| refused(error.to_string()))?;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| unreachable(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(&error))?;
        // Ends with the request: nothing of it is used again.
        let (answer, _) = tokio::join!(
            async {
                let answer = sender.send_request(request).await;
                drop(sender);
                answer.map(|answer| answer.status())
            },
            connection
        );
        let status = answer.map_err(|error| unreachable(&error))?;
        let why = || format!("it was answered {status}");
        match status.as_u16() {
            200..=299 => Ok(()),
            // Too many at once, and whatever is the service's own fault, may be better later.
            408 | 429 | 500..=599 => Err(PushFailure::Unreachable(why())),
            _ => Err(PushFailure::Refused(why())),
        }
    }
}

impl PushSender for Webhook {
    fn send<'a>(&'a self, notification: &'a PushNotification) -> PushSent<'a> {
        Box::pin(self.post(notification))
    }
}
