//! Handshakes through a network that loses, changes and lies.

use ringback_dtls::{Association, Certificate, DtlsFailure, DtlsOutput, SrtpKeys};
use ringback_sansio::Machine as _;
use ringback_sdp::DtlsRole;
use ringback_srtp::Profile;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

/// Both sides, and what came of each.
struct Stage {
    now: Instant,
    sides: [Association; 2],
    keys: [Option<Box<SrtpKeys>>; 2],
    failures: [Option<DtlsFailure>; 2],
    closed: [bool; 2],
}

impl Stage {
    /// A client and a server; `announced` are the certificates that each expects of the other.
    fn new(own: [&Certificate; 2], announced: [&Certificate; 2]) -> Self {
        let now = start();
        let side = |at: usize, role| {
            Association::new(now, own[at], role, &[announced[at].fingerprint().to_owned()]).unwrap()
        };
        let sides = [side(0, DtlsRole::Client), side(1, DtlsRole::Server)];
        Self { now, sides, keys: [None, None], failures: [None, None], closed: [false; 2] }
    }

    fn run(&mut self, time: Duration, mut network: impl FnMut(usize, Vec<u8>) -> Option<Vec<u8>>) {
        let end = self.now + time;
        while self.now < end {
            self.now += STEP;
            for at in 0..2 {
                self.sides[at].handle_timeout(self.now);
                while let Some(output) = self.sides[at].poll() {
                    match output {
                        DtlsOutput::Send(datagram) => {
                            if let Some(datagram) = network(at, datagram) {
                                self.sides[1 - at].handle(self.now, datagram);
                            }
                        }
                        DtlsOutput::Keys(keys) => assert!(self.keys[at].replace(keys).is_none()),
                        DtlsOutput::Failed(failure) => {
                            assert!(self.failures[at].replace(failure).is_none(), "told twice");
                        }
                        DtlsOutput::Closed => self.closed[at] = true,
                    }
                }
            }
        }
    }

    /// Both have keys, and they fit.
    fn talks(&mut self) -> bool {
        let [Some(one), Some(other)] = &mut self.keys else { return false };
        let mut packet = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[1; 36]].concat();
        let len = one.outbound.protect_rtp(&mut packet, 32).unwrap();
        other.inbound.unprotect_rtp(&mut packet[..len]) == Ok(32)
    }
}

fn two() -> (Certificate, Certificate) {
    (Certificate::generate().unwrap(), Certificate::generate().unwrap())
}

fn straight(_: usize, datagram: Vec<u8>) -> Option<Vec<u8>> {
    Some(datagram)
}

#[test]
fn both_sides_get_keys_that_fit_and_the_best_profile() {
    let (alice, bob) = two();
    let mut stage = Stage::new([&alice, &bob], [&bob, &alice]);
    stage.run(Duration::from_secs(1), straight);
    assert!(stage.talks(), "{:?}", stage.failures);
    assert_eq!(
        stage.keys.each_ref().map(|keys| keys.as_ref().map(|keys| keys.profile)),
        [Some(Profile::AeadAes128Gcm); 2]
    );
    stage.sides[0].close(stage.now);
    stage.run(Duration::from_secs(1), straight);
    assert_eq!(stage.closed, [false, true]);
}

#[test]
fn rule_51_a_certificate_that_was_not_announced_ends_it_without_keys() {
    let ((alice, bob), eve) = (two(), Certificate::generate().unwrap());
    // Eve answers in Bob's place, and then in Alice's.
    let mut stage = Stage::new([&alice, &eve], [&bob, &alice]);
    stage.run(Duration::from_secs(40), straight);
    assert_eq!(stage.failures[0], Some(DtlsFailure::Fingerprint));
    assert!(stage.keys.iter().all(Option::is_none) && stage.sides[0].is_over());
    let mut stage = Stage::new([&eve, &bob], [&bob, &alice]);
    stage.run(Duration::from_secs(40), straight);
    assert_eq!(stage.failures[1], Some(DtlsFailure::Fingerprint));
    assert!(stage.keys[1].is_none() && stage.sides[1].is_over());
}

