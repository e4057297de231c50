//! Names that are known without asking anybody: the hosts file of the system, and a table of the configuration.

use ringback_sansio::Map;
use ringback_transport::locate::{Answer, Kind, Question, Record};
use std::net::IpAddr;

/// Names and their addresses. What stands here is not asked for in DNS, nor whether it has services.
///
/// ```
/// use ringback_net::Hosts;
/// let mut hosts = Hosts::from_text("192.0.2.1 proxy.example.com proxy # in the cellar");
/// hosts.add("bob.example.com", "2001:db8::1".parse()?);
/// assert_eq!(hosts.len(), 3);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    addresses: Map<String, Vec<IpAddr>>,
}

impl Hosts {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the notation of `/etc/hosts`; lines that are not in it are left out.
    pub fn from_text(text: &str) -> Self {
        let mut hosts = Self::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(Ok(ip)) = words.next().map(str::parse) else { continue };
            for name in words {
                hosts.add(name, ip);
            }
        }
        hosts
    }

    /// The hosts file of the system, without names where it cannot be read. `localhost` is always known.
    pub fn of_system() -> Self {
        let mut hosts = Self::from_text(&std::fs::read_to_string("/etc/hosts").unwrap_or_default());
        if !hosts.addresses.contains_key("localhost") {
            hosts.add("localhost", IpAddr::from([127, 0, 0, 1]));
        }
        hosts
    }

    /// Adds an address of a name.
    pub fn add(&mut self, name: &str, ip: IpAddr) {
        let addresses = self.addresses.entry(key(name)).or_default();
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The answer to a question about a name that is known here, or about its services.
    pub(super) fn answer(&self, question: &Question) -> Option<Answer> {
        let name = key(&question.name);
        let host = match question.kind {
            Kind::Srv => name.splitn(3, '.').nth(2)?,
            Kind::Naptr | Kind::A | Kind::Aaaa => &name,
        };
        let addresses = self.addresses.get(host)?;
        let records = addresses.iter().filter_map(|ip| match (ip, question.kind) {
            (IpAddr::V4(ip), Kind::A) => Some(Record::A(*ip)),
            (IpAddr::V6(ip), Kind::Aaaa) => Some(Record::Aaaa(*ip)),
            _ => None,
        });
        let records: Vec<Record> = records.collect();
        Some(if records.is_empty() { Answer::NoRecords } else { Answer::Records(records) })
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_have_addresses_and_no_services() {
        let hosts = Hosts::from_text("192.0.2.1 a.example A2\n::1 a.example\nrubbish\n# 192.0.2.9 b.example");
        let ask = |name: &str, kind| hosts.answer(&Question { name: name.into(), kind });
        assert_eq!(ask("A.example.", Kind::A), Some(Answer::Records(vec![Record::A([192, 0, 2, 1].into())])));
        assert!(matches!(ask("a.example", Kind::Aaaa), Some(Answer::Records(_))));
        assert_eq!(ask("a2", Kind::Aaaa), Some(Answer::NoRecords));
        for (name, kind) in [("a.example", Kind::Naptr), ("_sip._udp.a.example", Kind::Srv)] {
            assert_eq!(ask(name, kind), Some(Answer::NoRecords));
        }
        assert_eq!(ask("b.example", Kind::A), None);
        assert_eq!(ask("_sip", Kind::Srv), None);
    }
}
