//! One user of a flow: a user agent, its calls, and what was heard of each.

use super::script::{Act, Begins};
use super::watching::Watching;
use ringback_message::{StatusCode, UriBuf};
use ringback_sansio::{Protocol, SeededEntropy};
use ringback_ua::{
    Account, AccountKey, CallKey, Codec, CommandError, DoNotDisturb, LocalAudio, Opening, Package,
    TransferKey, UaConfig, UaEvent, UserAgent,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// What is known of a call at one end.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) key: CallKey,
    pub(super) peer: String,
    pub(super) call_id: String,
    pub(super) is_caller: bool,
    pub(super) answered: bool,
    pub(super) ended: bool,
    /// The CSeq number of our last INVITE.
    invite: u32,
    /// Whether a response to that one got through while it was not over: what an INVITE before it was told, as one that was
    /// redirected, does not count.
    pub(super) responded: bool,
    /// How often this end had moved when the call began here.
    pub(super) moves: u8,
    /// The digits that came by INFO.
    pub(super) digits: String,
    /// The texts that came within the call.
    pub(super) texts: Vec<String>,
    /// What was offered in the 2xx and waits for our answer.
    offered: Option<LocalAudio>,
    /// When it came in; nothing where it went out.
    came: Option<Instant>,
    /// Whether who called was sent elsewhere from here, and may be sent back.
    pub(super) redirected: bool,
}

impl Seen {
    /// Whether the same call may come in once more. A copy of an INVITE that was long under way finds no transaction any more: the
    /// last is sent after 63·T1, and Timer L runs for 64·T1 from the answer.
    fn may_come_again(&self, now: Instant) -> bool {
        const TIMER_L: Duration = Duration::from_secs(32);
        let is_forgotten = self.came.is_some_and(|came| now.saturating_duration_since(came) >= TIMER_L);
        self.redirected || (self.ended && is_forgotten)
    }
}

pub(super) struct Agent {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) ua: UserAgent<SeededEntropy>,
    pub(super) account: AccountKey,
    pub(super) calls: Vec<Seen>,
    transfers: Vec<(TransferKey, String)>,
    pub(super) watching: Watching,
    /// What was heard that must not be.
    pub(super) faults: Vec<String>,
    /// Names, by number.
    everybody: Vec<String>,
    number: usize,
    pub(super) moves: u8,
}

/// Where somebody is after so many moves.
pub(super) fn address(number: usize, moves: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2 + moves, 1 + number as u8), 5_060))
}

/// Who has or had an address.
pub(super) fn number_of(ip: IpAddr) -> Option<usize> {
    match ip {
        IpAddr::V4(ip) => usize::from(ip.octets()[3]).checked_sub(1),
        IpAddr::V6(_) => None,
    }
}

fn uri(name: &str, address: SocketAddr) -> UriBuf {
    format!("sip:{name}@{address}").parse().expect("a URI")
}

impl Agent {
    pub(super) fn new(everybody: &[String], number: usize, seed: u64, session_expires: u32) -> Self {
        let name = &everybody[number];
        let address = address(number, 0);
        let mut config = UaConfig {
            accepts_transfers: true,
            session_expires: Some(session_expires),
            packages: vec![Package::new("dialog", "text/plain")],
            ..UaConfig::default()
        };
        config.transactions.locals.set(Protocol::Udp, address);
        let mut ua = UserAgent::new(config, SeededEntropy::new(seed.wrapping_add(number as u64 + 1)));
        let account = ua.add_account(Account::new(
            format!("sip:{name}@example.com").parse().expect("an address of record"),
        ));
        Self {
            name: name.clone(),
            address,
            ua,
            account,
            calls: Vec::new(),
            transfers: Vec::new(),
            watching: Watching::default(),
            faults: Vec::new(),
            everybody: everybody.to_vec(),
            number,
            moves: 0,
        }
    }

    pub(super) fn audio(&self) -> LocalAudio {
        LocalAudio::new(SocketAddr::new(self.address.ip(), 4_000 + 2 * self.number as u16))
    }

    /// The live call with somebody, or the first.
    pub(super) fn call(&self, with: Option<&str>) -> Option<CallKey> {
        let mut live = self.calls.iter().filter(|seen| !seen.ended);
        live.find(|seen| with.is_none_or(|with| seen.peer == with)).map(|seen| seen.key)
    }

