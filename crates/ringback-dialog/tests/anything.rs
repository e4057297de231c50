//! Whatever the layers around it say, every call ends once and nothing is left.

use proptest::prelude::*;
use ringback_dialog::{
    CallEvent, CallKey, Calls, CallsConfig, DialogInput, DialogOutput, Invitation, LocalAudio, Opening,
    SendEnd, SendTag,
};
use ringback_message::header::{CSeq, From, To};
use ringback_message::{HeaderId, Message, Method, Request, StatusCode};
use ringback_sansio::{Flow, FlowId, Machine, Protocol, SeededEntropy};
use ringback_transaction::{ServerKey, TransactionConfig, TransactionInput, TransactionOutput, Transactions};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a peer or the layers below can do next; numbers pick among what there is.
#[derive(Clone, Debug)]
enum Step {
    Call { opening: usize },
    Invited { sdp: usize },
    Command { which: usize, call: usize },
    Respond { send: usize, status: u16, tag: usize, contact: bool, sdp: usize },
    End { send: usize, how: usize },
    Within { of: usize, method: usize, number: u32, sdp: usize },
    Cancelled(usize),
    CallerLost(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0usize..8;
    let status =
        prop_oneof![Just(100u16), Just(180), Just(183), Just(200), Just(491), Just(481), 100u16..700];
    prop_oneof![
        1 => (0usize..4).prop_map(|opening| Step::Call { opening }),
        1 => (0usize..4).prop_map(|sdp| Step::Invited { sdp }),
        4 => (0usize..9, which.clone()).prop_map(|(which, call)| Step::Command { which, call }),
        5 => (which.clone(), status, 0usize..4, any::<bool>(), 0usize..4)
            .prop_map(|(send, status, tag, contact, sdp)| Step::Respond { send, status, tag, contact, sdp }),
        1 => (which.clone(), 0usize..3).prop_map(|(send, how)| Step::End { send, how }),
        4 => (which.clone(), 0usize..6, 0u32..9, 0usize..4)
            .prop_map(|(of, method, number, sdp)| Step::Within { of, method, number, sdp }),
        1 => which.clone().prop_map(Step::Cancelled),
        1 => which.prop_map(Step::CallerLost),
        2 => (0u64..40_000).prop_map(Step::Wait),
    ]
}

/// A description, or something like one.
fn sdp(which: usize) -> Option<&'static str> {
    match which {
        0 => None,
        1 => Some("v=0\r\nbroken"),
        2 => Some(
            "v=0\r\no=p 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0 8\r\n",
        ),
        _ => Some(
            "v=0\r\no=p 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\n\
             a=sendonly\r\n",
        ),
    }
}

