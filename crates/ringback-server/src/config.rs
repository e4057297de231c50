//! What a deployment decides: one typed TOML file, all of it optional.

mod admin;
mod duration;
mod trace;

pub use admin::AdminConfig;
pub(crate) use duration::optional as optional_duration;
pub use duration::read_duration;
pub use trace::{TraceConfig, TraceTo};

use crate::gateways::GatewayConfig;
use crate::guard::GuardConfig;
use crate::limits::Limits;
use crate::media::MediaConfig;
use crate::overload::OverloadConfig;
use crate::push::{PushConfig, PushSender};
use crate::records::RecordsConfig;
use crate::routes::{RouteConfig, Routes};
use crate::users::ALGORITHMS;
use ipnet::IpNet;
use ringback_auth::Algorithm;
use ringback_net::{Advertise, Listen, Protocol, Tap, TlsVerify};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a server is set up. The default listens on UDP and TCP 127.0.0.1:5060, keeps users and bindings in
/// `./ringback-data`, and asks everybody for a password.
///
/// ```
/// let config = ringback_server::ServerConfig::from_toml(
///     "listen = ['udp:0.0.0.0:5060']\ndomains = ['example.com']\n[registrations]\nmin_expires = 120",
/// )?;
/// assert_eq!(config.realm(), "example.com");
/// let error = ringback_server::ServerConfig::from_toml("listen = ['sctp:0.0.0.0:5060']").unwrap_err();
/// assert!(error.to_string().starts_with("line 1: `sctp:0.0.0.0:5060`: the transport is none of udp, tcp, tls, ws and wss"));
/// # Ok::<(), ringback_server::ConfigError>(())
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Where to listen; without any UDP and TCP on 127.0.0.1:5060.
    #[serde(deserialize_with = "listen")]
    pub listen: Vec<Listen>,
    /// What others are told instead of the address of a listener, in Via and Record-Route: where they reach us from beyond a
    /// NAT or a container. `203.0.113.7` for all listeners, `LISTENER=ADDRESS:PORT` for one.
    #[serde(deserialize_with = "advertise")]
    pub advertise: Vec<Advertise>,
    /// A STUN server, `host` or `host:port`, that is asked at the start where others see us; what it says is advertised for
    /// listeners of which `advertise` says nothing, with their own ports.
    pub advertise_stun: Option<String>,
    /// The domains that are ours, names or addresses; without any the listeners' addresses and `localhost`.
    pub domains: Vec<String>,
    /// The protection space that passwords are for; without one the first of `domains`, else `localhost`.
    pub realm: Option<String>,
    /// The digest algorithms that challenges offer, of MD5 and SHA-256. Without any MD5 alone, for many phones give up on
    /// a challenge that they do not know, even beside one that they do.
    #[serde(deserialize_with = "digest")]
    pub digest: Vec<Algorithm>,
    /// Whether nobody is asked for a password. Then only callers on this machine reach other domains.
    pub no_auth: bool,
    /// Names and passwords for this run, beside those of the file and the store.
    pub users: BTreeMap<String, String>,
    /// A file with `name:password` a line.
    pub users_file: Option<PathBuf>,
    /// Where users and bindings are kept.
    #[serde(rename = "data", deserialize_with = "storage")]
    pub storage: Storage,
    /// Where a running server is asked and told what to do.
    #[serde(deserialize_with = "admin::socket_or_table")]
    pub admin: AdminConfig,
    /// How many threads handle messages; without a number one for each processor.
    pub workers: Option<usize>,
    /// The class by which routers may tell our packets from others, 0 to 63; 24 is what RFC 4594 has for signalling.
    pub dscp: Option<u8>,
    /// Our certificate, and whose certificates are checked.
    pub tls: TlsConfig,
    /// The pages whose scripts may connect by WebSocket, as browsers name them: `https://example.com`. Without any all may.
    pub ws_origins: Vec<String>,
    /// Names that are known without asking DNS, beside those of `/etc/hosts`.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// The name servers to ask, `address:port`; without any those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// The domain below which telephone numbers are looked up that no user of ours has (ENUM, RFC 6116): `e164.arpa`.
    /// Without one they are not.
    pub enum_domain: Option<String>,
    /// The server that this one stands before, as a URI: requests of phones go there, and those for phones come back over the
    /// connections that they made (RFC 5626 §5.3). It has the users, and asks for passwords; this one knows nobody.
    pub edge: Option<String>,
    /// Whether a phone or gateway that redirects a call (300 to 302) is taken at its word, and who it names is asked instead.
    /// Otherwise the caller is told.
    pub recursion: bool,
    /// For how many seconds an answer of DNS is used while its servers fail (RFC 8767); without a number an hour, 0 is never.
    pub serve_stale: Option<u32>,
    /// How long calls may go on when the server is told to end; without a time half a minute, 0 ends it at once. At most a day.
    #[serde(deserialize_with = "duration::optional")]
    pub drain: Option<Duration>,
    /// How much is held at once.
    pub limits: Limits,
    /// How long registrations last.
    pub registrations: Registrations,
    /// How much of the past is remembered.
    pub history: HistoryLimits,
    /// Where messages are told of.
    pub trace: TraceConfig,
    /// Where records of calls are kept.
    pub records: RecordsConfig,
    /// Who is listened to.
    pub guard: GuardConfig,
    /// What is done with more requests than there is time for.
    pub overload: OverloadConfig,
    /// Where requests go that do not go the usual way; the first that is for a request counts.
    pub routes: Vec<RouteConfig>,
    /// Which way media go.
    pub media: MediaConfig,
    /// The networks whose word counts on who somebody is (RFC 3325): P-Asserted-Identity is taken from them, and told to them
    /// alone.
    #[serde(deserialize_with = "crate::guard::networks")]
    pub trust: Vec<IpNet>,
    /// Groups of gateways that routes lead to.
    pub gateways: Vec<GatewayConfig>,
    /// How phones that sleep are woken.
    pub push: PushConfig,
    /// Who tells push notification services, instead of the webhooks of `push`.
    #[serde(skip)]
    pub push_sender: Option<Arc<dyn PushSender>>,
    /// Who sees all traffic.
    #[serde(skip)]
    pub tap: Option<Arc<dyn Tap>>,
    /// Where a running server gets its configuration from when it is told to read it again.
    #[serde(skip)]
    pub reread: Option<Reread>,
    /// How a running server is started once more, to take over from itself.
    #[serde(skip)]
    pub restart: Option<Restart>,
    /// Whether the sockets and bindings of a server are taken over that runs with the same admin socket, if there is one. Then that
    /// one ends, and nobody who sends notices.
    #[serde(skip)]
    pub take_over: bool,
}

