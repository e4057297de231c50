//! The media of a call before it is one: a socket, which addresses lead to it, and what is said of that.

use crate::StartError;
use crate::endpoint::Inner;
use crate::turn::{Turn, find_stun, other_homes};
use crate::typed::TextPort;
use crate::ways::Ways;
use ringback_media::{Certificate, Gathered, Gatherer, LocalCandidate, MediaPath, PathConfig};
use ringback_net::{
    ByteStream, HomeSockets, MediaKind, MediaSocket, OsEntropy, TlsSettings, local_addresses,
};
use ringback_rtp::AudioLevel;
use ringback_sansio::Entropy as _;
use ringback_sdp::{HeaderExtension, LocalDtls, LocalIce, SrtpPolicy};
use ringback_srtp::sdes;
use ringback_ua::{LocalAudio, ice_credentials};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::{Duration, Instant};

/// How long servers have to say how they see us: a call waits for it.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same where there is a connection to be made first, perhaps with TLS.
const PATIENCE_WITH_STREAM: Duration = Duration::from_secs(4);
/// The longest answer of a server.
const LONGEST: usize = 2_048;
/// Restarts of ICE that the other side may begin before ours are drawn anew.
const SPARE: usize = 1;

/// How the audio of calls finds its way (ICE, RFC 8445).
///
/// Without anything, calls that come with ICE are answered with it, and calls of ours have none. A server that is named
/// here is asked for each call, and then calls of ours have ICE as well.
///
/// ```
/// use ringback::Ice;
/// let ice = Ice::answered().stun("stun.example.com").turn("turn.example.com:3478", "alice", "secret");
/// ```
#[derive(Clone, Debug)]
pub struct Ice {
    is_answered: bool,
    is_offered: bool,
    is_hidden: bool,
    stun: Option<String>,
    turn: Option<(String, Login)>,
}

#[derive(Clone)]
struct Login {
    user: String,
    password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Default for Ice {
    fn default() -> Self {
        Self::answered()
    }
}

impl Ice {
    /// Never.
    pub fn off() -> Self {
        Self { is_answered: false, is_offered: false, is_hidden: false, stun: None, turn: None }
    }

    /// In calls that come with it.
    pub fn answered() -> Self {
        Self { is_answered: true, ..Self::off() }
    }

    /// In calls of ours as well.
    pub fn offered() -> Self {
        Self { is_offered: true, ..Self::answered() }
    }

    /// Asks this STUN server (`HOST` or `HOST:PORT`, by UDP) where others see us, and offers ICE.
    #[must_use]
    pub fn stun(self, server: impl Into<String>) -> Self {
        Self { stun: Some(server.into()), ..self.and_offered() }
    }

    /// Has an address at this TURN server for peers that cannot be reached otherwise, and offers ICE. The server is `HOST` or
    /// `HOST:PORT`, spoken with by UDP, or a URI of RFC 7065: `turn:HOST:PORT?transport=tcp` where UDP does not get through,
    /// `turns:HOST` with TLS, for which whom we trust is as for [SIP](crate::EndpointBuilder::tls).
    #[must_use]
    pub fn turn(
        self,
        server: impl Into<String>,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        let login = Login { user: user.into(), password: password.into() };
        Self { turn: Some((server.into(), login)), ..self.and_offered() }
    }

    /// Sends and receives audio through the TURN server alone, so that peers never learn our own address. Without an address
    /// there, no call is made or answered.
    #[must_use]
    pub fn hidden(self) -> Self {
        Self { is_hidden: true, ..self.and_offered() }
    }

    fn and_offered(self) -> Self {
        Self { is_answered: true, is_offered: true, ..self }
    }

