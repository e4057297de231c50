//! Questions to DNS, by hickory-resolver, which caches what is and what is not for as long as its TTL says.

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use ringback_transport::locate::{Answer, Kind, Question, Record};
use std::net::SocketAddr;
use std::time::Duration;

/// How long one server may think, and how often it is asked (fault 38).
const TRY: Duration = Duration::from_secs(2);
/// Answers that are kept.
const CACHED: u64 = 4_096;
/// For how long it is remembered that something does not exist, whatever its zone says.
const NEGATIVE: Duration = Duration::from_secs(300);

/// Who answers questions to DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NameServers {
    /// Those of `/etc/resolv.conf`.
    #[default]
    System,
    /// These, each by UDP, and by TCP for what does not fit.
    At(Vec<SocketAddr>),
}

/// Asks DNS. `None` where there is nobody to ask.
pub(super) fn resolver(servers: &NameServers) -> Option<TokioResolver> {
    let mut builder = match servers {
        NameServers::System => match Resolver::builder_tokio() {
            Ok(builder) => builder,
            Err(error) => {
                tracing::warn!(%error, "/etc/resolv.conf names nobody to ask: only the hosts file is known");
                return None;
            }
        },
        NameServers::At(servers) => {
            let servers = servers.iter().map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.into())
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = TRY;
    options.attempts = 2;
    options.cache_size = CACHED;
    options.negative_max_ttl = Some(NEGATIVE);
    options.server_ordering_strategy = ServerOrderingStrategy::QueryStatistics;
    match builder.build() {
        Ok(resolver) => Some(resolver),
        Err(error) => {
            tracing::warn!(%error, "no resolver could be made: only the hosts file is known");
            None
        }
    }
}

/// One question.
pub(super) async fn ask(resolver: &TokioResolver, question: &Question) -> Answer {
    let Ok(mut name) = Name::from_ascii(&question.name) else { return Answer::NoSuchName };
    // Names of one word are left to the search list of the system.
    name.set_fqdn(question.name.contains('.'));
    let kind = match question.kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    };
    match resolver.lookup(name, kind).await {
        Ok(found) => {
            let records: Vec<Record> =
                found.answers().iter().filter_map(|record| read(&record.data)).collect();
            if records.is_empty() { Answer::NoRecords } else { Answer::Records(records) }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
            ResponseCode::NXDomain => Answer::NoSuchName,
            ResponseCode::NoError => Answer::NoRecords,
            _ => Answer::Failed,
        },
        Err(error) => {
            tracing::debug!(name = question.name, ?kind, %error, "DNS does not answer");
            Answer::Failed
        }
    }
}

fn read(data: &RData) -> Option<Record> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match data {
        RData::A(ip) => Record::A(ip.0),
        RData::AAAA(ip) => Record::Aaaa(ip.0),
        RData::CNAME(name) => Record::Cname(name.0.to_ascii()),
        RData::SRV(srv) => Record::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        },
        RData::NAPTR(naptr) => Record::Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: naptr.replacement.to_ascii(),
        },
        _ => return None,
    })
}
