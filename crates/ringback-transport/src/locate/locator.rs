//! The machine that asks (RFC 3263 §4.1, §4.2; RFC 7984 for two address families).
//!
//! It goes down at most three steps: services (NAPTR), servers (SRV), addresses. All questions of a step are asked at
//! once, and the next step waits for the last answer of it, for the order of the targets depends on all of them.

use super::Name;
use super::question::{Answer, Kind, LocateError, Question, QuestionId, Record};
use super::select::{self, Server};
use ringback_sansio::{DomainId, Entropy, Map, Protocol, Target};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// More services than a domain has.
const MOST_SERVICES: usize = 32;
/// More records of one SRV set are not looked at.
const MOST_SERVERS: usize = 256;
/// More servers are not asked for their addresses: nobody waits for so many to fail.
const MOST_HOSTS: usize = 8;
/// More addresses of one server are not used.
const MOST_ADDRESSES: usize = 8;
/// More targets are not handed out.
const MOST_TARGETS: usize = 16;
/// Longer chains of other names, and loops, lead nowhere (fault 38).
const MOST_ALIASES: u8 = 8;
/// What fits into a question.
const LONGEST_NAME: usize = 253;

/// What we can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The protocols that we speak, the ones we prefer first.
    pub protocols: Vec<Protocol>,
    /// [`Kind::A`] for IPv4 and [`Kind::Aaaa`] for IPv6, the one we prefer first.
    pub families: Vec<Kind>,
}

/// What a locator wants, or has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask this, and give the answer to [`Locator::answer`] in any case.
    Ask(QuestionId, Question),
    /// The targets in the order to try them, at least one; or why there is none. Comes once, and last.
    Done(Result<Vec<Target>, LocateError>),
}

/// Finds the targets of one name.
#[derive(Debug)]
pub struct Locator {
    name: Name,
    domain: DomainId,
    resources: Resources,
    /// Services that are left, by order and preference.
    services: VecDeque<Service>,
    /// The servers of the services at hand, one list for each service.
    sets: Vec<Set>,
    /// The servers at hand, best first.
    hosts: Vec<Host>,
    waiting: Map<QuestionId, Waiting>,
    steps: VecDeque<Step>,
    asked: u32,
    /// Whether the names that everybody with a SIP service has are still to be asked for.
    conventional: bool,
    unanswered: bool,
    /// How many of the targets are addresses of the server that comes first.
    of_first: usize,
    /// The protocols of which the domain says that it does not offer them.
    refused: Vec<Protocol>,
}

#[derive(Debug)]
struct Service {
    order: u16,
    preference: u16,
    protocol: Protocol,
    name: String,
}

#[derive(Debug)]
struct Set {
    protocol: Protocol,
    servers: Vec<Server>,
}

#[derive(Debug)]
struct Host {
    protocol: Protocol,
    port: u16,
    /// Of each family that we have, in our order.
    addresses: Vec<Vec<IpAddr>>,
}

#[derive(Clone, Debug)]
struct Waiting {
    purpose: Purpose,
    kind: Kind,
    aliases: u8,
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    Services,
    /// The set of this number.
    Servers(usize),
    /// The addresses of this host, of this family.
    Addresses(usize, usize),
}

impl Locator {
    /// Begins to look for `name`. `domain` is what peers that are reached by TLS have to prove to be.
    pub fn new(name: Name, domain: DomainId, resources: Resources) -> Self {
        let mut locator = Self {
            name,
            domain,
            resources,
            services: VecDeque::new(),
            sets: Vec::new(),
            hosts: Vec::new(),
            waiting: Map::default(),
            steps: VecDeque::new(),
            asked: 0,
            conventional: true,
            unanswered: false,
            of_first: 0,
            refused: Vec::new(),
        };
        locator.begin();
        locator
    }

    /// The next question, or the end.
    pub fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// How many of the targets that were found belong to the server that is to be tried first, in as many families as it has:
    /// connections to them may be made side by side (RFC 8305), for no server is passed over by that.
    pub fn of_first_server(&self) -> usize {
        self.of_first
    }

    /// Takes an answer; one that was not asked for is ignored. `entropy` draws the lots among servers by weight.
    pub fn answer(&mut self, id: QuestionId, answer: Answer, entropy: &mut impl Entropy) {
        let Some(waiting) = self.waiting.remove(&id) else { return };
        let records = match answer {
            Answer::Records(records) => records,
            Answer::NoRecords | Answer::NoSuchName => Vec::new(),
            Answer::Failed => {
                self.unanswered = true;
                Vec::new()
            }
        };
        if !records.iter().any(|record| record.is(waiting.kind)) {
            // A server may leave it to us to go on from another name.
            let alias = records.iter().rev().find_map(|record| match record {
                Record::Cname(name) => Some(name.clone()),
                _ => None,
            });
            if let Some(alias) = alias
                && is_askable(&alias)
                && waiting.aliases < MOST_ALIASES
            {
                return self.ask(&alias, Waiting { aliases: waiting.aliases + 1, ..waiting });
            }
        }
        match waiting.purpose {
            Purpose::Services => self.take_services(records),
            Purpose::Servers(set) => self.take_servers(set, records),
            Purpose::Addresses(host, family) => self.take_addresses(host, family, &records),
        }
        if self.waiting.is_empty() {
            match waiting.purpose {
                Purpose::Services => self.next_services(),
                Purpose::Servers(_) => self.choose_servers(entropy),
                Purpose::Addresses(..) => self.finish(),
            }
        }
    }

