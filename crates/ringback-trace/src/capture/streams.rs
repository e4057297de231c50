//! SIP messages cut out of TCP streams as a capture shows them: out of order, repeated, or begun in the middle.

use super::dissect::Segment;
use crate::message::begins_message;
use bytes::Bytes;
use ringback_sansio::Map;
use ringback_transport::{Frame, Framer, FramingLimits};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Directions that are followed; the oldest is given up.
const MAX_STREAMS: usize = 2_048;
/// Segments of one direction that wait for an earlier one, and how many octets they may be.
const MAX_WAITING: usize = 64;
const MAX_WAITING_OCTETS: usize = 262_144;

type Key = (SocketAddr, SocketAddr);

/// All streams of a capture.
#[derive(Debug, Default)]
pub(super) struct Streams {
    table: Map<Key, Stream>,
    /// Keys by age.
    order: VecDeque<Key>,
}

/// One direction of a connection.
#[derive(Debug)]
struct Stream {
    /// The sequence number that comes next; `None` while a message has to be found to begin with.
    next: Option<u32>,
    waiting: Vec<(u32, Bytes)>,
    framer: Framer,
}

impl Stream {
    fn new() -> Self {
        Self { next: None, waiting: Vec::new(), framer: Framer::new(FramingLimits::default()) }
    }
}

impl Streams {
    /// Takes a segment; gives the messages that it completes.
    pub(super) fn take(&mut self, key: Key, segment: Segment<'_>, found: &mut Vec<Bytes>) {
        if !self.table.contains_key(&key) {
            // Streams of other protocols are not worth a place.
            if !segment.syn && !begins_message(segment.payload) {
                return;
            }
            if self.order.len() >= MAX_STREAMS
                && let Some(oldest) = self.order.pop_front()
            {
                self.table.remove(&oldest);
            }
            self.order.push_back(key);
        }
        let stream = self.table.entry(key).or_insert_with(Stream::new);
        if segment.syn {
            *stream = Stream::new();
            stream.next = Some(segment.sequence.wrapping_add(1));
        }
        stream.add(segment.sequence.wrapping_add(u32::from(segment.syn)), segment.payload, found);
        if segment.last {
            self.table.remove(&key);
            self.order.retain(|it| *it != key);
        }
    }
}

impl Stream {
    fn add(&mut self, sequence: u32, payload: &[u8], found: &mut Vec<Bytes>) {
        if payload.is_empty() {
            return;
        }
        let next = match self.next {
            Some(next) => next,
            None if begins_message(payload) => sequence,
            None => return,
        };
        self.next = Some(next);
        match sequence.wrapping_sub(next) as i32 {
            // Sent again, perhaps with more behind it.
            ahead if ahead <= 0 => {
                if let Some(fresh) = payload.get(ahead.unsigned_abs() as usize..) {
                    self.push(fresh, found);
                }
            }
            _ => self.waiting.push((sequence, Bytes::copy_from_slice(payload))),
        }
        self.push_waiting(found);
        let octets: usize = self.waiting.iter().map(|(_, it)| it.len()).sum();
        if self.waiting.len() > MAX_WAITING || octets > MAX_WAITING_OCTETS {
            // The capture missed a segment: go on where the next message begins.
            *self = Self::new();
        }
    }

    /// Takes what waited for the octets that came.
    fn push_waiting(&mut self, found: &mut Vec<Bytes>) {
        while let Some(next) = self.next {
            let due = self.waiting.iter().position(|(sequence, _)| sequence.wrapping_sub(next) as i32 <= 0);
            let Some((sequence, payload)) = due.map(|at| self.waiting.swap_remove(at)) else { return };
            let old = next.wrapping_sub(sequence) as usize;
            if old < payload.len() {
                self.push(&payload[old..], found);
            }
        }
    }

    /// Takes octets that follow the ones before.
    fn push(&mut self, octets: &[u8], found: &mut Vec<Bytes>) {
        self.next = self.next.map(|next| next.wrapping_add(octets.len() as u32));
        self.framer.push(octets);
        while let Some(frame) = self.framer.poll() {
            match frame {
                Frame::Message(message) => found.push(message),
                Frame::Ping | Frame::Pong => {}
                Frame::Broken(..) => {
                    *self = Self::new();
                    return;
                }
            }
        }
    }
}
