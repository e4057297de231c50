//! Messages that are followed until they were read (RFC 5438).

use crate::account::accepted;
use crate::{Account, Endpoint, ReceivedMessage, RequestFailed};
use ringback_message::{StatusCode, UriBuf};
use ringback_net::epoch;
use ringback_ua::{MessageId, Receipt};
use tokio::sync::{mpsc, oneshot};

/// How many receipts of one message may wait.
const WAITING: usize = 8;
/// What is written here.
const TEXT: &str = "text/plain;charset=utf-8";

/// A message that somebody has taken, and what becomes of it. Dropping it changes nothing; nobody listens then.
pub struct SentMessage {
    endpoint: Endpoint,
    id: MessageId,
    status: StatusCode,
    receipts: mpsc::Receiver<Receipt>,
}

impl SentMessage {
    /// What it was taken with: 200, or 202 when it waits somewhere.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is told next of it, which may never come: nobody has to tell anything. `None` when the endpoint is gone. Cancel
    /// safe.
    pub async fn next(&mut self) -> Option<Receipt> {
        self.receipts.recv().await
    }
}

impl Drop for SentMessage {
    fn drop(&mut self) {
        let id = self.id.clone();
        self.endpoint.inner.command(|state, _| state.receipts.remove(&id));
    }
}

impl Account {
    /// Sends an instant message, and asks to be told when it is there and when it was read. Whoever does not know how to tell
    /// refuses it (415) or takes it and tells nothing.
    ///
    /// # Errors
    /// When it was refused or nobody answered.
    pub async fn message_with_receipts(
        &self,
        target: &str,
        text: &str,
    ) -> Result<SentMessage, RequestFailed> {
        let target = UriBuf::new(target).map_err(RequestFailed::Target)?;
        let (sender, receipts) = mpsc::channel(WAITING);
        let (answer, answered) = oneshot::channel();
        let (account, body, unix) = (self.key, text.to_owned(), epoch().unix);
        let command = self.endpoint.inner.command(|state, now| {
            let (request, id) = state.ua.message_with_receipts(now, account, &target, TEXT, body, unix)?;
            state.requests.insert(request, answer);
            // Before the answer, for a receipt may overtake it.
            state.receipts.insert(id.clone(), sender);
            Ok(id)
        });
        let id = command.map_err(RequestFailed::Command)?;
        let mut sent =
            SentMessage { endpoint: self.endpoint.clone(), id, status: StatusCode::TRYING, receipts };
        let reply = answered.await.map_err(|_| RequestFailed::Shutdown)?;
        sent.status = accepted(&reply)?;
        Ok(sent)
    }
}

impl Endpoint {
    /// Tells the sender of a message that it was read, where the sender has asked for that. It is told after the sender has
    /// heard that the message has come.
    pub fn displayed(&self, message: &ReceivedMessage) {
        if let Some(wish) = &message.wish {
            self.inner.command(|state, now| state.tell(now, wish, Receipt::Displayed));
        }
    }
}
