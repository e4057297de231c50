//! Putting it together, and taking it apart again.

use crate::admin::{self, Admin, Asked};
use crate::authority::Authority;
use crate::config::{ConfigError, ServerConfig, Storage};
use crate::core::{Outlets, ServerCore};
use crate::drain;
use crate::due::Dues;
use crate::guard::Guard;
use crate::handover::Predecessor;
use crate::history::Recorded;
use crate::http::{self, Http};
use crate::locations::Locations;
use crate::media::MediaWatch;
use crate::metrics::Stats;
use crate::outside;
use crate::overload::Watch;
use crate::push::{self, Push};
use crate::reach::Reach;
use crate::records;
use crate::reload::{Reloaded, Reloader};
use crate::store::{Store, StoreError};
use crate::tls;
use crate::trace::{self, Trace};
use crate::users::{self, Users};
use crate::writer::{self, Jobs};
use ringback_net::{BindError, Listen, NameServers, Net, NetConfig, OsEntropy, Scheduling, Sockets, epoch};
use ringback_proxy::FlowKey;
use ringback_registrar::{Aor, Binding, Gruus, NotOurselves, PathPolicy, RegistrarConfig};
use ringback_sansio::{Entropy as _, Epoch, Map};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many bindings go from thread to thread at once when the store is read, and how many such heaps may wait.
const BATCH: usize = 512;
const BATCHES: usize = 4;

/// A running server. Dropping it ends it; [`shutdown`](Self::shutdown) also lets connections write what waits.
pub struct Server {
    net: Arc<Net<ServerCore>>,
    core: Arc<ServerCore>,
    realm: String,
    admin: Option<Admin>,
    http: Option<Http>,
    watch: Option<Watch>,
    media_watch: Option<MediaWatch>,
    push: Option<push::Worker>,
    jobs: Option<Jobs>,
    writer: Option<JoinHandle<()>>,
    trace: Arc<Trace>,
    records: Option<records::Writer>,
    reloader: Arc<Reloader>,
}

