//! The ports and threads that relay, as the signalling sees them.

use super::MediaConfig;
use super::config::music;
use super::converters::Converters;
use super::figures::Figures;
use super::ports::Ports as Pool;
use super::watch::{Deaths, Silence};
use super::worker::{Command, Worker, Works};
use ringback_media::AudioFile;
use ringback_relay::{Change, Opened, Ports};
use ringback_sansio::{Map, Set};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The name of a stream, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamKey {
    pub(super) id: u64,
}

/// What all threads have done.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(super) packets: AtomicU64,
    pub(super) foreign: AtomicU64,
    pub(super) not_media: AtomicU64,
    pub(super) forged: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) silent: AtomicU64,
    pub(super) converted: AtomicU64,
    ended: AtomicU64,
    /// Not for packets.
    open: Mutex<Open>,
}

/// What is open.
#[derive(Debug, Default)]
pub(super) struct Open {
    streams: Map<u64, Arc<Figures>>,
    ports: Set<u16>,
}

impl Open {
    fn open(&mut self, id: u64, rtp: [u16; 2], figures: Arc<Figures>) {
        self.streams.insert(id, figures);
        self.ports.extend(rtp.into_iter().flat_map(|port| [port, port + 1]));
    }

    pub(super) fn is_open(&self, id: u64) -> bool {
        self.streams.contains_key(&id)
    }

    pub(super) fn close(&mut self, id: u64, rtp: [u16; 2]) {
        self.streams.remove(&id);
        for port in rtp.into_iter().flat_map(|port| [port, port + 1]) {
            self.ports.remove(&port);
        }
    }
}

impl Counters {
    pub(super) fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ports, for one call.
pub(super) struct CallPorts<'a> {
    pub(super) engine: &'a MediaEngine,
    pub(super) call: &'a Arc<[u8]>,
    /// What who is held hears.
    pub(super) music: Option<&'a AudioFile>,
}

impl Ports<StreamKey> for CallPorts<'_> {
    fn open(&mut self) -> Option<Opened<StreamKey>> {
        self.engine.open(self.call, self.music)
    }

    fn owns(&self, port: u16) -> bool {
        self.engine.counters.open().ports.contains(&port)
    }
}

/// Everything that relays.
pub(crate) struct MediaEngine {
    workers: OnceLock<Vec<Worker>>,
    threads: Option<usize>,
    patience: Duration,
    transcodes: bool,
    /// What who is held hears where no route says another.
    music: Option<AudioFile>,
    /// Where it is told of sides that died, and whoever has to hear of that, until he is there.
    deaths: Option<Deaths>,
    waiting: Mutex<Option<Receiver<Option<Silence>>>>,
    ports: Arc<Pool>,
    counters: Arc<Counters>,
    next: AtomicU64,
    told: IpAddr,
}

impl MediaEngine {
    /// `own` is the address of the first listener, and `told` what is told instead. Nothing runs before the first call.
    pub(crate) fn new(config: &MediaConfig, own: IpAddr, told: IpAddr) -> Arc<Self> {
        let address = config.address.unwrap_or(own);
        let (deaths, waiting) = config.end_silent_calls.then(Deaths::new).unzip();
        Arc::new(Self {
            workers: OnceLock::new(),
            threads: config.threads,
            patience: Duration::from_secs(config.timeout.into()),
            transcodes: config.transcode,
            music: config.hold_music.as_deref().and_then(|file| music(file).ok()),
            deaths,
            waiting: Mutex::new(waiting),
            ports: Arc::new(Pool::new(address, config.range())),
            counters: Arc::default(),
            next: AtomicU64::new(0),
            told: config.advertise.or(config.address).unwrap_or(told),
        })
    }

