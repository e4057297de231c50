//! Asking a running server: one JSON object a line over a local socket.
//!
//! `{"why":"CALL-ID"}` is answered `{"messages":[…]}`, `{"stats":true}` is answered `{"stats":{…}}`, `{"bans":true}` is
//! answered `{"bans":[…]}`, `{"pardon":"ADDRESS"}` is answered `{"pardoned":true}` where there was a ban, `{"reload":true}`
//! is answered `{"reloaded":{"changed":[…],"needs_restart":[…]}}`, `{"calls":true}` is answered `{"calls":[…]}`,
//! `{"process":true}` is answered `{"process":PID}`, `{"restart":true}` is answered `{"restarting":PID}` with the process that is
//! to take over, and anything else, and what cannot be done, `{"error":"…"}`. `{"takeover":true}` is for that process.
//! The socket is the server's user's own: whoever can open it may know everything.

use crate::core::ServerCore;
use crate::handover::{self, Offer};
use crate::reload::{Reloaded, Reloader};
use crate::{Ban, Recorded, Stats, UpCall};
use ringback_net::{Direction, Net};
use ringback_sansio::Protocol;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest question.
const LONGEST: u64 = 64 << 10;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Question {
    /// What was said in a call.
    Why(String),
    /// The counters.
    Stats(bool),
    /// Who is banned.
    Bans(bool),
    /// To end a ban.
    Pardon(IpAddr),
    /// To read the configuration again.
    Reload(bool),
    /// Which calls are up.
    Calls(bool),
    /// The process that serves.
    Process(bool),
    /// To start a process that takes over.
    Restart(bool),
    /// To hand everything over to who asks.
    TakeOver(bool),
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    Messages(Vec<Line>),
    Stats(Stats),
    Bans(Vec<Ban>),
    Pardoned(bool),
    Reloaded(Reloaded),
    Calls(Vec<UpCall>),
    Process(u32),
    Restarting(u32),
    Offer(Offer),
    Error(String),
}

/// A message, as JSON can hold it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    /// Microseconds since 1970.
    at_us: u64,
    direction: String,
    protocol: String,
    local: SocketAddr,
    peer: SocketAddr,
    text: String,
}

impl From<Recorded> for Line {
    fn from(recorded: Recorded) -> Self {
        Self {
            at_us: u64::try_from(recorded.at.as_micros()).unwrap_or(u64::MAX),
            direction: if recorded.direction == Direction::In { "in" } else { "out" }.into(),
            protocol: recorded.protocol.as_param().into(),
            local: recorded.local,
            peer: recorded.peer,
            text: String::from_utf8_lossy(&recorded.bytes).into_owned(),
        }
    }
}

impl From<Line> for Recorded {
    fn from(line: Line) -> Self {
        Self {
            at: Duration::from_micros(line.at_us),
            direction: if line.direction == "in" { Direction::In } else { Direction::Out },
            protocol: Protocol::from_token(&line.protocol).unwrap_or(Protocol::Udp),
            local: line.local,
            peer: line.peer,
            bytes: line.text.into(),
        }
    }
}

/// Asks the server behind `socket` what was said in a call lately, in order of time, as
/// [`Server::why`](crate::Server::why) does. Nothing when it does not remember the call.
///
/// # Errors
/// When there is no server, or it does not answer.
pub fn why(socket: &Path, call_id: &str) -> io::Result<Vec<Recorded>> {
    match ask(socket, &Question::Why(call_id.to_owned()))? {
        Reply::Messages(lines) => Ok(lines.into_iter().map(Recorded::from).collect()),
        Reply::Error(problem) => Err(io::Error::other(problem)),
        _ => Err(unexpected()),
    }
}

/// Asks the server behind `socket` for its counters.
///
/// # Errors
/// When there is no server, or it does not answer.
pub fn stats(socket: &Path) -> io::Result<Stats> {
    match ask(socket, &Question::Stats(true))? {
        Reply::Stats(stats) => Ok(stats),
        Reply::Error(problem) => Err(io::Error::other(problem)),
        _ => Err(unexpected()),
    }
}