/// Why a server does not start.
#[non_exhaustive]
#[derive(Debug)]
pub enum StartError {
    /// The configuration, or a file that it names, cannot be used.
    Config(ConfigError),
    /// A place cannot be listened on.
    Bind(BindError),
    /// The data directory cannot be used.
    Store(StoreError),
    /// The admin socket cannot be made.
    Admin(PathBuf, io::Error),
    /// The server that runs hands nothing over.
    TakeOver(String),
    /// The system gives no threads, addresses or file descriptors.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Admin(path, error) => {
                write!(f, "{}: the admin socket cannot be made: {error}", path.display())
            }
            Self::TakeOver(problem) => write!(f, "cannot take over: {problem}"),
            Self::System(error) => write!(f, "the system refused: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl Server {
    /// Starts a server on threads of its own.
    ///
    /// # Errors
    /// When something of what it is asked for cannot be had; then nothing stays behind.
    pub fn start(mut config: ServerConfig) -> Result<Self, StartError> {
        config.check()?;
        let as_given = config.clone();
        outside::learn(&mut config)?;
        // Each connection is a file. With fewer than asked for it still runs.
        let _ = ringback_net::examine::raise_open_files();
        let epoch = epoch();
        let path = config.admin();
        let mut predecessor = match path.as_deref().filter(|_| config.take_over) {
            Some(path) => Predecessor::find(path)?,
            None => None,
        };
        let realm = config.realm();
        let users = Users::new(fixed_users(&config, &realm)?);
        let store = match &config.storage {
            Storage::Directory(directory) => Some(Store::open(directory)?),
            Storage::Ephemeral => None,
        };
        if let Some(store) = &store {
            users.replace_stored(store.users(&realm)?);
            let elsewhere = store.users_elsewhere(&realm);
            if elsewhere > 0 {
                tracing::warn!(
                    elsewhere,
                    realm,
                    "the store holds users of other realms, who cannot log in here"
                );
            }
        }
        let mut socket = match path.as_deref().filter(|_| predecessor.is_none()) {
            Some(path) => Some(admin::bind(path).map_err(|error| StartError::Admin(path.into(), error))?),
            None => None,
        };
        let taken_over = predecessor.as_mut().and_then(|own| own.http(config.admin.listen));
        let http = http::bind(&config.admin, &config.storage, taken_over)?;
        let mut net_config = net_config(&config)?;
        let trace = Arc::new(Trace::new(config.tap.clone()));
        trace.tell(trace::open(&config.trace)?, config.trace.queue)?;
        net_config.tap = Some(trace.tap.clone());
        net_config.waits = predecessor.is_some();
        let inherited = predecessor.as_mut().map(Predecessor::sockets).unwrap_or_default();
        let sockets = Sockets::bind_or_inherit(net_config, inherited)?;
        let reach = Reach::new(sockets.listeners(), &config)?;
        // Addresses and flows that were named to others are understood by the server that starts next as well.
        let [gruu, flows] = [kept_secret(store.as_ref(), "gruu")?, kept_secret(store.as_ref(), "flows")?];
        let (push, orders) = Push::new(&config.push).unzip();
        let locations = locations(&config, &reach, epoch, Gruus::new(gruu)).with_push(push.clone());
        if let Some(store) = &store {
            match &predecessor {
                Some(_) => store.watch_changes()?,
                None => store.watch_no_more()?,
            }
            restore(store, &locations, epoch)?;
        }
        let guard = Guard::new(config.guard.clone(), OsEntropy::new().next_u64());
        let authority = Authority::new(&realm, &config.digest(), config.no_auth, users, guard, epoch);
        let (jobs, waiting) = store.as_ref().map(|_| writer::queue()).unzip();
        let traced = trace.tap.counts.clone();
        let records = records::start(&config.records)?;
        let queue = records.as_ref().map(|records| records.queue.clone());
        let secret = u64::from_be_bytes(std::array::from_fn(|place| flows[place]));
        let flow_key = FlowKey { secret, run: OsEntropy::new().next_u64() };
        let outlets = Outlets { jobs: jobs.clone(), traced, records: queue, flow_key };
        let core = Arc::new(ServerCore::new(&config, epoch, reach, authority, locations, outlets)?);
        if let (Some(bound), Some(asked)) = (&http, config.admin.listen) {
            let mut kept = core.hand_over.http.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some((asked, bound.duplicate()?));
        }
        if let (Some(predecessor), Some(store), Some(path)) = (&mut predecessor, &store, &path) {
            predecessor.freeze(store, &core.locations, epoch)?;
            let bound = admin::bind_over(path).map_err(|error| StartError::Admin(path.clone(), error))?;
            socket = Some(bound);
        }
        let net = Arc::new(sockets.start(core.clone())?);
        let reloader = Arc::new(Reloader::new(as_given, &realm, core.clone(), net.clone(), trace.clone()));
        let mut server = Self {
            net,
            core,
            realm,
            admin: None,
            http: None,
            watch: None,
            media_watch: None,
            push: None,
            jobs,
            writer: None,
            trace,
            records,
            reloader,
        };
        if let (Some(store), Some(waiting)) = (store, waiting) {
            let (core, net) = (server.core.clone(), server.net.clone());
            server.writer = Some(writer::start(store, waiting, core, net, server.realm.clone())?);
        }
        if let (Some(push), Some(orders)) = (push, orders) {
            let sender = config.push_sender.clone();
            server.push = Some(push::start(&server.core, &server.net, &push, sender, orders)?);
        }
        server.watch = Some(Watch::start(&server.core, &server.net)?);
        server.media_watch = MediaWatch::start(&server.core, &server.net)?;
        let asked =
            Asked { core: server.core.clone(), net: server.net.clone(), reloader: server.reloader.clone() };
        if let Some(bound) = http {
            server.http = Some(Http::start(bound, asked.clone())?);
        }
        if let (Some(path), Some(socket)) = (path, socket) {
            server.admin = Some(Admin::start(&path, socket, asked)?);
        }
        if let Some(predecessor) = predecessor {
            predecessor.succeed(&server.core, &server.net)?;
        }
        Ok(server)
    }

    /// Where it listens, in the order asked for, with the ports that the system picked.
    pub fn listeners(&self) -> &[Listen] {
        self.net.listeners()
    }

    /// The domains that are ours.
    pub fn domains(&self) -> Vec<String> {
        self.core.reach.load().domains.clone()
    }

    /// The protection space of the passwords.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// How many users there are who could log in.
    pub fn user_count(&self) -> usize {
        self.core.authority.users.len()
    }

    /// The socket on which [`admin`] questions are answered.
    pub fn admin(&self) -> Option<&Path> {
        self.admin.as_ref().map(Admin::path)
    }

    /// Where HTTP is answered, with the port that the system picked.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(Http::address)
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.core.stats().with_net(&self.net)
    }

    /// What was said in a call lately, in order of time. Where no call has just this Call-ID: in all calls whose Call-ID
    /// begins so, of which the latest messages are told; an empty one asks for every call.
    pub fn why(&self, call_id: &str) -> Vec<Recorded> {
        self.core.why(call_id)
    }

    /// Goes on as another configuration says: with its routes, users, guard, limits, trace and certificates. All of it takes
    /// effect or, where something is wrong, nothing; calls that are up go on. What needs a restart stays as it is, and is
    /// named in the answer. It reads files, so it is not for a thread that handles messages.
    ///
    /// # Errors
    /// Says what is wrong, and where.
    pub fn reload(&self, config: &ServerConfig) -> Result<Reloaded, ConfigError> {
        self.reloader.reload(config)
    }

    /// The same with what [`ServerConfig::reread`] gives.
    ///
    /// # Errors
    /// Says what is wrong, and where.
    pub fn reread(&self) -> Result<Reloaded, ConfigError> {
        self.reloader.reread()
    }

    /// Gets ready to end: from now on what is new is refused with 503 and Retry-After, so that it goes elsewhere, and calls that
    /// are up go on. Waits until they are over, or for as long as the configuration says ([`ServerConfig::drain`]), and gives how
    /// many are up even then. Without records of calls their number is that of calls answered and not hung up, which counts
    /// those whose BYE never came.
    pub async fn drain(&self) -> usize {
        drain::drain(&self.core, self.reloader.running().drain()).await
    }

    /// How many calls are up, counted as [`drain`](Self::drain) does.
    pub fn calls_up(&self) -> usize {
        self.core.up().calls
    }

    /// How long [`drain`](Self::drain) waits at most.
    pub fn drain_time(&self) -> Duration {
        self.reloader.running().drain()
    }

    /// Waits until another process has taken over ([`ServerConfig::take_over`]). What was begun here then goes on, and
    /// [`drain`](Self::drain) waits for its end. Cancel safe.
    pub async fn taken_over(&self) {
        self.core.hand_over.over().await;
    }

    /// Waits until the process that had taken over has ended, so that nobody takes what is new. Cancel safe.
    pub async fn orphaned(&self) {
        self.core.hand_over.orphaned().await;
    }

    /// Starts another process, which takes over; gives it.
    ///
    /// # Errors
    /// Says why it cannot be started.
    pub fn restart(&self) -> Result<u32, String> {
        self.reloader.restart()
    }

    /// Ends the server: what waits is written, to disk and to connections, for a second at most.
    pub async fn shutdown(mut self) {
        if self.core.hand_over.is_over() {
            // It wakes threads and waits for them, for milliseconds.
            self.net.leave_datagrams();
            self.core.hand_over.end();
        }
        self.net.shutdown().await;
        self.end();
    }

    fn end(&mut self) {
        (self.admin, self.http, self.watch, self.media_watch) = (None, None, None, None);
        self.push = None;
        if let Some(jobs) = &self.jobs {
            jobs.end();
        }
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has written what it could.
            let _ = writer.join();
        }
        self.trace.end();
        if let Some(records) = self.records.take() {
            self.core.close_calls(Instant::now());
            records.end();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server {{ listeners: {:?}, domains: {:?} }}", self.listeners(), self.domains())
    }
}

