//! Looks at the machine and its surroundings with the eyes of a server, and says what it found and what to do.
//!
//! ```no_run
//! use ringback_server::ServerConfig;
//! use ringback_server::doctor::{Questions, State, examine};
//!
//! # async fn example() {
//! let findings = examine(ServerConfig::default(), Questions::default()).await;
//! for finding in &findings {
//!     println!("{:?}: {}", finding.state, finding.text);
//! }
//! assert!(findings.iter().all(|finding| finding.state != State::Bad));
//! # }
//! ```

mod probe;

use crate::config::{AdminConfig, ServerConfig, Storage};
use crate::server::{Server, StartError};
use crate::tls;
use ringback_net::examine::{self, from_here, look_up};
use ringback_net::{
    CertificateFacts, Hosts, Listen, NameServers, Protocol, local_addresses, local_ip_towards,
};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment that is over: this code is not older. 2025-01-01.
const WRITTEN: Duration = Duration::from_secs(1_735_689_600);
/// A certificate that ends sooner is worth a word.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// Files beside connections: listeners, the store, logs.
const BESIDE: u64 = 128;

/// What is to be asked of others.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// A STUN server, `host` or `host:port`, that says where it sees us.
    pub stun: Option<String>,
    /// Domains to be looked up beside our own.
    pub domains: Vec<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good,
    /// As it may be, and worth knowing.
    Note,
    /// It will not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What: `listener`, `nat`, `dns`, `certificate`, `clock`, `files`, `buffer`.
    pub about: &'static str,
    /// How it is.
    pub state: State,
    /// In words.
    pub text: String,
    /// How that came out, step by step.
    pub steps: Vec<String>,
    /// What to do.
    pub advice: Option<String>,
}

impl Finding {
    fn new(about: &'static str, state: State, text: impl Into<String>) -> Self {
        Self { about, state, text: text.into(), steps: Vec::new(), advice: None }
    }

