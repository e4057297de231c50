//! The endpoint: sockets, a user agent, and the accounts that live on them.

use crate::StartError;
use crate::account::AccountBuilder;
use crate::audio::MediaHook;
use crate::dialog_info::DIALOG_INFO;
use crate::disturb::MissedCall;
use crate::incoming::{Arrival, IncomingCall, ReceivedMessage};
use crate::lamps::Lamps;
use crate::node::{Node, State};
use crate::port::{Handshakes, Ice, Servers};
use crate::watcher::IncomingSubscription;
use ringback_media::{AudioCodecs, Certificate, PlayoutMode};
use ringback_net::{
    Advertise, Listen, Net, NetConfig, OsEntropy, Outbox, Protocol, Sockets, Tap, Tls, TlsIdentity,
    TlsSettings, local_ip_towards,
};
use ringback_sansio::Entropy as _;
use ringback_sdp::SrtpPolicy;
use ringback_srtp::sdes;
use ringback_ua::{Package, Subscriber, Termination, UaConfig, UserAgent};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc, watch};

/// How many calls and messages may wait for the application to look at them.
const WAITING: usize = 256;

/// A SIP user agent on the network. Clones are the same endpoint.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) net: Net<Node>,
    /// What the sockets for audio are bound to: one address, or all where that is what we listen on.
    pub(crate) media_ip: IpAddr,
    /// Where peers reach us. It changes with the network where we listen on all addresses.
    pub(crate) place: std::sync::Mutex<IpAddr>,
    /// What peers are told instead of it.
    pub(crate) media_told: Option<IpAddr>,
    pub(crate) srtp: SrtpPolicy,
    pub(crate) codecs: AudioCodecs,
    pub(crate) playout: PlayoutMode,
    /// Whether calls may have text beside their audio.
    pub(crate) has_text: bool,
    pub(crate) handshakes: Option<Handshakes>,
    pub(crate) ice: Servers,
    pub(crate) media_hook: Option<MediaHook>,
    pub(crate) tap: Option<Arc<dyn Tap>>,
    arrivals: Mutex<mpsc::Receiver<Arrival>>,
    messages: Mutex<mpsc::Receiver<ReceivedMessage>>,
    pub(crate) missed: Mutex<mpsc::Receiver<MissedCall>>,
    subscribers: Mutex<mpsc::Receiver<(Box<Subscriber>, watch::Receiver<bool>)>>,
}

impl Inner {
    /// Commands the user agent and sends what follows from it.
    pub(crate) fn command<R>(&self, command: impl FnOnce(&mut State, Instant) -> R) -> R {
        let now = Instant::now();
        let mut out = Outbox::new();
        let result = self.net.core().with(now, &mut out, |state| command(state, now));
        self.net.send(out);
        result
    }
}

/// Sets an endpoint up.
#[derive(Default)]
pub struct EndpointBuilder {
    tls: TlsSettings,
    web_socket: Option<(Protocol, String)>,
    listen: Vec<String>,
    advertise: Vec<Advertise>,
    user_agent: Option<String>,
    answers_anyone: bool,
    answers_by_itself: bool,
    no_receipts: bool,
    session_expires: Option<Duration>,
    max_redirects: Option<u32>,
    refuses_transfers: bool,
    tap: Option<Arc<dyn Tap>>,
    media_hook: Option<MediaHook>,
    srtp: Option<SrtpPolicy>,
    codecs: Option<AudioCodecs>,
    playout: PlayoutMode,
    has_text: bool,
    offers_dtls: bool,
    ice: Ice,
    packages: Vec<Package>,
    has_lamps: bool,
}

impl EndpointBuilder {
    /// Listens on `udp:ADDRESS:PORT`, `tcp:ADDRESS:PORT` or `tls:ADDRESS:PORT`; port 0 lets the system choose. Without
    /// any, on UDP and TCP at free ports of the address that leads outside. TLS is spoken, also to servers, only with
    /// a listener for it.
    /// At `0.0.0.0` or `[::]` calls and registrations go on when the network changes ([`Endpoint::moved`]).
    #[must_use]
    pub fn listen(mut self, listen: impl Into<String>) -> Self {
        self.listen.push(listen.into());
        self
    }

    /// What others are told instead of our addresses, in Via, Contact and SDP: where they reach us from beyond a NAT that was
    /// told to let them through. Without any, Contact becomes the address that a registrar says it sees us at.
    #[must_use]
    pub fn advertise(mut self, address: Advertise) -> Self {
        self.advertise.push(address);
        self
    }

