//! The way of the packets of a call, and their keys: what the path finds, and what the call makes of it.

use crate::call::CallEvent;
use crate::session::{Media, tell};
use ringback_media::{PathEvent, SrtpKeys};
use ringback_net::{Direction, MediaKind};
use ringback_ua::Session;
use std::time::Instant;
use tokio::sync::mpsc;

impl Media {
    /// Whether anything that comes in is looked at. Checks of ICE come before there is audio.
    pub(crate) fn hears(&self) -> bool {
        self.leg.is_some() || self.path.has_ice()
    }

    /// Protects the audio as was agreed.
    pub(crate) fn secure(&mut self, session: &Session) {
        let Some(leg) = &mut self.leg else { return };
        let known = std::mem::replace(&mut self.association, session.audio.dtls.clone());
        if let Some(agreed) = &session.audio.dtls {
            if known.as_ref() != Some(agreed) {
                leg.await_keys();
            }
        } else if let Err(error) = leg.secure(session.audio.crypto.as_ref()) {
            tracing::warn!(%error, "the other side's key is none; nothing is sent or heard");
        }
    }

    /// Lets the path know what was agreed.
    pub(crate) fn follow_ice(&mut self, now: Instant, session: &Session) {
        if let Some(inner) = self.inner.upgrade() {
            self.path.move_to(now, inner.reached(self.socket.rtp_address()));
        }
        self.path.agree(now, &session.audio);
        if let Some(leg) = &mut self.leg {
            leg.follow(self.path.way());
        }
    }

    /// Sends what the path has to send, and passes on what it says.
    pub(crate) async fn run_path(&mut self, events: &mpsc::Sender<Box<CallEvent>>) {
        self.send_path().await;
        while let Some(event) = self.path.poll_event() {
            match event {
                PathEvent::Selected(to) => {
                    self.follow();
                    tell(events, CallEvent::Path(to));
                }
                PathEvent::Lost => {
                    self.follow();
                    tell(events, CallEvent::MediaFailed("no way to the other side works".to_owned()));
                    self.look_again();
                }
                PathEvent::RelayLost => {
                    self.follow();
                    tell(events, CallEvent::RelayLost);
                }
                PathEvent::Keys(keys) => self.take_keys(*keys, events),
                PathEvent::Failed(failure) => {
                    tell(events, CallEvent::MediaFailed(failure.to_string()));
                    self.give_up();
                }
            }
        }
    }

    fn follow(&mut self) {
        if let Some(leg) = &mut self.leg {
            leg.follow(self.path.way());
        }
    }

    fn take_keys(&mut self, keys: SrtpKeys, events: &mpsc::Sender<Box<CallEvent>>) {
        tell(events, CallEvent::Secured(keys.profile));
        if let Some(leg) = &mut self.leg {
            leg.set_keys(keys);
        }
    }

    /// The way is gone: one of the two sides begins anew, the one that chose it.
    fn look_again(&mut self) {
        if let Some(inner) = self.inner.upgrade().filter(|_| self.path.is_controlling()) {
            let call = self.call;
            // A call that is not up has another chance with its answer.
            let _ = inner.command(|state, now| state.ua.restart_ice(now, call));
        }
    }

    /// Without keys there is no talking, and in clear there must not be any.
    fn give_up(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            let call = self.call;
            let _ = inner.command(|state, now| state.ua.hangup(now, call));
        }
    }

    /// Sends what the path has to send.
    pub(crate) async fn send_path(&mut self) {
        while let Some((to, datagram)) = self.path.poll_transmit() {
            // What is lost is repeated.
            if self.socket.send(MediaKind::Rtp, &datagram, to).await.is_ok() {
                self.show(Direction::Out, MediaKind::Rtp, to, &datagram);
            }
        }
        self.send_by_ways().await;
    }
}
