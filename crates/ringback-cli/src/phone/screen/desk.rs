//! The calls and accounts behind the screen: does what keys ask for, and tells what happens.

mod joined;

use super::model::{Action, MAX_LINES};
use super::news::{CallNews, News};
use super::sound::{CONFERENCE, Heard, Sound};
use crate::phone::with_scheme;
use futures::future::select_all;
use ringback::{
    Account, Call, CallError, CallEvent, CommandError, Conference, DoNotDisturb, Endpoint, IncomingCall,
    Lamp, Receipt, ReceivedMessage, RequestFailed, StatusCode, Transfer, Voice,
};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long others may take to take leave when the phone ends.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much news of tasks may wait.
const WAITING: usize = 64;

/// For how long a message is followed until it was read.
const RECEIPTS: Duration = Duration::from_secs(86_400);
/// How many messages are remembered that were not shown yet.
const UNSHOWN: usize = 200;

/// What is behind the screen.
pub(crate) struct Desk {
    endpoint: Endpoint,
    accounts: Vec<Account>,
    sound: Sound,
    calls: Vec<Held>,
    /// The conference of calls that were joined, and our voice in it.
    conference: Option<(Conference, Voice)>,
    /// How many calls had audio.
    taken: u32,
    /// How calls are refused that may not disturb.
    quiet: DoNotDisturb,
    /// Messages that were not shown yet, by number, and how many there were.
    unshown: VecDeque<(u64, ReceivedMessage)>,
    messages: u64,
    /// They tell how registrations are.
    watchers: JoinSet<()>,
    /// They wait for answers to messages, and at the end for those of calls and registrars.
    tasks: JoinSet<()>,
    tell: mpsc::Sender<News>,
    told: mpsc::Receiver<News>,
}

/// A call that is not over.
struct Held {
    number: u32,
    state: State,
    /// What its other side asks for.
    wish: Option<Transfer>,
    /// The number of its audio, from 1.
    audio: u32,
    /// Whether it is in the conference.
    is_joined: bool,
}

enum State {
    Waiting(IncomingCall),
    Up(Call),
}

/// What happened in a call.
enum Happened {
    GivenUp(String),
    Event(CallEvent),
    Gone,
}

impl Desk {
    pub(crate) fn new(endpoint: Endpoint, accounts: Vec<Account>, sound: Sound, quiet: DoNotDisturb) -> Self {
        let (tell, told) = mpsc::channel(WAITING);
        let mut desk = Self {
            endpoint,
            accounts,
            sound,
            calls: Vec::new(),
            conference: None,
            taken: 0,
            quiet,
            unshown: VecDeque::new(),
            messages: 0,
            watchers: JoinSet::new(),
            tasks: JoinSet::new(),
            tell,
            told,
        };
        for (at, account) in desk.accounts.iter().enumerate() {
            let (mut account, tell) = (account.clone(), desk.tell.clone());
            desk.watchers.spawn(async move {
                while let Some(state) = account.registration_changed().await {
                    if tell.send(News::Registration(at, state)).await.is_err() {
                        break;
                    }
                }
            });
        }
        desk
    }

    /// Watches what a contact does at the telephone, and shows that in its row.
    pub(crate) fn watch(&mut self, row: usize, address: &str) {
        let target = self.target(0, address);
        let (Some(account), tell) = (self.accounts.first().cloned(), self.tell.clone()) else { return };
        self.watchers.spawn(async move {
            let Ok(mut lamp) = account.watch(target).await else { return };
            while let Some(state) = lamp.next().await {
                if tell.send(News::Lamp(row, state)).await.is_err() {
                    return;
                }
            }
            // Nobody tells any more.
            let _ = tell.send(News::Lamp(row, Lamp::Unknown)).await;
        });
    }

