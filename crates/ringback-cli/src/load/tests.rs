//! A caller and an answering side against each other on virtual time, over a network that loses what a test wants lost.

mod flows;

use super::answerer::{Answerer, Manner};
use super::caller::{Caller, Share};
use super::hub::Side;
use super::options::Kind;
use super::plan::{Plan, User};
use super::tally::{ACK, ANSWER, BYE, Cause, RINGING, Tally};
use bytes::Bytes;
use ringback_message::header::From;
use ringback_message::{HeaderId, Message, Method, Request, StatusCode};
use ringback_net::{Flow, Outbox, Protocol, Target};
use ringback_sansio::FlowId;
use ringback_transaction::TransactionConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CALLER: &str = "192.0.2.1:5060";
const ANSWERER: &str = "192.0.2.2:5060";

struct World {
    start: Instant,
    now: Instant,
    caller: Caller,
    answerer: Answerer,
    /// How many of those that begin like this are lost.
    losses: Vec<(&'static str, u32)>,
    /// The first lines of all that arrived.
    heard: Vec<String>,
    /// The tag of the last request that arrived.
    our_tag: Option<String>,
}

impl World {
    fn new(calls: u64, ring: Duration, timeout: Duration) -> Self {
        Self::planned(calls, ring, timeout, |_| {})
    }

    fn planned(calls: u64, ring: Duration, timeout: Duration, change: impl FnOnce(&mut Plan)) -> Self {
        let now = Instant::now();
        let [own, peer] = [CALLER, ANSWERER].map(|address| address.parse::<SocketAddr>().unwrap());
        let mut plan = Plan {
            kind: Kind::Invite,
            uri: format!("sip:bob@{ANSWERER}"),
            hop: Target::Address(Protocol::Udp, peer),
            own_ip: own.ip(),
            users: vec![User { address: "sip:load@example.com".to_owned(), login: None }],
            hold: Duration::from_secs(5),
            timeout,
        };
        change(&mut plan);
        let share = Share {
            index: 0,
            of: 1,
            calls,
            first: now,
            interval: Duration::from_millis(100),
            most: usize::MAX,
        };
        let config = |address| {
            let mut config = TransactionConfig::default();
            config.locals.set(Protocol::Udp, address);
            config
        };
        let contacts = vec![(Protocol::Udp, format!("<sip:load@{peer}>"))];
        let manner = Manner { ring, contacts, own_ip: peer.ip() };
        Self {
            start: now,
            now,
            caller: Caller::new(Arc::new(plan), share, &format!("<sip:load@{own}>"), config(own)),
            answerer: Answerer::new(0, manner, config(peer)),
            losses: Vec::new(),
            heard: Vec::new(),
            our_tag: None,
        }
    }

    /// Until nothing is left to happen within so long.
    fn run(&mut self, long: Duration) {
        let end = self.start + long;
        loop {
            let due = [self.caller.poll_timeout(), self.answerer.poll_timeout()];
            let Some(at) = due.into_iter().flatten().min().filter(|at| *at <= end) else { return };
            self.now = self.now.max(at);
            let (mut ours, mut theirs) = (Outbox::new(), Outbox::new());
            self.caller.handle_timeout(self.now, &mut ours);
            self.answerer.handle_timeout(self.now, &mut theirs);
            self.carry(ours, theirs);
        }
    }

    fn carry(&mut self, mut ours: Outbox<super::hub::Tag>, mut theirs: Outbox<super::hub::Tag>) {
        let [own, peer] = [CALLER, ANSWERER].map(|address| address.parse::<SocketAddr>().unwrap());
        let flow = |local, peer| Flow { id: FlowId(0), protocol: Protocol::Udp, local, peer };
        while !ours.is_empty() || !theirs.is_empty() {
            let (to_them, to_us) = (self.arriving(&ours), self.arriving(&theirs));
            (ours, theirs) = (Outbox::new(), Outbox::new());
            for message in to_them {
                self.answerer.received(self.now, flow(peer, own), message, &mut theirs);
            }
            for message in to_us {
                self.caller.received(self.now, flow(own, peer), message, &mut ours);
            }
            self.caller.batch_ended(self.now, &mut ours);
        }
    }

