//! Agents that find each other, through a network that loses, changes and lies.

use proptest::prelude::*;
use ringback_ice::{IceAgent, IceInput, IceOutput, LocalCandidate, Pair, is_stun};
use ringback_sansio::Machine as _;
use ringback_sdp::{IceCredentials, NegotiatedIce};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(10);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.to_owned(), pwd: name.repeat(6) }
}

fn agreed(own: &str, other: &str, candidates: &[&str], is_controlling: bool) -> NegotiatedIce {
    NegotiatedIce {
        local: credentials(own),
        remote: credentials(other),
        remote_candidates: candidates.iter().map(|text| (*text).to_owned()).collect(),
        peer_is_lite: false,
        is_complete: true,
        is_controlling,
    }
}

const ALICE: &str = "192.0.2.1:4000";
const BOB: &str = "192.0.2.2:5000";
const ALICE_LINE: &str = "1 1 udp 2130706431 192.0.2.1 4000 typ host";
const BOB_LINE: &str = "1 1 udp 2130706431 192.0.2.2 5000 typ host";

/// Two agents and the time; `events` are those of each.
struct Stage {
    now: Instant,
    agents: [IceAgent; 2],
    homes: [SocketAddr; 2],
    /// Another address, of the first.
    relayed: Option<SocketAddr>,
    events: [Vec<IceOutput>; 2],
}

impl Stage {
    /// Alice, who offers, and Bob.
    fn new() -> Self {
        let mut agents = [IceAgent::new(credentials("alice"), 1), IceAgent::new(credentials("bobby"), 2)];
        let homes = [at(ALICE), at(BOB)];
        for (agent, home) in agents.iter_mut().zip(homes) {
            assert!(agent.add_local(LocalCandidate::Host(home)).is_some());
        }
        Self { now: start(), agents, homes, relayed: None, events: [Vec::new(), Vec::new()] }
    }

    fn start(&mut self) {
        self.agents[0].start(self.now, &agreed("alice", "bobby", &[BOB_LINE], true));
        self.agents[1].start(self.now, &agreed("bobby", "alice", &[ALICE_LINE], false));
    }

    /// Lets time pass; `network` says as whom a datagram comes to whom, if it comes.
    fn run(
        &mut self,
        time: Duration,
        mut network: impl FnMut(SocketAddr, SocketAddr, &[u8]) -> Option<(SocketAddr, SocketAddr)>,
    ) {
        let end = self.now + time;
        while self.now < end {
            self.now += STEP;
            for index in 0..2 {
                self.agents[index].handle_timeout(self.now);
                while let Some(output) = self.agents[index].poll() {
                    let IceOutput::Send { from, to, datagram } = output else {
                        self.events[index].push(output);
                        continue;
                    };
                    assert!(is_stun(&datagram));
                    let Some((from, to)) = network(from, to, &datagram) else { continue };
                    let reached = self.homes.iter().position(|home| *home == to);
                    if let Some(other) = reached.or((self.relayed == Some(to)).then_some(0)) {
                        self.agents[other].handle(self.now, IceInput { from, to, datagram });
                    }
                }
            }
        }
    }

    fn pairs(&self) -> [Option<Pair>; 2] {
        [self.agents[0].selected(), self.agents[1].selected()]
    }
}

fn straight(from: SocketAddr, to: SocketAddr, _: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    Some((from, to))
}

fn direct() -> [Option<Pair>; 2] {
    [Some(Pair { local: at(ALICE), remote: at(BOB) }), Some(Pair { local: at(BOB), remote: at(ALICE) })]
}

#[test]
fn two_agents_agree_on_a_pair_within_a_second() {
    let mut stage = Stage::new();
    stage.start();
    stage.run(Duration::from_secs(1), straight);
    assert_eq!(stage.pairs(), direct());
    assert!(stage.agents[0].admits(at(BOB)) && !stage.agents[0].admits(at("192.0.2.3:5000")));
    // It is told once, however long it goes on.
    stage.run(Duration::from_secs(60), straight);
    assert_eq!(stage.events.each_ref().map(Vec::len), [1, 1], "{:?}", stage.events);
}

#[test]
fn checks_that_come_before_the_answer_are_not_lost() {
    let mut stage = Stage::new();
    // Bob has answered, and his answer is still on its way.
    stage.agents[1].start(stage.now, &agreed("bobby", "alice", &[ALICE_LINE], false));
    stage.run(Duration::from_millis(300), straight);
    assert_eq!(stage.pairs(), [None, None]);
    stage.agents[0].start(stage.now, &agreed("alice", "bobby", &[BOB_LINE], true));
    stage.run(Duration::from_millis(300), straight);
    assert_eq!(stage.pairs(), direct());
}