/// Starts another process of the same program and configuration, which takes over; gives its number.
pub type Restart = Arc<dyn Fn() -> std::io::Result<u32> + Send + Sync>;

/// Reads a configuration again.
pub type Reread = Arc<dyn Fn() -> Result<ServerConfig, ConfigError> + Send + Sync>;

/// How TLS is done, in PEM files that are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Our certificate and those that it is signed with. Without one a TLS listener makes a certificate for our domains
    /// itself, and keeps it in the data directory.
    pub cert: Option<PathBuf>,
    /// Our key.
    pub key: Option<PathBuf>,
    /// The name that others are told over TLS instead of an address, in Via, Record-Route and the Contact of OPTIONS: one of those in
    /// the certificate, which leads to us. It is a domain of ours as well.
    pub name: Option<String>,
    /// Whose certificates servers that we connect to must have; without a file those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Whose certificates clients must have, with `verify = "mutual"`.
    pub client_ca: Option<PathBuf>,
    /// Whose certificates are checked: `on` those of servers that we connect to, `mutual` those of clients as well, `off`
    /// nobody's, which is dangerous.
    #[serde(deserialize_with = "verify")]
    pub verify: TlsVerify,
}

/// Where users and bindings are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In SQLite, in this directory, which is made where it is missing.
    Directory(PathBuf),
    /// In memory only. In TOML: `data = false`.
    Ephemeral,
}