    /// Looks the servers up. `tls` says whom we trust.
    pub(crate) async fn resolve(self, tls: &TlsSettings) -> Result<Servers, StartError> {
        let Self { is_answered, is_offered, is_hidden, stun, turn } = self;
        let stun = match stun {
            Some(server) => Some(find_stun(&server).await?),
            None => None,
        };
        let turn = match turn {
            Some((server, Login { user, password })) => {
                Some(Turn::resolve(&server, user, password, tls).await?)
            }
            None => None,
        };
        Ok(Servers { is_answered, is_offered, is_hidden, stun, turn })
    }
}

/// [`Ice`] with addresses.
#[derive(Debug)]
pub(crate) struct Servers {
    is_answered: bool,
    is_offered: bool,
    is_hidden: bool,
    stun: Option<SocketAddr>,
    turn: Option<Turn>,
}

/// Who we are in DTLS-SRTP.
#[derive(Debug)]
pub(crate) struct Handshakes {
    pub(crate) certificate: Certificate,
    pub(crate) is_offered: bool,
}

impl Handshakes {
    /// For the description of a call.
    pub(crate) fn local(&self) -> LocalDtls {
        let mut entropy = OsEntropy::new();
        LocalDtls {
            fingerprint: self.certificate.fingerprint().to_owned(),
            // 128 bits (RFC 8842 §4).
            tls_id: format!("{:016x}{:016x}", entropy.next_u64(), entropy.next_u64()),
            is_offered: self.is_offered,
        }
    }
}

/// The socket of a call and the way to it.
pub(crate) struct Port {
    pub(crate) socket: MediaSocket,
    pub(crate) path: MediaPath,
    /// What else leads to it.
    pub(crate) ways: Ways,
    /// What the description of the call says.
    pub(crate) local: LocalAudio,
    /// Where text comes in, where there may be any.
    pub(crate) text: Option<Box<TextPort>>,
}

impl Port {
    /// Adds another port for text.
    fn with_text(mut self, port: Self) -> Self {
        let (port, local) = TextPort::of(port);
        self.local = self.local.text(Some(local));
        self.text = Some(Box::new(port));
        self
    }
}

impl Inner {
    /// Opens the sockets of a call, and finds out where they are seen.
    pub(crate) async fn open_port(&self) -> io::Result<Port> {
        let socket = MediaSocket::bind(self.media_ip)?;
        let (gathered, stream) = self.gathered(&socket, self.ice.turn.as_ref()).await;
        let homes = self.homes(self.reached(socket.rtp_address()).ip());
        let port = self.port(socket, gathered, homes, stream)?;
        Ok(if self.has_text { port.with_text(self.open_beside().await?) } else { port })
    }

    /// Opens the sockets of what goes beside the audio. A connection to a TURN server is for the audio alone, and so are other
    /// addresses of the host.
    pub(crate) async fn open_beside(&self) -> io::Result<Port> {
        let socket = MediaSocket::bind(self.media_ip)?;
        let turn = self.ice.turn.as_ref().filter(|turn| !turn.server.is_stream);
        let (gathered, stream) = self.gathered(&socket, turn).await;
        self.port(socket, gathered, HomeSockets::default(), stream)
    }

    /// Opens the sockets of a call without asking anybody.
    pub(crate) fn open_port_at_once(&self) -> io::Result<Port> {
        let at_once = |is_beside: bool| {
            let socket = MediaSocket::bind(self.media_ip)?;
            let gathered = self.known(&socket);
            let base = self.reached(socket.rtp_address()).ip();
            let homes = if is_beside { HomeSockets::default() } else { self.homes(base) };
            self.port(socket, gathered, homes, None)
        };
        let port = at_once(false)?;
        Ok(if self.has_text { port.with_text(at_once(true)?) } else { port })
    }

    async fn gathered(&self, socket: &MediaSocket, turn: Option<&Turn>) -> (Gathered, Option<ByteStream>) {
        match self.ice.stun.is_some() || turn.is_some() {
            true => self.ask(socket, turn).await,
            false => (self.known(socket), None),
        }
    }

    fn known(&self, socket: &MediaSocket) -> Gathered {
        let base = self.reached(socket.rtp_address());
        Gathered { candidates: vec![LocalCandidate::Host(base)], relay: None }
    }

