//! `ringback phone`: a phone on the screen of a terminal.
//!
//! [`model::App`] is what the screen shows; it is pure: keys ([`keys`]) and what happens ([`news`]) go in, actions come
//! out, and [`view`] draws it. [`desk`] does the actions and tells what happens. This file connects them.

mod contacts;
mod desk;
#[cfg(feature = "audio-device")]
mod device;
mod keys;
mod memory;
mod model;
mod news;
mod options;
#[cfg(any(feature = "audio-device", test))]
mod progress;
mod sound;
mod terminal;
mod view;

pub(crate) use contacts::Further;
pub(crate) use options::Screen;

use super::{Phone, Policy, tap};
use crate::outcome::Failure;
use crate::signals::{Again, Stop};
use contacts::Book;
use crossterm::event::{Event, EventStream};
use desk::Desk;
use futures::StreamExt as _;
use memory::Memory;
use model::{AccountRow, Action, App, Page};
use news::News;
use ringback::{Account, Registration, Tap};
use ringback_trace::Names;
use sound::Sound;
use std::sync::Arc;
use std::time::{Duration, Instant};
use terminal::Terminal;
use tokio::time::sleep_until;

/// No two pictures are closer to each other.
const FRAME: Duration = Duration::from_millis(100);
/// How often levels and clocks are looked at while there are calls, and while there are none.
const TICK: Duration = Duration::from_millis(200);
const REST: Duration = Duration::from_secs(20);

/// Runs the phone until it is quit.
pub(crate) async fn phone(args: Screen) -> Result<(), Failure> {
    terminal::check()?;
    if args.phone.json {
        return Err(Failure::Usage(
            "--json: the phone is for people; `call` and `answer` have it".to_owned(),
        ));
    }
    let book = contacts::read(args.contacts.as_deref())?;
    let sound = Sound::open(&args)?;
    let capture = args.phone.pcap.as_deref().map(tap::Capture::create).transpose()?;
    let memory = Memory::before(capture.map(|capture| capture as Arc<dyn Tap>));
    let policy = Policy {
        answers_anyone: args.no_register || args.phone.from.is_none(),
        no_transfer: args.no_transfer,
        no_receipts: args.no_receipts,
        listening: Some(args.listening.clone()),
        media: args.media.clone(),
        ..Policy::default()
    };
    let phone = Phone::open_seen_by(args.phone, policy, Some(memory.clone())).await?;
    let names = names(&phone);
    let quiet = super::quiet::quiet(&args.quiet)?;
    let begins_quiet = args.quiet.dnd.is_some();
    let (accounts, mut rows) = accounts(&phone, &book, args.no_register).await?;
    for (account, row) in accounts.iter().zip(&mut rows).filter(|_| begins_quiet) {
        account.do_not_disturb(Some(quiet.clone()));
        row.is_quiet = true;
    }
    let mut app = App::new(Instant::now(), rows, book.contacts, sound.words());
    if let Some(advice) = sound.advice() {
        app.notice = Some(advice.to_owned());
    }
    let mut desk = Desk::new(phone.endpoint, accounts, sound, quiet);
    for (row, contact) in app.contacts.iter().enumerate().filter(|(_, contact)| contact.lamp) {
        desk.watch(row, &contact.address);
    }
    let dial = args.target.map(|target| Action::Dial { account: 0, target });
    let mut terminal = Terminal::open()?;
    let ended = run(&mut app, &mut desk, &mut terminal, &memory, &names, dial).await;
    // Whoever has quit wants the terminal back, also where others are slow to take leave.
    drop(terminal);
    desk.leave().await;
    ended
}

/// Opens the account of the command line and those of the file, and begins to register them.
async fn accounts(
    phone: &Phone,
    book: &Book,
    no_register: bool,
) -> Result<(Vec<Account>, Vec<AccountRow>), Failure> {
    let mut builders = vec![(phone.account()?, !no_register && phone.is_registrable())];
    for further in &book.accounts {
        builders.push((phone.further(further)?, !no_register));
    }
    let (mut accounts, mut rows) = (Vec::new(), Vec::new());
    for (builder, registers) in builders {
        let account = builder.open().await?;
        if registers {
            account
                .start_registering()
                .map_err(|error| Failure::Failed(format!("cannot register: {error}")))?;
        }
        let registration = registers.then_some(Registration::Pending);
        rows.push(AccountRow { address: account.address().to_owned(), registration, is_quiet: false });
        accounts.push(account);
    }
    Ok((accounts, rows))
}

