//! A connection without a layer in between.

use super::direct::Taken;
use super::pipe::{Sink, joined};
use crate::streams::Queued;
use bytes::{Buf as _, Bytes};
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
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

/// Writes what the system takes at once of some messages.
pub(super) fn write(stream: &OwnedWriteHalf, messages: &[Bytes]) -> Taken {
    // In one piece, for each writing costs more than copying.
    let whole = match messages {
        [only] => only.clone(),
        all => all.concat().into(),
    };
    // A connection that is broken is found so by its task, who knows what to do.
    match stream.try_write(&whole).unwrap_or(0) {
        0 => Taken::Nothing,
        written if written < whole.len() => Taken::Part(Queued::Rest(whole.slice(written..))),
        _ => Taken::Whole,
    }
}