    /// What User-Agent and Server say.
    #[must_use]
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.user_agent = Some(text.into());
        self
    }

    /// Takes calls whatever user they are for, not only those for an account. They are answered as the first account, so one has to be
    /// [open](AccountBuilder::open).
    #[must_use]
    pub fn answers_anyone(mut self) -> Self {
        self.answers_anyone = true;
        self
    }

    /// Whether the application answers by itself the calls that [ask for that](crate::IncomingCall::auto_answer). Without,
    /// those are refused that may only be answered so (RFC 5373).
    #[must_use]
    pub fn answers_by_itself(mut self) -> Self {
        self.answers_by_itself = true;
        self
    }

    /// Tells nobody that a message has come here, although the sender asks for that (RFC 5438). That one was read is told only
    /// by [`Endpoint::displayed`] anyway.
    #[must_use]
    pub fn no_receipts(mut self) -> Self {
        self.no_receipts = true;
        self
    }

    /// How long a call may last without a sign of life of the other side (RFC 4028); half an hour by default. At
    /// least 90 seconds.
    #[must_use]
    pub fn session_expires(mut self, after: Duration) -> Self {
        self.session_expires = Some(after);
        self
    }

    /// How often a call is tried at another address because it was redirected; 5 by default, 0 is never.
    #[must_use]
    pub fn max_redirects(mut self, most: u32) -> Self {
        self.max_redirects = Some(most);
        self
    }

    /// Our certificate, and whom we trust. A TLS listener without a certificate makes one that nobody has to believe.
    #[must_use]
    pub fn tls(mut self, settings: TlsSettings) -> Self {
        self.tls = settings;
        self
    }

    /// Reaches servers by WebSocket (RFC 7118), [`Protocol::Ws`] or [`Protocol::Wss`], at this path: `/`. An account uses
    /// it whose transport is that protocol.
    #[must_use]
    pub fn web_socket(mut self, protocol: Protocol, path: impl Into<String>) -> Self {
        self.web_socket = Some((protocol, path.into()));
        self
    }

    /// Refuses all transfers: the other side of a call cannot ask us to call somebody else, nor hand a call over to
    /// somebody.
    #[must_use]
    pub fn refuse_transfers(mut self) -> Self {
        self.refuses_transfers = true;
        self
    }

    /// Shows every message and media packet to `tap`.
    #[must_use]
    pub fn tap(mut self, tap: Arc<dyn Tap>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Whether the audio of calls is encrypted (SRTP, with keys in SDP). Without, it is where the other side can
    /// ([`SrtpPolicy::Offer`]). The keys stand in the signalling, so only TLS keeps them from those who read that.
    #[must_use]
    pub fn srtp(mut self, policy: SrtpPolicy) -> Self {
        self.srtp = Some(policy);
        self
    }

    /// Which codecs are spoken, best first: `"g722,pcma".parse()`. Without, they are Opus, G.722 and both laws of G.711. Whom we call
    /// chooses of them; of whom calls us, the first of its own that is among them is taken.
    #[must_use]
    pub fn codecs(mut self, codecs: AudioCodecs) -> Self {
        self.codecs = Some(codecs);
        self
    }

    /// How long what is heard waits before it is played. Without, as long as the network asks for.
    #[must_use]
    pub fn playout(mut self, mode: PlayoutMode) -> Self {
        self.playout = mode;
        self
    }

    /// Offers text beside the audio of calls, as it is typed (T.140, RFC 4103), and answers with it: [`Call::send_text`](crate::Call::send_text)
    /// and [`CallEvent::Text`](crate::CallEvent::Text). It is protected as the audio is.
    #[must_use]
    pub fn real_time_text(mut self) -> Self {
        self.has_text = true;
        self
    }

    /// Offers keys by a handshake between the two sides (DTLS-SRTP, RFC 5763), which nobody on the way of the signalling learns,
    /// in place of keys in SDP; with [`SrtpPolicy::Require`] calls of ours are `UDP/TLS/RTP/SAVP`. Calls that come with it are
    /// answered so in any case, unless encryption is [off](SrtpPolicy::Off).
    #[must_use]
    pub fn dtls(mut self) -> Self {
        self.offers_dtls = true;
        self
    }

    /// How the audio of calls finds its way. Without, calls that come with ICE are answered with it.
    #[must_use]
    pub fn ice(mut self, ice: Ice) -> Self {
        self.ice = ice;
        self
    }

    /// Lets others subscribe to a state of ours: the event package, and what our notifications carry. Each asks by
    /// [`Endpoint::subscriber`]; to ask for anything else is refused with 489.
    #[must_use]
    pub fn notifies(mut self, package: impl Into<String>, content_type: impl Into<String>) -> Self {
        self.packages.push(Package::new(package, content_type));
        self
    }

    /// Tells whoever subscribes to `dialog` (RFC 4235) which calls an account has, with whom and how far they are: busy
    /// lamps. Nobody is asked who that is, so it is for those who can reach us only.
    #[must_use]
    pub fn busy_lamps(mut self) -> Self {
        self.has_lamps = true;
        self
    }

    /// Lets `hook` see, change and drop the media packets that are received.
    #[must_use]
    pub fn media_hook(mut self, hook: MediaHook) -> Self {
        self.media_hook = Some(hook);
        self
    }

    /// Binds the sockets and starts the network thread. Calls run on the tokio runtime that polls this.
    ///
    /// # Errors
    /// When a listener is malformed or its address cannot be bound.
    pub async fn start(self) -> Result<Endpoint, StartError> {
        let mut listen = Vec::new();
        for text in &self.listen {
            listen.push(text.parse::<Listen>().map_err(StartError::Listen)?);
        }
        if listen.is_empty() {
            let ip = outside();
            for protocol in [Protocol::Udp, Protocol::Tcp] {
                listen.push(Listen { protocol, address: SocketAddr::new(ip, 0) });
            }
        }
        let is_secure = matches!(self.web_socket, Some((Protocol::Wss, _)));
        let proves = self.tls.identity.is_some();
        let tls = listen.iter().find(|listen| listen.protocol.is_secure() || is_secure);
        let trust = self.tls.clone();
        let tls = tls.map(|listen| tls_of(self.tls, listen)).transpose()?;
        let asked = listen.clone();
        let mut net = NetConfig::new(listen);
        net.tls = tls;
        if let Some((_, path)) = &self.web_socket {
            net.web_socket.connects = true;
            net.web_socket.path.clone_from(path);
        }
        net.tap.clone_from(&self.tap);
        let sockets = Sockets::bind(net).map_err(StartError::Bind)?;

        let mut config = UaConfig {
            answers_anyone: self.answers_anyone,
            answers_by_itself: self.answers_by_itself,
            ..UaConfig::default()
        };
        let srtp = self.srtp.unwrap_or(SrtpPolicy::Offer);
        config.srtp = sdes::local(srtp, &mut OsEntropy::new());
        let codecs = self.codecs.unwrap_or_default();
        config.codecs = codecs.offer();
        let handshakes = match srtp {
            SrtpPolicy::Off => None,
            SrtpPolicy::Offer | SrtpPolicy::Require => {
                let certificate = Certificate::generate().map_err(StartError::Certificate)?;
                Some(Handshakes { certificate, is_offered: self.offers_dtls })
            }
        };
        config.dtls = handshakes.as_ref().map(Handshakes::local);
        let ice = self.ice.resolve(&trust).await?;
        config.accepts_transfers = !self.refuses_transfers;
        config.max_redirects = self.max_redirects.unwrap_or(config.max_redirects);
        if let Some(after) = self.session_expires {
            config.session_expires = Some(u32::try_from(after.as_secs()).unwrap_or(u32::MAX));
        }
        config.packages = self.packages;
        if self.has_lamps {
            config.packages.retain(|package| package.name != "dialog");
            config.packages.push(Package::new("dialog", DIALOG_INFO));
        }
        if let Some(user_agent) = self.user_agent {
            config.user_agent = user_agent;
        }
        config.learns_address = self.advertise.is_empty();
        let (mut media_ip, mut media_told) = (None, None);
        let mut place = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for (listener, asked) in sockets.listeners().iter().zip(&asked) {
            let own = reachable(listener.address);
            let told = Advertise::of(&self.advertise, asked, own.port());
            config.transactions.locals.advertise(listener.protocol, own, told.unwrap_or(own));
            if media_ip.is_none() {
                (media_ip, media_told) = (Some(listener.address.ip()), told.map(|told| told.ip()));
                place = own.ip();
            }
        }
        if proves {
            config.transactions.locals.offer_alias();
        }
        if self.web_socket.is_some() {
            // Nobody can connect to us that way, so we need no name that leads anywhere (RFC 7118 §5.2.1).
            let name = format!("{:016x}.invalid", OsEntropy::new().next_u64());
            for protocol in [Protocol::Ws, Protocol::Wss] {
                for is_ipv6 in [false, true] {
                    let named = config.transactions.locals.set_name(protocol, is_ipv6, &name);
                    named.expect("letters and a dot are a host");
                }
            }
        }
        let (arrivals, arrived) = mpsc::channel(WAITING);
        let (messages, received) = mpsc::channel(WAITING);
        let (missed, missing) = mpsc::channel(WAITING);
        let (subscribers, subscribed) = mpsc::channel(WAITING);
        let lamps = self.has_lamps.then(Lamps::default);
        let ua = UserAgent::new(config, OsEntropy::new());
        let node = Node::new(ua, arrivals, messages, missed, subscribers, lamps);
        let node = if self.no_receipts { node.without_receipts() } else { node };
        let net = sockets.start(Arc::new(node)).map_err(StartError::Thread)?;
        let inner = Inner {
            net,
            media_ip: media_ip.unwrap_or(place),
            place: std::sync::Mutex::new(place),
            media_told,
            srtp,
            codecs,
            playout: self.playout,
            has_text: self.has_text,
            handshakes,
            ice,
            media_hook: self.media_hook,
            tap: self.tap,
            arrivals: Mutex::new(arrived),
            messages: Mutex::new(received),
            missed: Mutex::new(missing),
            subscribers: Mutex::new(subscribed),
        };
        let inner = Arc::new(inner);
        if inner.media_ip.is_unspecified() && inner.media_told.is_none() {
            tokio::spawn(crate::moved::watch(Arc::downgrade(&inner), inner.media_ip));
        }
        Ok(Endpoint { inner })
    }
}

