//! Where the layers meet: what the transactions report goes to the calls, what the calls ask for goes to the
//! transactions. Every match is exhaustive, so that a new output of a layer cannot be overlooked.

use crate::agent::{Hop, UserAgent};
use crate::outgoing::Purpose;
use crate::{CallKey, UaEvent, UaOutput};
use ringback_dialog::{CallEvent, DialogInput, DialogOutput};
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Message, Method, Request, Response};
use ringback_sansio::{Entropy, Machine};
use ringback_transaction::{Key, ServerKey, TransactionOutput};
use std::time::Instant;

impl<E: Entropy> UserAgent<E> {
    /// Carries outputs between the layers until there are none.
    pub(crate) fn pump(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.transactions.poll() {
                self.on_transaction(now, output);
            } else if let Some(output) = self.calls.poll() {
                self.on_dialog(now, output);
            } else if let Some(output) = self.events.poll() {
                self.on_events(now, output);
            } else {
                break;
            }
        }
    }

    fn on_transaction(&mut self, now: Instant, output: TransactionOutput) {
        match output {
            TransactionOutput::Transmit { key, to, bytes } => {
                self.outputs.push_back(UaOutput::Transmit { key, to, bytes });
            }
            TransactionOutput::Request(key, flow, request) => self.on_request(now, key, &flow, *request),
            TransactionOutput::Cancelled(key, cancel) => {
                let tag = self.transactions.to_tag(key);
                self.calls.handle(now, DialogInput::Cancelled { key, tag, cancel: *cancel });
            }
            TransactionOutput::Response(key, flow, response) => self.on_response(now, key, &flow, *response),
            TransactionOutput::Stray(_flow, message) => self.on_stray(now, *message),
            TransactionOutput::Ended(Key::Client(key), end) => self.on_client_ended(now, key, end),
            TransactionOutput::Ended(Key::Server(key), _end) => {
                self.forget_served(key);
                self.calls.handle(now, DialogInput::Over(key));
            }
        }
    }

    fn on_dialog(&mut self, now: Instant, output: DialogOutput) {
        match output {
            DialogOutput::Send { tag, call, hop, request } => {
                let account = self.callers.get(&call).copied();
                let hop = match (hop, account) {
                    (Some(uri), _) => Hop::Uri(uri, None),
                    (None, Some(account)) => self.first_hop(account, &request),
                    (None, None) => Hop::Nowhere,
                };
                self.dispatch(now, Purpose::Call(tag, call), account, hop, request);
            }
            DialogOutput::Cancel(tag) => self.cancel(now, tag),
            DialogOutput::Ack { call: _, hop, request } => self.send_ack(hop, request),
            DialogOutput::Respond(key, response) => self.respond(now, key, response),
            DialogOutput::Unhandled(key, call, request) => self.on_unhandled(now, key, call, &request),
            DialogOutput::Event(call, event) => self.on_call_event(call, event),
        }
    }

    /// Rule 16: an ACK is for a call or for nobody; it is never answered.
    fn on_stray(&mut self, now: Instant, message: Message) {
        match Request::try_from(message) {
            Ok(request) if *request.method() == Method::ACK => {
                self.calls.handle(now, DialogInput::Ack(request));
            }
            Ok(_) => {}
            Err(message) => {
                if let Ok(response) = Response::try_from(message) {
                    self.calls.handle(now, DialogInput::Stray(response));
                }
            }
        }
    }

    /// Responds, under our name.
    pub(crate) fn respond(&mut self, now: Instant, key: ServerKey, mut response: Response) {
        // The text came from the configuration; one that cannot be written is left out.
        let _ = response.set(HeaderId::SERVER, self.user_agent.as_str());
        let method = response.first::<CSeq>().and_then(Result::ok).map(|cseq| cseq.method);
        // RFC 3261 §13.3.1.4, RFC 3311 §5.1: an answered call should say what may be asked of it, and so should one
        // that can be asked something before.
        let says_so = match method {
            Some(Method::INVITE) => response.status().is_success() || response.has(HeaderId::RSEQ),
            Some(Method::UPDATE) => response.status().is_success(),
            _ => false,
        };
        if says_so {
            let _ = response.set(HeaderId::ALLOW, crate::inspect::allow());
            let _ = response.set(HeaderId::SUPPORTED, crate::inspect::supported());
            // RFC 6086 §5.2.1: we take INFO, and no package.
            let _ = response.set(HeaderId::RECV_INFO, "");
        }
        // Where the transaction is over there is nobody to answer.
        let _ = self.transactions.respond(now, key, response);
    }

    fn on_call_event(&mut self, call: CallKey, event: CallEvent) {
        let event = match event {
            CallEvent::Trying => UaEvent::Trying { call },
            CallEvent::Ringing(status) => UaEvent::Ringing { call, status },
            CallEvent::Redirected(target) => UaEvent::Redirected { call, target },
            CallEvent::EarlyMedia(session) => UaEvent::EarlyMedia { call, session },
            CallEvent::Offered(audio) => UaEvent::Offered { call, audio },
            CallEvent::Answered(session) => UaEvent::Answered { call, session },
            CallEvent::Changed(session) => UaEvent::SessionChanged { call, session },
            CallEvent::ChangeRefused(status, reason) => UaEvent::ChangeRefused { call, status, reason },
            CallEvent::TransferRequested { transfer, target, by } => {
                UaEvent::TransferRequested { call, transfer, target, by }
            }
            CallEvent::TransferProgress(status) => UaEvent::TransferProgress { call, status },
            CallEvent::TransferEnded(status) => UaEvent::TransferEnded { call, status },
            CallEvent::Connected(identity) => UaEvent::Connected { call, identity },
            CallEvent::Digit(digit, duration) => UaEvent::Digit { call, digit, duration },
            CallEvent::DigitsSent(status) => UaEvent::DigitsSent { call, status },
            CallEvent::MessageSent(number, status) => UaEvent::MessageSent { call, number, status },
            CallEvent::Ended(ending) => {
                self.forget_call(call);
                UaEvent::Ended { call, ending }
            }
        };
        self.tell(event);
    }
}
