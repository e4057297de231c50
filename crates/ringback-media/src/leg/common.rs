//! What many legs say alike, coded once: the mix of a conference for all who only listen.
//!
//! A coder costs many times what the rest of a conference does, and all who are silent hear the same. A leg can go over from its own coder to
//! a common one and back at any packet: decoders live with the change as with a lost packet, and their state follows what they hear.

use super::coding::Coding;
use crate::AudioPayload;
use std::sync::Arc;

/// Formats that are coded at once; who speaks another one codes for itself.
const MAX_FORMATS: usize = 16;
/// So many periods after it was wanted last a coder is kept.
const KEPT: u32 = 50;

/// Coders that are shared by all legs whose peers have described the same format alike.
///
/// Each period begins with [`begin`](Self::begin); what it says is then to be had in each format by [`code`](Self::code), and is sent by
/// [`AudioLeg::send_coded`](crate::AudioLeg::send_coded).
#[derive(Debug)]
pub struct CommonCoders {
    /// Samples a second of the frames.
    rate: u32,
    coders: Vec<Coder>,
    frame: Vec<i16>,
}

#[derive(Debug)]
struct Coder {
    coding: Coding,
    coded: Coded,
    /// Periods since somebody wanted it.
    idle: u32,
    is_done: bool,
}

/// A frame in some format. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Coded {
    pub(super) format: AudioPayload,
    pub(super) payload: Arc<[u8]>,
}

impl CommonCoders {
    /// No coders yet; frames will have `rate` samples a second.
    pub fn new(rate: u32) -> Self {
        Self { rate, coders: Vec::new(), frame: Vec::new() }
    }

    /// Begins a period with what is said in it. Coders that were wanted of late code a period even if nobody asked in it, so that none
    /// misses a part of what it codes.
    pub fn begin(&mut self, frame: &[i16]) {
        self.coders.retain(|coder| coder.idle < KEPT);
        for coder in &mut self.coders {
            if !coder.is_done {
                coder.code(&self.frame);
            }
            coder.is_done = false;
            coder.idle += 1;
        }
        self.frame.clear();
        self.frame.extend_from_slice(frame);
    }

    /// What is said, in this format; `None` when more formats are wanted than are coded at once.
    pub fn code(&mut self, format: &AudioPayload) -> Option<Coded> {
        let at = match self.coders.iter().position(|coder| is_same(&coder.coded.format, format)) {
            Some(at) => at,
            None if self.coders.len() < MAX_FORMATS => {
                self.coders.push(Coder::new(format.clone(), self.rate));
                self.coders.len() - 1
            }
            None => return None,
        };
        let coder = self.coders.get_mut(at)?;
        coder.idle = 0;
        if !coder.is_done {
            coder.code(&self.frame);
        }
        Some(coder.coded.clone())
    }
}

impl Coder {
    fn new(format: AudioPayload, rate: u32) -> Self {
        let coding = Coding::new(format.clone(), rate);
        Self { coding, coded: Coded { format, payload: Arc::default() }, idle: 0, is_done: false }
    }

    fn code(&mut self, frame: &[i16]) {
        self.coded.payload = self.coding.encode(frame).into();
        self.is_done = true;
    }
}

/// Whether one coder does for both: the number of the payload type is not part of what is coded.
pub(super) fn is_same(one: &AudioPayload, other: &AudioPayload) -> bool {
    let (a, b) = (&one.described, &other.described);
    let is_alike = || a.name() == b.name() && a.clock_rate() == b.clock_rate() && a.fmtp() == b.fmtp();
    Arc::ptr_eq(&one.codec, &other.codec) && (Arc::ptr_eq(a, b) || is_alike())
}