impl Default for Storage {
    fn default() -> Self {
        Self::Directory("ringback-data".into())
    }
}

/// How long registrations last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registrations {
    /// The shortest; shorter ones are answered 423. At most 3600.
    pub min_expires: u32,
    /// Where the phone names no length.
    pub default_expires: u32,
    /// The longest; longer ones are cut.
    pub max_expires: u32,
    /// Whether a numbered flow (RFC 5626) that was a connection takes its binding with it when it ends. Otherwise the
    /// binding stays until it expires, and its phone is not there meanwhile.
    pub end_with_flow: bool,
    /// Whether the way that proxies name (`Path`) is also kept for phones that do not say that they know of such ways, as most do not
    /// (RFC 3327 §5.3): for a server behind an edge proxy. Otherwise those are refused with 420, for anybody on the way could have put
    /// himself there.
    pub lenient_path: bool,
}

impl Default for Registrations {
    fn default() -> Self {
        Self {
            min_expires: 60,
            default_expires: 3_600,
            max_expires: 86_400,
            end_with_flow: true,
            lenient_path: false,
        }
    }
}

/// How much of the past is remembered, for `ringback why`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryLimits {
    /// Messages; 0 remembers nothing.
    pub messages: usize,
    /// Bytes of messages.
    pub bytes: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { messages: 65_536, bytes: 32 << 20 }
    }
}

/// A configuration that cannot be used: what is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: Option<PathBuf>,
    line: Option<usize>,
    problem: String,
}

impl ConfigError {
    /// This is wrong: what, and what would be right.
    pub fn new(problem: impl Into<String>) -> Self {
        Self { file: None, line: None, problem: problem.into() }
    }

