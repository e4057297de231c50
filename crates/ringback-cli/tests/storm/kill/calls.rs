//! Those who call and those who are called, on one socket.

use super::message::{Message, Side};
use super::wire::Wire;
use super::{PATIENCE, Pace};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a call lasts, so that at every moment hundreds are up.
const TALK: Duration = Duration::from_secs(3);

/// What was asked of the other side, of the call with this number.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Register,
    Invite(u32),
    Info,
    Bye,
}

/// A call whose 2xx has come.
struct Up {
    since: Instant,
    caller: Side,
    callee: Side,
}

pub(crate) struct Calls {
    wire: Wire<Asked>,
    up: BTreeMap<u32, Up>,
    /// The other sides of calls, by Call-ID.
    answered: HashMap<String, Side>,
    next: u32,
    /// How many were answered, how many ended by a BYE that was, and how many requests within calls were.
    pub(crate) answers: u64,
    pub(crate) ended: u64,
    pub(crate) within: u64,
}

impl Calls {
    /// Registers who is called.
    pub(crate) fn new(server: SocketAddr) -> Self {
        let mut wire = Wire::new(server);
        let (via, own) = (wire.via(), wire.own());
        let register = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:callee@example.com>;tag=1\r\n\
             To: <sip:callee@example.com>\r\nCall-ID: callee\r\nCSeq: 1 REGISTER\r\nContact: <sip:callee@{own}>\r\n\
             Expires: 3600\r\nContent-Length: 0\r\n\r\n"
        );
        wire.ask(register, Asked::Register);
        let mut calls = Self {
            wire,
            up: BTreeMap::new(),
            answered: HashMap::new(),
            next: 0,
            answers: 0,
            ended: 0,
            within: 0,
        };
        calls.drain();
        calls
    }

    /// Calls `rate` times a second until it is over, and ends calls that have lasted.
    pub(crate) fn call(&mut self, rate: u32, over: &AtomicBool) {
        let mut pace = Pace::new(rate);
        while !over.load(Ordering::Relaxed) {
            for _ in pace.due() {
                self.invite();
            }
            self.end(TALK);
            self.read();
        }
        // Calls that were not up may be lost; what was said in those that are is said until it is heard.
        self.wire.give_up(|asked| matches!(asked, Asked::Invite(_)));
    }

    /// Says something from both sides of each call that is up; tells how many there are.
    pub(crate) fn check(&mut self) -> usize {
        for up in self.up.values_mut() {
            for side in [&mut up.caller, &mut up.callee] {
                let via = self.wire.via();
                self.wire.ask(side.request("INFO", &via), Asked::Info);
            }
        }
        self.drain();
        self.up.len()
    }

    /// Ends all calls.
    pub(crate) fn close(&mut self) {
        self.end(Duration::ZERO);
        self.drain();
    }

    fn drain(&mut self) {
        while self.wire.len() > 0 {
            self.read();
        }
    }

    fn invite(&mut self) {
        let (number, via, own) = (self.next, self.wire.via(), self.wire.own());
        self.next += 1;
        let invite = format!(
            "INVITE sip:callee@example.com SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n\
             From: <sip:caller@example.com>;tag=c{number}\r\nTo: <sip:callee@example.com>\r\nCall-ID: call-{number}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:caller@{own}>\r\nContent-Length: 0\r\n\r\n"
        );
        self.wire.ask(invite, Asked::Invite(number));
    }

    /// Hangs up what has lasted so long, in turns from either side.
    fn end(&mut self, lasted: Duration) {
        while let Some(first) = self.up.first_entry() {
            if first.get().since.elapsed() < lasted {
                return;
            }
            let (number, mut up) = first.remove_entry();
            let side = if number % 2 == 0 { &mut up.caller } else { &mut up.callee };
            let via = self.wire.via();
            self.wire.ask(side.request("BYE", &via), Asked::Bye);
        }
    }

    fn read(&mut self) {
        let Some((message, asked)) = self.wire.next() else {
            assert_eq!(self.wire.overdue(PATIENCE), None, "this is not answered");
            return;
        };
        let Some(status) = message.status() else { return self.serve(&message) };
        match asked {
            None => {}
            Some(asked) if status != 200 => panic!("{asked:?} is answered by\n{}", message.text()),
            Some(Asked::Invite(number)) => self.answered(number, &message),
            Some(Asked::Info) => self.within += 1,
            Some(Asked::Bye) => (self.within, self.ended) = (self.within + 1, self.ended + 1),
            Some(Asked::Register) => {}
        }
    }

    fn answered(&mut self, number: u32, answer: &Message) {
        let caller = Side::of_caller(answer);
        let via = self.wire.via();
        self.wire.send(&caller.ack(&via));
        let callee = self.answered.remove(answer.value("Call-ID")).expect("somebody answered");
        self.answers += 1;
        self.up.insert(number, Up { since: Instant::now(), caller, callee });
    }

    /// What the phone does whose user picks up at once.
    fn serve(&mut self, request: &Message) {
        let contact = format!("Contact: <sip:phone@{}>\r\n", self.wire.own());
        match request.method() {
            "ACK" => {}
            "INVITE" => {
                let side = Side::of_callee(request, "callee");
                self.answered.insert(request.value("Call-ID").to_owned(), side);
                self.wire.send(&request.reply("180 Ringing", "callee", &contact));
                self.wire.send(&request.reply("200 OK", "callee", &contact));
            }
            _ => self.wire.send(&request.reply("200 OK", "callee", "")),
        }
    }
}
