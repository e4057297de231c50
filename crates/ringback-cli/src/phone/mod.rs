//! The phone commands.

mod answer;
mod call;
mod media;
mod message;
mod ping;
mod plan;
mod quiet;
mod register;
mod score;
mod screen;
mod subscribe;
mod tap;
mod typing;

pub(crate) use answer::answer;
pub(crate) use call::call;
pub(crate) use media::Media;
pub(crate) use message::{Message, message};
pub(crate) use ping::ping;
pub(crate) use plan::numbered;
pub(crate) use quiet::Quiet;
pub(crate) use register::register;
pub(crate) use screen::{Screen, phone};
pub(crate) use subscribe::{publish, subscribe};
pub(crate) use tap::packet;

use crate::args;
use crate::outcome::Failure;
use ringback::{AccountBuilder, Endpoint, PlayoutMode, Protocol, Tap, TlsIdentity, TlsSettings, TlsVerify};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long we wait for the other side to hear that we leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a phone does by itself.
#[derive(Clone, Default)]
pub(crate) struct Policy {
    /// Takes calls whatever user they are for.
    pub(crate) answers_anyone: bool,
    /// Does not follow redirections.
    pub(crate) no_redirect: bool,
    /// Refuses to be transferred.
    pub(crate) no_transfer: bool,
    /// Tells others which calls there are.
    pub(crate) busy_lamp: bool,
    /// Answers calls by itself that ask for it.
    pub(crate) answers_by_itself: bool,
    /// Tells nobody what became of messages.
    pub(crate) no_receipts: bool,
    /// Has text beside the audio of calls.
    pub(crate) real_time_text: bool,
    /// How it is coded and played; `None` where there is none.
    pub(crate) listening: Option<args::Listening>,
    /// How audio is protected and finds its way.
    pub(crate) media: Media,
}

/// The endpoint and account that a phone command works with.
pub(crate) struct Phone {
    pub(crate) endpoint: Endpoint,
    address: String,
    protocol: Protocol,
    args: args::Phone,
}

impl Phone {
    /// Opens sockets as the options say.
    pub(crate) async fn open(args: args::Phone, policy: Policy) -> Result<Self, Failure> {
        let capture = args.pcap.as_deref().map(tap::Capture::create).transpose()?;
        Self::open_seen_by(args, policy, capture.map(|capture| capture as Arc<dyn Tap>)).await
    }

    /// Opens sockets as the options say; `tap` sees what goes over them, in place of a capture.
    pub(crate) async fn open_seen_by(
        args: args::Phone,
        policy: Policy,
        tap: Option<Arc<dyn Tap>>,
    ) -> Result<Self, Failure> {
        let protocol = match args.transport.as_str() {
            "tcp" => Protocol::Tcp,
            "tls" => Protocol::Tls,
            "ws" => Protocol::Ws,
            "wss" => Protocol::Wss,
            _ => Protocol::Udp,
        };
        if !args.ws_path.starts_with('/') {
            return Err(Failure::Usage(format!("--ws-path: `{}` does not begin with a slash", args.ws_path)));
        }
        let mut builder = Endpoint::builder();
        if args.listen.is_empty() {
            let own = own_ip(&args).await;
            // Without an address to begin with the endpoint listens by itself, but not for TLS.
            let ip = own.or_else(|| (protocol == Protocol::Tls).then_some(Ipv4Addr::UNSPECIFIED.into()));
            let both = [Protocol::Udp, Protocol::Tcp].into_iter();
            let protocols = both.chain((protocol == Protocol::Tls).then_some(Protocol::Tls));
            for (protocol, ip) in protocols.filter_map(|protocol| Some((protocol, ip?))) {
                builder = builder.listen(format!("{protocol}:{}", SocketAddr::new(ip, 0)));
            }
        }
        for listen in &args.listen {
            builder = builder.listen(listen);
        }
        for address in &args.advertise {
            let address = address.parse().map_err(|error| Failure::Usage(format!("--advertise: {error}")))?;
            builder = builder.advertise(address);
        }
        if matches!(protocol, Protocol::Ws | Protocol::Wss) {
            builder = builder.web_socket(protocol, &args.ws_path);
        }
        let verify = if args.tls_verify == "off" { TlsVerify::Off } else { TlsVerify::On };
        let identity = args.tls_cert.clone().zip(args.tls_key.clone());
        let identity = identity.map(|(certificate, key)| TlsIdentity::Files { certificate, key });
        builder = builder.tls(TlsSettings { identity, ca: args.tls_ca.clone(), client_ca: None, verify });
        if let Some(seconds) = args.session_expires {
            builder = builder.session_expires(Duration::from_secs(seconds.into()));
        }
        if policy.no_transfer {
            builder = builder.refuse_transfers();
        }
        builder = policy.media.apply(builder)?;
        if let Some(args::Listening { codec, red, jitter_buffer }) = policy.listening {
            let codecs = codec.unwrap_or_default();
            builder = builder.codecs(if red { codecs.redundant() } else { codecs });
            if let Some(delay) = jitter_buffer {
                builder = builder.playout(PlayoutMode::Fixed(Duration::from_millis(delay.into())));
            }
        }
        if policy.real_time_text {
            builder = builder.real_time_text();
        }
        if policy.no_redirect {
            builder = builder.max_redirects(0);
        }
        if policy.busy_lamp {
            builder = builder.busy_lamps();
        }
        if policy.answers_by_itself {
            builder = builder.answers_by_itself();
        }
        if policy.no_receipts {
            builder = builder.no_receipts();
        }
        if policy.answers_anyone {
            builder = builder.answers_anyone();
        }
        if let Some(tap) = tap {
            builder = builder.tap(tap);
        }
        let endpoint = builder.start().await?;
        let address = match &args.from {
            Some(from) => with_scheme(from),
            None => {
                let own = endpoint.listeners().first().map(|listener| listener.address);
                let host = own.map_or_else(|| "anonymous.invalid".to_owned(), |own| own.to_string());
                format!("sip:anonymous@{host}")
            }
        };
        Ok(Self { endpoint, address, protocol, args })
    }

