//! The thread that writes to the store.
//!
//! Everything that waits is written in one commit, and then everybody who waited is answered: one log write
//! serves thousands of registrations a second. An answer is never sent before its commit.

use crate::core::ServerCore;
use crate::registering::Now;
use crate::store::Store;
use ringback_net::{Net, Outbox, Target};
use ringback_registrar::Change;
use ringback_transaction::ServerKey;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

/// How many registrations may wait for the disk.
const MOST_WAITING: usize = 20_000;
/// How many are written in one commit.
const BATCH: usize = 2_000;
/// How long refreshes are collected. A process that is killed loses no more than those.
const REFRESHES: Duration = Duration::from_millis(50);
/// How often another program's changes to the users are looked for.
const WATCH: Duration = Duration::from_secs(2);
/// How often bindings that ended are swept off the disk.
const SWEEP: Duration = Duration::from_secs(600);

/// Changes to write, and who waits for them, if somebody does.
pub(crate) struct Job {
    pub(crate) changes: Vec<Change>,
    pub(crate) answer: Option<Answer>,
}

/// What to answer when it is known whether the changes are kept.
pub(crate) struct Answer {
    pub(crate) shard: usize,
    pub(crate) way: Way,
    pub(crate) kept: Now,
    pub(crate) lost: Now,
}

/// How an answer is sent.
pub(crate) enum Way {
    /// In its transaction.
    Transaction(ServerKey),
    /// Straight to there; the request was seen under this number.
    Plain(Target, u64),
}

/// What the writer is told.
enum Order {
    Write(Job),
    /// To say when everything before is written.
    Flush(SyncSender<()>),
    End,
}

/// What comes after a batch.
enum Then {
    GoOn,
    Say(SyncSender<()>),
    End,
}

/// The end of the queue that jobs are put into.
#[derive(Clone)]
pub(crate) struct Jobs {
    queue: Sender<Order>,
    waiting: Arc<AtomicUsize>,
}

/// The end that they are taken from.
pub(crate) struct Waiting {
    queue: Receiver<Order>,
    waiting: Arc<AtomicUsize>,
}

pub(crate) fn queue() -> (Jobs, Waiting) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Jobs { queue: sender, waiting: waiting.clone() }, Waiting { queue: receiver, waiting })
}

impl Jobs {
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= MOST_WAITING
    }

    pub(crate) fn push(&self, job: Job) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Fails only when the writer has ended, and then the server is ending.
        let _ = self.queue.send(Order::Write(job));
    }

    /// Ends the writer when everything before is written.
    pub(crate) fn end(&self) {
        let _ = self.queue.send(Order::End);
    }

    /// Waits until everything before is written and answered.
    pub(crate) fn flush(&self) {
        let (say, said) = sync_channel(1);
        if self.queue.send(Order::Flush(say)).is_ok() {
            // Fails only when the writer has ended, which has written everything.
            let _ = said.recv();
        }
    }
}

impl Waiting {
    /// What is to be written together, and what comes then. Nothing, when there was nothing for a while.
    fn batch(&self) -> (Vec<Job>, Then) {
        let mut jobs: Vec<Job> = Vec::new();
        let mut until = Instant::now() + WATCH;
        loop {
            // Nobody waits for refreshes, so many of them are written at once.
            let is_awaited = jobs.last().is_some_and(|job| job.answer.is_some());
            if is_awaited {
                until = Instant::now();
            }
            match self.queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Order::Write(job)) => {
                    if jobs.is_empty() {
                        until = Instant::now() + REFRESHES;
                    }
                    jobs.push(job);
                }
                Ok(Order::Flush(say)) => return (jobs, Then::Say(say)),
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return (jobs, Then::End),
                Err(RecvTimeoutError::Timeout) => return (jobs, Then::GoOn),
            }
            if jobs.len() >= BATCH {
                return (jobs, Then::GoOn);
            }
        }
    }
}

/// Starts the writer.
pub(crate) fn start(
    store: Store,
    waiting: Waiting,
    core: Arc<ServerCore>,
    net: Arc<Net<ServerCore>>,
    realm: String,
) -> io::Result<JoinHandle<()>> {
    let run = move || {
        let now = Instant::now();
        let mut writer =
            Writer { version: store.version(), store, core, net, realm, watched: now, swept: now };
        writer.run(&waiting);
    };
    thread::Builder::new().name("store".into()).spawn(run)
}

struct Writer {
    store: Store,
    core: Arc<ServerCore>,
    net: Arc<Net<ServerCore>>,
    realm: String,
    version: i64,
    watched: Instant,
    swept: Instant,
}

impl Writer {
    fn run(&mut self, waiting: &Waiting) {
        loop {
            let (jobs, then) = waiting.batch();
            waiting.waiting.fetch_sub(jobs.len(), Ordering::Relaxed);
            if !jobs.is_empty() {
                self.write(jobs);
            }
            match then {
                Then::GoOn => {}
                // Nobody waits any more where this fails.
                Then::Say(say) => drop(say.send(())),
                Then::End => return,
            }
            self.look_around();
        }
    }

    fn write(&mut self, mut jobs: Vec<Job>) {
        let written = self.store.commit(&self.core.epoch, jobs.iter().flat_map(|job| &job.changes));
        if let Err(error) = &written {
            tracing::error!(%error, lost = jobs.len(), "registrations could not be written");
        }
        // Those that nobody waits for were told before.
        jobs.retain(|job| job.answer.is_some());
        let mut by_shard: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
        for answer in jobs.iter_mut().filter_map(|job| job.answer.take()) {
            by_shard.entry(answer.shard).or_default().push(answer);
        }
        let now = Instant::now();
        let mut out = Outbox::new();
        let mut plain = Vec::new();
        for (shard, answers) in by_shard {
            self.core.with_shard(now, shard, &mut out, |node| {
                for Answer { way, kept, lost, .. } in answers {
                    let (status, bytes) = if written.is_ok() { kept } else { lost };
                    match way {
                        Way::Transaction(key) => {
                            // Gone means that the phone gave up waiting.
                            let _ = node.transactions.respond_written(now, key, status, bytes);
                        }
                        Way::Plain(to, hash) => {
                            if written.is_ok() {
                                node.seen.answered(now, hash);
                            } else {
                                node.seen.forget(hash);
                            }
                            plain.push((to, bytes));
                        }
                    }
                }
            });
            let mut node = self.core.shard(shard).lock();
            plain.drain(..).for_each(|(to, bytes)| node.send_plainly(now, to, bytes, &mut out));
        }
        if written.is_ok() {
            // RFC 8599 §5.6.2: whoever waits for a phone goes on when that is registered, and has been told so.
            jobs.iter().for_each(|job| self.core.have_registered(now, &job.changes));
            self.core.wake_ready(now, &mut out);
        }
        self.net.send(out);
    }

    fn look_around(&mut self) {
        let now = Instant::now();
        if now.saturating_duration_since(self.watched) >= WATCH {
            self.watched = now;
            let version = self.store.version();
            if version != self.version {
                self.version = version;
                match self.store.users(&self.realm) {
                    Ok(users) => self.core.authority.users.replace_stored(users),
                    Err(error) => tracing::error!(%error, "users could not be read again"),
                }
            }
        }
        if now.saturating_duration_since(self.swept) >= SWEEP {
            self.swept = now;
            if let Err(error) = self.store.forget_ended(self.core.epoch.unix(now)) {
                tracing::error!(%error, "ended registrations could not be removed");
            }
        }
    }
}
