//! Reading a capture packet by packet.

use super::dissect::{self, Carried};
use super::file::Records;
use super::fragments::Fragments;
use super::streams::Streams;
use super::{CaptureError, Packet};
use bytes::Bytes;
use ringback_sansio::Protocol;
use std::collections::VecDeque;
use std::io::Read;

/// Reads the UDP datagrams and the SIP messages in TCP streams of a pcap or pcapng file.
///
/// Ethernet (with VLANs), Linux cooked, loopback and raw IP are understood, in IPv4 and IPv6; fragments are put
/// together. Everything else is passed over. Memory does not grow with the file.
#[derive(Debug)]
pub struct CaptureReader<R: Read> {
    records: Records<R>,
    fragments: Fragments,
    streams: Streams,
    ready: VecDeque<Packet>,
    ended: bool,
}

impl<R: Read> CaptureReader<R> {
    /// Reads from there. Hand in something buffered.
    pub fn new(input: R) -> Self {
        Self {
            records: Records::new(input),
            fragments: Fragments::default(),
            streams: Streams::default(),
            ready: VecDeque::new(),
            ended: false,
        }
    }
}

impl<R: Read> Iterator for CaptureReader<R> {
    type Item = Result<Packet, CaptureError>;

    /// The next packet. An error is the last item.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(packet) = self.ready.pop_front() {
                return Some(Ok(packet));
            }
            if self.ended {
                return None;
            }
            let record = match self.records.next() {
                Ok(Some(record)) => record,
                Ok(None) => {
                    self.ended = true;
                    return None;
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            };
            let mut whole = Vec::new();
            let carried = dissect::link(record.link, &record.frame)
                .and_then(|packet| dissect::ip(packet, &mut self.fragments, &mut whole));
            let packet = |source, destination, protocol, payload| Packet {
                time: record.time,
                source,
                destination,
                protocol,
                payload,
            };
            match carried {
                Some(Carried::Datagram { source, destination, payload }) => {
                    let payload = Bytes::copy_from_slice(payload);
                    self.ready.push_back(packet(source, destination, Protocol::Udp, payload));
                }
                Some(Carried::Segment { source, destination, segment }) => {
                    let mut found = Vec::new();
                    self.streams.take((source, destination), segment, &mut found);
                    let named = record.protocol.filter(|it| it.is_reliable());
                    let protocol = named.unwrap_or(Protocol::Tcp);
                    let messages = found.into_iter().map(|it| packet(source, destination, protocol, it));
                    self.ready.extend(messages);
                }
                None => {}
            }
        }
    }
}
