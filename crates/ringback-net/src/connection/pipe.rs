//! What a connection is read from and written to: octets that are to be cut into messages, or whole messages.

use crate::streams::Queued;
use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use tokio::io::{AsyncRead, ReadBuf};

/// How much is read at once.
pub(super) const READ: usize = 16 << 10;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A piece of a stream.
    Octets(Bytes),
    /// One message.
    Message(Bytes),
    /// A sign of life, and nothing for the layers above.
    Alive,
}

/// The end of a connection that is read from.
pub(super) trait Source: Send {
    /// The next part; `None` at the end.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Part>>> + Send;
}

/// The end of a connection that is written to.
pub(super) trait Sink: Send {
    /// Writes all of it, so that nothing stays in buffers of ours.
    fn write(&mut self, batch: &[Queued]) -> impl Future<Output = io::Result<()>> + Send;

    /// Says that nothing more will come.
    fn end(&mut self) -> impl Future<Output = ()> + Send;
}

/// A stream, or one half of it. It keeps no buffer: most connections are idle most of the time.
pub(super) struct Octets<S>(pub(super) S);

impl<S: AsyncRead + Unpin + Send> Source for Octets<S> {
    async fn next(&mut self) -> io::Result<Option<Part>> {
        poll_fn(|cx| {
            // On the stack of this poll, so that it is there only while something is read.
            let mut space = [const { MaybeUninit::uninit() }; READ];
            let mut buffer = ReadBuf::uninit(&mut space);
            let polled = Pin::new(&mut self.0).poll_read(cx, &mut buffer);
            polled.map_ok(|()| match buffer.filled() {
                [] => None,
                read => Some(Part::Octets(Bytes::copy_from_slice(read))),
            })
        })
        .await
    }
}

/// What is written of a batch, as one piece.
pub(super) fn joined(batch: &[Queued]) -> Bytes {
    let mut messages = batch.iter().filter_map(Queued::octets);
    match (messages.next(), messages.next()) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only.clone(),
        (Some(first), Some(second)) => {
            let mut all = [&first[..], second].concat();
            messages.for_each(|bytes| all.extend_from_slice(bytes));
            all.into()
        }
    }
}
