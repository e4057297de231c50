//! A connection without a layer in between: whoever has something for it writes it there and then.
//!
//! Through the queue a message wakes the task of the connection, which may be another thread's. That costs more than the
//! message, so it is done only for what the system does not take at once.

use super::pipe::{Sink, joined};
use crate::streams::Queued;
use bytes::{Buf as _, Bytes};
use ringback_sansio::Flow;
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::tcp::OwnedWriteHalf;

/// The end that its task writes into.
pub(super) struct Plain(pub(super) Arc<OwnedWriteHalf>);

impl Sink for Plain {
    async fn write(&mut self, batch: &[Queued]) -> io::Result<()> {
        let mut rest = joined(batch);
        while !rest.is_empty() {
            self.0.writable().await?;
            match self.0.try_write(&rest) {
                Ok(written) => rest.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn end(&mut self) {
        let _ = SockRef::from((*self.0).as_ref()).shutdown(Shutdown::Write);
    }
}

/// The end that anybody writes into.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) flow: Flow,
    stream: Arc<OwnedWriteHalf>,
    /// How many octets are in the queue, or on their way out of it.
    queued: Arc<AtomicUsize>,
    /// One message after the other.
    turn: Mutex<()>,
}

impl Direct {
    pub(super) fn new(flow: Flow, stream: Arc<OwnedWriteHalf>, queued: Arc<AtomicUsize>) -> Self {
        Self { flow, stream, queued, turn: Mutex::default() }
    }

    /// Writes what goes at once of some messages, and hands the rest to the queue. Tells whether anything was written.
    pub(crate) fn write(&self, messages: &[Bytes], mut queue: impl FnMut(Queued)) -> bool {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // In one piece, for each writing costs more than copying.
        let whole = match messages {
            [only] => only.clone(),
            all => all.concat().into(),
        };
        let is_first = self.queued.load(Ordering::Acquire) == 0;
        // A connection that is broken is found so by its task, who knows what to do.
        let written = if is_first { self.stream.try_write(&whole).unwrap_or(0) } else { 0 };
        if written == 0 {
            messages.iter().cloned().map(Queued::Message).for_each(queue);
        } else if written < whole.len() {
            queue(Queued::Rest(whole.slice(written..)));
        }
        written > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let direct = Direct::new(flow, writer.clone(), queued.clone());

        let mut waiting = Vec::new();
        let mut sent = Vec::new();
        for round in 0..4_000_u32 {
            let message: Vec<u8> = round.to_be_bytes().repeat(2_000);
            sent.extend_from_slice(&message);
            direct.write(&[message.into()], |what| {
                queued.fetch_add(what.octets().map_or(0, Bytes::len), Ordering::Relaxed);
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
