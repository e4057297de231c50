//! The thread that ends calls of which a side has died, as the relaying threads tell it: they wait for no lock of the signalling.

use super::MediaEngine;
use crate::core::{Out, ServerCore};
use ringback_net::Net;
use ringback_relay::Side;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// How many may wait to be ended. Those for which there is no room are told again a second later.
const ROOM: usize = 1_024;

/// A side of a call fell silent.
#[derive(Debug)]
pub(crate) struct Silence {
    pub(super) call_id: Arc<[u8]>,
    pub(super) side: Side,
}

/// Where the relaying threads tell of it; `None` ends the thread that is told.
#[derive(Clone, Debug)]
pub(super) struct Deaths(SyncSender<Option<Silence>>);

impl Deaths {
    pub(super) fn new() -> (Self, Receiver<Option<Silence>>) {
        let (sender, receiver) = sync_channel(ROOM);
        (Self(sender), receiver)
    }

    /// Whether there was room.
    pub(super) fn tell(&self, silence: Silence) -> bool {
        !matches!(self.0.try_send(Some(silence)), Err(TrySendError::Full(_)))
    }
}

/// The thread. It ends when it is dropped.
pub(crate) struct MediaWatch {
    deaths: Deaths,
    thread: Option<JoinHandle<()>>,
}

impl MediaWatch {
    /// Starts it, where the configuration says that silent calls are ended.
    pub(crate) fn start(core: &Arc<ServerCore>, net: &Arc<Net<ServerCore>>) -> io::Result<Option<Self>> {
        let Some((deaths, waiting)) = core.media().and_then(MediaEngine::deaths) else { return Ok(None) };
        let (core, net) = (core.clone(), net.clone());
        let run = move || {
            while let Ok(Some(silence)) = waiting.recv() {
                let mut out = Out::new();
                core.end_silent_call(Instant::now(), &silence, &mut out);
                net.send(out);
            }
        };
        let thread = thread::Builder::new().name("media-watch".into()).spawn(run)?;
        Ok(Some(Self { deaths, thread: Some(thread) }))
    }
}

impl Drop for MediaWatch {
    fn drop(&mut self) {
        // Waits for room where there is none: the thread makes some. One that has panicked has ended as well.
        let _ = self.deaths.0.send(None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
