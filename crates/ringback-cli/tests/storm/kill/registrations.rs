//! Those who register, and what the server has told them about it.

use super::wire::Wire;
use super::{PATIENCE, Pace};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many ask for each other at once when it is checked who is there.
const AT_ONCE: usize = 200;

/// What a user knows about his binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Acknowledged: it is there, or it is not.
    There,
    Gone,
    /// Asked for, and never answered: either is right.
    Open,
}

/// What was asked of the server.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Register { user: u32, wish: Known },
    Options { user: u32 },
}

pub(crate) struct Registrations {
    wire: Wire<Asked>,
    /// By number: what is known, and the last CSeq.
    users: BTreeMap<u32, (Known, u32)>,
    next: u32,
    /// How many registrations were acknowledged.
    pub(crate) acknowledged: u64,
}

impl Registrations {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self { wire: Wire::new(server), users: BTreeMap::new(), next: 0, acknowledged: 0 }
    }

    /// Registers `rate` times a second until it is over: of eight, five are new, two are refreshed and one goes.
    pub(crate) fn register(&mut self, rate: u32, over: &AtomicBool) {
        let mut pace = Pace::new(rate);
        while !over.load(Ordering::Relaxed) {
            for turn in pace.due() {
                // Somebody from before, all over the table.
                let old = turn.wrapping_mul(2_654_435_761) % self.next.max(1);
                let is_settled =
                    |user: u32| matches!(self.users.get(&user), Some((known, _)) if *known != Known::Open);
                let (user, wish) = match turn % 8 {
                    3 | 6 if is_settled(old) => (old, Known::There),
                    7 if is_settled(old) => (old, Known::Gone),
                    _ => (self.next, Known::There),
                };
                self.ask(user, wish);
            }
            self.read();
        }
        // Whether these were heard nobody knows. They are not said again: a user agent that is not answered asks anew.
        self.wire.give_up(|_| true);
    }

    fn ask(&mut self, user: u32, wish: Known) {
        self.next = self.next.max(user + 1);
        let (known, cseq) = self.users.entry(user).or_insert((Known::Open, 0));
        (*known, *cseq) = (Known::Open, *cseq + 1);
        let (cseq, own, expires) = (*cseq, self.wire.own(), if wish == Known::There { 3_600 } else { 0 });
        let via = self.wire.via();
        let request = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:u{user}@example.com>;tag=1\r\n\
             To: <sip:u{user}@example.com>\r\nCall-ID: register-{user}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:u{user}@{own}>\r\nExpires: {expires}\r\nContent-Length: 0\r\n\r\n"
        );
        self.wire.ask(request, Asked::Register { user, wish });
    }

    /// Asks for everybody whose binding is known to be there or gone; tells how many there are of each.
    pub(crate) fn check(&mut self) -> (usize, usize) {
        let settled: Vec<u32> =
            self.users.iter().filter(|(_, user)| user.0 != Known::Open).map(|(user, _)| *user).collect();
        let mut left = settled.iter().copied();
        loop {
            while self.wire.len() < AT_ONCE {
                let Some(user) = left.next() else { break };
                let (via, own, round) = (self.wire.via(), self.wire.own(), self.acknowledged);
                let request = format!(
                    "OPTIONS sip:u{user}@example.com SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n\
                     From: <sip:check@{own}>;tag=1\r\nTo: <sip:u{user}@example.com>\r\nCall-ID: check-{user}-{round}\r\nCSeq: 1 OPTIONS\r\n\
                     Content-Length: 0\r\n\r\n",
                );
                self.wire.ask(request, Asked::Options { user });
            }
            if self.wire.len() == 0 {
                break;
            }
            self.read();
        }
        let there = settled.iter().filter(|user| self.users[user].0 == Known::There).count();
        (there, settled.len() - there)
    }

    /// Registers anew whose last word was not answered, until it is.
    pub(crate) fn settle(&mut self) {
        let open: Vec<u32> =
            self.users.iter().filter(|(_, user)| user.0 == Known::Open).map(|(user, _)| *user).collect();
        open.into_iter().for_each(|user| self.ask(user, Known::There));
        while self.wire.len() > 0 {
            self.read();
        }
    }

    fn read(&mut self) {
        let Some((message, asked)) = self.wire.next() else {
            assert_eq!(self.wire.overdue(PATIENCE), None, "this is not answered");
            return;
        };
        match asked {
            Some(Asked::Register { user, wish }) => {
                assert_eq!(message.status(), Some(200), "{}", message.text());
                self.acknowledged += 1;
                if let Some(state) = self.users.get_mut(&user) {
                    state.0 = wish;
                }
            }
            Some(Asked::Options { user }) => {
                let (known, status) = (self.users[&user].0, message.status());
                let right = if known == Known::There { Some(200) } else { Some(480) };
                assert_eq!(status, right, "user {user} is {known:?}, but:\n{}", message.text());
            }
            None if message.status().is_none() => self.wire.send(&message.reply("200 OK", "phone", "")),
            // To what was given up, or the second answer.
            None => {}
        }
    }
}
