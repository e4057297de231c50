//! The thread that writes to the store.
//!
//! Everything that waits is written in one commit, and then everybody who waited is answered: one log write
//! serves thousands of registrations a second. An answer is never sent before its commit.

use crate::core::ServerCore;
use crate::store::Store;
use ringback_message::Response;
use ringback_net::{Net, Outbox};
use ringback_registrar::Change;
use ringback_transaction::ServerKey;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

/// How many registrations may wait for the disk.
const MOST_WAITING: usize = 20_000;
/// How many are written in one commit.
const BATCH: usize = 2_000;
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
    pub(crate) key: ServerKey,
    pub(crate) kept: Response,
    pub(crate) lost: Response,
}

/// The end of the queue that jobs are put into.
#[derive(Clone)]
pub(crate) struct Jobs {
    queue: Sender<Option<Job>>,
    waiting: Arc<AtomicUsize>,
}

/// The end that they are taken from.
pub(crate) struct Waiting {
    queue: Receiver<Option<Job>>,
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
        let _ = self.queue.send(Some(job));
    }

    /// Ends the writer when everything before is written.
    pub(crate) fn end(&self) {
        let _ = self.queue.send(None);
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
            let mut jobs = Vec::new();
            let mut is_over = false;
            match waiting.queue.recv_timeout(WATCH) {
                Ok(Some(job)) => jobs.push(job),
                Ok(None) | Err(RecvTimeoutError::Disconnected) => is_over = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            while jobs.len() < BATCH && !is_over {
                match waiting.queue.try_recv() {
                    Ok(Some(job)) => jobs.push(job),
                    Ok(None) => is_over = true,
                    Err(_) => break,
                }
            }
            waiting.waiting.fetch_sub(jobs.len(), Ordering::Relaxed);
            if !jobs.is_empty() {
                self.write(jobs);
            }
            if is_over {
                return;
            }
            self.look_around();
        }
    }

    fn write(&mut self, jobs: Vec<Job>) {
        let written = self.store.commit(&self.core.epoch, jobs.iter().flat_map(|job| &job.changes));
        if let Err(error) = &written {
            tracing::error!(%error, lost = jobs.len(), "registrations could not be written");
        }
        let mut by_shard: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
        for answer in jobs.into_iter().filter_map(|job| job.answer) {
            by_shard.entry(answer.shard).or_default().push(answer);
        }
        let now = Instant::now();
        let mut out = Outbox::new();
        for (shard, answers) in by_shard {
            self.core.with_shard(now, shard, &mut out, |node| {
                for Answer { key, kept, lost, .. } in answers {
                    let response = if written.is_ok() { kept } else { lost };
                    // Gone means that the phone gave up waiting.
                    let _ = node.transactions.respond(now, key, response);
                }
            });
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
