//! Whoever has something for a connection writes it there and then.
//!
//! Through the queue a message wakes the task of the connection, which may be another thread's. That costs more than the
//! message, so it is done only for what the system does not take at once.

use super::plain;
use super::sealed::Sealed;
use crate::streams::Queued;
use bytes::Bytes;
use ringback_sansio::Flow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::tcp::OwnedWriteHalf;

/// What anybody may write into.
#[derive(Debug)]
pub(super) enum End {
    /// As it is.
    Plain(Arc<OwnedWriteHalf>),
    /// Under TLS.
    Sealed(Arc<Sealed>),
}

/// What a connection took at once.
pub(super) enum Taken {
    /// Nothing: it is full, or broken.
    Nothing,
    /// All but this, which has to be the next.
    Part(Queued),
    /// All of it.
    Whole,
}

/// The end that anybody writes into.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) flow: Flow,
    end: End,
    /// How many octets are in the queue, or on their way out of it.
    queued: Arc<AtomicUsize>,
    /// One message after the other.
    turn: Mutex<()>,
}

impl Direct {
    pub(super) fn new(flow: Flow, end: End, queued: Arc<AtomicUsize>) -> Self {
        Self { flow, end, queued, turn: Mutex::default() }
    }

    /// Writes what goes at once of some messages, and hands the rest to the queue. Tells whether anything was written.
    pub(crate) fn write(&self, messages: &[Bytes], mut queue: impl FnMut(Queued)) -> bool {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = self.queued.load(Ordering::Acquire) == 0;
        let taken = match &self.end {
            _ if !is_first => Taken::Nothing,
            End::Plain(stream) => plain::write(stream, messages),
            End::Sealed(sealed) => sealed.write_now(messages),
        };
        match taken {
            Taken::Nothing => {
                messages.iter().cloned().map(Queued::Message).for_each(queue);
                return false;
            }
            Taken::Part(rest) => queue(rest),
            Taken::Whole => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::pipe::Sink as _;
    use crate::connection::plain::Plain;
    use ringback_sansio::{FlowId, Protocol};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn what_the_system_does_not_take_is_queued_and_what_follows_waits_behind_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap();
        let mut there = TcpStream::connect(peer).await.unwrap();
        let (here, _) = listener.accept().await.unwrap();
        let (_reader, writer) = here.into_split();
        writer.writable().await.unwrap();
        let writer = Arc::new(writer);
        let queued = Arc::new(AtomicUsize::new(0));
        let flow = Flow { id: FlowId(1), protocol: Protocol::Tcp, local: peer, peer };
        let direct = Direct::new(flow, End::Plain(writer.clone()), queued.clone());

        let mut waiting = Vec::new();
        let mut sent = Vec::new();
        for round in 0..4_000_u32 {
            let message: Vec<u8> = round.to_be_bytes().repeat(2_000);
            sent.extend_from_slice(&message);
            direct.write(&[message.into()], |what| {
                queued.fetch_add(what.len(), Ordering::Relaxed);
                waiting.push(what);
            });
            if waiting.len() == 3 {
                break;
            }
        }
        let is_rest = |what: &Queued| matches!(what, Queued::Rest(_));
        assert!(waiting.len() == 3 && !waiting[1..].iter().any(is_rest), "{} wait", waiting.len());

        let mut task = Plain(writer);
        let (mut read, length) = (Vec::new(), sent.len() as u64);
        let mut whole = (&mut there).take(length);
        let (written, came) = tokio::join!(task.write(&waiting), whole.read_to_end(&mut read));
        assert_eq!((written.is_ok(), came.ok()), (true, Some(sent.len())));
        assert!(read == sent, "octets came in another order");
        queued.store(0, Ordering::Release);
        let two = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        assert!(direct.write(&two, |_| panic!("nothing waits any more")));
        let mut read = [0; 6];
        there.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"onetwo");
    }
}
