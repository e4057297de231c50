//! What the audience sees: every message as it is sent, drawn at once and kept for the files.

use crate::out::line;
use crate::phone::packet;
use ringback::{Direction, Seen, Tap};
use ringback_trace::{Calls, CaptureWriter, LadderPrinter, Names, Packet, TextStyle};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The columns of the ladder, from left to right.
pub(super) const CAST: [&str; 3] = ["Alice", "ringback", "Bob"];

/// Collects what all three send. What one sends the other receives, so sending alone tells all.
pub(super) struct Stage {
    play: Mutex<Play>,
}

struct Play {
    capture: CaptureWriter<BufWriter<File>>,
    calls: Calls,
    names: Names,
    /// Absent until the addresses of the cast are known; nothing is sent before.
    printer: Option<LadderPrinter>,
    media: BTreeMap<(SocketAddr, SocketAddr), u64>,
    fault: Option<io::Error>,
}

impl Stage {
    pub(super) fn open(capture: &Path) -> io::Result<Self> {
        let capture = CaptureWriter::new(BufWriter::new(File::create(capture)?))?;
        let (calls, names, media) = (Calls::new(), Names::new(), BTreeMap::new());
        let play = Play { capture, calls, names, printer: None, media, fault: None };
        Ok(Self { play: Mutex::new(play) })
    }

    /// Names the columns and draws their heads. From here on messages are drawn.
    pub(super) fn introduce(&self, cast: [SocketAddr; 3], style: TextStyle) {
        let mut play = self.lock();
        for (name, address) in CAST.into_iter().zip(cast) {
            play.names.add(address, name);
        }
        let printer = LadderPrinter::new(&CAST, play.names.clone(), style);
        line(printer.header().trim_end());
        play.printer = Some(printer);
    }

    /// The tap of one of the cast.
    pub(super) fn watch(self: &Arc<Self>, name: &'static str) -> Arc<dyn Tap> {
        Arc::new(Watch { stage: self.clone(), name })
    }

    fn lock(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the capture and gives what was seen, by call.
    pub(super) fn close(&self) -> io::Result<(Calls, Names)> {
        let mut play = self.lock();
        if let Some(printer) = play.printer.take() {
            line(printer.footer().trim_end());
        }
        if let Some(fault) = play.fault.take() {
            return Err(fault);
        }
        play.capture.flush()?;
        Ok((std::mem::take(&mut play.calls), play.names.clone()))
    }
}

impl Play {
    fn add(&mut self, name: &'static str, packet: &Packet) {
        if let Err(fault) = self.capture.write(packet) {
            self.fault.get_or_insert(fault);
        }
        self.names.add(packet.source, name);
        self.calls.add(packet);
        let Some(printer) = &mut self.printer else { return };
        printer.name(packet.source, name);
        if is_message(&packet.payload) {
            line(printer.message(packet).trim_end());
            return;
        }
        let way = (packet.source, packet.destination);
        let back = (packet.destination, packet.source);
        let count = self.media.entry(way).or_default();
        *count += 1;
        // The first packet that answers another shows that both hear each other.
        if *count == 1 && self.media.contains_key(&back) {
            line(printer.media(packet.time, way.1, way.0, "speech, both ways").trim_end());
        }
    }
}

/// SIP begins with a letter, RTP and RTCP with version 2 in the first two bits.
fn is_message(payload: &[u8]) -> bool {
    payload.first().is_some_and(u8::is_ascii_alphabetic)
}

struct Watch {
    stage: Arc<Stage>,
    name: &'static str,
}

impl Tap for Watch {
    fn saw(&self, seen: Seen<'_>) {
        if seen.direction == Direction::Out {
            self.stage.lock().add(self.name, &packet(&seen));
        }
    }
}