    /// The threads; none where the system gives none.
    fn workers(&self) -> &[Worker] {
        self.workers.get_or_init(|| {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let works = Works {
                ports: self.ports.clone(),
                counters: self.counters.clone(),
                patience: self.patience,
                deaths: self.deaths.clone(),
                converters: None,
            };
            let works = Works { converters: Some(Arc::new(Converters::new(works.clone()))), ..works };
            let start = |number| Worker::start(&format!("media-{number}"), works.clone());
            let started = (0..self.threads.unwrap_or(processors)).map(start).collect::<io::Result<_>>();
            started.unwrap_or_else(|error| {
                tracing::error!(%error, "no threads for media; nothing is relayed");
                Vec::new()
            })
        })
    }

    /// Where sides that died are told of, and where that is heard, once; nothing where calls are not ended for it.
    pub(super) fn deaths(&self) -> Option<(Deaths, Receiver<Option<Silence>>)> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.deaths.clone().zip(waiting)
    }

    /// Whether audio is converted where each side has keys of its own.
    pub(super) fn transcodes(&self) -> bool {
        self.transcodes
    }

    /// What who is held hears where no route says another.
    pub(super) fn music(&self) -> Option<AudioFile> {
        self.music.clone()
    }

    /// Whether calls are ended whose media have died.
    pub(super) fn ends_calls(&self) -> bool {
        self.deaths.is_some()
    }

    /// After how much silence a side is told to be silent.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) fn count_ended(&self) {
        self.counters.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// The figures of a stream that is open.
    pub(super) fn figures_of(&self, stream: StreamKey) -> Option<Arc<Figures>> {
        self.counters.open().streams.get(&stream.id).cloned()
    }

    /// The call of a stream was answered.
    pub(super) fn answered(&self, stream: StreamKey) {
        self.command(stream, Command::Answered(stream));
    }

    /// What descriptions say.
    pub(super) fn told(&self) -> IpAddr {
        self.told
    }

    /// Opens the ports of a medium; `None` when there are no more.
    fn open(&self, call: &Arc<[u8]>, music: Option<&AudioFile>) -> Option<Opened<StreamKey>> {
        if self.workers().is_empty() {
            return None;
        }
        let quad = self.ports.open()?;
        let ports = quad.rtp;
        let key = StreamKey { id: self.next.fetch_add(1, Ordering::Relaxed) };
        let figures = Arc::new(Figures::default());
        self.counters.open().open(key.id, ports, figures.clone());
        self.command(key, Command::Open(key, quad, Arc::clone(call), figures, music.cloned()));
        Some(Opened { stream: key, ports })
    }

    /// Tells the thread of a stream what has changed.
    pub(super) fn change(&self, change: Change<StreamKey>) {
        self.command(change.stream(), Command::Change(change));
    }

    /// Whether a stream is open still.
    pub(super) fn is_open(&self, stream: StreamKey) -> bool {
        self.counters.open().is_open(stream.id)
    }

    /// How many streams are open, how many packets were relayed, and how many of these were converted.
    pub(crate) fn figures(&self) -> (usize, u64, u64) {
        let open = self.counters.open().streams.len();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (open, read(&self.counters.packets), read(&self.counters.converted))
    }

    /// What was not relayed, by reason.
    pub(crate) fn dropped(&self) -> Map<&'static str, u64> {
        let Counters { foreign, not_media, forged, unsent, silent, ended, .. } = &*self.counters;
        [
            ("media_stranger", foreign),
            ("media_malformed", not_media),
            ("media_forged", forged),
            ("media_unsent", unsent),
            ("media_silent", silent),
            ("media_silent_ended", ended),
        ]
        .into_iter()
        .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
        .filter(|(_, count)| *count > 0)
        .collect()
    }

    /// All that belongs to a stream is done by one thread, so that its packets keep their order.
    fn command(&self, key: StreamKey, command: Command) {
        let workers = self.workers();
        let place = key.id as usize % workers.len().max(1);
        if let Some(worker) = workers.get(place) {
            worker.command(command);
        }
    }
}
