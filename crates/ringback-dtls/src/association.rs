//! One association: from the first flight to the keys, and what of the peer is refused on the way.

use crate::handshake::{Handshake, Progress, Rtc};
use crate::keys::SrtpKeys;
use crate::{Certificate, is_dtls};
use ringback_sansio::Machine;
use ringback_sdp::DtlsRole;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A handshake has some twenty datagrams; what goes on for longer than these, repetitions and all, is none.
const MAX_DATAGRAMS: u32 = 256;
/// Octets of them together. A certificate of RSA with its chain is below ten thousand.
const MAX_OCTETS: usize = 128 * 1_024;
/// A peer that begins anew after so long has given up what was before.
const STUCK: Duration = Duration::from_secs(1);
/// A handshake of ours that has come to nothing for so long begins anew: the library does not repeat a flight to which a
/// part of the answer has come.
const ROUND: Duration = Duration::from_secs(3);
/// Between a failed handshake and the next.
const PAUSE: Duration = Duration::from_millis(150);
/// What makes no handshake may come from somebody who only knows the peer's address, so it begins anew; so many times.
const MAX_RESTARTS: u32 = 16;
/// How long the peer has to answer: as long as a call takes to be set up.
const PATIENCE: Duration = Duration::from_secs(30);
/// The peer repeats its last flight when ours was lost; how many datagrams are looked at for that.
const MAX_AFTER: u32 = 64;

/// What an association wants and says.
#[derive(Debug)]
pub enum DtlsOutput {
    /// A datagram is to be sent to the peer.
    Send(Vec<u8>),
    /// The handshake is done, with whom it was agreed.
    Keys(Box<SrtpKeys>),
    /// There will be no keys. Nothing may be sent.
    Failed(DtlsFailure),
    /// The peer has ended the association.
    Closed,
}

/// Why there are no keys.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsFailure {
    /// The peer shows another certificate than it has announced: somebody is between us.
    Fingerprint,
    /// The peer has no protection profile in common with us.
    Profile,
    /// The peer did not answer in time.
    Silence,
    /// It sent more than any handshake takes.
    TooMuch,
    /// It ended the association before there was one.
    Closed,
    /// What it sent makes no handshake.
    Handshake(String),
}

impl fmt::Display for DtlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint => {
                f.write_str("the other side shows another certificate than it has announced")
            }
            Self::Profile => f.write_str("no SRTP protection profile in common"),
            Self::Silence => f.write_str("the other side does not answer the DTLS handshake"),
            Self::TooMuch => f.write_str("the other side sends more than a DTLS handshake takes"),
            Self::Closed => f.write_str("the other side has ended the DTLS handshake"),
            Self::Handshake(why) => write!(f, "the DTLS handshake failed: {why}"),
        }
    }
}

impl std::error::Error for DtlsFailure {}

/// One association with one peer.
pub struct Association {
    handshake: Option<Box<dyn Handshake>>,
    certificate: Certificate,
    role: DtlsRole,
    fingerprints: Arc<[String]>,
    begun: Instant,
    latest: Instant,
    is_keyed: bool,
    datagrams: u32,
    octets: usize,
    restarts: u32,
    /// When the handshake began that is under way.
    tried: Instant,
    /// When the next one begins, while what is still on its way of a failed one is left alone.
    pause: Option<Instant>,
    outputs: VecDeque<DtlsOutput>,
}

impl Association {
    /// Begins: as the client it sends its first flight, as the server it waits. `fingerprints` are what the peer has announced, as they
    /// stand behind `a=fingerprint:`.
    ///
    /// # Errors
    /// [`DtlsFailure::Handshake`] when the library cannot draw randomness.
    pub fn new(
        now: Instant,
        certificate: &Certificate,
        role: DtlsRole,
        fingerprints: &[String],
    ) -> Result<Self, DtlsFailure> {
        let fingerprints: Arc<[String]> = fingerprints.into();
        let handshake = Rtc::new(now, certificate, role, Arc::clone(&fingerprints))?;
        let mut association = Self {
            handshake: Some(Box::new(handshake)),
            certificate: certificate.clone(),
            role,
            fingerprints,
            begun: now,
            latest: now,
            is_keyed: false,
            datagrams: 0,
            octets: 0,
            restarts: 0,
            tried: now,
            pause: None,
            outputs: VecDeque::new(),
        };
        association.send();
        Ok(association)
    }

    /// Whether the handshake is done.
    pub fn is_keyed(&self) -> bool {
        self.is_keyed
    }

