//! The media of a call before it is one: a socket, which addresses lead to it, and what is said of that.

use crate::StartError;
use crate::endpoint::Inner;
use crate::typed::TextPort;
use ringback_media::{Certificate, Gathered, Gatherer, LocalCandidate, MediaPath, PathConfig, TurnServer};
use ringback_net::{MediaKind, MediaSocket, OsEntropy};
use ringback_rtp::AudioLevel;
use ringback_sansio::Entropy as _;
use ringback_sdp::{HeaderExtension, LocalDtls, LocalIce, SrtpPolicy};
use ringback_srtp::sdes;
use ringback_ua::{LocalAudio, ice_credentials};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long servers have to say how they see us: a call waits for it.
const PATIENCE: Duration = Duration::from_secs(1);
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

    /// Has an address at this TURN server (`HOST` or `HOST:PORT`, by UDP) for peers that cannot be reached otherwise, and
    /// offers ICE.
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

    /// Looks the servers up.
    pub(crate) async fn resolve(self) -> Result<Servers, StartError> {
        let Self { is_answered, is_offered, is_hidden, stun, turn } = self;
        let stun = match stun {
            Some(server) => Some(find(&server).await?),
            None => None,
        };
        let turn = match turn {
            Some((server, Login { user, password })) => {
                Some(TurnServer { address: find(&server).await?, user, password })
            }
            None => None,
        };
        Ok(Servers { is_answered, is_offered, is_hidden, stun, turn })
    }
}

async fn find(server: &str) -> Result<SocketAddr, StartError> {
    let failed = |error| StartError::IceServer(server.to_owned(), error);
    let has_port = server.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    let host = if has_port { server.to_owned() } else { format!("{server}:3478") };
    let mut found: Vec<SocketAddr> = tokio::net::lookup_host(host).await.map_err(failed)?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

/// [`Ice`] with addresses.
#[derive(Debug)]
pub(crate) struct Servers {
    is_answered: bool,
    is_offered: bool,
    is_hidden: bool,
    stun: Option<SocketAddr>,
    turn: Option<TurnServer>,
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
        let port = self.open_one().await?;
        Ok(if self.has_text { port.with_text(self.open_one().await?) } else { port })
    }

    async fn open_one(&self) -> io::Result<Port> {
        let socket = MediaSocket::bind(self.media_ip)?;
        let asks = self.ice.stun.is_some() || self.ice.turn.is_some();
        let gathered = match asks {
            true => self.ask(&socket).await,
            false => self.known(&socket),
        };
        self.port(socket, gathered)
    }

    /// Opens the sockets of a call without asking anybody.
    pub(crate) fn open_port_at_once(&self) -> io::Result<Port> {
        let port = self.open_one_at_once()?;
        Ok(if self.has_text { port.with_text(self.open_one_at_once()?) } else { port })
    }

    fn open_one_at_once(&self) -> io::Result<Port> {
        let socket = MediaSocket::bind(self.media_ip)?;
        let gathered = self.known(&socket);
        self.port(socket, gathered)
    }

    fn known(&self, socket: &MediaSocket) -> Gathered {
        let base = self.reached(socket.rtp_address());
        Gathered { candidates: vec![LocalCandidate::Host(base)], relay: None }
    }

    async fn ask(&self, socket: &MediaSocket) -> Gathered {
        let base = self.reached(socket.rtp_address());
        let (stun, turn) = (self.ice.stun, self.ice.turn.as_ref());
        let mut gatherer = Gatherer::new(Instant::now(), base, stun, turn, PATIENCE, &mut OsEntropy::new());
        let mut buffer = vec![0; LONGEST];
        while !gatherer.is_done() {
            while let Some((to, datagram)) = gatherer.poll_transmit(Instant::now()) {
                // What is lost is asked again.
                let _ = socket.send(MediaKind::Rtp, &datagram, to).await;
            }
            let due = tokio::time::Instant::from_std(gatherer.poll_timeout());
            tokio::select! {
                received = socket.receive(&mut buffer) => {
                    if let Ok((MediaKind::Rtp, length, from)) = received {
                        gatherer.handle(Instant::now(), from, &buffer[..length]);
                    }
                }
                () = tokio::time::sleep_until(due) => gatherer.handle_timeout(Instant::now()),
            }
        }
        let gathered = gatherer.finish();
        tracing::debug!(candidates = ?gathered.candidates, "gathered");
        gathered
    }

    fn port(&self, socket: MediaSocket, gathered: Gathered) -> io::Result<Port> {
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
        Ok(Port { socket, path, local, text: None })
    }
}