    /// Does it. An error when it is too early or too late for that.
    pub(super) fn act(
        &mut self,
        now: Instant,
        act: &Act,
        with: Option<&str>,
        at: impl Fn(&str) -> SocketAddr,
    ) -> Result<(), CommandError> {
        let audio = self.audio();
        if let Act::Call { to, begins } = act {
            let opening = match begins {
                Begins::Offering => Opening::Offer(audio),
                Begins::OnHold => Opening::HeldOffer(audio),
                Begins::WithoutOffer => Opening::Answer(audio),
                Begins::AnsweringLater => Opening::LaterAnswer,
            };
            let key = self.ua.call_as(now, self.account, &uri(to, at(to)), opening, Vec::new())?;
            self.note(key, to.clone());
            return Ok(());
        }
        if let Act::PassOn { of, to } = act {
            return self.pass_on(now, of, to, &uri(to, at(to)));
        }
        if let Act::TakeBack(with) = act {
            let call = self.call(Some(with)).ok_or(CommandError::WrongState)?;
            return self.ua.redescribe(now, call, audio, false);
        }
        if let Act::Quiet(is_quiet) = act {
            return self.ua.do_not_disturb(self.account, is_quiet.then(DoNotDisturb::busy));
        }
        if let Act::Accept | Act::Refuse = act {
            let (transfer, to) = self.transfers.first().cloned().ok_or(CommandError::WrongState)?;
            self.transfers.remove(0);
            if *act == Act::Refuse {
                self.ua.refuse_transfer(now, transfer);
            } else {
                let key = self.ua.accept_transfer(now, transfer, audio)?;
                self.note(key, to);
            }
            return Ok(());
        }
        if *act == Act::Move {
            self.moves = self.moves.wrapping_add(1);
            let old = std::mem::replace(&mut self.address, address(self.number, self.moves));
            self.ua.moved(now, old.ip(), self.address.ip());
            return Ok(());
        }
        match act {
            Act::Subscribe { to } => return self.subscribe(now, to, &uri(to, at(to))),
            Act::Unsubscribe => return self.unsubscribe(now, with),
            Act::Dismiss(why) => return self.dismiss(now, why),
            Act::Tell(state) => {
                self.tell(now, state);
                return Ok(());
            }
            Act::RefuseSubscriptions(status) => {
                self.refuse_subscriptions(StatusCode::new(*status).expect("a status"));
                return Ok(());
            }
            _ => {}
        }
        let call = self.call(with).ok_or(CommandError::WrongState)?;
        if let Act::Transfer { to } | Act::TransferToCall { to } | Act::Redirect { to } = act
            && self.calls.iter().any(|seen| seen.key == call && seen.peer == *to)
        {
            // Somebody who calls himself is no flow.
            return Err(CommandError::WrongState);
        }
        match act {
            Act::Ring => self.ua.ring(now, call),
            Act::RingReliably => self.ua.ring_reliably(now, call, Some(audio)),
            Act::Answer => self.ua.answer(now, call, audio),
            Act::Reject(status) => self.ua.reject(now, call, StatusCode::new(*status).expect("a status")),
            Act::Redirect { to } => {
                self.ua.redirect(now, call, &uri(to, at(to)))?;
                self.calls.iter_mut().filter(|seen| seen.key == call).for_each(|seen| seen.redirected = true);
                Ok(())
            }
            Act::HangUp => self.ua.hangup(now, call),
            Act::Hold => self.ua.hold(now, call),
            Act::Speak(codec) => {
                let codecs = [Codec::pcmu(), Codec::pcma()];
                let codecs = codecs.into_iter().filter(|known| known.name() == codec).collect();
                self.ua.redescribe(now, call, audio.codecs(codecs), false)
            }
            Act::Write(text) => self.ua.message_in_call(now, call, "text/plain", text.clone()).map(drop),
            Act::Dial(digits) => self.ua.send_digits(now, call, digits, Duration::from_millis(100)),
            Act::Resume => self.ua.resume(now, call),
            Act::Transfer { to } => self.ua.transfer(now, call, &uri(to, at(to))),
            Act::TransferToCall { to } => {
                let other = self.call(Some(to)).ok_or(CommandError::WrongState)?;
                self.ua.transfer_to(now, call, other)
            }
            // Done above, or by hand.
            Act::Call { .. }
            | Act::PassOn { .. }
            | Act::TakeBack(_)
            | Act::Quiet(_)
            | Act::Accept
            | Act::Refuse
            | Act::Move
            | Act::Subscribe { .. }
            | Act::Unsubscribe
            | Act::Dismiss(_)
            | Act::Tell(_)
            | Act::RefuseSubscriptions(_)
            | Act::ByeByHand => Ok(()),
        }
    }

    /// Tells one peer what another has described.
    fn pass_on(&mut self, now: Instant, of: &str, to: &str, target: &UriBuf) -> Result<(), CommandError> {
        let described = self.call(Some(of)).and_then(|call| {
            let session = self.ua.session(call).and_then(|session| session.passed_on());
            session.or_else(|| self.calls.iter().find(|seen| seen.key == call)?.offered.clone())
        });
        let audio = described.ok_or(CommandError::WrongState)?;
        let Some(call) = self.call(Some(to)) else {
            let key = self.ua.call(now, self.account, target, audio)?;
            self.note(key, to.to_owned());
            return Ok(());
        };
        let waits = |seen: &Seen| seen.key == call && seen.offered.is_some() && !seen.answered;
        match self.calls.iter().any(waits) {
            true => self.ua.answer_offer(now, call, audio),
            false => self.ua.redescribe(now, call, audio, false),
        }
    }