impl Endpoint {
    /// Sets an endpoint up.
    pub fn builder() -> EndpointBuilder {
        EndpointBuilder::default()
    }

    /// Where we listen: the real ports.
    pub fn listeners(&self) -> &[Listen] {
        self.inner.net.listeners()
    }

    /// An account for one of our addresses: `sip:alice@example.com`.
    pub fn account(&self, address: impl Into<String>) -> AccountBuilder {
        AccountBuilder::new(self.clone(), address.into())
    }

    /// The next call for us. `None` when the endpoint is shut down. Cancel safe.
    pub async fn incoming(&self) -> Option<IncomingCall> {
        let arrival = self.inner.arrivals.lock().await.recv().await?;
        Some(IncomingCall::new(self.clone(), arrival))
    }

    /// The next instant message for us. `None` when the endpoint is shut down. Cancel safe.
    pub async fn message(&self) -> Option<ReceivedMessage> {
        self.inner.messages.lock().await.recv().await
    }

    /// The next who wants to subscribe to a state of ours that we [notify](EndpointBuilder::notifies). `None` when the
    /// endpoint is shut down. Cancel safe.
    pub async fn subscriber(&self) -> Option<IncomingSubscription> {
        let (subscriber, is_gone) = self.inner.subscribers.lock().await.recv().await?;
        Some(IncomingSubscription::new(self.clone(), subscriber, is_gone))
    }