    /// Waits for what happens next. Cancel safe.
    pub(crate) async fn next(&mut self) -> Vec<News> {
        let (number, happened) = tokio::select! {
            Some(incoming) = self.endpoint.incoming() => return self.on_incoming(incoming).await,
            Some(message) = self.endpoint.message() => return vec![self.on_message(message)],
            Some(missed) = self.endpoint.turned_away() => {
                return vec![News::TurnedAway(address_in(missed.caller()).to_owned())];
            }
            Some(news) = self.told.recv() => return vec![news],
            happened = next_of(&mut self.calls) => happened,
        };
        self.on_call(number, happened)
    }

    /// How the audio of calls is.
    pub(crate) fn statuses(&self) -> Vec<News> {
        let status = |held: &Held| match &held.state {
            State::Up(call) => Some(News::Call(held.number, CallNews::Status(call.audio_status()?))),
            State::Waiting(_) => None,
        };
        self.calls.iter().filter_map(status).collect()
    }

    /// Does it.
    pub(crate) async fn run(&mut self, action: Action) -> Vec<News> {
        match action {
            Action::Dial { account, target } => return self.dial(account, &target).await,
            Action::Answer(number) => return self.answer(number).await,
            Action::Follow(number) => return self.follow(number).await,
            Action::Reject(number) => {
                self.sound.tell(number, Heard::Nothing);
                if let Some(Held { state: State::Waiting(incoming), .. }) = self.take(number) {
                    // Gone means that the caller was faster.
                    let _ = incoming.reject(StatusCode::BUSY_HERE);
                    return vec![ended(number, "by us")];
                }
            }
            Action::Refuse(number) => {
                if let Some(held) = self.calls.iter_mut().find(|held| held.number == number) {
                    held.wish = None;
                    return vec![News::Call(number, CallNews::WishDone)];
                }
            }
            Action::Mute(number, muted) => {
                if let Some(call) = self.call(number) {
                    call.mute(muted);
                    return vec![News::Call(number, CallNews::Muted(muted))];
                }
            }
            Action::Write { account, to, text, id } => self.write(account, &to, text, id),
            Action::Register(account) => return self.register(account),
            Action::Quiet(account, is_quiet) => {
                if let Some(of) = self.accounts.get(account) {
                    of.do_not_disturb(is_quiet.then(|| self.quiet.clone()));
                    return vec![News::Quiet(account, is_quiet)];
                }
            }
            Action::Shown(id) => {
                if let Some(at) = self.unshown.iter().position(|(of, _)| *of == id)
                    && let Some((_, message)) = self.unshown.remove(at)
                {
                    self.endpoint.displayed(&message);
                }
            }
            Action::HangUp(number) => return self.command(number, "hang up", |call| Ok(call.hangup()?)),
            Action::Join(numbers) => return self.join(&numbers).await,
            Action::Split(number) => return self.split(number).await,
            Action::Hold(number) => return self.command(number, "hold", |call| Ok(call.hold()?)),
            Action::Resume(number) => return self.command(number, "resume", |call| Ok(call.resume()?)),
            Action::Digit(number, digit) => {
                if let Some(call) = self.call(number)
                    && let Err(error) = call.send_digits(digit.encode_utf8(&mut [0; 4])).await
                {
                    return vec![News::Notice(format!("cannot send {digit}: {error}"))];
                }
            }
            Action::Transfer(number, target) => {
                let target = self.target(0, &target);
                return self.command(number, "transfer", |call| call.transfer(&target));
            }
            Action::Connect(number, other) => {
                let Some(other) = self.call(other) else { return Vec::new() };
                return self.command(number, "connect", |call| Ok(call.transfer_to(other)?));
            }
        }
        Vec::new()
    }

