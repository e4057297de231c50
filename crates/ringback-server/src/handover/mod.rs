//! Hot restart: another process goes on with the sockets, and nobody who sends notices.
//!
//! The successor asks over the admin socket, and is sent duplicates of all sockets. While it reads the store, everything goes
//! on as before. Then comes the moment of the change: the predecessor stops taking what is new, has the store write what waits,
//! and says so; the successor reads once more what was changed meanwhile, and begins. From then on the predecessor still reads
//! the datagrams, because it alone knows which of them belong to what it has begun; the others it passes on. When everything is
//! over that it has begun, or its time is, it ends its readers, then itself, and the successor reads on. Whatever comes between
//! waits in the socket.
//!
//! Decision 26 says why it is so.

mod frame;
mod giving;
mod taking;

pub(crate) use giving::give;
pub(crate) use taking::Predecessor;

use crate::core::ServerCore;
use crate::shard::{Node, call_id};
use arc_swap::ArcSwapOption;
use ringback_message::{Message, Request, Response};
use ringback_net::{Flow, Listen};
use ringback_transport::passing;
use serde::{Deserialize, Serialize};
use std::io::{self, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Of what is said between the two processes.
const VERSION: u32 = 1;

/// What the predecessor has, said in a line before the descriptors: those of each listener, then that of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    version: u32,
    /// As they stood in its configuration.
    listeners: Vec<String>,
    /// How many sockets each of them has.
    workers: usize,
    /// Where HTTP was to be answered.
    http: Option<SocketAddr>,
}

impl Offer {
    /// The most sockets that a listener has.
    const MOST_WORKERS: usize = 256;
    /// The most listeners that are taken over.
    const MOST_LISTENERS: usize = 1024;

    /// Its listeners, where it can be taken: it is of this version, and says neither more sockets nor others than there are.
    fn listeners(&self) -> io::Result<Vec<Listen>> {
        if self.version != VERSION
            || self.workers > Self::MOST_WORKERS
            || self.listeners.len() > Self::MOST_LISTENERS
        {
            return Err(io::Error::other(
                "the server that runs is of another version; restart it the usual way",
            ));
        }
        self.listeners.iter().map(|text| text.parse().map_err(io::Error::other)).collect()
    }
}

/// What the two say to each other in between, an octet each.
mod word {
    /// The successor is ready to go on.
    pub(super) const FREEZE: u8 = b'f';
    /// The successor runs.
    pub(super) const STARTED: u8 = b's';
}

/// Whether somebody else goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Alone,
    /// There is a successor, which takes what is new.
    Over,
    /// There was one, and it is gone.
    Orphaned,
}

/// What a server knows of its successor, and of its predecessor.
#[derive(Debug)]
pub(crate) struct HandOver {
    /// Whether what is new goes to the successor.
    passes: AtomicBool,
    successor: ArcSwapOption<Successor>,
    stage: watch::Sender<Stage>,
    /// Whether there is a predecessor, which still reads the datagrams.
    pub(crate) has_predecessor: AtomicBool,
    /// Where HTTP is answered: as asked for, and the socket.
    pub(crate) http: Mutex<Option<(SocketAddr, TcpListener)>>,
}

/// The way to the successor.
#[derive(Debug)]
struct Successor(Mutex<UnixStream>);

impl Successor {
    fn write(&self, frame: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(frame)
    }
}

impl HandOver {
    pub(crate) fn new() -> Self {
        Self {
            passes: AtomicBool::new(false),
            successor: ArcSwapOption::empty(),
            stage: watch::Sender::new(Stage::Alone),
            has_predecessor: AtomicBool::new(false),
            http: Mutex::default(),
        }
    }

    /// Whether what is new goes to a successor. Asked with the lock of a shard held, which every shard's was once after this was
    /// set; so nothing begins in a shard after that.
    pub(crate) fn passes(&self) -> bool {
        self.passes.load(Ordering::Relaxed)
    }

    /// Whether there is, or was, a successor that runs.
    pub(crate) fn is_over(&self) -> bool {
        *self.stage.borrow() != Stage::Alone
    }

    /// Waits until a successor has gone on. Cancel safe.
    pub(crate) async fn over(&self) {
        self.wait_for(|stage| stage != Stage::Alone).await;
    }

