//! One OPTIONS to a listener, and whatever comes back.

use super::ends;
use crate::config::ServerConfig;
use crate::tls;
use ringback_message::{HeaderId, Message, Method, Request};
use ringback_net::{
    CloseReason, Core, Flow, Listen, LocateError, Net, NetConfig, OsEntropy, Outbox, Protocol, Sockets,
    Target, Tls, TlsSettings, TlsVerify, Worker,
};
use ringback_sansio::Entropy as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a listener of our own machine may take.
const PATIENCE: Duration = Duration::from_secs(5);

type Heard = Result<(), CloseReason>;

/// Waits for one answer.
struct Probe(Mutex<Option<oneshot::Sender<Heard>>>);

impl Probe {
    fn tell(&self, heard: Heard) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.take() {
            // Nobody waits any more when it came too late.
            let _ = waiting.send(heard);
        }
    }
}

impl Core for Probe {
    type Tag = ();

    fn received(&self, _: Instant, _: Flow, message: Message, _: &mut Outbox<()>) {
        if message.status().is_some() {
            self.tell(Ok(()));
        }
    }

    fn failed(&self, _: Instant, (): (), reason: CloseReason, _: &mut Outbox<()>) {
        self.tell(Err(reason));
    }

    fn resolved(&self, _: Instant, _: u64, _: Result<&[Target], LocateError>, _: &mut Outbox<()>) {}

    fn handle_timeout(&self, _: Instant, _: Worker, _: &mut Outbox<()>) {}

    fn poll_timeout(&self, _: Worker) -> Option<Instant> {
        None
    }
}

/// How long the answer took; or why none came.
pub(super) async fn round_trip(config: &ServerConfig, listen: &Listen) -> Result<Duration, String> {
    let (to, from) = ends(listen);
    let mut net = NetConfig::new([from]);
    net.web_socket.connects = true;
    if listen.protocol.is_secure() {
        // Whether the certificate is right is another finding.
        let settings = TlsSettings {
            verify: TlsVerify::Off,
            ca: tls::certificate_file(config),
            ..TlsSettings::default()
        };
        net.tls = Some(Arc::new(Tls::new(settings).map_err(|error| error.to_string())?));
    }
    let (sender, heard) = oneshot::channel();
    let sockets = Sockets::bind(net).map_err(|error| error.to_string())?;
    let own = sockets.listeners()[0].address;
    let net: Net<Probe> =
        sockets.start(Arc::new(Probe(Mutex::new(Some(sender))))).map_err(|error| error.to_string())?;
    let mut out = Outbox::new();
    let begun = Instant::now();
    let request =
        options(listen.protocol, &to.to_string(), &own.to_string()).ok_or("no request can be written")?;
    out.send(Some(()), Target::Address(listen.protocol, to), request);
    net.send(out);
    let heard = tokio::time::timeout(PATIENCE, heard).await;
    let took = begun.elapsed();
    net.shutdown().await;
    match heard {
        Ok(Ok(Ok(()))) => Ok(took),
        Ok(Ok(Err(reason))) => Err(reason.to_string()),
        Ok(Err(_)) | Err(_) => Err("nothing came back".into()),
    }
}

fn options(protocol: Protocol, to: &str, from: &str) -> Option<bytes::Bytes> {
    let chance = OsEntropy::new().next_u64();
    let request = Request::builder(Method::OPTIONS, format!("sip:{to}").as_str())
        .header(
            HeaderId::VIA,
            format_args!("SIP/2.0/{} {from};branch=z9hG4bK{chance:x};rport", protocol.as_via()),
        )
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .header(HeaderId::FROM, format_args!("<sip:doctor@{from}>;tag={chance:x}"))
        .header(HeaderId::TO, format_args!("<sip:{to}>"))
        .header(HeaderId::CALL_ID, format_args!("{chance:x}"))
        .header(HeaderId::CSEQ, "1 OPTIONS");
    Some(request.build().ok()?.render())
}