    /// Ends all that others have subscribed to at us, busy lamps too, and takes no further subscription. Waits until they have
    /// heard, at most as long as a transaction lasts.
    pub async fn end_watchers(&self, why: Termination) {
        let mut watched = self.inner.command(|state, now| {
            state.end_watchers(now, &why);
            state.watched.subscribe()
        });
        // The sender lives as long as the endpoint.
        let _ = watched.wait_for(|watched| *watched == 0).await;
    }

    /// How many calls are not over.
    pub fn calls(&self) -> usize {
        self.inner.net.core().lock().ua.calls()
    }

    /// Ends the network thread after what is to be sent was sent. Calls that are up are not ended, so hang up before,
    /// and [those who watch](Self::end_watchers) are not told.
    /// Other clones keep the endpoint alive.
    pub async fn shutdown(self) {
        if let Ok(inner) = Arc::try_unwrap(self.inner) {
            inner.net.shutdown().await;
        }
    }
}

/// TLS as asked for, with a certificate for our address where none was given.
fn tls_of(mut settings: TlsSettings, listen: &Listen) -> Result<Arc<Tls>, StartError> {
    if settings.identity.is_none() {
        let own = reachable(listen.address).ip().to_string();
        // An address can always stand in a certificate.
        settings.identity = TlsIdentity::self_signed(&[own]).ok();
    }
    Tls::new(settings).map(Arc::new).map_err(StartError::Tls)
}

/// The address that peers reach a socket at: its own, unless it is bound to all.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let probe: SocketAddr = if address.is_ipv4() {
        SocketAddr::from(([192, 0, 2, 1], 9))
    } else {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9))
    };
    let loopback = if address.is_ipv4() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])
    };
    let ip = local_ip_towards(probe).unwrap_or(loopback);
    SocketAddr::new(ip, address.port())
}

/// The address of ours that leads outside; loopback on a machine without network.
fn outside() -> IpAddr {
    reachable(SocketAddr::from(([0, 0, 0, 0], 0))).ip()
}