    /// Whether it has come to an end, good or bad: nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.handshake.is_none()
    }

    /// Says good-bye to the peer, in what is polled then.
    pub fn close(&mut self, now: Instant) {
        if let Some(mut handshake) = self.handshake.take_if(|_| self.is_keyed) {
            handshake.close(now);
            while let Some(datagram) = handshake.poll_transmit() {
                self.outputs.push_back(DtlsOutput::Send(datagram));
            }
        }
    }

    fn take(&mut self, progress: Progress) {
        // An alert that is to go out goes first.
        self.send();
        match progress {
            Progress::None => {}
            Progress::Done(keys) => {
                self.is_keyed = true;
                self.datagrams = 0;
                self.outputs.push_back(DtlsOutput::Keys(keys));
            }
            Progress::Closed if self.is_keyed => {
                self.handshake = None;
                self.outputs.push_back(DtlsOutput::Closed);
            }
            Progress::Closed => self.fail(DtlsFailure::Closed),
            // Nobody can undo what is agreed by sending rubbish.
            Progress::Failed(_) if self.is_keyed => {}
            Progress::Failed(DtlsFailure::Handshake(_)) if self.restarts < MAX_RESTARTS => {
                self.restarts += 1;
                // Who waits is ready again before who begins.
                let pause = if self.role == DtlsRole::Server { PAUSE } else { PAUSE * 2 };
                self.pause = Some(self.latest + pause);
            }
            Progress::Failed(failure) => self.fail(failure),
            Progress::Silent => self.try_again(),
        }
    }

    /// The peer may not know yet that we call: an answer takes its time.
    fn try_again(&mut self) {
        self.pause = None;
        if self.latest.saturating_duration_since(self.begun) >= PATIENCE {
            return self.fail(DtlsFailure::Silence);
        }
        match Rtc::new(self.latest, &self.certificate, self.role, Arc::clone(&self.fingerprints)) {
            Ok(handshake) => {
                self.handshake = Some(Box::new(handshake));
                self.tried = self.latest;
                self.send();
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Whether the peer begins anew (RFC 6347 §4.2.8). To a handshake that is stuck its first flight would look like a copy
    /// of one that has come before.
    fn is_new_beginning(&self, datagram: &[u8]) -> bool {
        // A record of the first epoch, with a ClientHello that is the first message.
        let is_hello = matches!(datagram, [22, _, _, 0, 0, ..])
            && datagram.get(13) == Some(&1)
            && datagram.get(17..19) == Some(&[0, 0]);
        // Keys that are there stay until others are: only the peer can finish another handshake. It may not have heard
        // the end of the first.
        let is_late = self.role == DtlsRole::Server && self.latest >= self.tried + STUCK;
        is_hello && is_late && self.restarts < MAX_RESTARTS
    }

    /// When a handshake that we have begun is begun anew.
    fn round(&self) -> Option<Instant> {
        let is_ours = !self.is_keyed && self.role == DtlsRole::Client && self.handshake.is_some();
        is_ours.then(|| self.tried + ROUND)
    }

    fn fail(&mut self, failure: DtlsFailure) {
        self.handshake = None;
        self.outputs.push_back(DtlsOutput::Failed(failure));
    }

    fn send(&mut self) {
        while let Some(datagram) = self.handshake.as_mut().and_then(|it| it.poll_transmit()) {
            self.outputs.push_back(DtlsOutput::Send(datagram));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.is_keyed && self.handshake.is_some()).then(|| self.begun + PATIENCE)
    }
}

impl Machine for Association {
    type Input = Vec<u8>;
    type Output = DtlsOutput;

    /// Takes a datagram of the peer that [is DTLS](is_dtls).
    fn handle(&mut self, now: Instant, datagram: Vec<u8>) {
        self.latest = self.latest.max(now);
        let most = if self.is_keyed { MAX_AFTER } else { MAX_DATAGRAMS };
        if self.handshake.is_none()
            || self.pause.is_some()
            || !is_dtls(&datagram)
            || (self.is_keyed && self.datagrams >= most)
        {
            return;
        }
        self.datagrams += 1;
        self.octets = self.octets.saturating_add(datagram.len());
        if !self.is_keyed && (self.datagrams > most || self.octets > MAX_OCTETS) {
            return self.fail(DtlsFailure::TooMuch);
        }
        if self.is_new_beginning(&datagram) {
            self.restarts += 1;
            self.try_again();
        }
        let latest = self.latest;
        let progress = self.handshake.as_mut().map(|handshake| handshake.handle(latest, &datagram));
        self.take(progress.unwrap_or(Progress::None));
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
        let latest = self.latest;
        if self.deadline().is_some_and(|at| at <= latest) {
            return self.fail(DtlsFailure::Silence);
        }
        if self.pause.or(self.round()).is_some_and(|at| at <= latest) {
            return self.try_again();
        }
        if self.pause.is_some() {
            return;
        }
        if let Some(handshake) =
            self.handshake.as_mut().filter(|it| it.poll_timeout().is_some_and(|at| at <= latest))
        {
            let progress = handshake.handle_timeout(latest);
            self.take(progress);
        }
    }

    fn poll(&mut self) -> Option<DtlsOutput> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.pause.is_some() {
            return self.pause.min(self.deadline().or(self.pause));
        }
        let flight = self.handshake.as_ref().filter(|_| !self.is_keyed).and_then(|it| it.poll_timeout());
        [flight, self.round(), self.deadline()].into_iter().flatten().min()
    }
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association")
            .field("role", &self.role)
            .field("is_keyed", &self.is_keyed)
            .field("is_over", &self.is_over())
            .finish_non_exhaustive()
    }
}