    fn begin(&mut self) {
        if !is_askable(&self.name.host) {
            return self.end(Err(LocateError::NotFound));
        }
        match (self.name.protocol, self.name.port) {
            // §4.1, §4.2: with a port neither the protocol nor the server is a question.
            (_, Some(port)) => {
                let protocol = self.name.default_protocol();
                self.ask_addresses([(protocol, port, self.name.host.clone())]);
            }
            (Some(protocol), None) => match service_name(protocol, &self.name.host) {
                Some(name) => {
                    self.conventional = false;
                    self.ask_servers([(protocol, name)]);
                }
                // RFC 7118 gives WebSocket no SRV.
                None => {
                    self.ask_addresses([(protocol, protocol.default_port(), self.name.host.clone())]);
                }
            },
            (None, None) => {
                let host = self.name.host.clone();
                self.ask(&host, Waiting { purpose: Purpose::Services, kind: Kind::Naptr, aliases: 0 });
            }
        }
    }

    fn ask(&mut self, name: &str, waiting: Waiting) {
        self.asked += 1;
        let id = QuestionId(self.asked);
        let question = Question { name: name.trim_end_matches('.').to_owned(), kind: waiting.kind };
        self.waiting.insert(id, waiting);
        self.steps.push_back(Step::Ask(id, question));
    }

    /// §4.1: those of a service that we have, and never less than TLS under `sips` (rule 36, fault 39).
    fn take_services(&mut self, records: Vec<Record>) {
        let services = records.into_iter().filter_map(|record| match record {
            Record::Naptr { order, preference, flags, service, replacement, .. }
                if flags.eq_ignore_ascii_case("s") =>
            {
                let protocol = self.usable(service_protocol(&service)?)?;
                Some(Service { order, preference, protocol, name: replacement })
            }
            _ => None,
        });
        let mut services: Vec<Service> = services.take(MOST_SERVICES).collect();
        services.sort_by_key(|service| (service.order, service.preference));
        self.services = services.into();
    }

    /// Asks for the servers of the services of the lowest order that is left (RFC 3403 §4.1), then for those that
    /// are found by convention, then for the addresses of the domain itself.
    fn next_services(&mut self) {
        if let Some(order) = self.services.front().map(|service| service.order) {
            let count = self.services.iter().take_while(|service| service.order == order).count();
            let services: Vec<Service> = self.services.drain(..count).collect();
            return self.ask_servers(services.into_iter().map(|service| (service.protocol, service.name)));
        }
        if std::mem::take(&mut self.conventional) {
            let protocols = self.resources.protocols.clone();
            let usable: Vec<_> = protocols
                .into_iter()
                .filter_map(|protocol| self.usable(protocol))
                .filter_map(|protocol| Some((protocol, service_name(protocol, &self.name.host)?)))
                .collect();
            if !usable.is_empty() {
                return self.ask_servers(usable);
            }
        }
        // §4.2: no SRV at all.
        let protocol = self.name.default_protocol();
        if self.refused.contains(&protocol) {
            return self.end(Err(LocateError::NotOffered));
        }
        self.ask_addresses([(protocol, protocol.default_port(), self.name.host.clone())]);
    }

    fn usable(&self, protocol: Protocol) -> Option<Protocol> {
        let speaks = self.resources.protocols.contains(&protocol);
        (speaks && (protocol.is_secure() || !self.name.secure)).then_some(protocol)
    }

    fn ask_servers(&mut self, services: impl IntoIterator<Item = (Protocol, String)>) {
        let services: Vec<_> = services.into_iter().filter(|(_, name)| is_askable(name)).collect();
        if services.is_empty() {
            return self.next_services();
        }
        let set = |(protocol, _): &(Protocol, String)| Set { protocol: *protocol, servers: Vec::new() };
        self.sets = services.iter().map(set).collect();
        for (index, (_, name)) in services.into_iter().enumerate() {
            self.ask(&name, Waiting { purpose: Purpose::Servers(index), kind: Kind::Srv, aliases: 0 });
        }
    }

    fn take_servers(&mut self, set: usize, records: Vec<Record>) {
        let Some(set) = self.sets.get_mut(set) else { return };
        for record in records.into_iter().take(MOST_SERVERS) {
            let Record::Srv { priority, weight, port, target } = record else { continue };
            if target.is_empty() || target == "." {
                self.refused.push(set.protocol);
            } else if port != 0 && is_askable(&target) {
                set.servers.push(Server { priority, weight, port, host: target });
            }
        }
    }