pub(crate) fn fixed_users(
    config: &ServerConfig,
    realm: &str,
) -> Result<Map<String, users::Hashes>, ConfigError> {
    let file = config.users_file.as_ref().map(|file| users::read_file(file, realm)).transpose()?;
    let own =
        config.users.iter().map(|(name, password)| (name.clone(), users::hashes(name, realm, password)));
    Ok(file.into_iter().flatten().chain(own).collect())
}

fn net_config(config: &ServerConfig) -> Result<NetConfig, ConfigError> {
    let mut net = NetConfig::new(config.listen());
    let processors = thread::available_parallelism().map_or(1, usize::from);
    net.workers = config.workers.unwrap_or(processors);
    net.scheduling = Scheduling::Batch;
    net.transport.framing = config.limits.message.framing();
    net.transport.max_streams = config.limits.streams;
    net.transport.max_streams_per_source = config.limits.streams_per_source;
    net.tap.clone_from(&config.tap);
    net.tls = tls::load(config)?;
    net.dscp = config.dscp;
    if let Some(seconds) = config.serve_stale {
        net.serve_stale = Duration::from_secs(seconds.into());
    }
    net.web_socket.origins.clone_from(&config.ws_origins);
    for (name, addresses) in &config.hosts {
        for ip in addresses {
            net.hosts.add(name, *ip);
        }
    }
    if !config.name_servers.is_empty() {
        net.name_servers = NameServers::At(config.name_servers.clone());
    }
    Ok(net)
}

