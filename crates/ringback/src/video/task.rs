//! The task that has the pictures of a call: a socket on one side, the application or a conference on the other.

use super::{OpenVideo, VideoCommand, VideoEnd, VideoEvent};
use crate::endpoint::Inner;
use crate::port::Port;
use crate::session::due;
use futures::StreamExt as _;
use ringback_media::{
    MediaPath, PathEvent, VideoIncoming, VideoLeg, VideoLegConfig, VideoLegEvent, VideoTransmit,
};
use ringback_net::{Direction, MediaKind, MediaSocket, OsEntropy, epoch};
use ringback_sdp::{NegotiatedDtls, NegotiatedMedia};
use std::net::SocketAddr;
use std::sync::Weak;
use std::time::Instant;
use tokio::sync::mpsc;

/// No packet of a picture is longer than a datagram on Ethernet.
const LONGEST: usize = 2_048;
/// What may wait for the task: more than a peer can change within a turn of it.
const TOLD: usize = 64;
/// Packets that are taken at a time before others have their turn.
const AT_ONCE: usize = 32;

/// What the task is told by that of its call. There are few of them: one for each exchange of offer and answer.
pub(crate) enum Told {
    /// What was agreed; `None` where there are no pictures, or none any more.
    Agreed(Option<Box<NegotiatedMedia>>),
    /// Others handle the packets from now on.
    Show(VideoEnd),
}

pub(crate) struct VideoTask {
    inner: Weak<Inner>,
    socket: MediaSocket,
    path: MediaPath,
    association: Option<NegotiatedDtls>,
    leg: Option<VideoLeg>,
    end: Option<VideoEnd>,
    cname: String,
    packet: Vec<u8>,
}

impl VideoTask {
    /// Starts the task, and gives the line to it. It ends with that.
    pub(crate) fn spawn(inner: Weak<Inner>, video: OpenVideo, cname: String) -> mpsc::Sender<Told> {
        let (tell, told) = mpsc::channel(TOLD);
        let Port { socket, path, .. } = *video.port;
        let (association, leg, end, packet) = (None, None, Some(video.end), Vec::new());
        let task = Self { inner, socket, path, association, leg, end, cname, packet };
        tokio::spawn(task.run(told));
        tell
    }

    async fn run(mut self, mut told: mpsc::Receiver<Told>) {
        let mut buffer = vec![0; LONGEST];
        loop {
            let now = Instant::now();
            let leg_due = self.leg.as_ref().and_then(|leg| leg.poll_timeout(now));
            let next = self.path.poll_timeout().into_iter().chain(leg_due).min();
            let hears = self.leg.is_some() || self.path.has_ice();
            tokio::select! {
                told = told.recv() => match told {
                    Some(Told::Agreed(agreed)) => self.agree(agreed.as_deref()),
                    Some(Told::Show(end)) => self.show_to(end),
                    // The call is over.
                    None => break,
                },
                received = self.socket.receive(&mut buffer), if hears => {
                    // An ICMP error of an earlier send; the next packets tell.
                    if let Ok((kind, length, from)) = received {
                        self.on_packet(kind, from, &mut buffer[..length]);
                    }
                }
                command = next_command(&mut self.end), if self.leg.is_some() => {
                    self.on_commands(command).await;
                }
                () = due(next) => {}
            }
            let now = Instant::now();
            if self.path.poll_timeout().is_some_and(|due| due <= now) {
                self.path.handle_timeout(now);
            }
            self.run_path().await;
            self.run_leg().await;
        }
        self.finish().await;
    }

    /// Starts the pictures, or changes them to what was agreed now.
    fn agree(&mut self, agreed: Option<&NegotiatedMedia>) {
        let now = Instant::now();
        let Some(agreed) = agreed else {
            // The numbers of the streams go with them: what comes back begins anew.
            if self.leg.take().is_some() {
                self.tell(VideoEvent::Agreed(Vec::new()));
            }
            return;
        };
        match &mut self.leg {
            Some(leg) => leg.renegotiate(agreed),
            None => {
                let config =
                    VideoLegConfig { agreed: agreed.clone(), cname: self.cname.clone(), epoch: epoch() };
                self.leg = Some(VideoLeg::new(now, config, &mut OsEntropy::new()));
                self.association = None;
            }
        }
        if let Some(inner) = self.inner.upgrade() {
            self.path.move_to(now, inner.reached(self.socket.rtp_address()));
        }
        self.path.agree(now, agreed);
        let known = std::mem::replace(&mut self.association, agreed.dtls.clone());
        let way = self.path.way();
        let Some(leg) = &mut self.leg else { return };
        if agreed.dtls.is_some() {
            if known != agreed.dtls {
                leg.await_keys();
            }
        } else if let Err(error) = leg.secure(agreed.crypto.as_ref()) {
            tracing::warn!(%error, "the other side's key is none; no pictures are sent or shown");
        }
        leg.follow(way);
        self.tell_formats();
    }

    /// Others handle the packets; who does hears what there is.
    fn show_to(&mut self, end: VideoEnd) {
        self.end = Some(end);
        self.tell_formats();
    }

    fn tell_formats(&mut self) {
        if let Some(formats) = self.leg.as_ref().map(VideoLeg::formats) {
            self.tell(VideoEvent::Agreed(formats));
        }
    }

    fn tell(&mut self, event: VideoEvent) {
        if let Some(end) = &mut self.end {
            end.tell(event);
        }
    }

