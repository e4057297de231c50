//! The text of a call: a task with a socket of its own, which the task of the call tells what was agreed and what is typed.

use crate::CallError;
use crate::call::{Call, CallEvent};
use crate::endpoint::Inner;
use crate::port::Port;
use crate::session::{self, due, saw, tell};
use ringback_media::{MediaPath, PathEvent, PeerAddress, TextFormat, TextLeg};
use ringback_net::{Direction, MediaKind, MediaSocket, OsEntropy, epoch};
use ringback_sdp::{NegotiatedDtls, NegotiatedMedia};
use ringback_ua::LocalText;
use std::net::SocketAddr;
use std::sync::Weak;
use std::time::Instant;
use tokio::sync::mpsc;

/// Commands that may wait.
const COMMANDS: usize = 64;
/// The longest packet.
const LONGEST: usize = 2_048;
/// Octets of text that wait for the call to be up.
const MAX_WAITING: usize = 8_192;

/// Where the text of a call comes in.
pub(crate) struct TextPort {
    socket: MediaSocket,
    path: MediaPath,
}

impl TextPort {
    /// Makes it of a port, and says what the description of the call has of it.
    pub(crate) fn of(port: Port) -> (Self, LocalText) {
        let local = port.local;
        let (srtp, dtls, ice) = (local.srtp, local.dtls, local.ice);
        let text = LocalText { port: local.rtp.port(), srtp, dtls, ice };
        (Self { socket: port.socket, path: port.path }, text)
    }
}

impl Call {
    /// Sends text as it is typed, beside the audio: characters, `'\n'` for the end of a line, and `'\u{8}'` to take back the one before it.
    /// It goes at the pace that the other side reads, 30 characters a second where it says nothing; what is sent before the call is up
    /// waits, and where the other side takes [no text](crate::MediaInfo::has_text) it goes nowhere.
    ///
    /// # Errors
    /// When the audio is elsewhere, or the call is over.
    pub async fn send_text(&self, text: &str) -> Result<(), CallError> {
        self.command(session::Command::Text(text.to_owned())).await
    }
}

enum Command {
    Agree(Option<Box<NegotiatedMedia>>),
    Say(String),
}

/// The text of a call, as its task holds it. Dropping it ends the text.
pub(crate) struct Typed(mpsc::Sender<Command>);

impl Typed {
    /// Starts its task. What comes is told as [`CallEvent::Text`].
    pub(crate) fn spawn(
        port: TextPort,
        inner: Weak<Inner>,
        cname: String,
        events: mpsc::Sender<Box<CallEvent>>,
    ) -> Self {
        let (commands, commanded) = mpsc::channel(COMMANDS);
        let TextPort { socket, path } = port;
        let (leg, association, waiting, packet) = (None, None, String::new(), Vec::new());
        let task = Task { inner, socket, path, leg, association, cname, events, waiting, packet };
        tokio::spawn(task.run(commanded));
        Self(commands)
    }

    /// Takes what an offer and its answer came to; `None` where there is no text.
    pub(crate) fn agree(&self, media: Option<&NegotiatedMedia>) {
        self.command(Command::Agree(media.cloned().map(Box::new)));
    }

    /// Sends text.
    pub(crate) fn say(&self, text: String) {
        self.command(Command::Say(text));
    }

    fn command(&self, command: Command) {
        if self.0.try_send(command).is_err() {
            tracing::warn!("more text is typed than can be sent");
        }
    }
}