fn locations(config: &ServerConfig, reach: &Reach, epoch: Epoch, gruus: Gruus) -> Locations {
    let registrar = RegistrarConfig { gruus: Some(gruus), ..registrar(config, reach) };
    let end_with_flow = config.registrations.end_with_flow;
    Locations::new(Dues::new(epoch.at), &registrar, reach.hosts(), config.limits.bindings, end_with_flow)
}

/// What the registrar allows.
pub(crate) fn registrar(config: &ServerConfig, reach: &Reach) -> RegistrarConfig {
    RegistrarConfig {
        domains: reach.hosts(),
        min_expires: config.registrations.min_expires,
        default_expires: config.registrations.default_expires,
        max_expires: config.registrations.max_expires,
        max_contacts: config.limits.contacts_per_user,
        contacts: Arc::new(NotOurselves { addresses: reach.addresses().collect() }),
        push: config.push.policy(),
        path: if config.registrations.lenient_path { PathPolicy::Lenient } else { PathPolicy::Strict },
        ..RegistrarConfig::default()
    }
}

/// A secret that stays the same from run to run where there is a store.
fn kept_secret(store: Option<&Store>, name: &str) -> Result<[u8; 32], StoreError> {
    let mut new = [0; 32];
    OsEntropy::new().fill(&mut new);
    store.map_or(Ok(new), |store| store.secret(name, new))
}

/// Puts what the store holds back in its place. There may be a million bindings, and reading one takes about as long as
/// finding its place, so one thread reads and another one finds.
fn restore(store: &Store, locations: &Locations, epoch: Epoch) -> Result<(), StoreError> {
    let (sender, receiver) = mpsc::sync_channel::<Vec<(Aor, Binding)>>(BATCHES);
    let find = || {
        let (mut restored, mut refused) = (0usize, 0usize);
        for (aor, binding) in receiver.into_iter().flatten() {
            match locations.restore(epoch.at, aor, binding) {
                Ok(()) => restored += 1,
                Err(_) => refused += 1,
            }
        }
        (restored, refused)
    };
    let (read, found) = thread::scope(|scope| {
        let finds = scope.spawn(find);
        let mut batch = Vec::with_capacity(BATCH);
        let read = store.each_binding(epoch.at, &epoch, |aor, binding| {
            batch.push((aor, binding));
            if batch.len() == BATCH {
                // Fails only where the other thread has panicked, which is told below.
                let _ = sender.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
            }
        });
        let _ = sender.send(batch);
        drop(sender);
        (read, finds.join())
    });
    let (restored, refused) = found.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    read?;
    if refused > 0 {
        tracing::warn!(refused, "there is no room for all bindings of the store; raise limits.bindings");
    }
    tracing::info!(restored, "bindings are back");
    Ok(())
}