    /// Hangs up, takes registrations back, and ends; nobody is waited for any longer than it makes sense.
    pub(crate) async fn leave(mut self) {
        // Whoever waits for receipts need not any more.
        self.told.close();
        for held in std::mem::take(&mut self.calls) {
            match held.state {
                // Dropping one declines it.
                State::Waiting(incoming) => drop(incoming),
                State::Up(mut call) => {
                    let _ = call.hangup();
                    self.tasks.spawn(async move { while call.next().await.is_some() {} });
                }
            }
        }
        for mut account in std::mem::take(&mut self.accounts) {
            if matches!(account.registration(), ringback::Registration::Active { .. }) {
                self.tasks.spawn(async move { drop(account.unregister().await) });
            }
        }
        // Each keeps the endpoint until then, in the tasks as well.
        self.watchers.shutdown().await;
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(PATIENCE, all).await;
        self.tasks.shutdown().await;
        self.endpoint.shutdown().await;
    }

    async fn on_incoming(&mut self, incoming: IncomingCall) -> Vec<News> {
        let Some(number) = self.free_number() else {
            let _ = incoming.reject(StatusCode::BUSY_HERE);
            return Vec::new();
        };
        let (peer, call_id) = (address_in(incoming.from()).to_owned(), incoming.call_id().to_owned());
        let is_expected = incoming.is_replacement();
        let alert = incoming.alert().map(|uri| News::Call(number, CallNews::Alert(uri.to_owned())));
        // Gone shows in the next wait.
        let _ = incoming.ring();
        if self.calls.iter().any(|held| matches!(held.state, State::Up(_))) {
            self.sound.tell(number, Heard::Waits);
        }
        self.calls.push(Held {
            number,
            state: State::Waiting(incoming),
            wish: None,
            audio: 0,
            is_joined: false,
        });
        let mut news = vec![News::Opened { number, peer, call_id, is_outgoing: false }];
        news.extend(alert);
        // Who is transferred to us takes the place of a call that we have answered already.
        if is_expected {
            news.extend(self.answer(number).await);
        }
        news
    }

    fn on_message(&mut self, message: ReceivedMessage) -> News {
        let (id, from) = (self.messages, address_in(&message.from).to_owned());
        let text = String::from_utf8_lossy(&message.body).into_owned();
        self.messages += 1;
        if self.unshown.len() >= UNSHOWN {
            self.unshown.pop_front();
        }
        self.unshown.push_back((id, message));
        News::Message { from, text, id }
    }

    fn on_call(&mut self, number: u32, happened: Happened) -> Vec<News> {
        let event = match happened {
            Happened::Event(event) => event,
            Happened::GivenUp(why) => {
                self.sound.tell(number, Heard::Nothing);
                self.take(number);
                return vec![ended(number, &why)];
            }
            Happened::Gone => {
                self.take(number);
                return vec![ended(number, "by the endpoint")];
            }
        };
        match &event {
            CallEvent::Ringing(status) if status.as_u16() == 180 => self.sound.tell(number, Heard::Rings),
            CallEvent::Ended(summary) => match summary.ending.status {
                Some(status) if summary.talk.is_none() => self.sound.tell(number, Heard::Failed(status)),
                _ => self.sound.tell(number, Heard::Nothing),
            },
            CallEvent::Answered(_) | CallEvent::EarlyMedia(_) => self.sound.tell(number, Heard::Itself),
            _ => {}
        }
        if let CallEvent::Answered(media) | CallEvent::Changed(media) | CallEvent::EarlyMedia(media) = &event
            && let Some(held) = self.calls.iter().find(|held| held.number == number)
        {
            // In a conference the device is not for one of the calls.
            if !held.is_joined {
                self.sound.talk(held.audio, !media.held_by_us);
            }
        }
        let news = match event {
            CallEvent::Trying => CallNews::Trying,
            CallEvent::Ringing(status) => CallNews::Ringing(status),
            CallEvent::Redirected(target) => CallNews::Redirected(target),
            CallEvent::EarlyMedia(media) => CallNews::EarlyMedia(media),
            CallEvent::Answered(media) => CallNews::Answered(media),
            CallEvent::Changed(media) => CallNews::Changed(media),
            CallEvent::ChangeRefused(status, reason) => CallNews::ChangeRefused(format!("{status} {reason}")),
            CallEvent::TransferRequested(transfer) => {
                let target = transfer.target().to_owned();
                if let Some(held) = self.calls.iter_mut().find(|held| held.number == number) {
                    held.wish = Some(transfer);
                }
                CallNews::Wish(target)
            }
            CallEvent::TransferProgress(status) => CallNews::Transferring(status),
            CallEvent::TransferEnded(status) => CallNews::Transferred(status),
            CallEvent::Digit(digit) => CallNews::Digit(digit),
            CallEvent::Ended(summary) => {
                self.take(number);
                let mut news = vec![ended(number, &summary.ending.to_string())];
                news.extend(summary.fault.map(|fault| News::Notice(fault.to_string())));
                return news;
            }
            CallEvent::MediaFailed(reason) => return vec![News::Notice(format!("no media: {reason}"))],
            CallEvent::RelayLost => return vec![News::Notice("the TURN server is gone".to_owned())],
            // What was played and dialled is no news on a screen.
            _ => return Vec::new(),
        };
        vec![News::Call(number, news)]
    }