    pub(crate) fn in_file(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    pub(crate) fn at_line(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl ServerConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or says what cannot be.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let read = std::fs::read_to_string(file).map_err(|error| ConfigError::new(error.to_string()));
        read.and_then(|text| Self::from_toml(&text)).map_err(|error| error.in_file(file))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it says what cannot be.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            // The message proper; the picture of the place that follows would be more than a line.
            let problem = error.message().lines().next().unwrap_or_default();
            let before = error.span().and_then(|span| text.get(..span.start));
            let error = ConfigError::new(problem);
            match before {
                Some(before) => error.at_line(before.matches('\n').count() + 1),
                None => error,
            }
        })?;
        config.check()?;
        Ok(config)
    }

    /// Says whether everything fits together; [`Server::start`](crate::Server::start) asks as well.
    ///
    /// # Errors
    /// Names the first thing that does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fail = |problem: String| Err(ConfigError::new(problem));
        if self.take_over && (self.storage == Storage::Ephemeral || self.admin().is_none()) {
            return fail(
                "to take over from a running server takes a data directory, where its bindings are".into(),
            );
        }
        for domain in &self.domains {
            let bare = domain.strip_prefix('[').and_then(|domain| domain.strip_suffix(']')).unwrap_or(domain);
            if ringback_message::Host::parse(bare).is_err() {
                return fail(format!(
                    "domain `{domain}` is neither a name nor an address; write for example example.com"
                ));
            }
        }
        if self.realm().contains(['"', '\\', '\r', '\n']) {
            return fail(
                "realm holds a quote, a backslash or a line end; write for example example.com".into(),
            );
        }
        if let Some(name) = self.users.keys().find(|name| !is_user_name(name)) {
            return fail(format!("user `{name}` is no user name; write for example alice"));
        }
        let Registrations { min_expires, default_expires, max_expires, .. } = self.registrations;
        if !(min_expires <= default_expires && default_expires <= max_expires) || min_expires > 3_600 {
            return fail(format!(
                "registrations: min_expires {min_expires}, default_expires {default_expires} and max_expires \
                 {max_expires} must rise in this order, and min_expires is at most 3600"
            ));
        }
        if let Some(origin) = self.ws_origins.iter().find(|origin| !is_origin(origin)) {
            return fail(format!(
                "ws_origins: `{origin}` is no origin; write for example https://example.com"
            ));
        }
        if let Some(edge) = &self.edge
            && !ringback_message::Uri::parse(edge.as_bytes()).is_ok_and(|uri| {
                uri.as_sip().is_some_and(|uri| uri.user().is_none() && uri.headers().is_none())
            })
        {
            return fail(format!("edge: `{edge}` is no server; write for example sip:registrar.example.com"));
        }
        if let Some(name) = self.tls.name.as_ref().filter(|name| {
            !matches!(ringback_message::Host::parse(name), Ok(ringback_message::Host::Name(_)))
        }) {
            return fail(format!(
                "tls: name `{name}` is no name of a host; write for example sip.example.com"
            ));
        }
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return fail(
                "tls: a certificate needs its key and a key its certificate; name both or neither".into(),
            );
        }
        if self.tls.verify == TlsVerify::Mutual && self.tls.client_ca.is_none() {
            return fail(
                "tls: to check clients takes client_ca, a file with whose certificates they must have".into(),
            );
        }
        if self.dscp.is_some_and(|dscp| dscp > 63) {
            return fail("dscp must be from 0 to 63; RFC 4594 has 24 for signalling".into());
        }
        let unknown = |own: &&Advertise| own.listener.is_some_and(|named| !self.listen().contains(&named));
        if let Some(advertise) = self.advertise.iter().find(unknown) {
            return fail(format!(
                "advertise: `{advertise}` names no listener; write one as it stands in listen"
            ));
        }
        if let Some(domain) = self.enum_domain.as_ref().filter(|domain| {
            !matches!(ringback_message::Host::parse(domain), Ok(ringback_message::Host::Name(_)))
        }) {
            return fail(format!("enum_domain: `{domain}` is no domain; write for example e164.arpa"));
        }
        if self.serve_stale.is_some_and(|seconds| seconds > 604_800) {
            return fail("serve_stale is at most 604800, a week".into());
        }
        if self.trace.queue == 0 || self.trace.queue > 1_000_000 {
            return fail("trace: queue must be from 1 to 1000000".into());
        }
        if self.workers.is_some_and(|workers| workers == 0 || workers > 256) {
            return fail("workers must be from 1 to 256".into());
        }
        if self.limits.transactions == 0 || self.limits.bindings == 0 || self.limits.contacts_per_user == 0 {
            return fail("limits of 0 would refuse everything; leave a limit out for its default".into());
        }
        self.limits.message.check().map_err(ConfigError::new)?;
        self.guard.check()?;
        self.overload.check()?;
        self.admin.check()?;
        self.media.check()?;
        self.records.check()?;
        self.push.check()?;
        for (at, group) in self.gateways.iter().enumerate() {
            group.check(&self.gateways[..at])?;
        }
        let groups: Vec<&str> = self.gateways.iter().map(|group| group.name.as_str()).collect();
        Routes::new(&self.routes)?.lead_to(&groups)
    }

    /// The protection space of the passwords.
    pub fn realm(&self) -> String {
        self.realm.clone().or_else(|| self.domains.first().cloned()).unwrap_or_else(|| "localhost".into())
    }

    /// How long calls may go on when the server is told to end.
    pub fn drain(&self) -> Duration {
        self.drain.unwrap_or(Duration::from_secs(30))
    }

    pub(crate) fn digest(&self) -> Vec<Algorithm> {
        if self.digest.is_empty() { vec![Algorithm::Md5] } else { self.digest.clone() }
    }

    pub(crate) fn listen(&self) -> Vec<Listen> {
        if !self.listen.is_empty() {
            return self.listen.clone();
        }
        ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
            .map(|listen| listen.parse().expect("an address as documented"))
            .into()
    }

    /// Whether TLS is spoken.
    pub(crate) fn has_tls(&self) -> bool {
        self.listen.iter().any(|listen| matches!(listen.protocol, Protocol::Tls | Protocol::Wss))
    }

    pub(crate) fn admin(&self) -> Option<PathBuf> {
        match (&self.admin.socket, &self.storage) {
            (Some(path), _) => Some(path.clone()),
            (None, Storage::Directory(directory)) => Some(directory.join("admin.sock")),
            (None, Storage::Ephemeral) => None,
        }
    }
}

