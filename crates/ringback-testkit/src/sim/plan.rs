//! What a simulation is about, drawn from its seed: hosts, weather, calls and what is done in them.

use super::network::{Partition, Weather};
use ringback_message::StatusCode;
use ringback_sansio::{Entropy, Protocol, SeededEntropy};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// When the last call has begun.
const LAST_CALL: u64 = 60_000;
/// How long the users of a call go on with it.
const LONGEST_CALL: u64 = 40_000;

/// One simulation.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) phones: Vec<Phone>,
    /// How many servers there are, each with a domain of its own.
    pub(crate) servers: usize,
    /// The users, by number.
    pub(crate) users: Vec<User>,
    pub(crate) asks_for_passwords: bool,
    pub(crate) weather: Weather,
    /// Whether nothing gets lost, so that both sides must see the same.
    pub(crate) is_calm: bool,
    pub(crate) calls: Vec<Call>,
    /// When everybody hangs up what is still up.
    pub(crate) closing: Duration,
}

/// One phone. Somebody may have two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phone {
    /// Whose it is.
    pub(crate) user: usize,
    /// How it speaks to its server.
    pub(crate) protocol: Protocol,
    /// Where it registers, and through which it calls.
    pub(crate) server: usize,
}

/// Where somebody is found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    /// The server whose domain is in his address.
    pub(crate) home: usize,
    /// Whether those who call him still know the address that he had at the other server, which redirects them.
    pub(crate) has_moved: bool,
    /// The preference of the other server, for his phone there, in the eyes of his own.
    pub(crate) elsewhere: Option<u16>,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Duration,
    /// The phone that calls.
    pub(crate) caller: usize,
    /// The user who is called.
    pub(crate) callee: usize,
    /// Whether the INVITE carries the offer.
    pub(crate) offers: bool,
    /// What is done at the phones of the callee, after they were called: when it rings, and how they reply.
    pub(crate) replies: [(Option<Duration>, Reply); 2],
    /// What is done after the call began: `true` is the caller.
    pub(crate) acts: Vec<(Duration, bool, Act)>,
}

/// How a callee replies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    Answer(Duration),
    Reject(Duration, StatusCode),
    /// Only when the caller gives up.
    Never,
}

/// What is done in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Hold,
    Resume,
    HangUp,
}

pub(crate) fn server(number: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1 + number as u8), 5_060))
}

/// The domain of a server.
pub(crate) fn domain(server: usize) -> &'static str {
    if server == 0 { "example.com" } else { "example.net" }
}

pub(crate) fn phone(number: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 10 + number as u8), 5_060))
}

impl Plan {
    pub(crate) fn draw(start: Instant, entropy: &mut SeededEntropy) -> Self {
        let count = 2 + entropy.below(3) as usize;
        let tcp = entropy.below(3);
        let servers = 1 + entropy.below(2) as usize;
        let phone = |user: usize, entropy: &mut SeededEntropy| {
            let protocol = match tcp {
                0 if entropy.below(2) == 0 => Protocol::Tcp,
                _ => Protocol::Udp,
            };
            Phone { user, protocol, server: entropy.below(servers as u64) as usize }
        };
        let mut phones: Vec<Phone> = (0..count).map(|user| phone(user, entropy)).collect();
        let user = |phone: &Phone| User {
            home: phone.server,
            has_moved: servers > 1 && entropy.below(3) == 0,
            elsewhere: None,
        };
        let mut users: Vec<User> = phones.iter().map(user).collect();
        if entropy.below(3) < servers as u64 {
            // The first user has another phone, at which it rings as well, or when the first does not answer.
            let other = phone(0, entropy);
            let q = if entropy.below(3) == 0 { 500 } else { 1_000 };
            if other.server != users[0].home {
                users[0].elsewhere = Some(q);
                // His old address is that of the other phone.
                users[0].has_moved = false;
            }
            phones.push(other);
        }
        let is_calm = entropy.below(2) == 0;
        let closing = Duration::from_millis(LAST_CALL + LONGEST_CALL + 40_000);
        let weather = weather(start, start + closing, is_calm, (phones.len(), servers), entropy);
        let number = 1 + entropy.below(6);
        let calls = (0..number).map(|_| Call::draw(count, &phones, entropy)).collect();
        let asks_for_passwords = entropy.below(3) == 0;
        Self { phones, servers, users, asks_for_passwords, weather, is_calm, calls, closing }
    }