    async fn dial(&mut self, account: usize, target: &str) -> Vec<News> {
        let target = self.target(account, target);
        let (Some(number), Some(from)) = (self.free_number(), self.accounts.get(account)) else {
            return Vec::new();
        };
        self.taken += 1;
        match from.call(&target).audio(self.sound.audio(self.taken)).start().await {
            Ok(call) => self.up(number, call, target),
            Err(error) => vec![News::Notice(format!("cannot call {target}: {error}"))],
        }
    }

    /// A call of ours has begun.
    fn up(&mut self, number: u32, call: Call, peer: String) -> Vec<News> {
        let call_id = call.call_id().to_owned();
        self.calls.push(Held {
            number,
            state: State::Up(call),
            wish: None,
            audio: self.taken,
            is_joined: false,
        });
        vec![News::Opened { number, peer, call_id, is_outgoing: true }]
    }

    async fn answer(&mut self, number: u32) -> Vec<News> {
        let at = self.calls.iter().position(|held| held.number == number);
        let Some(at) = at.filter(|at| matches!(self.calls[*at].state, State::Waiting(_))) else {
            return Vec::new();
        };
        let Held { state: State::Waiting(incoming), .. } = self.calls.remove(at) else { return Vec::new() };
        self.taken += 1;
        self.sound.tell(number, Heard::Nothing);
        match incoming.answer(self.sound.audio(self.taken)).await {
            Ok(call) => {
                let state = State::Up(call);
                self.calls
                    .insert(at, Held { number, state, wish: None, audio: self.taken, is_joined: false });
                Vec::new()
            }
            Err(error) => vec![ended(number, &format!("unanswered: {error}"))],
        }
    }

    async fn follow(&mut self, number: u32) -> Vec<News> {
        let wish = self.calls.iter_mut().find(|held| held.number == number).and_then(|held| held.wish.take());
        let Some(wish) = wish else { return Vec::new() };
        let mut news = vec![News::Call(number, CallNews::WishDone)];
        let Some(new) = self.free_number() else {
            news.push(News::Notice("there are as many calls as this phone can have".to_owned()));
            return news;
        };
        let peer = wish.target().to_owned();
        self.taken += 1;
        match wish.accept(self.sound.audio(self.taken)).await {
            Ok(call) => news.extend(self.up(new, call, peer)),
            Err(error) => news.push(News::Notice(format!("cannot call {peer}: {error}"))),
        }
        news
    }

