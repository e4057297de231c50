//! What stands around the packets of a capture that is written: a pcap or a pcapng file.

use super::Packet;
use ringback_sansio::Protocol;
use std::io::{self, Write};

/// A record begins with the IP header, version 4 or 6.
const LINKTYPE_RAW: u16 = 101;
/// A record begins with addresses of 48 bits, which are made up. libpcap has another number for raw IP inside than in files,
/// and refuses a file with two interfaces of it.
const LINKTYPE_ETHERNET: u16 = 1;
const ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
const SNAP_LENGTH: u32 = 262_144;

/// The interfaces of a pcapng file, by whose names a reader knows what each packet went by.
const INTERFACES: [Protocol; 5] = [Protocol::Udp, Protocol::Tcp, Protocol::Tls, Protocol::Ws, Protocol::Wss];

/// What kind of file a capture is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptureFormat {
    /// Read by everything; times in microseconds.
    #[default]
    Pcap,
    /// Times in nanoseconds, and for each packet by which transport it went, as the name of its interface.
    Pcapng,
}

/// The format that was begun.
#[derive(Debug)]
pub(super) struct Container(CaptureFormat);

impl Container {
    pub(super) fn begin(format: CaptureFormat, out: &mut impl Write) -> io::Result<Self> {
        match format {
            CaptureFormat::Pcap => {
                let mut header = Vec::with_capacity(24);
                header.extend(0xa1b2_c3d4u32.to_le_bytes()); // Microseconds.
                header.extend([2, 0, 4, 0]); // Version 2.4.
                header.extend([0; 8]); // UTC; accuracy unknown.
                header.extend(SNAP_LENGTH.to_le_bytes());
                header.extend(u32::from(LINKTYPE_RAW).to_le_bytes());
                out.write_all(&header)?;
            }
            CaptureFormat::Pcapng => {
                let mut section = Vec::new();
                section.extend(0x1a2b_3c4du32.to_le_bytes());
                section.extend([1, 0, 0, 0]); // Version 1.0.
                section.extend([0xff; 8]); // As long as it gets.
                option(&mut section, 4, b"ringback");
                end_of_options(&mut section);
                out.write_all(&block(0x0a0d_0d0a, &section))?;
                for protocol in INTERFACES {
                    let mut interface = Vec::new();
                    interface.extend(LINKTYPE_ETHERNET.to_le_bytes());
                    interface.extend([0, 0]);
                    interface.extend(SNAP_LENGTH.to_le_bytes());
                    option(&mut interface, 2, protocol.as_param().as_bytes());
                    option(&mut interface, 9, &[9]); // Nanoseconds.
                    end_of_options(&mut interface);
                    out.write_all(&block(1, &interface))?;
                }
            }
        }
        Ok(Self(format))
    }

    /// Appends the IP packet `octets` that `packet` became.
    pub(super) fn record(&self, out: &mut impl Write, packet: &Packet, octets: &[u8]) -> io::Result<()> {
        match self.0 {
            CaptureFormat::Pcap => {
                let length = (octets.len() as u32).to_le_bytes();
                out.write_all(&(packet.time.as_secs() as u32).to_le_bytes())?;
                out.write_all(&packet.time.subsec_micros().to_le_bytes())?;
                out.write_all(&length)?;
                out.write_all(&length)?;
                out.write_all(octets)
            }
            CaptureFormat::Pcapng => {
                let interface = INTERFACES.iter().position(|it| *it == packet.protocol).unwrap_or(0);
                let ether_type: [u8; 2] = match octets.first().map(|first| first >> 4) {
                    Some(6) => [0x86, 0xdd],
                    _ => [0x08, 0x00],
                };
                let frame = [&ADDRESSES[..], &ether_type, octets].concat();
                let length = (frame.len() as u32).to_le_bytes();
                let nanos = packet.time.as_nanos() as u64;
                let mut body = Vec::with_capacity(24 + frame.len());
                body.extend((interface as u32).to_le_bytes());
                body.extend(((nanos >> 32) as u32).to_le_bytes());
                body.extend((nanos as u32).to_le_bytes());
                body.extend(length);
                body.extend(length);
                padded(&mut body, &frame);
                out.write_all(&block(6, &body))
            }
        }
    }
}

/// A block of pcapng: its length stands at both ends.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (12 + body.len() as u32).to_le_bytes();
    [&kind.to_le_bytes(), &length, body, &length].concat()
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    padded(body, value);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

/// Everything in pcapng begins at a multiple of four octets.
fn padded(body: &mut Vec<u8>, octets: &[u8]) {
    body.extend(octets);
    body.resize(body.len().next_multiple_of(4), 0);
}