    /// The address at which a user is called.
    pub(crate) fn address_of(&self, user: usize) -> String {
        let User { home, has_moved, .. } = self.users[user];
        format!("sip:user{user}@{}", domain(if has_moved { 1 - home } else { home }))
    }
}

fn weather(
    start: Instant,
    clears: Instant,
    is_calm: bool,
    (phones, servers): (usize, usize),
    entropy: &mut SeededEntropy,
) -> Weather {
    let mut weather = Weather {
        loss: 0,
        duplication: entropy.below(200),
        delay: Duration::from_millis(entropy.below(40)),
        jitter: Duration::from_millis(entropy.below(120)),
        partitions: Vec::new(),
        clears,
    };
    if is_calm {
        return weather;
    }
    weather.loss = entropy.below(300);
    weather.jitter = Duration::from_millis(entropy.below(1_500));
    if entropy.below(2) == 0 {
        let from = start + millis(entropy, LAST_CALL);
        let until = from + millis(entropy, 50_000);
        let other = server(entropy.below(servers as u64) as usize).ip();
        // Now and then it is the servers that do not hear each other.
        let one = match entropy.below(4) {
            0 if servers > 1 => server(0).ip(),
            _ => phone(entropy.below(phones as u64) as usize).ip(),
        };
        weather.partitions.push(Partition { from, until, one, other });
    }
    weather
}

impl Call {
    fn draw(users: usize, phones: &[Phone], entropy: &mut SeededEntropy) -> Self {
        let caller = entropy.below(phones.len() as u64) as usize;
        let callee = (phones[caller].user + 1 + entropy.below(users as u64 - 1) as usize) % users;
        let replied = millis(entropy, 8_000);
        let mut reply = |replied| {
            let rings = (entropy.below(3) > 0).then(|| millis(entropy, 500));
            let reply = match entropy.below(8) {
                0 => Reply::Never,
                1 => Reply::Reject(replied, StatusCode::BUSY_HERE),
                2 => Reply::Reject(replied, StatusCode::DECLINE),
                _ => Reply::Answer(replied),
            };
            (rings, reply)
        };
        // Now and then both phones are picked up at the same time.
        let replies = [reply(replied), reply(replied + Duration::from_millis(100))];
        let mut acts = Vec::new();
        let mut at = replied;
        for _ in 0..entropy.below(5) {
            at += millis(entropy, 6_000);
            let act = if entropy.below(2) == 0 { Act::Hold } else { Act::Resume };
            acts.push((at, entropy.below(2) == 0, act));
        }
        // Early ones cancel, some meet the answer on its way, some come from both sides.
        let end = match entropy.below(4) {
            0 => millis(entropy, 9_000),
            1 => replied + millis(entropy, 300),
            _ => at + millis(entropy, LONGEST_CALL - 32_000),
        };
        let by_caller = entropy.below(2) == 0;
        acts.push((end, by_caller, Act::HangUp));
        if entropy.below(4) == 0 {
            acts.push((end + millis(entropy, 200), !by_caller, Act::HangUp));
        }
        // A callee that never answers is not the one to hang up, or the caller would wait for ever.
        acts.push((Duration::from_millis(LONGEST_CALL), true, Act::HangUp));
        let at = Duration::from_millis(3_000) + millis(entropy, LAST_CALL - 3_000);
        Self { at, caller, callee, offers: entropy.below(5) > 0, replies, acts }
    }
}

fn millis(entropy: &mut SeededEntropy, below: u64) -> Duration {
    Duration::from_millis(entropy.below(below))
}
