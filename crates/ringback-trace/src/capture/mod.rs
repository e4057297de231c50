//! Captures: packets as files of tcpdump and Wireshark hold them.

mod container;
mod dissect;
mod file;
mod fragments;
mod read;
mod streams;
mod write;

pub use container::CaptureFormat;
pub use file::CaptureError;
pub use read::CaptureReader;
pub use write::CaptureWriter;

use bytes::Bytes;
use ringback_sansio::Protocol;
use std::net::SocketAddr;
use std::time::Duration;

/// A datagram, or a SIP message that was cut out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it was seen, since 1970.
    pub time: Duration,
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// By what. Everything that is not UDP is written as TCP; of a pcap file a reader tells only these two apart, of a
    /// pcapng file of ours all.
    pub protocol: Protocol,
    /// What is in it.
    pub payload: Bytes,
}
