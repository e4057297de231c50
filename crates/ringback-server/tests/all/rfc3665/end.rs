//! Alice or Bob: plain sockets, and what came in over them.

use ringback_message::{HeaderId, Message};
use ringback_net::{Direction, Seen, Tap};
use ringback_sansio::Protocol;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long somebody waits: in 3.10 until 64 times T1 are over.
const PATIENCE: Duration = Duration::from_secs(60);

/// The way on which something came, and on which it is answered.
#[derive(Clone)]
pub(super) enum Way {
    Datagram(SocketAddr),
    Stream(Arc<TcpStream>),
}

pub(super) struct End {
    datagrams: UdpSocket,
    streams: SocketAddr,
    /// Connections of ours.
    opened: HashMap<SocketAddr, Arc<TcpStream>>,
    heard: Inbox<Way>,
    sender: Sender<(Message, Way)>,
}

impl End {
    pub(super) fn new() -> Self {
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let streams = listener.local_addr().unwrap();
        let (sender, heard) = mpsc::channel();
        let (socket, told) = (datagrams.try_clone().unwrap(), sender.clone());
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
                let message = Message::parse(buffer[..len].to_vec()).unwrap();
                if told.send((message, Way::Datagram(peer))).is_err() {
                    return;
                }
            }
        });
        let told = sender.clone();
        thread::spawn(move || listener.incoming().for_each(|stream| read(Arc::new(stream.unwrap()), &told)));
        Self { datagrams, streams, opened: HashMap::new(), heard: Inbox::new(heard), sender }
    }

    pub(super) fn port(&self, protocol: Protocol) -> u16 {
        match protocol {
            Protocol::Udp => self.datagrams.local_addr().unwrap().port(),
            _ => self.streams.port(),
        }
    }

    /// Sends to whom it has not heard of.
    pub(super) fn send(&mut self, protocol: Protocol, to: SocketAddr, message: &Message) {
        let way = if protocol == Protocol::Udp {
            Way::Datagram(to)
        } else {
            let told = &self.sender;
            let stream = self.opened.entry(to).or_insert_with(|| {
                let stream = Arc::new(TcpStream::connect(to).unwrap());
                read(stream.clone(), told);
                stream
            });
            Way::Stream(stream.clone())
        };
        self.answer(&way, message);
    }

    pub(super) fn answer(&self, way: &Way, message: &Message) {
        match way {
            Way::Datagram(peer) => drop(self.datagrams.send_to(&message.render(), peer).unwrap()),
            Way::Stream(stream) => (&**stream).write_all(&message.render()).unwrap(),
        }
    }

    /// Waits for a message and takes it out of what came; others wait.
    pub(super) fn take(&mut self, what: &str, is_it: impl Fn(&Message) -> bool) -> (Message, Way) {
        self.heard.take(what, is_it)
    }

    /// What came and was not taken.
    pub(super) fn rest(&mut self) -> Vec<Message> {
        self.heard.rest()
    }
}

fn read(stream: Arc<TcpStream>, told: &Sender<(Message, Way)>) {
    let told = told.clone();
    thread::spawn(move || {
        let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
        while let Ok(len @ 1..) = (&*stream).read(&mut piece) {
            bytes.extend_from_slice(&piece[..len]);
            while let Some(message) = cut(&mut bytes) {
                if told.send((message, Way::Stream(stream.clone()))).is_err() {
                    return;
                }
            }
        }
    });
}

/// The first message of a stream, if all of it is there.
pub(super) fn cut(bytes: &mut Vec<u8>) -> Option<Message> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = Message::parse(bytes[..end].to_vec()).unwrap();
    let length = std::str::from_utf8(head.values(HeaderId::CONTENT_LENGTH).next().unwrap()).unwrap();
    let length = end + length.parse::<usize>().unwrap();
    if bytes.len() < length {
        return None;
    }
    let rest = bytes.split_off(length);
    Some(Message::parse(std::mem::replace(bytes, rest)).unwrap())
}

/// What came over a channel, taken in any order.
pub(super) struct Inbox<W> {
    comes: Receiver<(Message, W)>,
    came: Vec<(Message, W)>,
}

impl<W> Inbox<W> {
    fn new(comes: Receiver<(Message, W)>) -> Self {
        Self { comes, came: Vec::new() }
    }

    pub(super) fn take(&mut self, what: &str, is_it: impl Fn(&Message) -> bool) -> (Message, W) {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.came.iter().position(|(message, _)| is_it(message)) {
                return self.came.remove(at);
            }
            match self.comes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(came) => self.came.push(came),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let came: Vec<&Message> = self.came.iter().map(|(message, _)| message).collect();
                    panic!("{what} did not come; what did: {came:#?}")
                }
            }
        }
    }

    pub(super) fn rest(&mut self) -> Vec<Message> {
        self.came.extend(self.comes.try_iter());
        self.came.drain(..).map(|(message, _)| message).collect()
    }
}

/// Sees what a server sends.
pub(super) struct Wire(Mutex<Sent>);

struct Sent {
    told: Sender<(Message, SocketAddr)>,
    /// What was written to each peer and is no whole message yet.
    streams: HashMap<SocketAddr, Vec<u8>>,
}

impl Wire {
    pub(super) fn new() -> (Arc<Self>, Inbox<SocketAddr>) {
        let (told, sent) = mpsc::channel();
        (Arc::new(Self(Mutex::new(Sent { told, streams: HashMap::new() }))), Inbox::new(sent))
    }
}

impl Tap for Wire {
    fn saw(&self, seen: Seen<'_>) {
        if seen.direction != Direction::Out {
            return;
        }
        let mut wire = self.0.lock().unwrap();
        let Sent { told, streams } = &mut *wire;
        let bytes = streams.entry(seen.peer).or_default();
        bytes.extend_from_slice(seen.bytes);
        while let Some(message) = cut(bytes) {
            let _ = told.send((message, seen.peer));
        }
    }
}