    fn choose_servers(&mut self, entropy: &mut impl Entropy) {
        let mut chosen = Vec::new();
        for set in std::mem::take(&mut self.sets) {
            let servers = select::in_order(set.servers, entropy);
            chosen.extend(servers.into_iter().map(|server| (set.protocol, server.port, server.host)));
        }
        if chosen.is_empty() {
            return self.next_services();
        }
        // What SRV says is final: the domain's own addresses are not asked for any more.
        self.conventional = false;
        self.ask_addresses(chosen);
    }

    fn ask_addresses(&mut self, hosts: impl IntoIterator<Item = (Protocol, u16, String)>) {
        let families = self.resources.families.clone();
        let hosts: Vec<_> = hosts.into_iter().take(MOST_HOSTS).collect();
        let host = |(protocol, port, _): &(Protocol, u16, String)| Host {
            protocol: *protocol,
            port: *port,
            addresses: vec![Vec::new(); families.len()],
        };
        self.hosts = hosts.iter().map(host).collect();
        if families.is_empty() {
            return self.end(Err(LocateError::NotFound));
        }
        for (index, (_, _, name)) in hosts.into_iter().enumerate() {
            for (family, kind) in families.iter().enumerate() {
                let purpose = Purpose::Addresses(index, family);
                self.ask(&name, Waiting { purpose, kind: *kind, aliases: 0 });
            }
        }
    }

    fn take_addresses(&mut self, host: usize, family: usize, records: &[Record]) {
        let Some(addresses) = self.hosts.get_mut(host).and_then(|host| host.addresses.get_mut(family)) else {
            return;
        };
        let kind = self.resources.families[family];
        let found = records.iter().filter(|record| record.is(kind)).filter_map(Record::address);
        addresses.extend(found.take(MOST_ADDRESSES));
    }

    fn finish(&mut self) {
        let mut targets = Vec::new();
        for host in std::mem::take(&mut self.hosts) {
            let longest = host.addresses.iter().map(Vec::len).max().unwrap_or(0);
            // RFC 7984 §5: the families in turn, so that one that does not work costs one try.
            for (turn, family) in
                (0..longest).flat_map(|turn| host.addresses.iter().map(move |family| (turn, family)))
            {
                let Some(ip) = family.get(turn) else { continue };
                let address = SocketAddr::new(*ip, host.port);
                let target = match host.protocol.is_secure() {
                    true => Target::Domain(host.protocol, address, self.domain),
                    false => Target::Address(host.protocol, address),
                };
                if !targets.contains(&target) && targets.len() < MOST_TARGETS {
                    targets.push(target);
                }
            }
            if self.of_first == 0 {
                self.of_first = targets.len();
            }
        }
        match targets.is_empty() {
            false => self.end(Ok(targets)),
            true if !self.services.is_empty() => self.next_services(),
            true => self.end(Err(LocateError::NotFound)),
        }
    }

    fn end(&mut self, result: Result<Vec<Target>, LocateError>) {
        let result = match result {
            // What was not answered may have been it.
            Err(LocateError::NotFound) if self.unanswered => Err(LocateError::Unanswered),
            result => result,
        };
        self.steps.push_back(Step::Done(result));
    }
}

impl Record {
    fn is(&self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Naptr { .. }, Kind::Naptr)
                | (Self::Srv { .. }, Kind::Srv)
                | (Self::A(_), Kind::A)
                | (Self::Aaaa(_), Kind::Aaaa)
        )
    }

    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::A(ip) => Some(IpAddr::V4(*ip)),
            Self::Aaaa(ip) => Some(IpAddr::V6(*ip)),
            Self::Naptr { .. } | Self::Srv { .. } | Self::Cname(_) => None,
        }
    }
}

/// Where the servers of a protocol are asked for.
fn service_name(protocol: Protocol, host: &str) -> Option<String> {
    let prefix = match protocol {
        Protocol::Udp => "_sip._udp",
        Protocol::Tcp => "_sip._tcp",
        Protocol::Tls => "_sips._tcp",
        Protocol::Ws | Protocol::Wss => return None,
    };
    Some(format!("{prefix}.{host}"))
}

/// What a NAPTR service means (RFC 3263 §4.1, RFC 7118 §11).
fn service_protocol(service: &str) -> Option<Protocol> {
    let services = [
        ("SIP+D2U", Protocol::Udp),
        ("SIP+D2T", Protocol::Tcp),
        ("SIPS+D2T", Protocol::Tls),
        ("SIP+D2W", Protocol::Ws),
        ("SIPS+D2W", Protocol::Wss),
    ];
    services.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(service)).map(|(_, protocol)| protocol)
}

/// Whether a name can be asked for (RFC 1035 §2.3.4).
fn is_askable(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    !name.is_empty() && name.len() <= LONGEST_NAME
}