struct Task {
    inner: Weak<Inner>,
    socket: MediaSocket,
    path: MediaPath,
    leg: Option<TextLeg>,
    /// The handshake that keys come from.
    association: Option<NegotiatedDtls>,
    cname: String,
    events: mpsc::Sender<Box<CallEvent>>,
    /// What was typed before there is a leg.
    waiting: String,
    packet: Vec<u8>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut buffer = vec![0; LONGEST];
        loop {
            let leg = self.leg.as_ref().and_then(TextLeg::poll_timeout);
            let next = [leg, self.path.poll_timeout()].into_iter().flatten().min();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Agree(media)) => self.agree(media.as_deref()),
                    Some(Command::Say(text)) => self.say(&text),
                    None => break,
                },
                received = self.socket.receive(&mut buffer), if self.leg.is_some() || self.path.has_ice() => {
                    // An ICMP error of an earlier send; the next packets tell.
                    if let Ok((kind, length, from)) = received {
                        self.on_packet(kind, from, &mut buffer[..length]);
                    }
                }
                () = due(next) => self.path.handle_timeout(Instant::now()),
            }
            self.run_path().await;
            self.send_due().await;
        }
        let now = Instant::now();
        self.packet.clear();
        if let Some(leg) = &mut self.leg
            && leg.close(now, &mut self.packet)
        {
            self.send_rtcp().await;
        }
        self.path.close(now);
        self.run_path().await;
    }

    fn agree(&mut self, media: Option<&NegotiatedMedia>) {
        let now = Instant::now();
        let Some((media, format)) = media.and_then(|media| Some((media, TextFormat::negotiated(media)?)))
        else {
            self.leg = None;
            return;
        };
        let (direction, peer) = (media.direction, PeerAddress::negotiated(media));
        let leg = match &mut self.leg {
            Some(leg) => {
                leg.renegotiate(format, direction, peer);
                leg
            }
            None => {
                let (cname, entropy) = (self.cname.clone(), &mut OsEntropy::new());
                self.leg.insert(TextLeg::new(now, format, direction, peer, cname, epoch(), entropy))
            }
        };
        let known = std::mem::replace(&mut self.association, media.dtls.clone());
        if let Some(agreed) = &media.dtls {
            if known.as_ref() != Some(agreed) {
                leg.await_keys();
            }
        } else if let Err(error) = leg.secure(media.crypto.as_ref()) {
            tracing::warn!(%error, "the other side's key for text is none; nothing of it is sent or heard");
        }
        if let Some(inner) = self.inner.upgrade() {
            self.path.move_to(now, inner.reached(self.socket.rtp_address()));
        }
        self.path.agree(now, media);
        leg.follow(self.path.way());
        let waiting = std::mem::take(&mut self.waiting);
        self.say(&waiting);
    }

    fn say(&mut self, text: &str) {
        match &mut self.leg {
            Some(leg) => {
                if let Err(error) = leg.push(Instant::now(), text) {
                    tracing::warn!(%error, "text is not sent");
                }
            }
            None if self.waiting.len() + text.len() <= MAX_WAITING => self.waiting.push_str(text),
            None => tracing::warn!("text is not sent, as the call is not up"),
        }
    }

    fn on_packet(&mut self, kind: MediaKind, from: SocketAddr, packet: &mut [u8]) {
        let now = Instant::now();
        saw(&self.inner, &self.socket, Direction::In, kind, from, packet);
        let Some((from, length)) = self.path.receive(now, from, packet) else { return };
        let mut packet = packet.get(..length).unwrap_or(&[]).to_vec();
        let hook = self.inner.upgrade().and_then(|inner| inner.media_hook.clone());
        if hook.is_some_and(|hook| !hook(&mut packet)) {
            return;
        }
        let Some(leg) = &mut self.leg else { return };
        if let Err(refused) = leg.receive(now, from, &mut packet) {
            tracing::debug!(%from, ?refused, "a packet of text was refused");
        }
        let text = leg.take();
        if !text.is_empty() {
            tell(&self.events, CallEvent::Text(text));
        }
    }

    /// Sends what the path has to send, and follows what it finds.
    async fn run_path(&mut self) {
        while let Some((to, datagram)) = self.path.poll_transmit() {
            // What is lost is repeated.
            if self.socket.send(MediaKind::Rtp, &datagram, to).await.is_ok() {
                saw(&self.inner, &self.socket, Direction::Out, MediaKind::Rtp, to, &datagram);
            }
        }
        while let Some(event) = self.path.poll_event() {
            let Some(leg) = &mut self.leg else { continue };
            match event {
                PathEvent::Selected(_) | PathEvent::Lost => leg.follow(self.path.way()),
                PathEvent::Keys(keys) => leg.set_keys(*keys),
                PathEvent::Failed(failure) => tracing::warn!(%failure, "there are no keys for text"),
                // No connection of a relay leads here.
                PathEvent::RelayLost => {}
            }
        }
    }

    async fn send_due(&mut self) {
        let now = Instant::now();
        loop {
            self.packet.clear();
            let Some(leg) = &mut self.leg else { return };
            if leg.poll_packet(now, &mut self.packet) {
                if let Some(to) = leg.rtp_destination() {
                    self.send(MediaKind::Rtp, to).await;
                }
            } else if leg.poll_rtcp(now, &mut self.packet) {
                self.send_rtcp().await;
            } else {
                return;
            }
        }
    }

    async fn send_rtcp(&mut self) {
        let Some(leg) = &self.leg else { return };
        let (rtp, rtcp) = (leg.rtp_destination(), leg.rtcp_destination());
        if let Some(to) = rtcp {
            // RFC 5761: where both share a port, both come from one as well.
            let kind = if rtp == rtcp { MediaKind::Rtp } else { MediaKind::Rtcp };
            self.send(kind, to).await;
        }
    }

    async fn send(&mut self, kind: MediaKind, to: SocketAddr) {
        let Some(to) = self.path.route(Instant::now(), to, &mut self.packet) else { return };
        // What the network does not take is repeated by the next packets.
        if self.socket.send(kind, &self.packet, to).await.is_ok() {
            saw(&self.inner, &self.socket, Direction::Out, kind, to, &self.packet);
        }
    }
}
