//! Server location, branch by branch of RFC 3263 §4 and §5, against a zone held in memory.

use ringback_message::UriBuf;
use ringback_sansio::{DomainId, Map, Protocol, SeededEntropy, Target};
use ringback_transport::locate::{
    Answer, Kind, LocateError, Locator, NextHop, Record, Resources, Step, next_hop,
};
use std::collections::BTreeSet;

/// The zone of the examples in RFC 3263 §4.1 and §4.2, with what else the cases below need.
///
/// One record a line; `!` says how a name fails instead.
const ZONE: &str = "
example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com
example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com
example.com NAPTR 100 50 s SIP+D2U _sip._udp.example.com
_sip._tcp.example.com SRV 0 1 5060 server1.example.com
_sip._tcp.example.com SRV 0 2 5060 server2.example.com
server1.example.com A 192.0.2.1
server2.example.com A 192.0.2.2
server2.example.com AAAA 2001:db8::2
example.com A 192.0.2.10

_sip._udp.nonaptr.example SRV 10 0 5070 server1.example.com
onlya.example A 192.0.2.7
_sip._udp.dot.example SRV 0 0 0 .
dot.example A 192.0.2.66
loop.example CNAME pool.example
pool.example CNAME loop.example
fail.example ! failed
_sip._udp.fail.example ! failed
_sip._tcp.fail.example ! failed
_sips._tcp.fail.example ! failed

both.example NAPTR 10 20 s SIP+D2U _sip._udp.both.example
both.example NAPTR 10 10 s SIP+D2T _sip._tcp.both.example
both.example NAPTR 20 10 s SIP+D2T _later._tcp.both.example
_sip._udp.both.example SRV 1 0 5061 server1.example.com
_sip._tcp.both.example SRV 1 0 5062 server2.example.com
_later._tcp.both.example SRV 1 0 5063 server2.example.com

later.example NAPTR 1 1 s SIP+D2T _none._tcp.later.example
later.example NAPTR 2 1 s SIP+D2U _sip._udp.elsewhere.example
_sip._udp.elsewhere.example SRV 1 0 5090 server1.example.com

odd.example NAPTR 1 1 u E2U+sip !^.*$!sip:evil@example.net!
odd.example NAPTR 2 1 s HTTP+D2T _http._tcp.odd.example
odd.example NAPTR 3 1 s sip+d2u _odd.odd.example
_odd.odd.example SRV 1 0 5071 server1.example.com

poisoned.example NAPTR 1 1 s SIP+D2U _sip._udp.poisoned.example
poisoned.example NAPTR 2 1 s SIP+D2T _sip._tcp.poisoned.example
_sip._udp.poisoned.example SRV 1 0 5060 server1.example.com
_sip._tcp.poisoned.example SRV 1 0 5060 server1.example.com
poisoned.example A 192.0.2.11

secure.example NAPTR 1 1 s SIP+D2T _sip._tcp.secure.example
secure.example NAPTR 9 1 s SIPS+D2T _tls.secure.example
_sip._tcp.secure.example SRV 1 0 5060 server1.example.com
_tls.secure.example SRV 1 0 5443 server1.example.com

prio.example A 192.0.2.40
_sip._udp.prio.example SRV 20 0 5060 backup.example
_sip._udp.prio.example SRV 10 0 5060 main.example
main.example A 192.0.2.41
main.example A 192.0.2.42
backup.example A 192.0.2.43

alias.example CNAME server2.example.com
_sip._udp.aliased.example CNAME _sip._udp.nonaptr.example
empty.example ! empty
_sip._udp.empty.example ! empty
broken.example A 192.0.2.50
_sip._udp.broken.example SRV 0 0 0 server1.example.com
_sip._udp.broken.example SRV 0 0 5060 nowhere.example
_sip._udp.deadend.example SRV 0 0 5060 nowhere.example
deadend.example A 192.0.2.51

