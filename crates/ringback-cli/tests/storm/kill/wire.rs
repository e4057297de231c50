//! A socket that repeats what nobody answers, as UDP needs it (RFC 3261 §17.1).

use super::message::Message;
use socket2::SockRef;
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long a request waits before it is said again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often what waits is looked at.
const TICK: Duration = Duration::from_millis(50);

/// The requests of one socket that wait for their final response, and what each is about.
pub(crate) struct Wire<T> {
    socket: UdpSocket,
    server: SocketAddr,
    own: SocketAddr,
    waiting: HashMap<String, Waiting<T>>,
    count: u64,
    looked: Instant,
    space: Vec<u8>,
}

struct Waiting<T> {
    what: T,
    text: String,
    begun: Instant,
    sent: Instant,
    is_heard: bool,
}

impl<T> Wire<T> {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        // A smaller one loses datagrams when this machine is busy, which only costs time.
        let _ = SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        let own = socket.local_addr().unwrap();
        let (waiting, space) = (HashMap::new(), vec![0; 65_536]);
        Self { socket, server, own, waiting, count: 0, looked: Instant::now(), space }
    }

    /// Where it is reached.
    pub(crate) fn own(&self) -> SocketAddr {
        self.own
    }

    /// A Via of its own for the next request.
    pub(crate) fn via(&mut self) -> String {
        self.count += 1;
        format!("SIP/2.0/UDP {};rport;branch=z9hG4bK{}", self.own, self.count)
    }

    pub(crate) fn send(&self, text: &str) {
        // A server that is not there takes nothing, and that is what this is about.
        let _ = self.socket.send_to(text.as_bytes(), self.server);
    }

    /// Sends a request until it is answered.
    pub(crate) fn ask(&mut self, text: String, what: T) {
        self.send(&text);
        let (now, branch) = (Instant::now(), Message::read(text.as_bytes()).branch().to_owned());
        self.waiting.insert(branch, Waiting { what, text, begun: now, sent: now, is_heard: false });
    }

    /// The next message, and for a final response what its request was about; waits a millisecond at most.
    pub(crate) fn next(&mut self) -> Option<(Message, Option<T>)> {
        if self.looked.elapsed() >= TICK {
            self.looked = Instant::now();
            for waiting in self.waiting.values_mut() {
                if !waiting.is_heard && waiting.sent.elapsed() >= AGAIN {
                    waiting.sent = Instant::now();
                    let _ = self.socket.send_to(waiting.text.as_bytes(), self.server);
                }
            }
        }
        let length = self.socket.recv(&mut self.space).ok()?;
        let message = Message::read(&self.space[..length]);
        match message.status() {
            None => Some((message, None)),
            Some(100..200) => {
                if let Some(waiting) = self.waiting.get_mut(message.branch()) {
                    // RFC 3261 §17.1.1.2: an INVITE that is worked at is not repeated.
                    waiting.is_heard = message.about() == "INVITE";
                }
                None
            }
            Some(_) => {
                let waiting = self.waiting.remove(message.branch());
                Some((message, waiting.map(|waiting| waiting.what)))
            }
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What has waited since `limit`, if anything, in full.
    pub(crate) fn overdue(&self, limit: Duration) -> Option<&str> {
        let late = self.waiting.values().find(|waiting| waiting.begun.elapsed() > limit);
        late.map(|waiting| waiting.text.as_str())
    }

    /// Gives up what `is_lost` and hands it back.
    pub(crate) fn give_up(&mut self, is_lost: impl Fn(&T) -> bool) -> Vec<T> {
        self.waiting
            .extract_if(|_, waiting| is_lost(&waiting.what))
            .map(|(_, waiting)| waiting.what)
            .collect()
    }
}