/// Whether a browser could say that it shows a page from there: a scheme and a host, and no path.
fn is_origin(text: &str) -> bool {
    let host = text.split_once("://").map_or("", |(_, host)| host);
    !host.is_empty() && !host.contains(['/', ' ', '*'])
}

/// Whether a name can stand before the colon of a users file and in a digest.
pub(crate) fn is_user_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && !name.contains(|letter: char| letter.is_control() || "\":\\".contains(letter))
}

impl fmt::Debug for ServerConfig {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("listen", &self.listen)
            .field("domains", &self.domains)
            .field("storage", &self.storage)
            .field("digest", &self.digest)
            .field("no_auth", &self.no_auth)
            .finish_non_exhaustive()
    }
}

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Listen>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

fn advertise<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Advertise>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

fn verify<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TlsVerify, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "on" => Ok(TlsVerify::On),
        "off" => Ok(TlsVerify::Off),
        "mutual" => Ok(TlsVerify::Mutual),
        other => Err(serde::de::Error::custom(format!("`{other}` is none of on, off and mutual"))),
    }
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Algorithm>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let known =
        |text: &String| Algorithm::from_token(text).filter(|algorithm| ALGORITHMS.contains(algorithm));
    let unknown = |text: &String| {
        serde::de::Error::custom(format!(
            "`{text}` is no digest algorithm for which passwords are kept; write MD5 or SHA-256"
        ))
    };
    texts.iter().map(|text| known(text).ok_or_else(|| unknown(text))).collect()
}