_sip._udp.chained.example SRV 0 0 5060 alias.example
half.example ! failed
_sip._udp.half.example SRV 0 0 5065 server1.example.com
_sip._udp.srvfail.example ! failed
srvfail.example A 192.0.2.60
_sip._udp.lost.example SRV 0 0 5060 fail.example
_sip._udp.mixed.example SRV 1 0 5060 fail.example
_sip._udp.mixed.example SRV 2 0 5060 server1.example.com
hollow.example CNAME nowhere.example
";

const ALL: [Protocol; 3] = [Protocol::Tls, Protocol::Tcp, Protocol::Udp];
const PLAIN: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];
const UDP: [Protocol; 1] = [Protocol::Udp];

struct Dns(Map<(String, &'static str), Answer>);

impl Dns {
    fn new(zone: &str) -> Self {
        let mut dns = Self(Map::default());
        for line in zone.lines().filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse().unwrap();
            let (kind, record) = match words[1] {
                "NAPTR" => (
                    "NAPTR",
                    Record::Naptr {
                        order: number(2),
                        preference: number(3),
                        flags: words[4].into(),
                        service: words[5].into(),
                        regexp: String::new(),
                        replacement: words[6].into(),
                    },
                ),
                "SRV" => (
                    "SRV",
                    Record::Srv {
                        priority: number(2),
                        weight: number(3),
                        port: number(4),
                        target: words[5].into(),
                    },
                ),
                "A" => ("A", Record::A(words[2].parse().unwrap())),
                "AAAA" => ("AAAA", Record::Aaaa(words[2].parse().unwrap())),
                "CNAME" => ("CNAME", Record::Cname(words[2].into())),
                "!" => {
                    let answer = if words[2] == "failed" { Answer::Failed } else { Answer::NoRecords };
                    dns.0.insert((words[0].into(), "!"), answer);
                    continue;
                }
                other => panic!("{other}"),
            };
            let answer = dns.0.entry((words[0].into(), kind)).or_insert(Answer::Records(Vec::new()));
            if let Answer::Records(records) = answer {
                records.push(record);
            }
        }
        dns
    }

    fn answer(&self, name: &str, kind: Kind) -> Answer {
        let kind = match kind {
            Kind::Naptr => "NAPTR",
            Kind::Srv => "SRV",
            Kind::A => "A",
            Kind::Aaaa => "AAAA",
        };
        let found = ["!", kind, "CNAME"].iter().find_map(|kind| self.0.get(&(name.to_owned(), *kind)));
        let known = |(own, _): &(String, &str)| own == name;
        match found {
            Some(answer) => answer.clone(),
            None if self.0.keys().any(known) => Answer::NoRecords,
            None => Answer::NoSuchName,
        }
    }
}

struct Located {
    targets: Result<Vec<String>, LocateError>,
    asked: Vec<String>,
}

fn locate_in(dns: &Dns, uri: &str, protocols: &[Protocol], families: &[Kind], seed: u64) -> Located {
    let uri: UriBuf = uri.parse().unwrap();
    let name = match next_hop(&uri.as_sip().unwrap()).unwrap() {
        NextHop::Known(target) => return Located { targets: Ok(vec![shown(&target)]), asked: Vec::new() },
        NextHop::Name(name) => name,
    };
    let resources = Resources { protocols: protocols.into(), families: families.into() };
    let mut locator = Locator::new(name, DomainId(7), resources);
    let (mut entropy, mut asked) = (SeededEntropy::new(seed), Vec::new());
    let mut open = Vec::new();
    loop {
        match locator.poll() {
            Some(Step::Ask(id, question)) => {
                asked.push(format!("{:?} {}", question.kind, question.name));
                open.push((id, question));
                assert!(asked.len() <= 64, "{uri:?} asks without end");
            }
            Some(Step::Done(targets)) => {
                assert_eq!(locator.poll(), None, "the end comes last");
                assert!(open.is_empty(), "{open:?} are still open");
                return Located {
                    targets: targets.map(|targets| targets.iter().map(shown).collect()),
                    asked,
                };
            }
            None => {
                // The last one first: the order of the answers must not matter.
                let (id, question) = open.pop().expect("a question, or the end");
                locator.answer(id, dns.answer(&question.name, question.kind), &mut entropy);
            }
        }
    }
}

fn locate(uri: &str, protocols: &[Protocol]) -> Located {
    locate_in(&Dns::new(ZONE), uri, protocols, &[Kind::A], 1)
}

fn shown(target: &Target) -> String {
    match target {
        Target::Domain(protocol, peer, DomainId(7)) => format!("{protocol}:{peer} of the domain"),
        other => format!("{}:{}", other.protocol(), other.peer()),
    }
}

/// A URI, what we speak, and the targets.
type Case<'a> = (&'a str, &'a [Protocol], Result<&'a [&'a str], LocateError>);

#[test]
fn every_branch_of_rfc_3263_leads_where_it_should() {
    use LocateError::{NotFound, NotOffered, Unanswered};
    let table: [Case<'_>; 34] = [
        // §4.1, §4.2: numeric addresses.
        ("sip:user@192.0.2.9", &UDP, Ok(&["udp:192.0.2.9:5060"])),
        ("sips:user@192.0.2.9", &ALL, Ok(&["tls:192.0.2.9:5061"])),
        ("sip:user@x.example;maddr=192.0.2.9;transport=tcp", &ALL, Ok(&["tcp:192.0.2.9:5060"])),
        // A port: neither NAPTR nor SRV.
        ("sip:user@example.com:5060", &PLAIN, Ok(&["udp:192.0.2.10:5060"])),
        ("sip:user@example.com:5080;transport=tcp", &PLAIN, Ok(&["tcp:192.0.2.10:5080"])),
        ("sips:user@example.com:5080", &ALL, Ok(&["tls:192.0.2.10:5080 of the domain"])),
        // A transport: SRV, then addresses with the port of the protocol.
        ("sip:user@nonaptr.example;transport=udp", &ALL, Ok(&["udp:192.0.2.1:5070"])),
        ("sip:user@onlya.example;transport=tcp", &ALL, Ok(&["tcp:192.0.2.7:5060"])),
        ("sip:user@onlya.example;transport=tls", &ALL, Ok(&["tls:192.0.2.7:5061 of the domain"])),
        ("sip:user@onlya.example;transport=ws", &ALL, Ok(&["ws:192.0.2.7:80"])),
        // NAPTR: by order, then preference, and only what we speak.
        ("sip:user@both.example", &PLAIN, Ok(&["tcp:192.0.2.2:5062", "udp:192.0.2.1:5061"])),
        ("sip:user@both.example", &UDP, Ok(&["udp:192.0.2.1:5061"])),
        // An order that leads nowhere gives way to the next; the names need not be of the domain.
        ("sip:user@later.example", &PLAIN, Ok(&["udp:192.0.2.1:5090"])),
        // Other flags and services are not ours.
        ("sip:user@odd.example", &ALL, Ok(&["udp:192.0.2.1:5071"])),
        // No NAPTR: SRV of all we speak; no SRV: addresses.
        ("sip:user@nonaptr.example", &ALL, Ok(&["udp:192.0.2.1:5070"])),
        ("sip:user@onlya.example", &PLAIN, Ok(&["udp:192.0.2.7:5060"])),
        ("sips:user@onlya.example", &ALL, Ok(&["tls:192.0.2.7:5061 of the domain"])),
        // Priorities, and all addresses of each server.
        (
            "sip:user@prio.example",
            &UDP,
            Ok(&["udp:192.0.2.41:5060", "udp:192.0.2.42:5060", "udp:192.0.2.43:5060"]),
        ),
        // RFC 2782: the service is decidedly not there.
        ("sip:user@dot.example", &UDP, Err(NotOffered)),
        // Other names for names, of addresses and of services.
        ("sip:user@alias.example", &UDP, Ok(&["udp:192.0.2.2:5060"])),
        ("sip:user@aliased.example", &UDP, Ok(&["udp:192.0.2.1:5070"])),
        // A server whose name is another one for a host.
        ("sip:user@chained.example;transport=udp", &UDP, Ok(&["udp:192.0.2.2:5060"])),
        // Servers of names that fail, or are silent: what can be had is used, and it is not said that there is nothing.
        ("sip:user@half.example", &UDP, Ok(&["udp:192.0.2.1:5065"])),
        ("sip:user@srvfail.example;transport=udp", &UDP, Ok(&["udp:192.0.2.60:5060"])),
        ("sip:user@mixed.example;transport=udp", &UDP, Ok(&["udp:192.0.2.1:5060"])),
        ("sip:user@lost.example;transport=udp", &UDP, Err(Unanswered)),
        ("sip:user@fail.example:5060", &UDP, Err(Unanswered)),
        ("sip:user@hollow.example", &UDP, Err(NotFound)),
        // Fault 38.
        ("sip:user@loop.example", &UDP, Err(NotFound)),
        ("sip:user@nx.example", &ALL, Err(NotFound)),
        ("sip:user@empty.example", &UDP, Err(NotFound)),
        ("sip:user@fail.example", &ALL, Err(Unanswered)),
        // A set of servers that are not there is not replaced by the domain's own address.
        ("sip:user@broken.example", &UDP, Err(NotFound)),
        ("sip:user@deadend.example;transport=udp", &UDP, Err(NotFound)),
    ];
    for (uri, protocols, expected) in table {
        let located = locate(uri, protocols);
        let expected = expected.map(|targets| targets.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(located.targets, expected, "{uri} by {protocols:?}, asked {:?}", located.asked);
    }
}

#[test]
fn only_the_questions_that_are_needed_are_asked() {
    for (uri, asked) in [
        ("sip:user@192.0.2.9", &[][..]),
        ("sip:user@example.com:5060", &["A example.com"]),
        ("sip:user@onlya.example;transport=tcp", &["Srv _sip._tcp.onlya.example", "A onlya.example"]),
        ("sip:user@onlya.example;transport=tls", &["Srv _sips._tcp.onlya.example", "A onlya.example"]),
        (
            "sip:user@nonaptr.example",
            &[
                "Naptr nonaptr.example",
                "Srv _sips._tcp.nonaptr.example",
                "Srv _sip._tcp.nonaptr.example",
                "Srv _sip._udp.nonaptr.example",
                "A server1.example.com",
            ],
        ),
        ("sip:user@dot.example;transport=udp", &["Srv _sip._udp.dot.example"]),
    ] {
        assert_eq!(locate(uri, &ALL).asked, asked, "{uri}");
    }
}

#[test]
fn the_example_of_section_4_draws_lots_by_weight() {
    let firsts: BTreeSet<String> = (0..64)
        .map(|seed| {
            let located = locate_in(&Dns::new(ZONE), "sip:user@example.com", &PLAIN, &[Kind::A], seed);
            let targets = located.targets.unwrap();
            assert_eq!(BTreeSet::from_iter(&targets).len(), 2, "both are tried in the end: {targets:?}");
            targets[0].clone()
        })
        .collect();
    assert_eq!(Vec::from_iter(firsts), ["tcp:192.0.2.1:5060", "tcp:192.0.2.2:5060"]);
}

#[test]
fn fault_39_rule_36_sips_is_never_led_below_tls() {
    // NAPTR and SRV of an attacker offer datagrams and plain TCP alone.
    let expected = Ok(vec!["tls:192.0.2.11:5061 of the domain".to_owned()]);
    assert_eq!(locate("sips:user@poisoned.example", &ALL).targets, expected);
    let expected = Ok(vec!["tls:192.0.2.1:5443 of the domain".to_owned()]);
    assert_eq!(locate("sips:user@secure.example", &ALL).targets, expected);
    let located = locate("sips:user@example.com", &ALL);
    assert_eq!(located.targets, Ok(vec!["tls:192.0.2.10:5061 of the domain".to_owned()]));
    let plain = |question: &String| question.contains("_sip.");
    assert!(!located.asked.iter().any(plain), "{:?}", located.asked);
}

#[test]
fn rfc_7984_both_families_take_turns_the_preferred_one_first() {
    let dns = Dns::new(
        "dual.example A 192.0.2.1\ndual.example A 192.0.2.2\ndual.example AAAA 2001:db8::1\n\
         six.example AAAA 2001:db8::6\nfour.example A 192.0.2.4\nfour.example ! empty",
    );
    let targets = |uri: &str, families: &[Kind]| locate_in(&dns, uri, &UDP, families, 1).targets;
    let uri = "sip:a@dual.example:5060";
    let six_first = ["udp:[2001:db8::1]:5060", "udp:192.0.2.1:5060", "udp:192.0.2.2:5060"];
    assert_eq!(targets(uri, &[Kind::Aaaa, Kind::A]).unwrap(), six_first);
    let four_first = ["udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060", "udp:192.0.2.2:5060"];
    assert_eq!(targets(uri, &[Kind::A, Kind::Aaaa]).unwrap(), four_first);
    assert_eq!(targets(uri, &[Kind::A]).unwrap(), ["udp:192.0.2.1:5060", "udp:192.0.2.2:5060"]);
    assert_eq!(targets("sip:a@six.example:5060", &[Kind::A]), Err(LocateError::NotFound));
    assert_eq!(targets("sip:a@six.example:5060", &[]), Err(LocateError::NotFound));
}

#[test]
fn fault_38_two_hundred_servers_are_tried_in_order_and_within_bounds() {
    let mut zone = String::new();
    for i in 0..200u32 {
        zone.push_str(&format!(
            "_sip._udp.many.example SRV {} {} 5060 s{i}.many.example\ns{i}.many.example A 198.51.100.{i}\n",
            i % 7,
            i * 13 % 100
        ));
    }
    let dns = Dns::new(&zone);
    let located = locate_in(&dns, "sip:a@many.example;transport=udp", &UDP, &[Kind::A, Kind::Aaaa], 1);
    let targets = located.targets.unwrap();
    assert!((8..=16).contains(&targets.len()), "{targets:?}");
    let number = |target: &String| target.split(['.', ':']).nth(4).unwrap().parse::<u32>().unwrap();
    assert!(targets.iter().all(|target| number(target) % 7 == 0), "the first priority alone: {targets:?}");
    assert!(located.asked.len() < 20, "{:?}", located.asked);
}

#[test]
fn thirty_servers_of_one_priority_share_by_weight_and_none_comes_twice() {
    let mut zone = String::new();
    for i in 0..30u32 {
        let weight = if i == 0 { 60_000 } else { 1 };
        zone.push_str(&format!(
            "_sip._tcp.pool.example SRV 1 {weight} 5060 s{i}.pool.example\ns{i}.pool.example A 198.51.100.{i}\n"
        ));
    }
    let dns = Dns::new(&zone);
    let mut firsts = BTreeSet::new();
    let mut others = BTreeSet::new();
    for seed in 0..40 {
        let located = locate_in(&dns, "sip:a@pool.example;transport=tcp", &PLAIN, &[Kind::A], seed);
        let targets = located.targets.unwrap();
        assert_eq!(targets.len(), BTreeSet::from_iter(&targets).len(), "{targets:?}");
        assert_eq!(targets.len(), 8, "nobody waits for thirty to fail");
        firsts.insert(targets[0].clone());
        others.extend(targets.into_iter().skip(1));
    }
    assert!(firsts.contains("tcp:198.51.100.0:5060") && firsts.len() <= 3, "{firsts:?}");
    assert!(others.len() > 20, "the lot falls on all of them: {others:?}");
}

#[test]
fn names_that_cannot_be_asked_for_lead_nowhere() {
    let long = format!("{}.example", "a.".repeat(130));
    let dns = Dns::new(&format!(
        "_sip._udp.a.example SRV 0 0 5060 {long}\n_sip._udp.b.example CNAME {long}\n\
         c.example NAPTR 1 1 s SIP+D2U {long}\nc.example A 192.0.2.1"
    ));
    let targets = |uri: &str| locate_in(&dns, uri, &UDP, &[Kind::A], 1).targets;
    for uri in ["sip:x@a.example;transport=udp", "sip:x@b.example;transport=udp"] {
        assert_eq!(targets(uri), Err(LocateError::NotFound), "{uri}");
    }
    assert_eq!(targets("sip:x@c.example").unwrap(), ["udp:192.0.2.1:5060"]);
}