    /// Waits until a successor that had gone on is gone. Cancel safe.
    pub(crate) async fn orphaned(&self) {
        self.wait_for(|stage| stage == Stage::Orphaned).await;
    }

    async fn wait_for(&self, is_so: impl Fn(Stage) -> bool) {
        // The sender is ours, and so is not gone.
        let _ = self.stage.subscribe().wait_for(|stage| is_so(*stage)).await;
    }

    /// Passes a datagram on.
    pub(crate) fn pass(&self, flow: &Flow, bytes: &[u8]) {
        let Some(successor) = self.successor.load_full() else { return };
        let Ok(listener) = u16::try_from(flow.id.0) else { return };
        let Ok(frame) = passing::write(listener, flow.peer, bytes) else { return };
        // One that is gone is noticed by who reads its end.
        let _ = successor.write(&frame);
    }

    /// Nothing more will be passed on.
    pub(crate) fn end(&self) {
        if let Some(successor) = self.successor.load_full() {
            let stream = successor.0.lock().unwrap_or_else(PoisonError::into_inner);
            // It is gone already where this fails.
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// Nothing is begun here any more, and what was begun is written.
    fn say_frozen(&self) -> io::Result<()> {
        self.successor.load_full().map_or(Ok(()), |successor| successor.write(&passing::FROZEN))
    }

    fn begin_to_pass(&self, stream: &UnixStream) -> io::Result<()> {
        self.successor.store(Some(Successor(Mutex::new(stream.try_clone()?)).into()));
        self.passes.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn pass_no_more(&self) {
        self.passes.store(false, Ordering::Relaxed);
        self.successor.store(None);
    }
}

impl ServerCore {
    /// Says whether a message over datagrams belongs to what was begun here, and not to the successor.
    pub(crate) fn keeps(&self, node: &mut Node, message: Message) -> (Message, bool) {
        match Request::try_from(message) {
            Ok(request) => {
                let keeps = node.transactions.has_request(&request) || self.is_of_call(node, &request);
                (request.into(), keeps)
            }
            Err(message) => match Response::try_from(message) {
                Ok(response) => {
                    let keeps = node.transactions.has_response(&response);
                    (response.into(), keeps)
                }
                Err(message) => (message, false),
            },
        }
    }

    /// Whether a request is of a call that is known here alone: its record is not written, its media go through here, a gateway
    /// counts it, or it leads over a connection of ours.
    fn is_of_call(&self, node: &Node, request: &Request) -> bool {
        let call = call_id(request);
        matches!(request.to_tag(), Ok(Some(_)))
            && (node.calls.as_ref().is_some_and(|calls| calls.follows(request))
                || node.relayed.knows(call)
                || self.gateways.knows(call)
                || node.proxy.leads_over_connection(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many listeners are taken from a line.
    fn taken(line: &str) -> Option<usize> {
        Some(serde_json::from_str::<Offer>(line).ok()?.listeners().ok()?.len())
    }

    fn line(version: u32, listeners: usize, workers: &str) -> String {
        let listeners = vec!["\"udp:127.0.0.1:5060\""; listeners].join(",");
        format!(r#"{{"version":{version},"listeners":[{listeners}],"workers":{workers},"http":null}}"#)
    }

    #[test]
    fn an_offer_is_taken_as_far_as_a_server_goes() {
        assert_eq!(taken(&line(VERSION, 2, "4")), Some(2));
        assert_eq!(taken(&line(VERSION, 1024, "256")), Some(1024));
        for (version, listeners, workers) in [
            (VERSION + 1, 2, "4"),
            (VERSION, 1025, "4"),
            (VERSION, 2, "257"),
            (VERSION, 2, "18446744073709551615"),
            (VERSION, 2, "18446744073709551616"),
            (VERSION, 2, "-1"),
            (VERSION, 2, "[]"),
        ] {
            assert_eq!(taken(&line(version, listeners, workers)), None, "{version} {listeners} {workers}");
        }
        let offer = line(VERSION, 2, "4");
        for (good, bad) in [("udp:", "sctp:"), (":5060", ":65536"), ("127.0.0.1", "example.com"), ("[", "")] {
            assert_eq!(taken(&offer.replacen(good, bad, 1)), None, "{bad}");
        }
        for end in 0..offer.len() {
            assert_eq!(taken(&offer[..end]), None, "{end}");
        }
    }
}
