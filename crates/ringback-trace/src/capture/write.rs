//! Writing a pcap or pcapng file. IP, UDP and TCP headers are made up around what was sent, with right checksums and,
//! for streams, a handshake and sequence numbers, so that Wireshark puts messages together as on a real wire.

use super::container::Container;
use super::{CaptureFormat, Packet};
use ringback_sansio::{Map, Protocol};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What fits into a UDP datagram over IPv4.
const MAX_DATAGRAM: usize = 65_507;
/// What is put into one TCP segment.
const MAX_SEGMENT: usize = 1_440;
/// Streams that are told apart. The table starts over beyond, and Wireshark sees new connections.
const MAX_STREAMS: usize = 4_096;

const SYN: u8 = 0x02;
const PUSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Writes packets to a capture. What went over TLS or WebSocket stands in it in the clear.
#[derive(Debug)]
pub struct CaptureWriter<W: Write> {
    out: W,
    container: Container,
    /// The next sequence number of a direction.
    streams: Map<(SocketAddr, SocketAddr), u32>,
    identification: u16,
    record: Vec<u8>,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a pcap file. Hand in something buffered.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W) -> io::Result<Self> {
        Self::with_format(out, CaptureFormat::Pcap)
    }

    /// Begins a file of either format. A pcapng file may be continued: what is begun here is a section of its own.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn with_format(mut out: W, format: CaptureFormat) -> io::Result<Self> {
        let container = Container::begin(format, &mut out)?;
        Ok(Self { out, container, streams: Map::default(), identification: 0, record: Vec::new() })
    }

    /// Appends a packet. A datagram that is too long for UDP is cut.
    ///
    /// # Errors
    /// Those of the file, as when the disk is full.
    pub fn write(&mut self, packet: &Packet) -> io::Result<()> {
        let ends = one_family(packet.source, packet.destination);
        match packet.protocol {
            Protocol::Udp => {
                let payload = &packet.payload[..packet.payload.len().min(MAX_DATAGRAM)];
                self.datagram(packet, ends, payload)
            }
            _ => self.stream(packet, ends),
        }
    }

    /// Writes out what is buffered, so that the file can be read up to here.
    ///
    /// # Errors
    /// Those of the file.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes out what is buffered and gives the file back.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn datagram(&mut self, of: &Packet, ends: (SocketAddr, SocketAddr), payload: &[u8]) -> io::Result<()> {
        let mut segment = Vec::with_capacity(8 + payload.len());
        segment.extend(ends.0.port().to_be_bytes());
        segment.extend(ends.1.port().to_be_bytes());
        segment.extend(((8 + payload.len()) as u16).to_be_bytes());
        segment.extend([0, 0]);
        segment.extend(payload);
        // RFC 768: a sum of zero is sent as its other form.
        let sum = match transport_checksum(ends, 17, &segment) {
            0 => 0xffff,
            sum => sum,
        };
        segment[6..8].copy_from_slice(&sum.to_be_bytes());
        self.packet(of, ends, 17, &segment)
    }

    fn stream(&mut self, of: &Packet, ends: (SocketAddr, SocketAddr)) -> io::Result<()> {
        let (there, back) = (ends, (ends.1, ends.0));
        if !self.streams.contains_key(&there) {
            if self.streams.len() >= MAX_STREAMS {
                self.streams.clear();
            }
            self.streams.insert(there, 0);
            self.streams.insert(back, 0);
            self.segment(of, there, SYN, &[])?;
            self.segment(of, back, SYN | ACK, &[])?;
            self.segment(of, there, ACK, &[])?;
        }
        let mut parts = of.payload.chunks(MAX_SEGMENT).peekable();
        while let Some(part) = parts.next() {
            let push = if parts.peek().is_none() { PUSH } else { 0 };
            self.segment(of, there, ACK | push, part)?;
        }
        Ok(())
    }

    fn segment(
        &mut self,
        of: &Packet,
        ends: (SocketAddr, SocketAddr),
        flags: u8,
        payload: &[u8],
    ) -> io::Result<()> {
        let sequence = self.streams.get(&ends).copied().unwrap_or(0);
        let acknowledged =
            if flags & ACK == 0 { 0 } else { self.streams.get(&(ends.1, ends.0)).copied().unwrap_or(0) };
        let mut segment = Vec::with_capacity(20 + payload.len());
        segment.extend(ends.0.port().to_be_bytes());
        segment.extend(ends.1.port().to_be_bytes());
        segment.extend(sequence.to_be_bytes());
        segment.extend(acknowledged.to_be_bytes());
        segment.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        let sum = transport_checksum(ends, 6, &segment);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        let taken = payload.len() as u32 + u32::from(flags & SYN != 0);
        self.streams.insert(ends, sequence.wrapping_add(taken));
        self.packet(of, ends, 6, &segment)
    }

    /// Puts the IP header in front and writes the record.
    fn packet(
        &mut self,
        of: &Packet,
        ends: (SocketAddr, SocketAddr),
        protocol: u8,
        segment: &[u8],
    ) -> io::Result<()> {
        self.record.clear();
        match (ends.0.ip(), ends.1.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.identification = self.identification.wrapping_add(1);
                let mut header = [0; 20];
                header[0] = 0x45;
                header[2..4].copy_from_slice(&((20 + segment.len()) as u16).to_be_bytes());
                header[4..6].copy_from_slice(&self.identification.to_be_bytes());
                header[6] = 0x40; // Don't fragment.
                header[8] = 64;
                header[9] = protocol;
                header[12..16].copy_from_slice(&source.octets());
                header[16..20].copy_from_slice(&destination.octets());
                let sum = !fold(add(0, &header));
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                self.record.extend(header);
            }
            (source, destination) => {
                self.record.extend([0x60, 0, 0, 0]);
                self.record.extend((segment.len() as u16).to_be_bytes());
                self.record.extend([protocol, 64]);
                self.record.extend(as_v6(source).octets());
                self.record.extend(as_v6(destination).octets());
            }
        }
        self.record.extend(segment);
        self.container.record(&mut self.out, of, &self.record)
    }
}

/// IPv4 where both ends can be written so, else IPv6.
fn one_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let plain = |it: SocketAddr| SocketAddr::new(it.ip().to_canonical(), it.port());
    (plain(source), plain(destination))
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// The Internet checksum over the pseudo header and the segment, whose own field is zero (RFC 768, 9293, 8200 §8.1).
fn transport_checksum(ends: (SocketAddr, SocketAddr), protocol: u8, segment: &[u8]) -> u16 {
    let addresses = match (ends.0.ip(), ends.1.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => add(add(0, &source.octets()), &destination.octets()),
        (source, destination) => add(add(0, &as_v6(source).octets()), &as_v6(destination).octets()),
    };
    // Segments are far shorter than 64 KiB, so the length is one word in either pseudo header.
    !fold(add(addresses + u32::from(protocol) + segment.len() as u32, segment))
}

fn add(sum: u32, octets: &[u8]) -> u32 {
    octets.chunks(2).fold(sum, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
    })
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}
