//! What a connection is read from and written to: octets that are to be cut into messages, or whole messages.

use crate::streams::Queued;
use bytes::{Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How much is read at once: little while little comes, for thousands of connections are idle.
const READ: std::ops::RangeInclusive<usize> = 1 << 10..=16 << 10;

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

/// A stream, or one half of it.
pub(super) struct Octets<S> {
    stream: S,
    buffer: BytesMut,
    want: usize,
}

impl<S> Octets<S> {
    pub(super) fn reading(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new(), want: *READ.start() }
    }

    pub(super) fn writing(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new(), want: 0 }
    }
}

impl<S: AsyncRead + Unpin + Send> Source for Octets<S> {
    async fn next(&mut self) -> io::Result<Option<Part>> {
        self.buffer.reserve(self.want);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => return Ok(None),
            read if read >= self.want => self.want = (self.want * 4).min(*READ.end()),
            _ => self.want = *READ.start(),
        }
        Ok(Some(Part::Octets(self.buffer.split().freeze())))
    }
}

impl<S: AsyncWrite + Unpin + Send> Sink for Octets<S> {
    async fn write(&mut self, batch: &[Queued]) -> io::Result<()> {
        let mut messages = batch.iter().filter_map(|what| match what {
            Queued::Message(bytes) => Some(bytes),
            // Streams are pinged by a message of line ends.
            Queued::Ping => None,
        });
        match (messages.next(), messages.next()) {
            (Some(only), None) => self.stream.write_all(only).await?,
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(messages);
                let all = all.fold(Vec::new(), |mut all, bytes| {
                    all.extend_from_slice(bytes);
                    all
                });
                self.stream.write_all(&all).await?;
            }
            (None, _) => {}
        }
        // TLS may keep a rest to itself.
        self.stream.flush().await
    }

    async fn end(&mut self) {
        let _ = self.stream.shutdown().await;
    }
}
