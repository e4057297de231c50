//! The threads for streams whose packets have to be converted: coding takes a hundred times longer than passing a packet on, and no
//! other stream waits for it. A stream comes here as a whole and stays, so that no packet goes from thread to thread.

use super::worker::{Command, Stream, Worker, Works};
use std::sync::OnceLock;

/// The threads, once a stream needed one.
pub(super) struct Converters {
    works: Works,
    workers: OnceLock<Vec<Worker>>,
}

impl Converters {
    pub(super) fn new(works: Works) -> Self {
        Self { works, workers: OnceLock::new() }
    }

    /// Hands a stream over; back where the system gives no thread.
    pub(super) fn adopt(&self, id: u64, stream: Box<Stream>) -> Result<(), Box<Stream>> {
        let Some(worker) = self.worker(id) else { return Err(stream) };
        worker.command(Command::Adopt(id, stream));
        Ok(())
    }

    /// Tells the thread of a stream that was handed over what has changed.
    pub(super) fn command(&self, id: u64, command: Command) {
        if let Some(worker) = self.worker(id) {
            worker.command(command);
        }
    }

    fn worker(&self, id: u64) -> Option<&Worker> {
        let workers = self.workers.get_or_init(|| {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let start = |number| Worker::start(&format!("convert-{number}"), self.works.clone());
            (0..processors).map_while(|number| start(number).ok()).collect()
        });
        workers.get(id as usize % workers.len().max(1))
    }
}