/// Asks the server behind `socket` who is banned.
///
/// # Errors
/// When there is no server, or it does not answer.
pub fn bans(socket: &Path) -> io::Result<Vec<Ban>> {
    match ask(socket, &Question::Bans(true))? {
        Reply::Bans(bans) => Ok(bans),
        Reply::Error(problem) => Err(io::Error::other(problem)),
        _ => Err(unexpected()),
    }
}

/// Ends the ban of an address, or of its IPv6 network; says whether there was one.
///
/// # Errors
/// When there is no server, or it does not answer.
pub fn pardon(socket: &Path, source: IpAddr) -> io::Result<bool> {
    match ask(socket, &Question::Pardon(source))? {
        Reply::Pardoned(was_banned) => Ok(was_banned),
        Reply::Error(problem) => Err(io::Error::other(problem)),
        _ => Err(unexpected()),
    }
}

/// Has the server behind `socket` read its configuration again, as [`Server::reread`](crate::Server::reread) does.
///
/// # Errors
/// When there is no server, it does not answer, or the configuration cannot be used: then the kind is
/// [`InvalidInput`](io::ErrorKind::InvalidInput).
pub fn reload(socket: &Path) -> io::Result<Reloaded> {
    match ask(socket, &Question::Reload(true))? {
        Reply::Reloaded(reloaded) => Ok(reloaded),
        Reply::Error(problem) => Err(io::Error::new(io::ErrorKind::InvalidInput, problem)),
        _ => Err(unexpected()),
    }
}

/// Asks the server behind `socket` which calls are up, where it keeps records: 10,000 of them at most.
///
/// # Errors
/// When there is no server, or it does not answer.
pub fn calls(socket: &Path) -> io::Result<Vec<UpCall>> {
    match ask(socket, &Question::Calls(true))? {
        Reply::Calls(calls) => Ok(calls),
        Reply::Error(problem) => Err(io::Error::other(problem)),
        _ => Err(unexpected()),
    }
}

/// Has the server behind `socket` start another process of the same program and configuration, and waits until that has taken over:
/// for `patience` at most. Gives the process.
///
/// # Errors
/// When there is no server, it cannot start a process, or that does not take over; then the one that ran runs on.
pub fn restart(socket: &Path, patience: Duration) -> io::Result<u32> {
    let until = Instant::now() + patience;
    let process = match ask(socket, &Question::Restart(true))? {
        Reply::Restarting(process) => process,
        Reply::Error(problem) => return Err(io::Error::new(io::ErrorKind::InvalidInput, problem)),
        _ => return Err(unexpected()),
    };
    while Instant::now() < until {
        // Nobody answers in the moment of the change.
        if matches!(ask(socket, &Question::Process(true)), Ok(Reply::Process(serves)) if serves == process) {
            return Ok(process);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let problem = format!("process {process} has not taken over in {patience:?}; its output says why");
    Err(io::Error::new(io::ErrorKind::TimedOut, problem))
}

/// Asks for the sockets of a server, by a stream over which it then sends them.
pub(crate) fn ask_for_sockets(mut stream: &UnixStream) -> io::Result<Offer> {
    stream.write_all(format!("{}\n", serde_json::to_string(&Question::TakeOver(true))?).as_bytes())?;
    // Octet by octet, for those behind the line come with descriptors, which are not for a buffer.
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') && (line.len() as u64) < LONGEST {
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        line.extend(octet);
    }
    match serde_json::from_slice(&line)? {
        Reply::Offer(offer) => Ok(offer),
        Reply::Error(problem) => Err(io::Error::other(problem)),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the server answered another question")
}

fn ask(socket: &Path, question: &Question) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{}\n", serde_json::to_string(question)?).as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Who is asked.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) core: Arc<ServerCore>,
    pub(crate) net: Arc<Net<ServerCore>>,
    pub(crate) reloader: Arc<Reloader>,
}

impl Asked {
    pub(crate) fn stats(&self) -> Stats {
        self.core.stats().with_net(&self.net)
    }
}

/// The thread that answers.
pub(crate) struct Admin {
    path: PathBuf,
    core: Arc<ServerCore>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Takes the place of a socket at which a server listens that is being taken over from.
pub(crate) fn bind_over(path: &Path) -> io::Result<UnixListener> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    // That of a process which did not get this far.
    let _ = fs::remove_file(&aside);
    let listener = UnixListener::bind(&aside)?;
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o600))?;
    fs::rename(&aside, path)?;
    Ok(listener)
}