#[test]
fn a_peer_behind_a_nat_is_found_by_its_checks() {
    let mut stage = Stage::new();
    stage.agents[0].start(stage.now, &agreed("alice", "bobby", &["1 1 udp 1 10.0.0.7 5000 typ host"], true));
    stage.agents[1].start(stage.now, &agreed("bobby", "alice", &[ALICE_LINE], false));
    let outside = at("203.0.113.5:61000");
    stage.run(Duration::from_secs(2), |from, to, _| match (from == at(BOB), to == outside) {
        (true, _) => Some((outside, to)),
        (_, true) => Some((from, at(BOB))),
        // Nobody can be reached at a private address.
        _ => None,
    });
    assert_eq!(stage.agents[0].selected(), Some(Pair { local: at(ALICE), remote: outside }));
    assert_eq!(stage.agents[1].selected().map(|pair| pair.remote), Some(at(ALICE)));
}

#[test]
fn half_of_all_datagrams_lost_is_no_hindrance() {
    let mut stage = Stage::new();
    stage.start();
    let mut count = 0_u32;
    stage.run(Duration::from_secs(30), |from, to, _| {
        count = count.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (count >> 31 == 0).then_some((from, to))
    });
    assert_eq!(stage.pairs(), direct());
}

#[test]
fn rule_52_where_both_want_to_choose_one_gives_way() {
    for controlling in [true, false] {
        let mut stage = Stage::new();
        stage.agents[0].start(stage.now, &agreed("alice", "bobby", &[BOB_LINE], controlling));
        stage.agents[1].start(stage.now, &agreed("bobby", "alice", &[ALICE_LINE], controlling));
        stage.run(Duration::from_secs(3), straight);
        assert_eq!(stage.pairs(), direct(), "{controlling}");
        let roles = stage.agents.each_ref().map(IceAgent::is_controlling);
        assert_ne!(roles[0], roles[1]);
        // Of two that choose, the one with the larger number goes on (RFC 8445 §7.3.1.1).
        assert!(!controlling || roles[1]);
    }
}

#[test]
fn consent_that_is_not_renewed_for_half_a_minute_is_withdrawn() {
    let mut stage = Stage::new();
    stage.start();
    stage.run(Duration::from_secs(5), straight);
    stage.run(Duration::from_secs(15), |_, _, _| None);
    assert_eq!(stage.pairs(), direct(), "a break of a quarter of a minute is forgiven");
    stage.run(Duration::from_secs(5), straight);
    assert_eq!(stage.pairs(), direct());
    stage.run(Duration::from_secs(45), |_, _, _| None);
    assert_eq!(stage.pairs(), [None, None]);
    for events in &stage.events {
        assert_eq!(events.iter().filter(|event| **event == IceOutput::Lost).count(), 1, "{events:?}");
    }
}

#[test]
fn a_peer_that_cannot_be_reached_is_told_of_once() {
    let mut stage = Stage::new();
    stage.start();
    stage.run(Duration::from_secs(60), |_, _, _| None);
    assert_eq!(stage.events, [vec![IceOutput::Lost], vec![IceOutput::Lost]]);
}

/// Fault 27.
#[test]
fn fault_27_who_does_not_know_the_password_gets_nothing_and_changes_nothing() {
    let mut stage = Stage::new();
    stage.start();
    let mut attacker = IceAgent::new(credentials("eve00"), u64::MAX);
    attacker.add_local(LocalCandidate::Host(at("198.51.100.6:7000")));
    let mut guess = agreed("alice", "bobby", &[BOB_LINE], true);
    guess.local = credentials("eve00");
    guess.remote = IceCredentials { ufrag: "bobby".to_owned(), pwd: "guessed!".repeat(4) };
    attacker.start(stage.now, &guess);
    let mut forged = Vec::new();
    while let Some(output) = attacker.poll() {
        if let IceOutput::Send { datagram, .. } = output {
            forged.push(datagram);
        }
    }
    assert!(!forged.is_empty());
    for from in [at("198.51.100.6:7000"), at(ALICE)] {
        for datagram in &forged {
            let input = IceInput { from, to: at(BOB), datagram: datagram.clone() };
            stage.agents[1].handle(stage.now, input);
        }
    }
    assert_eq!(stage.agents[1].figures().refused, 2 * forged.len() as u64);
    assert_eq!(stage.agents[1].figures().requests_received, 0);
    assert!(!stage.agents[1].admits(at(ALICE)) && !stage.agents[1].admits(at("198.51.100.6:7000")));
    stage.run(Duration::from_secs(1), straight);
    assert_eq!(stage.pairs(), direct());
}

#[test]
fn a_peer_with_the_password_cannot_make_us_keep_addresses_without_end() {
    let mut stage = Stage::new();
    stage.start();
    // Bob's datagrams come from a new port each time.
    let mut port = 10_000;
    stage.run(Duration::from_secs(120), |from, to, _| {
        if from == at(BOB) {
            port += 1;
            return Some((SocketAddr::new(from.ip(), port), to));
        }
        Some((from, if to.ip() == at(BOB).ip() { at(BOB) } else { to }))
    });
    let known =
        (10_000..=port).filter(|port| stage.agents[0].admits(SocketAddr::new(at(BOB).ip(), *port))).count();
    assert!(port > 10_100 && known <= 32, "{known} of {}", port - 10_000);
    assert!(stage.agents[0].figures().refused > 0);
}