fn storage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Storage, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "data must be a directory in quotes, or false to keep nothing")]
    enum Data {
        Directory(PathBuf),
        Kept(bool),
    }
    match Data::deserialize(deserializer)? {
        Data::Directory(directory) => Ok(Storage::Directory(directory)),
        Data::Kept(true) => Ok(Storage::default()),
        Data::Kept(false) => Ok(Storage::Ephemeral),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_optional_and_everything_can_be_said() {
        let config = ServerConfig::from_toml("").unwrap();
        assert_eq!(config.listen().len(), 2);
        assert_eq!(config.digest(), [Algorithm::Md5]);
        assert_eq!((config.realm().as_str(), config.storage.clone()), ("localhost", Storage::default()));
        let config = ServerConfig::from_toml(
            "listen = ['udp:[::1]:0']\nadvertise = ['udp:[::1]:0=2001:db8::7']\ndomains = ['192.0.2.1', '[2001:db8::1]']\nrealm = 'r'\nno_auth = true\n\
             digest = ['SHA-256', 'md5']\n\
             users_file = 'users'\ndata = false\nadmin = 'a.sock'\nworkers = 2\nserve_stale = 0\ndrain = '2m'\nenum_domain = 'e164.arpa'\nname_servers = ['127.0.0.1:53']\n[hosts]\n'a.example' = ['192.0.2.1']\n\
             [tls]\ncert = 'c'\nkey = 'k'\nclient_ca = 'a'\nverify = 'mutual'\n[users]\nalice = 'x'\n\
             [limits]\nbindings = 5\nmessage = { fields = 40 }\n[registrations]\nmax_expires = 7200\n[history]\nmessages = 0",
        )
        .unwrap();
        assert_eq!(config.storage, Storage::Ephemeral);
        assert_eq!(config.digest(), [Algorithm::Sha256, Algorithm::Md5]);
        assert_eq!((config.limits.bindings, config.registrations.max_expires), (5, 7_200));
        assert_eq!((config.limits.message.fields, config.limits.message.elements), (40, 64));
        assert_eq!((config.tls.verify, config.hosts.len()), (TlsVerify::Mutual, 1));
        assert!(!format!("{config:?}").contains('x'), "passwords do not show");
    }

    #[test]
    fn errors_say_what_and_where_and_what_would_be_right() {
        for (text, said) in [
            ("x = 1", "line 1: unknown field `x`, expected one of `listen`"),
            ("digest = ['MD4']", "line 1: `MD4` is no digest algorithm"),
            ("\ndata = 5", "line 2: data must be a directory in quotes"),
            ("listen = ['sctp:1.2.3.4:443']", "wss; write for example udp:127.0.0.1:5060"),
            ("ws_origins = ['example.com']", "ws_origins: `example.com` is no origin"),
            ("domains = ['a b']", "domain `a b` is neither a name nor an address"),
            ("[registrations]\nmin_expires = 4000", "must rise in this order"),
            ("[tls]\nverify = 'maybe'", "line 2: `maybe` is none of on, off and mutual"),
            ("edge = 'sip:bob@example.com'", "edge: `sip:bob@example.com` is no server"),
            ("[tls]\nname = '192.0.2.1'", "tls: name `192.0.2.1` is no name of a host"),
            ("[tls]\nkey = 'k'", "tls: a certificate needs its key"),
            ("[tls]\nverify = 'mutual'", "tls: to check clients takes client_ca"),
            ("advertise = ['x']", "line 1: `x`: that is no address; write for example 203.0.113.7 or"),
            ("advertise = ['udp:10.0.0.7=203.0.113.7']", "names no listener"),
            ("enum_domain = '1.2.3.4'", "enum_domain: `1.2.3.4` is no domain"),
            ("serve_stale = 604801", "serve_stale is at most 604800"),
            ("drain = '1 minute'", "line 1: `1 minute` is no time up to a day; write for example 30s"),
            ("workers = 0", "workers must be from 1"),
            ("[trace]\nto = ['calls.pcap']", "line 2: `calls.pcap` is none of FILE.pcapng, FILE.jsonl"),
            ("[trace]\nto = ['hep:127.0.0.1']", "line 2: `hep:127.0.0.1` names no port"),
            ("[trace]\nqueue = 0", "trace: queue must be from 1"),
            ("media = { ports = [5000, 5002] }", "media: ports 5000 to 5002 hold no medium"),
            (
                "media = { hold_music = '/dev/null' }",
                "media: hold_music: cannot play /dev/null: not a WAV file",
            ),
            ("media = { mode = 'maybe' }", "line 1: unknown variant `maybe`"),
            ("dscp = 64", "dscp must be from 0 to 63"),
            ("[users]\n'a:b' = 'x'", "user `a:b` is no user name"),
            ("[limits]\nbindings = -1", "line 2: "),
            ("guard.trusted = ['10.0.0.0/33']", "line 1: `10.0.0.0/33` is no network"),
            ("admin = 5", "line 1: admin is a path in quotes, or a table"),
            ("[admin]\nlisten = '0.0.0.0:8080'", "admin.listen: 0.0.0.0:8080 is not of this machine alone"),
            ("records.max_age = 5", "records: max_age must be at least 60"),
            ("records.queue = 0", "records: queue must be from 1"),
            ("overload.cpu = 100", "overload: cpu must be from 1 to 99"),
            ("guard.burst = 0", "guard.burst must be at least 1"),
            ("guard.scanners = ['a']", "`a` is too short"),
            ("limits.message.fields = 3", "limits.message.fields is 3; at least 16"),
            ("limits.message.uri_bytes = 9000", "at most 8192 is possible"),
            ("limits.message.header_bytes = 70000", "line 1: "),
        ] {
            let error = ServerConfig::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains('\n'), "{text}: {error}");
        }
        let missing = ServerConfig::read(Path::new("no/such.toml")).unwrap_err().to_string();
        assert!(missing.starts_with("no/such.toml: "), "{missing}");
    }
}
