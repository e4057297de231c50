//! Sources and users under the guard, without a network.

use super::*;

const PHONE: &str = "192.0.2.7";
const CRACKER: &str = "203.0.113.66";

struct World {
    guard: Guard,
    now: Instant,
}

impl World {
    fn new(change: impl FnOnce(&mut GuardConfig)) -> Self {
        let mut config = GuardConfig::default();
        change(&mut config);
        config.check().unwrap();
        Self { guard: Guard::new(config, 7), now: Instant::now() }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn sends(&self, from: &str, text: &str) -> Result<(), Refusal> {
        let message = Message::parse(text.replace('\n', "\r\n").into_bytes()).unwrap();
        self.guard.admit(self.now, from.parse().unwrap(), &message)
    }

    fn calls(&self, from: &str) -> Result<(), Refusal> {
        self.sends(from, "INVITE sip:bob@example.com SIP/2.0\nTo: <sip:bob@example.com>\n\n")
    }

    fn guesses(&self, from: &str, user: &str, times: usize) -> usize {
        let peer = from.parse().unwrap();
        let tries = (0..times).filter(|_| self.guard.may_try(self.now, peer, user));
        tries.inspect(|_| self.guard.failed(self.now, peer, user, user == "alice")).count()
    }

    fn logs_in(&self, from: &str, user: &str) {
        self.guard.proved(self.now, from.parse().unwrap(), user);
    }
}

#[test]
fn fault_16_who_guesses_is_banned_for_longer_each_time() {
    let mut world = World::new(|config| config.failures = 5);
    assert_eq!(world.guesses(CRACKER, "nobody", 5), 5);
    assert_eq!(world.calls(CRACKER), Ok(()));
    world.guesses(CRACKER, "nobody", 1);
    assert_eq!(world.calls(CRACKER), Err(Refusal::Banned));
    assert_eq!(world.calls(PHONE), Ok(()));
    let bye = "BYE sip:bob@example.com SIP/2.0\nTo: <sip:bob@example.com>;tag=1\n\n";
    assert_eq!(world.sends(CRACKER, bye), Ok(()), "a call that is up is not hurt");
    world.wait(601);
    assert_eq!(world.calls(CRACKER), Ok(()));
    world.guesses(CRACKER, "nobody", 20);
    world.wait(601);
    assert_eq!(world.calls(CRACKER), Err(Refusal::Banned));
    let bans = world.guard.bans(world.now);
    assert_eq!((bans.len(), bans[0].times, bans[0].seconds), (1, 2, 599));
    assert_eq!(world.guard.counters(), [("banned_source", 2)]);
    assert!(world.guard.pardon(world.now, CRACKER.parse().unwrap()));
    assert_eq!((world.calls(CRACKER), world.guard.bans(world.now)), (Ok(()), vec![]));
}

#[test]
fn fault_16_guesses_from_many_sources_do_not_lock_the_true_user_out() {
    let mut world = World::new(|config| config.failures = 10);
    world.logs_in(PHONE, "alice");
    let tried: usize = (1..=250).map(|host| world.guesses(&format!("203.0.113.{host}"), "alice", 4)).sum();
    assert!(tried <= 13, "{tried} of 1000 passwords were looked at");
    let may = |from: &str| world.guard.may_try(world.now, from.parse().unwrap(), "alice");
    assert!(may(PHONE) && !may("203.0.113.9") && !may("198.51.100.1"));
    world.wait(60);
    let may = |from: &str| world.guard.may_try(world.now, from.parse().unwrap(), "alice");
    assert!(may("198.51.100.1"), "one a minute is forgiven");
}

#[test]
fn where_users_are_at_home_nobody_is_banned_for_others() {
    let world = World::new(|config| config.failures = 5);
    world.logs_in(PHONE, "bob");
    world.guesses(PHONE, "nobody", 100);
    assert_eq!(world.calls(PHONE), Ok(()));
    assert!(world.guesses(PHONE, "alice", 100) <= 5, "yet a password is not guessed from there");
}

#[test]
fn scanners_that_say_so_are_banned_at_once() {
    let world = World::new(|_| ());
    let scan =
        "OPTIONS sip:100@198.51.100.1 SIP/2.0\nUser-Agent: Friendly-Scanner\nTo: <sip:100@1.1.1.1>\n\n";
    assert_eq!(world.sends(CRACKER, scan), Err(Refusal::Scanner));
    assert_eq!(world.calls(CRACKER), Err(Refusal::Banned));
    world.logs_in(PHONE, "alice");
    assert_eq!(world.sends(PHONE, scan), Ok(()));
    assert_eq!(world.sends("127.0.0.1", scan), Ok(()), "this machine is trusted");
}

#[test]
fn fault_11_a_source_sends_so_much_and_no_more() {
    let mut world = World::new(|config| (config.requests_per_second, config.burst) = (10, 50));
    let through = |world: &World, from: &str| (0..1_000).filter(|_| world.calls(from).is_ok()).count();
    assert_eq!(through(&world, CRACKER), 50);
    assert_eq!(through(&world, PHONE), 50, "each for itself");
    world.wait(2);
    assert_eq!(through(&world, CRACKER), 20);
    assert_eq!(world.sends(CRACKER, "SIP/2.0 200 OK\n\n"), Ok(()), "a response is for a request of ours");
    // Whoever has one IPv6 address has 2^64.
    let many: usize = (0..100).map(|host| through(&world, &format!("2001:db8::{host:x}"))).sum();
    assert_eq!(many, 50);
}

#[test]
fn fault_48_emergency_calls_are_let_in_always() {
    let world = World::new(|config| (config.requests_per_second, config.burst, config.failures) = (1, 1, 1));
    world.guesses(CRACKER, "nobody", 10);
    for uri in ["urn:service:sos", "URN:service:sos.fire"] {
        let call = format!("INVITE {uri} SIP/2.0\nTo: <{uri}>\n\n");
        assert_eq!((0..9).filter(|_| world.sends(CRACKER, &call).is_ok()).count(), 9);
    }
    let other = "INVITE urn:service:sosume SIP/2.0\nTo: <sip:x@y>\n\n";
    assert_eq!(world.sends(CRACKER, other), Err(Refusal::Banned));
}

#[test]
fn networks_are_trusted_or_blocked() {
    let world = World::new(|config| {
        config.trusted = vec!["192.0.2.0/24".parse().unwrap()];
        config.blocked = vec!["203.0.113.0/24".parse().unwrap(), "192.0.2.9/32".parse().unwrap()];
        (config.requests_per_second, config.burst) = (1, 1);
    });
    assert_eq!((0..9).filter(|_| world.calls(PHONE).is_ok()).count(), 9);
    assert_eq!(world.calls("::ffff:192.0.2.8"), Ok(()));
    assert_eq!(world.calls(CRACKER), Err(Refusal::Blocked));
}

#[test]
fn a_user_sends_so_much_and_no_more() {
    let mut world = World::new(|config| (config.user_requests_per_second, config.user_burst) = (2, 10));
    let sent_from = |world: &World, from: &str, user| {
        let peer = from.parse().unwrap();
        (0..99).filter(|_| world.guard.user_may_send(world.now, peer, user)).count()
    };
    let sent = |world: &World, user| sent_from(world, PHONE, user);
    assert_eq!(sent_from(&world, "127.0.0.1", "alice"), 99, "this machine is trusted");
    assert_eq!((sent(&world, "alice"), sent(&world, "bob")), (10, 10));
    world.wait(3);
    assert_eq!(sent(&world, "alice"), 6);
}

#[test]
fn a_flood_of_sources_is_held_in_bounded_memory() {
    let mut world = World::new(|_| ());
    let flood = |world: &World| {
        for host in 0..300_000u32 {
            let peer = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0b00_0000 + host));
            world.guard.failed(world.now, peer, "nobody", false);
        }
        world.guard.parts.iter().map(|part| part.lock().unwrap().sources.len()).sum::<usize>()
    };
    assert_eq!(flood(&world), PARTS * SOURCES);
    world.logs_in(PHONE, "alice");
    world.wait(3_600);
    assert_eq!(flood(&world), PARTS * SOURCES, "those from before made room");
    assert!(
        world.guard.counters().iter().any(|(name, count)| *name == "source_not_remembered" && *count > 0)
    );
}
