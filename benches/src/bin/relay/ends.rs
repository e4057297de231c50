//! The two ends of a call: they send RTP to the relay and check what comes from it.

use crate::Outcome;
use ringback_sansio::SeededEntropy;
use ringback_sdp::SessionDescription;
use ringback_sdp::attribute::Crypto;
use ringback_srtp::{Inbound, MasterKey, Outbound, Profile, sdes};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// Octets of a packet: RTP's header and 20 ms of PCMU.
const LENGTH: usize = 172;
const SUITE: Profile = Profile::AesCm128HmacSha1_80;

/// One end.
pub(crate) struct End {
    socket: UdpSocket,
    key: Option<MasterKey>,
    /// By which it protects and believes, once that is agreed.
    contexts: Option<(Outbound, Inbound)>,
    to: Option<SocketAddr>,
    ssrc: u32,
    sequence: u16,
    buffer: Vec<u8>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Packets that arrived and are not what was sent.
    pub(crate) spoilt: u64,
}

impl End {
    pub(crate) fn new(number: u64, encrypts: bool) -> Outcome<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let key = encrypts.then(|| MasterKey::generate(SUITE, &mut SeededEntropy::new(number)));
        Ok(Self {
            socket,
            key,
            contexts: None,
            to: None,
            ssrc: 0x0052_0000 | number as u32,
            sequence: 0,
            buffer: vec![0; 2_048],
            sent: 0,
            received: 0,
            spoilt: 0,
        })
    }

    /// What it says of itself.
    pub(crate) fn description(&self) -> Outcome<String> {
        let port = self.socket.local_addr()?.port();
        let (protocol, crypto) = match &self.key {
            Some(key) => ("RTP/SAVP", format!("a=crypto:1 {SUITE} {}\r\n", sdes::key_params(key))),
            None => ("RTP/AVP", String::new()),
        };
        Ok(format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} {protocol} 0\r\n\
             a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n{crypto}"
        ))
    }

    /// Takes what the relay says of itself.
    pub(crate) fn agree(&mut self, description: &[u8]) -> Outcome {
        let description = SessionDescription::parse(description)?;
        let media =
            description.media.first().filter(|media| media.port != 0).ok_or("the medium was refused")?;
        self.to = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, media.port)));
        if let Some(own) = &self.key {
            let line = media.all::<Crypto<'_>>().find(|line| line.suite == SUITE.name()).ok_or("no key")?;
            let theirs = Inbound::new(&sdes::keys(&line)?)?;
            self.contexts = Some((Outbound::new(own), theirs));
        }
        Ok(())
    }

    /// Sends one packet.
    pub(crate) fn speak(&mut self) -> Outcome {
        let to = self.to.ok_or("nowhere to send to")?;
        self.sequence = self.sequence.wrapping_add(1);
        let time = u32::from(self.sequence).wrapping_mul(160);
        self.buffer[..4].copy_from_slice(&[0x80, 0, (self.sequence >> 8) as u8, self.sequence as u8]);
        self.buffer[4..8].copy_from_slice(&time.to_be_bytes());
        self.buffer[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        self.buffer[12..LENGTH].fill(self.sequence as u8);
        let length = match &mut self.contexts {
            Some((outbound, _)) => outbound.protect_rtp(&mut self.buffer, LENGTH)?,
            None => LENGTH,
        };
        self.socket.send_to(&self.buffer[..length], to)?;
        self.sent += 1;
        Ok(())
    }

    /// Takes what has arrived.
    pub(crate) fn hear(&mut self) -> Outcome {
        loop {
            let length = match self.socket.recv(&mut self.buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let clear = match &mut self.contexts {
                Some((_, inbound)) => inbound.unprotect_rtp(&mut self.buffer[..length]).ok(),
                None => Some(length),
            };
            let payload = &self.buffer[12..LENGTH];
            let is_whole = clear == Some(LENGTH) && payload.iter().all(|octet| *octet == self.buffer[3]);
            self.received += u64::from(is_whole);
            self.spoilt += u64::from(!is_whole);
        }
    }
}
