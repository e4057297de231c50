//! More requests than there is time for: what is new is refused or dropped, so that what was begun is finished in time, and
//! those who send are told to send less (RFC 7339).
//!
//! A thread of its own looks twenty times a second at how busy the workers are and sets the share that is refused. A request
//! costs one look at that share and one at its Via, and nothing where it is switched off.

mod config;
mod control;
mod feedback;
mod restraint;

pub use config::OverloadConfig;

use crate::core::ServerCore;
use crate::guard::{has_to_tag, is_emergency};
pub(crate) use restraint::Wishes;

use arc_swap::ArcSwap;
use control::Control;
use ringback_message::{HeaderId, Message, Method};
use ringback_net::{Load, Net};
use ringback_sansio::Hasher;
use std::hash::BuildHasher as _;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the load is looked at.
const INTERVAL: Duration = Duration::from_millis(50);
/// And while there is little to do, since looking is not for nothing.
const WHEN_CALM: Duration = Duration::from_millis(200);

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is handled.
    Take,
    /// It is refused with 503 where it would begin something, and told to come back after so many seconds.
    Refuse(Option<u32>),
    /// There is not even time to refuse it.
    Drop,
}

/// How much of what is new is refused.
#[derive(Debug)]
pub(crate) struct Overload {
    config: ArcSwap<OverloadConfig>,
    is_enabled: AtomicBool,
    hasher: Hasher,
    control: Mutex<Control>,
    /// In thousandths.
    share: AtomicU32,
    /// Whether what would be refused is dropped.
    is_full: AtomicBool,
    refused: AtomicU64,
    dropped: AtomicU64,
}

impl Overload {
    /// `hasher` is keyed, so that nobody can choose requests that are always taken.
    pub(crate) fn new(config: OverloadConfig, hasher: Hasher) -> Self {
        Self {
            config: ArcSwap::from_pointee(config),
            is_enabled: AtomicBool::new(config.enabled),
            hasher,
            control: Mutex::new(control(config)),
            share: AtomicU32::new(0),
            is_full: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Goes on as another configuration says. Where that says something else, the share is found anew.
    pub(crate) fn renew(&self, config: OverloadConfig) {
        let mut own = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if **self.config.load() == config {
            return;
        }
        *own = control(config);
        self.config.store(config.into());
        self.is_enabled.store(config.enabled, Ordering::Relaxed);
        self.share.store(0, Ordering::Relaxed);
        self.is_full.store(false, Ordering::Relaxed);
    }

    /// Takes what was measured.
    fn measured(&self, load: Load) {
        if !self.is_enabled.load(Ordering::Relaxed) {
            return;
        }
        // Held to the end, so that a configuration which comes meanwhile is not followed by a share of the one before.
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let share = control.measured(load.busy, load.queued);
        let before = self.share.swap(share, Ordering::Relaxed);
        let is_full = share > 0 && load.queued * 100.0 > f64::from(self.config.load().queue);
        self.is_full.store(is_full, Ordering::Relaxed);
        if (before == 0) != (share == 0) {
            let (busy, queued) = (format!("{:.2}", load.busy), format!("{:.2}", load.queued));
            match share {
                0 => tracing::info!(busy, queued, "there is time for all requests again"),
                _ => {
                    tracing::warn!(busy, queued, "there is too much to do; new requests are refused in part")
                }
            }
        }
    }

    /// What becomes of a message. Writes into a request what its sender wants to know of the load, which the answers to it then
    /// carry. `is_trusted` says whether its sender's word counts on how important it is.
    pub(crate) fn judge(
        &self,
        message: &mut Message,
        unix: Duration,
        is_trusted: impl FnOnce() -> bool,
    ) -> Verdict {
        if !self.is_enabled.load(Ordering::Relaxed) {
            return Verdict::Take;
        }
        let share = self.share.load(Ordering::Relaxed);
        let Some(method) = message.method() else { return Verdict::Take };
        let is_new = share > 0
            && *method != Method::ACK
            && *method != Method::CANCEL
            && !has_to_tag(message)
            && !is_emergency(message)
            && !(message.has(HeaderId::RESOURCE_PRIORITY) && is_trusted());
        let has_feedback = feedback::write(message, share, unix);
        if !is_new {
            return Verdict::Take;
        }
        // The same for each copy of a request.
        let of = (message.values(HeaderId::VIA).next(), message.values(HeaderId::CALL_ID).next());
        let hash = self.hasher.hash_one(of);
        if hash % 1_000 >= u64::from(share) {
            return Verdict::Take;
        }
        if self.is_full.load(Ordering::Relaxed) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Verdict::Drop;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        // Retry-After is all or nothing; who is told the share knows better (RFC 7339 §5.9).
        let least = self.config.load().retry_after;
        let later = least + ((hash >> 32) % (u64::from(least) + 1)) as u32;
        Verdict::Refuse((!has_feedback).then_some(later))
    }

    /// The share of new requests that is refused now, 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        f64::from(self.share.load(Ordering::Relaxed)) / 1_000.0
    }

    /// What was not taken, by reason, where there was any.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (String, u64)> {
        let read = |name: &str, count: &AtomicU64| (name.to_owned(), count.load(Ordering::Relaxed));
        let counts = [read("overload_refused", &self.refused), read("overload_dropped", &self.dropped)];
        counts.into_iter().filter(|(_, count)| *count > 0)
    }
}

fn control(config: OverloadConfig) -> Control {
    Control::new(config.cpu.map(|cpu| f64::from(cpu) / 100.0))
}

/// The thread that looks at the load. It ends when it is dropped.
pub(crate) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(core: &Arc<ServerCore>, net: &Net<ServerCore>) -> io::Result<Self> {
        let (core, mut meter) = (core.clone(), net.meter());
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            let mut interval = INTERVAL;
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let Some(load) = meter.read(Instant::now()) else { continue };
                core.overload.measured(load);
                let is_calm = load.is_calm() && core.overload.share() == 0.0;
                interval = if is_calm { WHEN_CALM } else { INTERVAL };
            }
        };
        let thread = thread::Builder::new().name("load".into()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