    fn arriving(&mut self, out: &Outbox<super::hub::Tag>) -> Vec<Message> {
        let sent: Vec<Bytes> = out.sends().map(|(_, bytes)| bytes.clone()).collect();
        let mut arriving = Vec::new();
        for bytes in sent {
            let lost =
                self.losses.iter_mut().find(|(what, left)| bytes.starts_with(what.as_bytes()) && *left > 0);
            if let Some((_, left)) = lost {
                *left -= 1;
                continue;
            }
            self.heard.push(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned());
            let message = Message::parse(bytes).expect("what we send can be read");
            if message.is_request() {
                let from = message.first::<From<'_>>().expect("each request has it").expect("it can be read");
                self.our_tag = from.tag().map(str::to_owned);
            }
            arriving.push(message);
        }
        arriving
    }

    /// What both sides counted, and that nothing is left.
    fn over(&mut self) -> (Tally, Tally) {
        assert!(self.caller.is_done());
        assert_eq!((self.caller.active(), self.answerer.active()), (0, 0));
        (self.caller.take(), self.answerer.take())
    }

    fn heard(&self, what: &str) -> usize {
        self.heard.iter().filter(|line| line.starts_with(what)).count()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn each_call_rings_is_answered_held_and_hung_up() {
    let mut world = World::new(10, Duration::from_millis(300), MINUTE);
    world.run(MINUTE);
    let (ours, theirs) = world.over();
    assert_eq!((ours.placed, ours.answered, ours.done, ours.failures()), (10, 10, 10, 0));
    assert_eq!((theirs.placed, theirs.done, theirs.retransmissions), (10, 10, 0));
    assert_eq!(ours.steps[ANSWER].percentiles().unwrap().longest, Duration::from_millis(300));
    assert_eq!(ours.steps[RINGING].percentiles().unwrap().longest, Duration::ZERO);
    assert_eq!((ours.steps[BYE].count(), theirs.steps[ACK].count()), (10, 10));
    for (line, count) in [("INVITE", 10), ("SIP/2.0 100", 10), ("SIP/2.0 180", 10), ("ACK", 10), ("BYE", 10)]
    {
        assert_eq!(world.heard(line), count, "{line}");
    }
    // The last call was placed after nine intervals.
    assert!(world.heard.len() >= 70);
}

#[test]
fn what_is_lost_is_sent_again_and_counted() {
    let mut world = World::new(1, Duration::ZERO, MINUTE);
    world.losses = vec![("INVITE", 2), ("ACK", 1), ("BYE", 1)];
    world.run(MINUTE);
    let (ours, theirs) = world.over();
    // Two INVITEs, one BYE, and the ACK for the repeated 200.
    assert_eq!((ours.done, ours.retransmissions), (1, 4));
    assert_eq!((theirs.done, theirs.retransmissions), (1, 1));
    assert_eq!(ours.steps[ANSWER].percentiles().unwrap().longest, Duration::from_millis(1_500));
}

#[test]
fn a_target_that_says_nothing_times_out() {
    let mut world = World::new(1, Duration::ZERO, Duration::from_secs(3_600));
    world.losses = vec![("INVITE", u32::MAX)];
    world.run(MINUTE);
    let (ours, _) = world.over();
    assert_eq!(ours.failed.get(&Cause::TimedOut), Some(&1));
    assert_eq!(ours.retransmissions, 6);
}

#[test]
fn a_call_that_only_rings_is_cancelled_and_ended_by_487() {
    let mut world = World::new(1, Duration::from_secs(3_600), Duration::from_secs(10));
    world.run(MINUTE);
    let (ours, theirs) = world.over();
    assert_eq!(ours.failed.get(&Cause::Unanswered), Some(&1));
    assert_eq!(theirs.failed.get(&Cause::Cancelled), Some(&1));
    assert_eq!((world.heard("CANCEL"), world.heard("SIP/2.0 487"), world.heard("ACK")), (1, 1, 1));
}

#[test]
fn an_answer_that_is_never_acknowledged_is_given_up() {
    let mut world = World::new(1, Duration::ZERO, MINUTE);
    world.losses = vec![("ACK", u32::MAX), ("BYE", u32::MAX)];
    world.run(3 * MINUTE);
    let (ours, theirs) = world.over();
    assert_eq!(ours.failed.get(&Cause::ByeTimedOut), Some(&1));
    assert_eq!(theirs.failed.get(&Cause::NoAck), Some(&1));
}

#[test]
fn stopping_hangs_up_what_is_up_and_takes_back_what_rings() {
    let mut world = World::new(100, Duration::from_millis(250), MINUTE);
    world.run(Duration::from_millis(900));
    let now = world.now;
    let mut out = Outbox::new();
    world.caller.stop(now, &mut out);
    world.carry(out, Outbox::new());
    let (ours, _) = world.over();
    assert!(ours.done > 0 && ours.given_up > 0, "{ours:?}");
    assert_eq!((ours.placed, ours.failures()), (ours.done + ours.given_up, 0));
}

#[test]
fn a_second_fork_that_answers_is_acknowledged_and_turned_away() {
    let mut world = World::new(1, Duration::ZERO, MINUTE);
    let mut out = Outbox::new();
    world.caller.handle_timeout(world.now, &mut out);
    let invite = Request::try_from(world.arriving(&out).remove(0)).unwrap();
    let flow = Flow {
        id: FlowId(0),
        protocol: Protocol::Udp,
        local: CALLER.parse().unwrap(),
        peer: ANSWERER.parse().unwrap(),
    };
    for (tag, contact) in [("one", "<sip:one@192.0.2.2>"), ("two", "<sip:two@192.0.2.3:5080>")] {
        let answer =
            invite.reply(StatusCode::OK, Some(tag)).header(HeaderId::CONTACT, contact).build().unwrap();
        let mut out = Outbox::new();
        world.caller.received(world.now, flow, Message::parse(answer.render()).unwrap(), &mut out);
        world.caller.batch_ended(world.now, &mut out);
        let sent: Vec<(String, String)> = out
            .sends()
            .map(|(to, bytes)| (to.peer().to_string(), String::from_utf8_lossy(bytes).into_owned()))
            .collect();
        assert!(sent[0].1.starts_with(&format!("ACK sip:{tag}@192.0.2.")), "{sent:?}");
        match tag {
            "one" => assert_eq!(sent.len(), 1),
            _ => {
                assert!(sent[1].1.starts_with("BYE sip:two@192.0.2.3:5080 SIP/2.0\r\n"), "{sent:?}");
                assert_eq!(sent[1].0, "192.0.2.3:5080");
                assert!(sent[1].1.contains(";tag=two\r\n"), "{sent:?}");
            }
        }
    }
    assert_eq!(world.caller.active(), 1);
}

#[test]
fn the_other_side_may_hang_up_first() {
    let mut world = World::new(1, Duration::ZERO, MINUTE);
    world.run(Duration::from_secs(1));
    let tag = world.our_tag.clone().expect("a call was placed");
    let bye = Request::builder(Method::BYE, format!("sip:load@{CALLER}"))
        .header(HeaderId::VIA, format!("SIP/2.0/UDP {ANSWERER};branch=z9hG4bKbye"))
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .header(HeaderId::FROM, "<sip:bob@192.0.2.2>;tag=any")
        .header(HeaderId::TO, format!("<sip:load@example.com>;tag={tag}"))
        .header(HeaderId::CALL_ID, "any")
        .header(HeaderId::CSEQ, "1 BYE")
        .build()
        .unwrap();
    let flow = Flow {
        id: FlowId(0),
        protocol: Protocol::Udp,
        local: CALLER.parse().unwrap(),
        peer: ANSWERER.parse().unwrap(),
    };
    let mut out = Outbox::new();
    world.caller.received(world.now, flow, Message::parse(bye.render()).unwrap(), &mut out);
    let sent: Vec<Bytes> = out.sends().map(|(_, bytes)| bytes.clone()).collect();
    assert!(sent[0].starts_with(b"SIP/2.0 200 OK"), "{sent:?}");
    let tally = world.caller.take();
    assert_eq!((tally.done, tally.ended_by_peer, world.caller.active()), (1, 1, 0));
}

#[test]
fn the_shares_of_threads_add_up_to_the_whole() {
    for (whole, of) in [(10, 3), (1, 1), (7, 7), (u64::MAX, 5)] {
        assert_eq!((0..of).map(|index| super::part(whole, index, of)).sum::<u64>(), whole);
    }
}