    /// The account that the options describe.
    pub(crate) fn account(&self) -> Result<AccountBuilder, Failure> {
        let mut account = self.endpoint.account(&self.address).transport(self.protocol);
        if let Some(server) = &self.args.server {
            account = account.server(server);
        }
        if let Some(variable) = &self.args.password_env {
            account = account.password(password(variable)?);
        }
        if let Some(name) = &self.args.auth_user {
            account = account.username(name);
        }
        if let Some(urn) = &self.args.instance {
            account = account.instance(urn);
        }
        Ok(account)
    }

    /// An account beside that of the options.
    pub(crate) fn further(&self, further: &screen::Further) -> Result<AccountBuilder, Failure> {
        let mut account = self.endpoint.account(with_scheme(&further.from)).transport(self.protocol);
        if let Some(server) = &further.server {
            account = account.server(server);
        }
        if let Some(variable) = &further.password_env {
            account = account.password(password(variable)?);
        }
        if let Some(name) = &further.auth_user {
            account = account.username(name);
        }
        Ok(account)
    }

    /// The server that everything goes through, as it was given.
    pub(crate) fn server(&self) -> Option<&str> {
        self.args.server.as_deref()
    }

    /// The address of whom `target` names: a URI, `user@host`, or a user of our own domain.
    pub(crate) fn target(&self, target: &str) -> String {
        if target.contains(':') || target.contains('@') {
            return with_scheme(target);
        }
        let domain =
            self.args.from.as_ref().map(|_| self.address.as_str()).and_then(|own| own.split_once('@'));
        let domain = domain.map(|(_, domain)| domain).or(self.args.server.as_deref()).unwrap_or("localhost");
        format!("sip:{target}@{domain}")
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether the account can prove who it is, and so is worth registering.
    pub(crate) fn is_registrable(&self) -> bool {
        self.args.from.is_some()
    }
}

/// Reads a password from the environment, where other users of the machine do not see it.
pub(crate) fn password(variable: &str) -> Result<String, Failure> {
    match std::env::var(variable) {
        Ok(password) if !password.is_empty() => Ok(password),
        Ok(_) => Err(Failure::Usage(format!("--password-env: ${variable} is empty"))),
        Err(_) => Err(Failure::Usage(format!("--password-env: ${variable} is not set; export it before"))),
    }
}

fn with_scheme(address: &str) -> String {
    let has_scheme = address.split_once(':').is_some_and(|(scheme, _)| {
        ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
    });
    if has_scheme { address.to_owned() } else { format!("sip:{address}") }
}

/// The address of ours that leads to the server, or to the domain of our own address; `None` where that is not
/// known, so that the endpoint chooses.
async fn own_ip(args: &args::Phone) -> Option<IpAddr> {
    let towards = match (&args.server, &args.from) {
        (Some(server), _) => server.clone(),
        (None, Some(from)) => from.rsplit_once('@')?.1.to_owned(),
        (None, None) => return None,
    };
    let host_port = if towards.parse::<SocketAddr>().is_ok()
        || towards.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':'))
    {
        towards
    } else {
        format!("{towards}:5060")
    };
    let mut found: Vec<SocketAddr> = tokio::net::lookup_host(host_port).await.ok()?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    ringback::local_ip_towards(*found.first()?).ok()
}