/// Who is who in ladders.
fn names(phone: &Phone) -> Names {
    let mut names = Names::new();
    for listener in phone.endpoint.listeners() {
        names.add(listener.address, "phone");
    }
    if let Some(server) = phone.server().and_then(|server| server.parse().ok()) {
        names.add(server, "server");
    }
    names
}

/// Connects keys, calls and the screen until it is quit.
async fn run(
    app: &mut App,
    desk: &mut Desk,
    terminal: &mut Terminal,
    memory: &Memory,
    names: &Names,
    dial: Option<Action>,
) -> Result<(), Failure> {
    let (mut stop, mut hung_up) = (Stop::listen()?, Again::hang_up()?);
    let mut keys = EventStream::new();
    let mut ladder = LadderOf::default();
    act(app, desk, dial.into_iter().collect()).await;
    let mut drawn: Option<Instant> = None;
    let mut is_stale = true;
    while !app.over {
        let now = Instant::now();
        let draw_at = drawn.map_or(now, |drawn| drawn + FRAME);
        let look_at = now + if app.lines.is_empty() { REST } else { TICK };
        tokio::select! {
            event = keys.next() => {
                let actions = match event {
                    Some(Ok(Event::Key(key))) => app.press(Instant::now(), key),
                    Some(Ok(Event::Paste(text))) => {
                        app.paste(&text);
                        Vec::new()
                    }
                    // A new size, or something that nobody asked for.
                    Some(Ok(_)) => Vec::new(),
                    Some(Err(error)) => return Err(Failure::Failed(format!("cannot read the terminal: {error}"))),
                    None => return Ok(()),
                };
                act(app, desk, actions).await;
                is_stale = true;
            }
            news = desk.next() => {
                tell(app, desk, news).await;
                is_stale = true;
            }
            () = sleep_until(draw_at.into()), if is_stale => {
                app.now = Instant::now();
                // What the call sounds like, and what it looks like, by now.
                for news in desk.statuses() {
                    app.hear(Instant::now(), news);
                }
                let width = view::ladder_width(terminal.size()?.width);
                ladder.renew(app, memory, names, width);
                terminal.draw(|frame| view::draw(app, frame))?;
                drawn = Some(Instant::now());
                is_stale = false;
            }
            () = sleep_until(look_at.into()), if !is_stale => is_stale = true,
            _ = stop.told() => return Ok(()),
            () = hung_up.told() => return Ok(()),
        }
    }
    Ok(())
}

/// Does what is asked for, and what follows from it.
async fn act(app: &mut App, desk: &mut Desk, actions: Vec<Action>) {
    for action in actions {
        let news = desk.run(action).await;
        Box::pin(tell(app, desk, news)).await;
    }
}

/// Tells what happened, and does what follows from it.
async fn tell(app: &mut App, desk: &mut Desk, news: Vec<News>) {
    for news in news {
        let actions = app.hear(Instant::now(), news);
        act(app, desk, actions).await;
    }
}

/// What the ladder on the screen was drawn from, so that it is drawn anew only when that changes.
#[derive(Default)]
struct LadderOf {
    call_id: String,
    count: u64,
    width: usize,
}

impl LadderOf {
    fn renew(&mut self, app: &mut App, memory: &Memory, names: &Names, width: usize) {
        if app.page != Page::Ladder {
            return;
        }
        let of = app.current().map(|line| line.call_id.clone()).or_else(|| app.drawn.clone());
        let Some(call_id) = of else { return };
        let now = Self { call_id, count: memory.count(), width };
        if (&now.call_id, now.count, now.width) != (&self.call_id, self.count, self.width) {
            app.ladder = memory.ladder(&now.call_id, names, width);
            *self = now;
        }
    }
}