    fn good(about: &'static str, text: impl Into<String>) -> Self {
        Self::new(about, State::Good, text)
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Examines what a server with this configuration would meet. One that runs already is asked; else one is started for
/// the time of the examination, which keeps nothing.
pub async fn examine(config: ServerConfig, questions: Questions) -> Vec<Finding> {
    let mut findings = vec![clock(), files(&config), buffer()];
    findings.extend(certificate(&config));
    findings.extend(listeners(&config).await);
    findings.push(outside(&config, questions.stun.as_deref()).await);
    let own = config.domains.iter().filter(|domain| is_name(domain)).map(|domain| (domain, true));
    let domains = own.chain(questions.domains.iter().map(|domain| (domain, false)));
    for (domain, is_ours) in domains {
        findings.push(domain_leads(&config, domain, is_ours).await);
    }
    findings
}

fn is_name(domain: &str) -> bool {
    domain != "localhost" && domain.trim_matches(['[', ']']).parse::<IpAddr>().is_err()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

fn clock() -> Finding {
    let today = CertificateFacts::day(now());
    if now() >= WRITTEN {
        return Finding::good("clock", format!("the clock says {today}"));
    }
    Finding::new("clock", State::Bad, format!("the clock says {today}, which is over"))
        .advise("certificates and passwords will be refused: set it, by NTP for example")
}

fn files(config: &ServerConfig) -> Finding {
    let needed = config.limits.streams as u64 + BESIDE;
    match examine::open_files() {
        Ok((_, most)) if most >= needed => {
            Finding::good("files", format!("{most} files may be open, for {} connections", config.limits.streams))
        }
        Ok((_, most)) => Finding::new(
            "files",
            State::Note,
            format!("only {most} files may be open, and {} connections are allowed", config.limits.streams),
        )
        .advise(format!("raise the hard limit to {needed} (LimitNOFILE= of a unit, or ulimit -Hn), or lower limits.streams")),
        Err(error) => Finding::new("files", State::Note, format!("the limit of open files is unknown: {error}")),
    }
}

fn buffer() -> Finding {
    match examine::receive_buffer() {
        Ok((got, asked)) if got >= asked => {
            Finding::good("buffer", format!("a UDP socket gets {got} bytes of buffer"))
        }
        Ok((got, asked)) => Finding::new(
            "buffer",
            State::Note,
            format!("a UDP socket gets {got} bytes of buffer and not {asked}: bursts of calls may be lost"),
        )
        .advise(format!("sysctl -w net.core.rmem_max={asked} net.core.wmem_max={asked}")),
        Err(error) => Finding::new("buffer", State::Bad, format!("no UDP socket can be had: {error}")),
    }
}

fn certificate(config: &ServerConfig) -> Option<Finding> {
    if !config.has_tls() {
        return None;
    }
    let Some(file) = tls::certificate_file(config) else {
        let text = "there is no certificate; one that nobody has signed is made when the server starts";
        let advice = "give it one that phones trust: --tls-cert and --tls-key";
        return Some(Finding::new("certificate", State::Note, text).advise(advice));
    };
    let facts = match CertificateFacts::read(&file) {
        Ok(facts) => facts,
        Err(error) => return Some(Finding::new("certificate", State::Bad, error.to_string())),
    };
    let (from, until) = (CertificateFacts::day(facts.not_before), CertificateFacts::day(facts.not_after));
    let names = facts.names.join(", ");
    let missing = |domain: &&String| {
        let named = facts.names.iter().map(|name| name.strip_prefix("sip:").unwrap_or(name));
        is_name(domain) && !named.into_iter().any(|name| name.eq_ignore_ascii_case(domain))
    };
    Some(if now() < facts.not_before {
        Finding::new("certificate", State::Bad, format!("{} is not valid before {from}", file.display()))
            .advise("wait, or set the clock right")
    } else if now() > facts.not_after {
        Finding::new("certificate", State::Bad, format!("{} has expired on {until}", file.display()))
            .advise("renew it; the server takes the new file without a restart")
    } else if let Some(domain) = config.domains.iter().find(missing) {
        let text = format!("{} is for {names} and not for {domain}", file.display());
        Finding::new("certificate", State::Bad, text)
            .advise(format!("RFC 5922 wants the domain itself among its names: {domain}, without wildcards"))
    } else if facts.not_after.saturating_sub(now()) < SOON {
        Finding::new("certificate", State::Note, format!("{} expires on {until}", file.display()))
            .advise("renew it soon; the server takes the new file without a restart")
    } else {
        Finding::good("certificate", format!("{} is for {names}, until {until}", file.display()))
    })
}

/// A round trip through each listener.
async fn listeners(config: &ServerConfig) -> Vec<Finding> {
    let mut own = config.clone();
    if let (Storage::Directory(directory), true) = (&config.storage, config.tls.cert.is_none()) {
        let kept = tls::kept_files(directory);
        if kept.0.exists() && kept.1.exists() {
            (own.tls.cert, own.tls.key) = (Some(kept.0), Some(kept.1));
        }
    }
    (own.storage, own.admin, own.workers) = (Storage::Ephemeral, AdminConfig::default(), Some(1));
    // What the running server tells of is its own business.
    own.trace.to.clear();
    let (server, places) = match Server::start(own) {
        Ok(server) => {
            let places = server.listeners().to_vec();
            (Some(server), places)
        }
        Err(StartError::Bind(error)) if error.source.kind() == io::ErrorKind::AddrInUse => {
            (None, config.listen())
        }
        Err(error) => {
            return vec![Finding::new(
                "listener",
                State::Bad,
                format!("the server would not start: {error}"),
            )];
        }
    };
    let runs = if server.is_some() { "" } else { ", of a server that runs already" };
    let mut findings = Vec::new();
    for listen in &places {
        findings.push(match probe::round_trip(config, listen).await {
            Ok(took) => {
                let ms = took.as_secs_f64() * 1e3;
                Finding::good("listener", format!("{listen} answers in {ms:.1} ms{runs}"))
            }
            Err(why) => Finding::new("listener", State::Bad, format!("{listen} does not answer: {why}"))
                .advise(if server.is_some() {
                    "is a firewall in the way of the machine's own packets?"
                } else {
                    "another program has the port, or the server there hangs"
                }),
        });
    }
    if places.iter().all(|listen| listen.address.ip().is_loopback()) {
        let text = "the listeners are for this machine alone: nobody else can reach them";
        findings.push(
            Finding::new("listener", State::Note, text)
                .advise("--listen udp:0.0.0.0:5060 listens to everybody"),
        );
    }
    if let Some(server) = server {
        server.shutdown().await;
    }
    findings
}

/// Where others see us.
async fn outside(config: &ServerConfig, stun: Option<&str>) -> Finding {
    let is_ipv6 = config.listen().iter().all(|listen| listen.address.is_ipv6());
    // Documentation addresses: no packet is sent, only the routing table is asked.
    let stranger: SocketAddr =
        (if is_ipv6 { "[2001:db8::1]:9" } else { "192.0.2.1:9" }).parse().expect("an address");
    let own = local_ip_towards(stranger);
    let Some(server) = stun else {
        return match own {
            Ok(ip) if is_private(ip) => Finding::new(
                "nat",
                State::Note,
                format!("packets leave from {ip}, an address that means nothing outside"),
            )
            .advise(
                "--stun HOST says where others see us; for calls from outside a NAT has to forward the ports",
            ),
            Ok(ip) => Finding::good("nat", format!("packets leave from {ip}")),
            Err(_) => Finding::new("nat", State::Note, "no way leads outside of this machine"),
        };
    };
    let has_port = server.parse::<SocketAddr>().is_ok()
        || server.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':'));
    let host = if has_port { server.to_owned() } else { format!("{server}:3478") };
    let found = match tokio::net::lookup_host(host).await {
        Ok(mut found) => found.find(|address| address.is_ipv6() == is_ipv6),
        Err(_) => None,
    };
    let Some(at) = found else {
        return Finding::new("nat", State::Bad, format!("the STUN server {server} is not found"));
    };
    let Ok(own) = local_ip_towards(at) else {
        return Finding::new("nat", State::Bad, format!("no way leads to the STUN server {server}"));
    };
    match examine::seen_from_outside(own, at).await {
        Ok(seen) if seen.ip() == own => {
            Finding::good("nat", format!("no NAT: {server} sees us at {own}, our own address"))
        }
        Ok(seen) => {
            let text = format!("behind a NAT: our address is {own}, and {server} sees us at {}", seen.ip());
            Finding::new("nat", State::Note, text).advise(format!(
                "phones outside reach us where the NAT forwards the listeners' ports to {own}; names have to lead to {0}, and --advertise {0} tells it to others",
                seen.ip()
            ))
        }
        Err(error) => {
            Finding::new("nat", State::Bad, format!("the STUN server {server} does not answer ({error})"))
                .advise("UDP may be blocked on the way out")
        }
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback(),
    }
}

/// The steps of RFC 3263 for a domain.
async fn domain_leads(config: &ServerConfig, domain: &str, is_ours: bool) -> Finding {
    let mut hosts = Hosts::of_system();
    for (name, addresses) in &config.hosts {
        addresses.iter().for_each(|ip| hosts.add(name, *ip));
    }
    let servers = match &config.name_servers[..] {
        [] => NameServers::System,
        servers => NameServers::At(servers.to_vec()),
    };
    let lookup = match look_up(domain, hosts, servers).await {
        Ok(lookup) => lookup,
        Err(error) => return Finding::new("dns", State::Bad, format!("{domain} is no domain: {error}")),
    };
    let steps = lookup.steps.into_iter().map(|(asked, answered)| format!("{asked}? {answered}")).collect();
    let finding = match lookup.targets {
        Ok(targets) => {
            let places: Vec<String> =
                targets.iter().map(|target| format!("{}:{}", target.protocol(), target.peer())).collect();
            let here = local_addresses().unwrap_or_default();
            let text = format!("{domain} leads to {}", places.join(", then "));
            if is_ours && !targets.iter().any(|target| here.contains(&target.peer().ip())) {
                Finding::new("dns", State::Note, format!("{text}, none of which is this machine"))
                    .advise("right behind a NAT that forwards from there, and wrong else")
            } else {
                Finding::good("dns", text)
            }
        }
        Err(error) => {
            let port = config.listen().first().map(|listen: &Listen| listen.address.port());
            let port = port.filter(|port| *port != 0).unwrap_or(5060);
            let state = if is_ours { State::Note } else { State::Bad };
            Finding::new("dns", state, format!("{domain} leads nowhere: {error}")).advise(if is_ours {
                format!("phones have to be told our address, until DNS has for example: _sip._udp.{domain}. SRV 0 0 {port} HOST")
            } else {
                "calls to it will fail with 502".to_owned()
            })
        }
    };
    Finding { steps, ..finding }
}

/// Where a probe goes, and from where.
fn ends(listen: &Listen) -> (SocketAddr, Listen) {
    let to = from_here(listen);
    (to, Listen { protocol: Protocol::Udp, address: SocketAddr::new(to.ip(), 0) })
}