    /// Does what the other end wants, and what of that waits already.
    async fn on_commands(&mut self, first: Option<VideoCommand>) {
        let mut next = first;
        for _ in 0..AT_ONCE {
            match next {
                Some(VideoCommand::Packet(line, packet)) => {
                    self.packet.clear();
                    let Some(leg) = &mut self.leg else { return };
                    if leg.send(Instant::now(), line, &packet, &mut self.packet)
                        && let Some(to) = leg.rtp_destination()
                    {
                        self.send(MediaKind::Rtp, to).await;
                    }
                }
                Some(VideoCommand::RequestKeyFrame(stream)) => {
                    if let Some(leg) = &mut self.leg {
                        leg.request_key_frame(stream);
                    }
                }
                // Nobody is there any more; others may come.
                None => {
                    self.end = None;
                    return;
                }
            }
            let waiting = self.end.as_mut().and_then(|end| end.said.try_recv().ok());
            let Some(waiting) = waiting else { return };
            next = Some(waiting);
        }
    }

    fn on_packet(&mut self, kind: MediaKind, from: SocketAddr, packet: &mut [u8]) {
        self.show(Direction::In, kind, from, packet);
        let now = Instant::now();
        let Some((from, length)) = self.path.receive(now, from, packet) else { return };
        let packet = packet.get_mut(..length).unwrap_or_default();
        let mut changed = Vec::new();
        let packet = match self.inner.upgrade().and_then(|inner| inner.media_hook.clone()) {
            Some(hook) => {
                changed.extend_from_slice(packet);
                if !hook(&mut changed) {
                    return;
                }
                &mut changed[..]
            }
            None => packet,
        };
        let Some(leg) = &mut self.leg else { return };
        match leg.receive(now, from, packet) {
            Ok(VideoIncoming::Packet(packet)) => self.tell(VideoEvent::Packet(packet)),
            Ok(VideoIncoming::Late | VideoIncoming::Rtcp) => {}
            Err(refused) => tracing::debug!(%from, ?refused, "a packet of a picture was refused"),
        }
    }

    /// Sends what the leg has to send, and passes on what it says.
    async fn run_leg(&mut self) {
        loop {
            self.packet.clear();
            let Some(leg) = &mut self.leg else { return };
            let Some(what) = leg.poll_transmit(Instant::now(), &mut self.packet) else { break };
            let (rtp, rtcp) = (leg.rtp_destination(), leg.rtcp_destination());
            match (what, rtp, rtcp) {
                (VideoTransmit::Rtp, Some(to), _) => self.send(MediaKind::Rtp, to).await,
                // RFC 5761: where both share a port, both come from one as well.
                (VideoTransmit::Rtcp, rtp, Some(to)) => {
                    let kind = if rtp == rtcp { MediaKind::Rtp } else { MediaKind::Rtcp };
                    self.send(kind, to).await;
                }
                _ => {}
            }
        }
        while let Some(event) = self.leg.as_mut().and_then(VideoLeg::poll_event) {
            match event {
                VideoLegEvent::KeyFrameWanted { line } => {
                    if let Some(end) = &mut self.end {
                        end.key_frame_wanted(line);
                    }
                }
                VideoLegEvent::Estimate(bit_rate) => self.tell(VideoEvent::Estimate(bit_rate)),
                VideoLegEvent::StreamEnded(stream) => self.tell(VideoEvent::StreamEnded(stream)),
            }
        }
    }

    async fn run_path(&mut self) {
        while let Some((to, datagram)) = self.path.poll_transmit() {
            // What is lost is repeated.
            if self.socket.send(MediaKind::Rtp, &datagram, to).await.is_ok() {
                self.show(Direction::Out, MediaKind::Rtp, to, &datagram);
            }
        }
        while let Some(event) = self.path.poll_event() {
            let way = self.path.way();
            match (event, &mut self.leg) {
                (PathEvent::Selected(_) | PathEvent::Lost, Some(leg)) => leg.follow(way),
                (PathEvent::Keys(keys), Some(leg)) => leg.set_keys(*keys),
                // The call goes on with its audio.
                (PathEvent::Failed(failure), Some(leg)) => {
                    leg.await_keys();
                    tracing::warn!(%failure, "there are no keys for the pictures; none are sent or shown");
                }
                // No connection of a relay leads here.
                (PathEvent::RelayLost, _) | (_, None) => {}
            }
        }
    }

    async fn send(&mut self, kind: MediaKind, to: SocketAddr) {
        let Some(to) = self.path.route(Instant::now(), to, &mut self.packet) else { return };
        // A packet that the network does not take now is lost, as it would be further on.
        if self.socket.send(kind, &self.packet, to).await.is_ok() {
            self.show(Direction::Out, kind, to, &self.packet);
        }
    }

    fn show(&self, direction: Direction, kind: MediaKind, peer: SocketAddr, packet: &[u8]) {
        if let Some(inner) = self.inner.upgrade() {
            inner.show_media(&self.socket, direction, kind, peer, packet);
        }
    }

    async fn finish(mut self) {
        let now = Instant::now();
        self.packet.clear();
        if let Some(leg) = &mut self.leg
            && leg.close(now, "the call is over", &mut self.packet)
            && let Some(to) = leg.rtcp_destination()
        {
            let kind = if leg.rtp_destination() == Some(to) { MediaKind::Rtp } else { MediaKind::Rtcp };
            self.send(kind, to).await;
        }
        self.path.close(now);
        self.run_path().await;
        let stats = self.leg.as_ref().map(VideoLeg::stats).unwrap_or_default();
        self.tell(VideoEvent::Ended(Box::new(stats)));
    }
}

async fn next_command(end: &mut Option<VideoEnd>) -> Option<VideoCommand> {
    match end {
        Some(end) => end.said.next().await,
        None => std::future::pending().await,
    }
}