#[test]
fn candidates_come_one_by_one_and_beyond_a_number_not_at_all() {
    let mut stage = Stage::new();
    stage.agents[0].start(stage.now, &agreed("alice", "bobby", &[], true));
    stage.agents[1].start(stage.now, &agreed("bobby", "alice", &[], false));
    stage.run(Duration::from_secs(1), straight);
    assert_eq!(stage.pairs(), [None, None]);
    stage.agents[0].add_remote(BOB_LINE);
    stage.run(Duration::from_secs(2), straight);
    assert_eq!(stage.pairs(), direct());
    let mut agent = IceAgent::new(credentials("alice"), 1);
    agent.add_local(LocalCandidate::Host(at(ALICE)));
    let now = start();
    agent.start(now, &agreed("alice", "bobby", &[], true));
    for port in 1..10_000 {
        agent.add_remote(&format!("{port} 1 udp {port} 198.51.100.1 {port} typ host"));
    }
    let mut targets = std::collections::BTreeSet::new();
    for step in 0..2_000 {
        agent.handle_timeout(now + STEP * step);
        while let Some(output) = agent.poll() {
            if let IceOutput::Send { to, .. } = output {
                targets.insert(to);
            }
        }
    }
    assert_eq!(targets.len(), 32);
}

proptest! {
    /// Whatever comes, from whomever: no panic, nothing sent to strangers, nobody believed.
    #[test]
    fn rubbish_and_damaged_checks_are_refused(
        rubbish in prop::collection::vec(any::<u8>(), 0..200),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stage = Stage::new();
        stage.start();
        let mut real = None;
        while let Some(output) = stage.agents[0].poll() {
            if let IceOutput::Send { datagram, .. } = output {
                real = Some(datagram);
            }
        }
        let real = real.expect("the first check");
        let mut damaged = real.clone();
        for (place, octet) in &flips {
            damaged[place.index(real.len())] ^= octet;
        }
        let stranger = at("198.51.100.6:7000");
        for datagram in [rubbish, damaged.clone(), real[..cut.index(real.len())].to_vec()] {
            if datagram != real {
                stage.agents[1].handle(stage.now, IceInput { from: stranger, to: at(BOB), datagram });
            }
        }
        // What lies behind the fingerprint of the password is not covered by it.
        let before = real.len() - 8;
        if damaged[..before] != real[..before] {
            prop_assert!(!stage.agents[1].admits(stranger));
        }
        stage.run(Duration::from_secs(1), straight);
        prop_assert_eq!(stage.pairs(), direct());
    }
}

#[test]
fn an_address_that_is_gone_is_left_for_another_that_works() {
    let mut stage = Stage::new();
    let relayed = at("203.0.113.9:50000");
    let candidate = LocalCandidate::Relayed { relayed, base: at(ALICE) };
    assert!(stage.agents[0].add_local(candidate).is_some());
    stage.relayed = Some(relayed);
    stage.start();
    let at_relay = |from: SocketAddr, to: SocketAddr| from == relayed || to == relayed;
    let run = |stage: &mut Stage, time: u64, straight_is_open: bool| {
        stage.run(Duration::from_secs(time), |from, to, _| {
            (straight_is_open || at_relay(from, to)).then_some((from, to))
        });
    };
    run(&mut stage, 3, false);
    assert_eq!(stage.pairs()[0], Some(Pair { local: relayed, remote: at(BOB) }));
    let now = stage.now;
    stage.agents[0].remove_local(now, candidate);
    assert_eq!(stage.pairs()[0], None, "nothing is sent from there any more");
    run(&mut stage, 10, true);
    assert_eq!(stage.pairs()[0], Some(Pair { local: at(ALICE), remote: at(BOB) }));
}

#[test]
fn a_turn_server_is_asked_over_a_stream_and_rubbish_from_it_ends_that() {
    use ringback_ice::Relay;
    let now = start();
    let mut relay = Relay::over_stream(now, at(ALICE), at("192.0.2.50:3478"), false, "alice", "secret");
    let asked = relay.poll_transmit(now).expect("a request for an address");
    assert!(is_stun(&asked) && asked[..2] == [0, 3] && asked.len().is_multiple_of(4));
    assert!(relay.is_stream() && !relay.has_failed() && relay.poll_timeout().is_some());
    for octet in b"SSH-2.0-OpenSSH_9.2" {
        relay.push_stream(&[*octet]);
        assert_eq!(relay.poll_stream(now), None);
    }
    assert!(relay.has_failed() && relay.poll_timeout().is_none());
    assert_eq!(relay.poll_transmit(now), None);
    assert_eq!(relay.wrap(now, at(BOB), b"media"), None);
}