struct World {
    now: Instant,
    calls: Calls<SeededEntropy>,
    /// Only for its keys of server transactions.
    transactions: Transactions<SeededEntropy>,
    sends: Vec<(SendTag, Request)>,
    /// INVITEs that may be cancelled.
    servers: Vec<ServerKey>,
    /// Messages of ours that show what a dialog is: responses and requests.
    shown: Vec<Message>,
    /// Whether each call is over.
    known: BTreeMap<CallKey, bool>,
    serial: u32,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn new() -> Self {
        Self {
            now: Instant::now(),
            calls: Calls::new(CallsConfig::default(), SeededEntropy::new(1)),
            transactions: Transactions::new(TransactionConfig::default(), SeededEntropy::new(2)),
            sends: Vec::new(),
            servers: Vec::new(),
            shown: Vec::new(),
            known: BTreeMap::new(),
            serial: 0,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.calls.poll() {
            match output {
                DialogOutput::Send { tag, call: _, hop: _, request } => {
                    self.shown.push(request.clone().into());
                    self.sends.push((tag, request));
                }
                DialogOutput::Cancel(tag) => assert!(self.sends.iter().any(|(of, _)| *of == tag)),
                DialogOutput::Ack { request, .. } => assert_eq!(*request.method(), Method::ACK),
                DialogOutput::Respond(key, response) => {
                    if response.status().is_final() {
                        self.servers.retain(|other| *other != key);
                    }
                    self.shown.push(response.into());
                }
                DialogOutput::Unhandled(_, _, request) => assert_eq!(*request.method(), Method::OPTIONS),
                DialogOutput::Event(call, CallEvent::Ended(_)) => {
                    assert_eq!(self.known.insert(call, true), Some(false), "a call ends once");
                }
                DialogOutput::Event(call, _) => {
                    assert_eq!(self.known.get(&call), Some(&false), "nothing happens to a call that is over");
                }
            }
        }
    }

    /// The server transaction of a request.
    fn serve(&mut self, request: Request) -> Option<(ServerKey, Request)> {
        let address = "192.0.2.9:5060".parse().unwrap();
        let flow = Flow { id: FlowId(1), protocol: Protocol::Udp, local: address, peer: address };
        self.transactions.handle(self.now, TransactionInput::Message(flow, request.into()));
        std::iter::from_fn(|| self.transactions.poll()).find_map(|output| match output {
            TransactionOutput::Request(key, _, request) => Some((key, *request)),
            _ => None,
        })
    }

    fn play(&mut self, step: Step) {
        self.serial += 1;
        let contact = || "sip:us@192.0.2.1".parse().unwrap();
        let audio = || LocalAudio::new("192.0.2.1:4000".parse().unwrap());
        match step {
            Step::Call { opening } => {
                let invitation = Invitation {
                    target: "sip:p@192.0.2.9".parse().unwrap(),
                    from: "<sip:us@example.com>".into(),
                    to: "<sip:p@example.com>".into(),
                    routes: Vec::new(),
                    opening: match opening {
                        0 => Opening::Offer(audio()),
                        1 => Opening::HeldOffer(audio()),
                        2 => Opening::Answer(audio()),
                        _ => Opening::LaterAnswer,
                    },
                    headers: Vec::new(),
                };
                let call = self.calls.call(self.now, invitation).unwrap();
                self.known.insert(call, false);
            }
            Step::Invited { sdp: which } => {
                let serial = self.serial;
                let invite = Request::builder(Method::INVITE, "sip:us@192.0.2.1")
                    .header(HeaderId::VIA, format_args!("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKi{serial}"))
                    .header(HeaderId::FROM, "<sip:p@example.com>;tag=t1")
                    .header(HeaderId::TO, "<sip:us@example.com>")
                    .header(HeaderId::CALL_ID, format_args!("theirs{serial}"))
                    .header(HeaderId::CSEQ, "4 INVITE")
                    .header(HeaderId::CONTACT, "<sip:p@192.0.2.9>");
                let invite = match sdp(which) {
                    Some(sdp) => invite.body("application/sdp", sdp),
                    None => invite,
                };
                let (key, invite) = self.serve(invite.build().unwrap()).unwrap();
                if let Some(invited) = self.calls.invited(self.now, key, contact(), invite) {
                    self.known.insert(invited.call, false);
                    self.servers.push(key);
                }
            }
            Step::Command { which, call } => {
                let Some(call) = self.known.keys().rev().nth(call).copied() else { return };
                let (calls, now) = (&mut self.calls, self.now);
                // One that comes too early or too late is refused, and that is all.
                let _ = match which {
                    0 => calls.ring(now, call),
                    1 => calls.answer(now, call, audio()),
                    2 => calls.reject(now, call, StatusCode::BUSY_HERE),
                    3 => calls.hold(now, call),
                    4 => calls.resume(now, call),
                    5 => calls.answer_offer(now, call, audio()),
                    6 => {
                        let other = LocalAudio::new("192.0.2.7:4100".parse().unwrap());
                        calls.redescribe(now, call, other, self.serial.is_multiple_of(2))
                    }
                    7 => calls.message(now, call, "text/plain", "hello".into()).map(drop),
                    _ => calls.hangup(now, call),
                };
            }
            Step::Respond { send, status, tag, contact, sdp: which } => {
                let Some((of, request)) = self.sends.iter().rev().nth(send).cloned() else { return };
                let tag = ["t1", "t2", "t3"].get(tag).copied();
                let mut reply = request.reply(StatusCode::new(status).unwrap(), tag);
                if contact {
                    reply = reply.header(HeaderId::CONTACT, "<sip:p@192.0.2.9>");
                }
                if let Some(sdp) = sdp(which) {
                    reply = reply.body("application/sdp", sdp);
                }
                self.calls.handle(self.now, DialogInput::Response(of, reply.build().unwrap()));
            }
            Step::End { send, how } => {
                if self.sends.is_empty() {
                    return;
                }
                let (tag, _) = self.sends.remove(send % self.sends.len());
                let end = [SendEnd::TimedOut, SendEnd::Unreachable];
                // A request that got no final response does not end with one.
                self.calls
                    .handle(self.now, DialogInput::Ended(tag, *end.get(how).unwrap_or(&SendEnd::TimedOut)));
            }
            Step::Within { of, method, number, sdp: which } => {
                let methods =
                    [Method::INVITE, Method::BYE, Method::UPDATE, Method::INFO, Method::OPTIONS, Method::ACK];
                if let Some(request) = self.within(of, methods[method].clone(), number, sdp(which)) {
                    if *request.method() == Method::ACK {
                        self.calls.handle(self.now, DialogInput::Ack(request));
                    } else if let Some((key, request)) = self.serve(request) {
                        self.calls
                            .handle(self.now, DialogInput::Request { key, contact: contact(), request });
                    }
                }
            }
            Step::Cancelled(which) => {
                if let Some(key) = self.servers.get(which).copied() {
                    let cancel = Request::builder(Method::CANCEL, "sip:us@192.0.2.1").build().unwrap();
                    self.calls.handle(self.now, DialogInput::Cancelled { key, tag: None, cancel });
                }
            }
            Step::CallerLost(which) => {
                if which < self.servers.len() {
                    let key = self.servers.remove(which);
                    self.calls.handle(self.now, DialogInput::Over(key));
                }
            }
            Step::Wait(millis) => self.wait(millis),
        }
    }

    /// A request of the peer in the dialog of something that we have sent.
    fn within(&self, of: usize, method: Method, number: u32, sdp: Option<&'static str>) -> Option<Request> {
        let shown = self.shown.iter().rev().nth(of)?;
        let (from, to) = match shown.is_request() {
            true => {
                let to = shown.require::<To<'_>>().unwrap();
                let tag = to.tag().unwrap_or("t1").to_owned();
                (format!("{};tag={tag}", to.address()), shown.require::<From<'_>>().unwrap().to_string())
            }
            false => (
                shown.require::<From<'_>>().unwrap().to_string(),
                shown.require::<To<'_>>().unwrap().to_string(),
            ),
        };
        let serial = self.serial;
        let request = Request::builder(method.clone(), "sip:us@192.0.2.1")
            .header(HeaderId::VIA, format_args!("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKw{serial}"))
            .header(HeaderId::FROM, from)
            .header(HeaderId::TO, to)
            .copy(shown, HeaderId::CALL_ID)
            .header(HeaderId::CSEQ, CSeq { number, method })
            .header(HeaderId::CONTACT, "<sip:p@192.0.2.9:5070>");
        let request = match sdp {
            Some(sdp) => request.body("application/sdp", sdp),
            None => request,
        };
        Some(request.build().unwrap())
    }

    fn wait(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while let Some(at) = self.calls.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.calls.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// Everybody hangs up, and the layers below run out of things to say.
    fn finish(&mut self) {
        for _ in 0..4 {
            let live: Vec<CallKey> =
                self.known.iter().filter(|(_, over)| !**over).map(|(call, _)| *call).collect();
            for call in live {
                let _ = self.calls.hangup(self.now, call);
            }
            self.drain();
            for (tag, _) in std::mem::take(&mut self.sends) {
                self.calls.handle(self.now, DialogInput::Ended(tag, SendEnd::TimedOut));
                self.drain();
            }
            self.wait(100_000);
        }
        assert!(self.known.values().all(|over| *over), "every call ends");
        assert!(self.calls.is_empty(), "{:?} are left", self.calls);
        assert_eq!(self.calls.len(), 0);
    }
}

proptest! {
    #[test]
    fn rule_59_whatever_is_said_every_call_ends_once(steps in prop::collection::vec(step(), 1..50)) {
        let mut world = World::new();
        for step in steps {
            world.play(step);
            world.drain();
        }
        world.finish();
    }
}
