//! One record of each call that went through the proxy, in SQLite and in lines of JSON.
//!
//! Shards follow their calls and put a record into a queue of bounded size when a call is over; where there is no room
//! it is counted and forgotten, and nobody waits. One thread takes records out and writes them many at a time.

mod calls;
mod config;
mod sinks;
mod store;

pub use calls::UpCall;
pub(crate) use calls::{Calls, SETUP, Setup};
pub use config::RecordsConfig;
pub use store::RecordStore;

use crate::CallMedia;
use crate::config::ConfigError;
use serde::{Deserialize, Serialize};
use sinks::Sinks;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many are written at once.
const BATCH: usize = 2_000;
/// How long the first one of a batch waits for others.
const GATHER: Duration = Duration::from_millis(100);
/// How often old ones are looked for.
const SWEEP: Duration = Duration::from_secs(3_600);

/// What is kept of a call. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Its Call-ID.
    pub call_id: String,
    /// Who called: the URI of From.
    pub from: String,
    /// Who was called: the URI of To.
    pub to: String,
    /// The Request-URI as it came.
    pub request_uri: String,
    /// The Request-URI with which it was sent on: to who answered, else to who was tried last.
    pub target: Option<String>,
    /// Where it came from.
    pub source: String,
    /// How.
    pub transport: String,
    /// The route that it took, if it took one.
    pub route: Option<String>,
    /// When it began.
    pub started_ms: u64,
    /// When it was answered.
    pub answered_ms: Option<u64>,
    /// When it was over.
    pub ended_ms: u64,
    /// The final status; 0 where there was none.
    pub status: u16,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Why, where that was said: by Reason (RFC 3326), or by us.
    pub reason: Option<String>,
    /// What was heard of both sides, where the server relayed their media.
    #[serde(default)]
    pub media: Option<CallMedia>,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// Who had made it.
    Caller,
    /// Who was called, or those behind us.
    Callee,
    /// This server: it refused the call, or heard nothing of its end.
    #[default]
    Server,
}

impl EndedBy {
    /// As it stands in a record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Server => "server",
        }
    }

    /// Reads what [`as_str`](Self::as_str) gave.
    pub fn from_token(token: &str) -> Self {
        match token {
            "caller" => Self::Caller,
            "callee" => Self::Callee,
            _ => Self::Server,
        }
    }
}

/// The end of the queue that records are put into.
#[derive(Clone)]
pub(crate) struct Queue {
    records: SyncSender<Option<CallRecord>>,
    counts: Arc<Counts>,
}

/// What did not get to where it should.
#[derive(Debug, Default)]
struct Counts {
    no_room: AtomicU64,
    not_written: AtomicU64,
}

impl Queue {
    pub(crate) fn push(&self, record: CallRecord) {
        if self.records.try_send(Some(record)).is_err() {
            self.counts.no_room.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// By reason, where there were any.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = (String, u64)> {
        let read = |name: &str, count: &AtomicU64| (name.to_owned(), count.load(Ordering::Relaxed));
        let counts = [
            read("records_no_room", &self.counts.no_room),
            read("records_not_written", &self.counts.not_written),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0)
    }
}

/// The thread that writes.
pub(crate) struct Writer {
    pub(crate) queue: Queue,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Starts to write where the configuration says, if it says so.
///
/// # Errors
/// When a file cannot be written, or holds something else.
pub(crate) fn start(config: &RecordsConfig) -> Result<Option<Writer>, ConfigError> {
    if !config.is_on() {
        return Ok(None);
    }
    let mut sinks = Sinks::open(config)?;
    let (records, waits) = sync_channel(config.queue);
    let counts = Arc::new(Counts::default());
    let queue = Queue { records, counts: counts.clone() };
    let thread =
        thread::Builder::new().name("records".into()).spawn(move || run(&mut sinks, &waits, &counts));
    let thread = thread.map_err(|error| ConfigError::new(format!("records: no thread: {error}")))?;
    Ok(Some(Writer { queue, thread: Mutex::new(Some(thread)) }))
}

impl Writer {
    /// Writes what waits, and ends.
    pub(crate) fn end(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        // Waits for room where there is none: the thread makes some. One that panicked has written what it could.
        let _ = self.queue.records.send(None);
        let _ = thread.join();
    }
}

fn run(sinks: &mut Sinks, waits: &Receiver<Option<CallRecord>>, counts: &Counts) {
    let mut swept: Option<Instant> = None;
    loop {
        let mut batch = Vec::new();
        let mut is_over = false;
        match waits.recv_timeout(SWEEP) {
            Ok(Some(record)) => batch.push(record),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(None) | Err(RecvTimeoutError::Disconnected) => is_over = true,
        }
        let end = Instant::now() + GATHER;
        while !batch.is_empty() && batch.len() < BATCH && !is_over {
            match waits.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Some(record)) => batch.push(record),
                Err(RecvTimeoutError::Timeout) => break,
                Ok(None) | Err(RecvTimeoutError::Disconnected) => is_over = true,
            }
        }
        if !batch.is_empty() {
            let lost = sinks.write(&batch);
            counts.not_written.fetch_add(lost, Ordering::Relaxed);
        }
        if is_over {
            return;
        }
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            swept = Some(Instant::now());
            sinks.forget_old();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_disk_that_does_not_keep_up_records_are_counted_and_nobody_waits() {
        let (records, waits) = sync_channel(2);
        let queue = Queue { records, counts: Arc::default() };
        for _ in 0..5 {
            queue.push(CallRecord::default());
        }
        assert_eq!(queue.dropped().collect::<Vec<_>>(), [("records_no_room".to_owned(), 3)]);
        drop(waits);
    }

    #[test]
    fn what_the_disk_does_not_take_is_counted_and_the_next_is_tried_again() {
        let folder = std::env::temp_dir().join(format!("ringback-records-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let jsonl = folder.join("calls.jsonl");
        let config = RecordsConfig { jsonl: Some(jsonl.clone()), ..RecordsConfig::default() };
        let mut sinks = Sinks::open(&config).unwrap();
        let batch = [CallRecord::default(), CallRecord::default()];
        std::fs::remove_file(&jsonl).unwrap();
        std::fs::create_dir(&jsonl).unwrap();
        assert_eq!(sinks.write(&batch), 2);
        std::fs::remove_dir(&jsonl).unwrap();
        assert_eq!(sinks.write(&batch), 0, "it was moved away, and is made again");
        assert_eq!(std::fs::read_to_string(&jsonl).unwrap().lines().count(), 2);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