    async fn ask(&self, socket: &MediaSocket, turn: Option<&Turn>) -> (Gathered, Option<ByteStream>) {
        let base = self.reached(socket.rtp_address());
        let stun = self.ice.stun;
        let server = turn.map(|turn| &turn.server);
        let is_stream = server.is_some_and(|server| server.is_stream);
        let patience = if is_stream { PATIENCE_WITH_STREAM } else { PATIENCE };
        let mut gatherer = Gatherer::new(Instant::now(), base, stun, server, patience, &mut OsEntropy::new());
        let mut connecting = pin!(async {
            match turn.filter(|_| is_stream) {
                Some(turn) => turn.connect().await,
                None => std::future::pending().await,
            }
        });
        let (mut stream, mut is_connected) = (None::<ByteStream>, false);
        let (mut buffer, mut octets) = (vec![0; LONGEST], vec![0; LONGEST]);
        while !gatherer.is_done() {
            while let Some((to, datagram)) = gatherer.poll_transmit(Instant::now()) {
                // What is lost is asked again.
                let _ = socket.send(MediaKind::Rtp, &datagram, to).await;
            }
            if let Some(stream) = &stream {
                while let Some(octets) = gatherer.poll_stream(Instant::now()) {
                    stream.send(octets);
                }
            }
            let due = tokio::time::Instant::from_std(gatherer.poll_timeout());
            tokio::select! {
                received = socket.receive(&mut buffer) => {
                    if let Ok((MediaKind::Rtp, length, from)) = received {
                        gatherer.handle(Instant::now(), from, &buffer[..length]);
                    }
                }
                connected = &mut connecting, if !is_connected => {
                    is_connected = true;
                    match connected {
                        Ok(connected) => {
                            gatherer.connected(Instant::now(), connected.local());
                            stream = Some(connected);
                        }
                        Err(error) => {
                            let server = server.map(|server| server.address);
                            tracing::warn!(?server, "no connection to the TURN server: {error}");
                            gatherer.disconnected();
                        }
                    }
                }
                received = receive(&mut stream, &mut octets) => match received {
                    Ok(length @ 1..) => gatherer.handle_stream(Instant::now(), &octets[..length]),
                    Ok(0) | Err(_) => {
                        tracing::warn!("the TURN server has closed the connection");
                        stream = None;
                        gatherer.disconnected();
                    }
                },
                () = tokio::time::sleep_until(due) => gatherer.handle_timeout(Instant::now()),
            }
        }
        let gathered = gatherer.finish();
        tracing::debug!(candidates = ?gathered.candidates, "gathered");
        let stream = stream.filter(|_| gathered.relay.is_some());
        (gathered, stream)
    }

    /// Sockets at other addresses of the host, where calls of ours tell of them: only where we listen on all of them, and only by
    /// ICE.
    fn homes(&self, base: IpAddr) -> HomeSockets {
        if !self.media_ip.is_unspecified() || !self.ice.is_offered || self.ice.is_hidden {
            return HomeSockets::default();
        }
        HomeSockets::bind(&other_homes(base, local_addresses().unwrap_or_default()))
    }

    fn port(
        &self,
        socket: MediaSocket,
        gathered: Gathered,
        homes: HomeSockets,
        stream: Option<ByteStream>,
    ) -> io::Result<Port> {
        let Gathered { mut candidates, relay } = gathered;
        let mut entropy = OsEntropy::new();
        let base = self.reached(socket.rtp_address());
        let mut told = SocketAddr::new(self.media_told.unwrap_or(base.ip()), base.port());
        if self.ice.is_hidden {
            candidates.retain(|candidate| matches!(candidate, LocalCandidate::Relayed { .. }));
            let relayed = candidates.first().map(|candidate| candidate.address());
            told = relayed.ok_or_else(|| io::Error::other("the TURN server gives us no address"))?;
        } else if told != base && told.is_ipv4() == base.is_ipv4() {
            // What peers are told to send to has to be among the candidates.
            candidates.insert(1, LocalCandidate::Reflexive { mapped: told, base });
        }
        candidates.extend(homes.addresses().map(LocalCandidate::Host));
        let lines = MediaPath::lines(&candidates);
        let is_possible = self.ice.is_answered && !lines.is_empty();
        let ice = is_possible.then(|| LocalIce {
            credentials: ice_credentials(&mut entropy),
            spare: (0..SPARE).map(|_| ice_credentials(&mut entropy)).collect(),
            candidates: lines,
            is_offered: self.ice.is_offered,
        });
        let dtls = self.handshakes.as_ref().filter(|_| self.srtp != SrtpPolicy::Off);
        let path = MediaPath::new(PathConfig {
            base,
            // Checks come before the answer only where they were offered; else what comes then is early audio, and waits.
            credentials: ice.as_ref().filter(|ice| ice.is_offered).map(|ice| ice.credentials.clone()),
            candidates,
            relay,
            is_hidden: self.ice.is_hidden,
            certificate: dtls.map(|dtls| dtls.certificate.clone()),
            tie_breaker: entropy.next_u64(),
        });
        let local = LocalAudio::new(told)
            .codecs([self.codecs.offer(), self.codecs.redundancy()].concat())
            .offers_redundancy(self.codecs.offers_redundancy())
            .extended_reports()
            .header_extensions(vec![HeaderExtension::new(AudioLevel::URI)])
            .srtp(sdes::local(self.srtp, &mut entropy))
            .dtls(dtls.map(Handshakes::local))
            .ice(ice);
        Ok(Port { socket, path, ways: Ways::new(homes, stream), local, text: None })
    }
}

async fn receive(stream: &mut Option<ByteStream>, buffer: &mut [u8]) -> io::Result<usize> {
    match stream {
        Some(stream) => stream.receive(buffer).await,
        None => std::future::pending().await,
    }
}