    fn note(&mut self, key: CallKey, peer: String) {
        let call_id = self.ua.call_id(key).unwrap_or_default().to_owned();
        self.calls.push(Seen {
            key,
            peer,
            call_id,
            is_caller: true,
            answered: false,
            ended: false,
            invite: 0,
            responded: false,
            moves: self.moves,
            digits: String::new(),
            texts: Vec::new(),
            offered: None,
            came: None,
            redirected: false,
        });
    }

    /// An INVITE goes out, for the first time or again.
    pub(super) fn invites(&mut self, call_id: &[u8], number: u32) {
        if let Some(seen) = self.live(call_id).filter(|seen| seen.is_caller && seen.invite < number) {
            seen.invite = number;
            seen.responded = false;
        }
    }

    /// A response to an INVITE comes in.
    pub(super) fn responded(&mut self, call_id: &[u8], number: u32) {
        if let Some(seen) = self.live(call_id).filter(|seen| seen.invite == number) {
            seen.responded = true;
        }
    }

    fn live(&mut self, call_id: &[u8]) -> Option<&mut Seen> {
        self.calls.iter_mut().find(|seen| seen.call_id.as_bytes() == call_id && !seen.ended)
    }

    pub(super) fn heard(&mut self, now: Instant, event: UaEvent) {
        self.heard_of_watching(now, &event);
        match event {
            UaEvent::Incoming(incoming) => {
                let peer = incoming.from.split_once("sip:").and_then(|(_, uri)| uri.split_once('@'));
                let before = self.calls.iter().filter(|seen| seen.call_id == incoming.call_id);
                if before.into_iter().any(|seen| !seen.may_come_again(now)) {
                    self.faults.push(format!("{} came in twice", incoming.call_id));
                }
                self.calls.push(Seen {
                    key: incoming.call,
                    peer: peer.map_or_else(String::new, |(user, _)| user.to_owned()),
                    call_id: incoming.call_id,
                    is_caller: false,
                    answered: false,
                    ended: false,
                    invite: 0,
                    responded: false,
                    moves: self.moves,
                    digits: String::new(),
                    texts: Vec::new(),
                    offered: None,
                    came: Some(now),
                    redirected: false,
                });
            }
            UaEvent::TransferRequested { transfer, target, .. } => {
                // The contact of who is in a dialog has no user, so it is the address that says who that is.
                let host = target.as_sip().and_then(|uri| uri.host().ip());
                let to = host.and_then(number_of).and_then(|number| self.everybody.get(number).cloned());
                self.transfers.push((transfer, to.unwrap_or_default()));
            }
            UaEvent::Redirected { call, target } => {
                let to = target.as_sip().and_then(|uri| uri.host().ip()).and_then(number_of);
                let to = to.and_then(|number| self.everybody.get(number).cloned());
                if let (Some(seen), Some(to)) = (self.calls.iter_mut().find(|seen| seen.key == call), to) {
                    seen.peer = to;
                }
            }
            UaEvent::Offered { call, audio } => {
                self.once(call, "offered something", |seen| seen.offered.replace(audio.clone()).is_some());
            }
            UaEvent::MessageReceived { call: Some(call), body, .. } => {
                let text = String::from_utf8_lossy(&body).into_owned();
                self.once(call, "written to", |seen| {
                    seen.texts.push(text.clone());
                    false
                });
            }
            UaEvent::Answered { call, .. } => {
                self.once(call, "answered", |seen| std::mem::replace(&mut seen.answered, true))
            }
            UaEvent::Ended { call, .. } => {
                self.transfers.retain(|(transfer, _)| transfer.call() != call);
                self.once(call, "ended", |seen| std::mem::replace(&mut seen.ended, true));
            }
            UaEvent::SessionChanged { call, .. } => self.once(call, "changed", |seen| !seen.answered),
            // Before the answer, too.
            UaEvent::ChangeRefused { call, .. } => self.once(call, "not changed", |_| false),
            UaEvent::Digit { call, digit, .. } => self.once(call, "sent a digit", |seen| {
                seen.digits.push(digit);
                false
            }),
            _ => {}
        }
    }

    /// Notes what happens to a call; nothing does when it is over, and what `is_wrong` says does not.
    fn once(&mut self, call: CallKey, what: &str, is_wrong: impl Fn(&mut Seen) -> bool) {
        let Some(seen) = self.calls.iter_mut().find(|seen| seen.key == call) else {
            return self.faults.push(format!("{call:?} was {what} and nobody knows it"));
        };
        if seen.ended || is_wrong(seen) {
            self.faults.push(format!("{call:?} was {what} out of turn"));
        }
    }
}