    fn write(&mut self, account: usize, to: &str, text: String, id: u64) {
        let to = self.target(account, to);
        let (Some(account), tell) = (self.accounts.get(account).cloned(), self.tell.clone()) else { return };
        self.tasks.spawn(async move {
            let followed = account.message_with_receipts(&to, &text).await;
            let mut followed = match followed {
                // Who does not know how to tell gets the text alone.
                Err(RequestFailed::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, _)) => {
                    account.message(&to, &text).await.map(|_| None)
                }
                followed => followed.map(Some),
            };
            let failed = followed.as_ref().err().map(ToString::to_string);
            // The phone may have ended.
            let _ = tell.send(News::Sent { id, failed }).await;
            let Ok(Some(sent)) = &mut followed else { return };
            let told = async {
                while let Some(receipt) = sent.next().await {
                    let is_last = receipt != Receipt::Delivered;
                    if tell.send(News::Receipt { id, receipt }).await.is_err() || is_last {
                        return;
                    }
                }
            };
            tokio::select! {
                () = told => {}
                () = tell.closed() => {}
                () = tokio::time::sleep(RECEIPTS) => {}
            }
        });
    }

    fn register(&self, account: usize) -> Vec<News> {
        let Some(of) = self.accounts.get(account) else { return Vec::new() };
        match of.start_registering() {
            Ok(()) => vec![News::Registration(account, ringback::Registration::Pending)],
            Err(error) => vec![News::Notice(format!("cannot register: {error}"))],
        }
    }

    fn command(
        &self,
        number: u32,
        what: &str,
        command: impl FnOnce(&Call) -> Result<(), CallError>,
    ) -> Vec<News> {
        match self.call(number).map(command) {
            // A call that is gone says so itself.
            None | Some(Ok(()) | Err(CallError::Command(CommandError::Gone))) => Vec::new(),
            Some(Err(error)) => vec![News::Notice(format!("cannot {what} call {number}: {error}"))],
        }
    }

    /// The address of whom `target` names: a URI, `user@host`, or a user of the domain of this account.
    fn target(&self, account: usize, target: &str) -> String {
        if target.contains(':') || target.contains('@') {
            return with_scheme(target);
        }
        let own = self.accounts.get(account).map_or("", Account::address);
        let domain = own.split_once('@').map_or("localhost", |(_, domain)| domain);
        format!("sip:{target}@{domain}")
    }

    fn call(&self, number: u32) -> Option<&Call> {
        self.calls.iter().find(|held| held.number == number).and_then(|held| match &held.state {
            State::Up(call) => Some(call),
            State::Waiting(_) => None,
        })
    }

    fn take(&mut self, number: u32) -> Option<Held> {
        let at = self.calls.iter().position(|held| held.number == number)?;
        let held = self.calls.remove(at);
        if self.calls.iter().all(|held| !held.is_joined) && self.conference.take().is_some() {
            self.sound.talk(CONFERENCE, false);
        }
        Some(held)
    }

    fn free_number(&self) -> Option<u32> {
        (1..=MAX_LINES as u32).find(|number| self.calls.iter().all(|held| held.number != *number))
    }
}

/// The URI of `"Bob" <sip:bob@example.com>;x=y`: what can be called and written to. The name is only what they say of themselves.
fn address_in(from: &str) -> &str {
    from.rsplit_once('<').map_or(from, |(_, uri)| uri.split('>').next().unwrap_or(uri))
}

fn ended(number: u32, why: &str) -> News {
    News::Call(number, CallNews::Ended(why.to_owned()))
}

/// What happens next in any of the calls. Cancel safe, as all that it waits for is.
async fn next_of(calls: &mut [Held]) -> (u32, Happened) {
    if calls.is_empty() {
        return std::future::pending().await;
    }
    let waits = calls.iter_mut().map(|held| {
        Box::pin(async {
            let happened = match &mut held.state {
                State::Waiting(incoming) => Happened::GivenUp(incoming.cancelled().await.to_string()),
                State::Up(call) => call.next().await.map_or(Happened::Gone, Happened::Event),
            };
            (held.number, happened)
        })
    });
    select_all(waits).await.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_caller_is_without_what_it_calls_itself() {
        assert_eq!(
            address_in("\"Bob <x>\" <sip:bob@example.com;user=phone>;a=b"),
            "sip:bob@example.com;user=phone"
        );
        assert_eq!(address_in("<sip:bob@example.com>"), "sip:bob@example.com");
        assert_eq!(address_in("sip:bob@example.com"), "sip:bob@example.com");
    }
}