#[test]
fn lost_datagrams_are_sent_again() {
    let (alice, bob) = two();
    for seed in 1..12_u32 {
        let mut stage = Stage::new([&alice, &bob], [&bob, &alice]);
        let mut dice = seed;
        stage.run(Duration::from_secs(28), |_, datagram| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 30 != 0).then_some(datagram)
        });
        assert!(stage.talks(), "seed {seed}: {:?}", stage.failures);
    }
}

#[test]
fn a_peer_that_is_silent_is_given_up_after_half_a_minute() {
    let (alice, bob) = two();
    let mut stage = Stage::new([&alice, &bob], [&bob, &alice]);
    let mut sent = 0;
    stage.run(Duration::from_secs(40), |at, _| {
        assert_eq!(at, 0, "who waits says nothing");
        sent += 1;
        None
    });
    assert_eq!(stage.failures, [Some(DtlsFailure::Silence), Some(DtlsFailure::Silence)]);
    assert!((20..=100).contains(&sent), "{sent}");
    assert!(stage.sides.iter().all(|side| side.poll_timeout().is_none()));
}

#[test]
fn a_peer_that_comes_late_is_still_spoken_to() {
    let (alice, bob) = two();
    let mut stage = Stage::new([&alice, &bob], [&bob, &alice]);
    stage.run(Duration::from_secs(12), |_, _| None);
    stage.run(Duration::from_secs(4), straight);
    assert!(stage.talks(), "{:?}", stage.failures);
}

/// Fault 26.
#[test]
fn fault_26_rubbish_and_floods_end_what_is_not_there_yet_at_most() {
    let (alice, bob) = two();
    // Damage in every place of the first flights.
    for place in 0..120 {
        let mut stage = Stage::new([&alice, &bob], [&bob, &alice]);
        let mut count = 0;
        stage.run(Duration::from_secs(8), |_, mut datagram| {
            count += 1;
            if count <= 4 {
                let len = datagram.len();
                datagram[place % len] ^= 0x55;
            }
            Some(datagram)
        });
        assert!(stage.talks(), "place {place}: {:?}", stage.failures);
    }
    // Somebody who knows the addresses sends what looks like DTLS.
    let mut stage = Stage::new([&alice, &bob], [&bob, &alice]);
    for (kind, len) in (20..=63).zip(0..) {
        stage.sides[1].handle(stage.now, vec![kind; len]);
    }
    stage.run(Duration::from_secs(8), straight);
    let is_talking = stage.talks();
    assert!(
        is_talking || matches!(stage.failures[1], Some(DtlsFailure::Handshake(_))),
        "{:?}",
        stage.failures
    );
    // And more of it than any handshake takes.
    let mut server =
        Association::new(stage.now, &bob, DtlsRole::Server, &[alice.fingerprint().to_owned()]).unwrap();
    let mut record = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 1, 0, 0, 100];
    record.resize(13 + 100, 0);
    let mut now = stage.now;
    let (mut sent, mut failures) = (0, Vec::new());
    for _ in 0..10_000 {
        now += Duration::from_millis(10);
        server.handle_timeout(now);
        server.handle(now, record.clone());
        while let Some(output) = server.poll() {
            match output {
                DtlsOutput::Failed(why) => failures.push(why),
                _ => sent += 1,
            }
        }
    }
    assert!(server.is_over() && failures.len() == 1 && sent <= 32, "{failures:?} {sent}");
}

#[test]
fn what_comes_after_the_keys_changes_nothing() {
    let (alice, bob) = two();
    let mut stage = Stage::new([&alice, &bob], [&bob, &alice]);
    let mut seen = Vec::new();
    stage.run(Duration::from_secs(1), |at, datagram| {
        seen.push((at, datagram.clone()));
        Some(datagram)
    });
    for (at, datagram) in &seen {
        stage.sides[1 - at].handle(stage.now, datagram.clone());
        for len in 0..datagram.len().min(40) {
            stage.sides[1 - at].handle(stage.now, datagram[..len].to_vec());
        }
    }
    // An alert in clear, and a good-bye.
    for alert in [[2, 40], [1, 0]] {
        let record = [&[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2][..], &alert].concat();
        stage.sides[0].handle(stage.now, record.clone());
        stage.sides[1].handle(stage.now, record);
    }
    stage.run(Duration::from_secs(40), straight);
    assert!(stage.talks() && stage.failures == [None, None] && stage.closed == [false; 2]);
}