/// Takes the place of a socket that nobody listens on any more.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let is_socket = fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket {
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server uses it"));
        }
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Admin {
    pub(crate) fn start(path: &Path, listener: UnixListener, asked: Asked) -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (is_over, core) = (over.clone(), asked.core.clone());
        let run = move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                match stream {
                    // One after the other: a question is rare, and answered in milliseconds. Once a successor listens in this
                    // place nobody comes any more.
                    Ok(stream) => {
                        if matches!(serve(stream, &asked), Ok(Next::Over)) {
                            return;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the admin socket");
                        thread::sleep(Duration::from_millis(100));
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("admin".into()).spawn(run)?;
        Ok(Self { path: path.to_owned(), core, over, thread: Some(thread) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        if self.core.hand_over.is_over() {
            // The thread has ended, or is about to, and the socket in this place is the successor's.
            return drop(self.thread.take().map(JoinHandle::join));
        }
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread, which waits for somebody to come.
        let woken = UnixStream::connect(&self.path).is_ok();
        if let (Some(thread), true) = (self.thread.take(), woken) {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// What comes after a connection.
enum Next {
    Another,
    /// Everything was handed over.
    Over,
}

fn serve(stream: UnixStream, asked: &Asked) -> io::Result<Next> {
    let Asked { core, reloader, .. } = asked;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new((&stream).take(LONGEST));
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let reply = match serde_json::from_str(&line) {
            Ok(Question::Why(call)) => Reply::Messages(core.why(&call).into_iter().map(Line::from).collect()),
            Ok(Question::Stats(_)) => Reply::Stats(asked.stats()),
            Ok(Question::Bans(_)) => Reply::Bans(core.authority.guard.bans(Instant::now())),
            Ok(Question::Pardon(source)) => {
                Reply::Pardoned(core.authority.guard.pardon(Instant::now(), source))
            }
            Ok(Question::Reload(_)) => match reloader.reread() {
                Ok(reloaded) => Reply::Reloaded(reloaded),
                Err(error) => Reply::Error(error.to_string()),
            },
            Ok(Question::Process(_)) => Reply::Process(std::process::id()),
            Ok(Question::Restart(_)) => match reloader.restart() {
                Ok(process) => Reply::Restarting(process),
                Err(problem) => Reply::Error(problem),
            },
            Ok(Question::TakeOver(_)) => {
                let answer = |offer| {
                    let reply = match offer {
                        Ok(offer) => Reply::Offer(offer),
                        Err(problem) => Reply::Error(problem),
                    };
                    Ok(format!("{}\n", serde_json::to_string(&reply)?))
                };
                return Ok(if handover::give(&stream, asked, answer)? { Next::Over } else { Next::Another });
            }
            Ok(Question::Calls(_)) => Reply::Calls(core.calls(Instant::now(), 10_000)),
            Err(error) => Reply::Error(format!(
                "ask {{\"why\":\"CALL-ID\"}}, {{\"stats\":true}}, {{\"bans\":true}}, {{\"pardon\":\"ADDRESS\"}}, \
                 {{\"calls\":true}}, {{\"process\":true}}, {{\"restart\":true}} or {{\"reload\":true}}: {error}"
            )),
        };
        (&stream).write_all(format!("{}\n", serde_json::to_string(&reply)?).as_bytes())?;
        line.clear();
    }
    Ok(Next::Another)
}
