//! Writing what goes over the network into a capture.

use crate::outcome::Failure;
use ringback::{Direction, Seen, Tap};
use ringback_trace::{CaptureFormat, CaptureWriter, Packet};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The packet as the network saw it.
pub(crate) fn packet(seen: &Seen<'_>) -> Packet {
    let (source, destination) = match seen.direction {
        Direction::In => (seen.peer, seen.local),
        Direction::Out => (seen.local, seen.peer),
    };
    Packet { time: seen.at, source, destination, protocol: seen.protocol, payload: seen.bytes.clone() }
}

/// A capture that is being written.
pub(crate) struct Capture {
    writer: Mutex<CaptureWriter<BufWriter<File>>>,
}

impl Capture {
    pub(crate) fn create(path: &Path) -> Result<Arc<Self>, Failure> {
        let failed = |error| Failure::Usage(format!("--pcap: cannot write {}: {error}", path.display()));
        let file = File::create(path).map_err(failed)?;
        let is_pcapng = path.extension().is_some_and(|ending| ending == "pcapng");
        let format = if is_pcapng { CaptureFormat::Pcapng } else { CaptureFormat::Pcap };
        let writer = CaptureWriter::with_format(BufWriter::new(file), format).map_err(failed)?;
        Ok(Arc::new(Self { writer: Mutex::new(writer) }))
    }
}

impl Tap for Capture {
    fn saw(&self, seen: Seen<'_>) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writer.write(&packet(&seen)) {
            tracing::warn!(%error, "the capture is not complete");
        }
    }
}
